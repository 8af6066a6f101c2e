//! A pad to sign on: strokes in thousandths of its width and height, drawn while they are made.

use gloo::events::EventListener;
use leptos::html::Canvas;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, PointerEvent};

/// Finer than a fingertip.
const STEP: i32 = 4;

pub fn pad(
    id: &'static str,
    label: &'static str,
    strokes: RwSignal<Vec<Vec<[u16; 2]>>>,
) -> AnyView {
    let node = NodeRef::<Canvas>::new();
    let drawing = RwSignal::new(None::<i32>);
    let at = move |event: &PointerEvent| {
        let canvas = node.get_untracked()?;
        let frame = canvas.get_bounding_client_rect();
        let share = |value: f64, of: f64| (value * 1000.0 / of.max(1.0)).clamp(0.0, 1000.0) as u16;
        Some([
            share(f64::from(event.client_x()) - frame.left(), frame.width()),
            share(f64::from(event.client_y()) - frame.top(), frame.height()),
        ])
    };
    let down = move |event: PointerEvent| {
        event.prevent_default();
        if let (None, Some(point)) = (drawing.get_untracked(), at(&event)) {
            if let Some(canvas) = node.get_untracked() {
                let _ = canvas.set_pointer_capture(event.pointer_id());
            }
            drawing.set(Some(event.pointer_id()));
            strokes.update(|s| s.push(vec![point]));
        }
    };
    let moved = move |event: PointerEvent| {
        if let (true, Some(point)) = (
            drawing.get_untracked() == Some(event.pointer_id()),
            at(&event),
        ) {
            let far = |last: &[u16; 2]| {
                (i32::from(last[0]) - i32::from(point[0])).abs()
                    + (i32::from(last[1]) - i32::from(point[1])).abs()
                    >= STEP
            };
            let news = strokes
                .with_untracked(|s| s.last().and_then(|stroke| stroke.last()).is_none_or(far));
            if news {
                strokes.update(|s| {
                    s.last_mut()
                        .into_iter()
                        .for_each(|stroke| stroke.push(point))
                });
            }
        }
    };
    let up = move |_: PointerEvent| drawing.set(None);
    Effect::new(move |_| strokes.with(|s| node.get().map(|canvas| draw(&canvas, s))));
    // A turned phone changes the size of the pad, not the signature.
    let turned = StoredValue::new_local(None::<EventListener>);
    Effect::new(move |_| {
        if let (Some(canvas), Some(window)) = (node.get(), web_sys::window()) {
            turned.set_value(Some(EventListener::new(&window, "resize", move |_| {
                strokes.with_untracked(|s| draw(&canvas, s))
            })));
        }
    });
    view! {
        <canvas class="pad" id=id role="img" aria-label=label node_ref=node
            on:pointerdown=down on:pointermove=moved on:pointerup=up on:pointercancel=up></canvas>
    }
    .into_any()
}

fn draw(canvas: &HtmlCanvasElement, strokes: &[Vec<[u16; 2]>]) {
    let (width, height) = (
        canvas.client_width().max(1) as u32 * 2,
        canvas.client_height().max(1) as u32 * 2,
    );
    // Setting the size also clears it.
    canvas.set_width(width);
    canvas.set_height(height);
    let context = canvas
        .get_context("2d")
        .ok()
        .flatten()
        .and_then(|c| c.dyn_into::<CanvasRenderingContext2d>().ok());
    let Some(context) = context else { return };
    context.set_line_width(5.0);
    context.set_line_cap("round");
    context.set_line_join("round");
    let place = |p: &[u16; 2]| {
        (
            f64::from(p[0]) * f64::from(width) / 1000.0,
            f64::from(p[1]) * f64::from(height) / 1000.0,
        )
    };
    for stroke in strokes {
        context.begin_path();
        for point in stroke {
            let (x, y) = place(point);
            context.line_to(x, y);
        }
        context.stroke();
    }
}
