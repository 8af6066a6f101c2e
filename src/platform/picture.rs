//! Text as a picture: webviews that cannot download can still save a picture by a long press.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use wasm_bindgen::JsCast;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement};

/// How a line is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Line {
    Title,
    Plain,
    /// A number of which every character counts.
    Exact,
}

const WIDTH: u32 = 750;
const MARGIN: f64 = 32.0;
/// iOS gives no pixels above this area (WebKit, CanvasBase.cpp).
const MOST_PIXELS: f64 = 16_000_000.0;

impl Line {
    fn font(self) -> (f64, &'static str) {
        match self {
            Line::Title => (40.0, "bold 36px sans-serif"),
            Line::Plain => (34.0, "24px sans-serif"),
            Line::Exact => (28.0, "20px monospace"),
        }
    }
}

/// The lines, wrapped, black on white, as a PNG. `None`: this browser cannot draw it, or it is too
/// large.
pub fn of_lines(lines: &[(Line, String)]) -> Option<Vec<u8>> {
    let canvas: HtmlCanvasElement = web_sys::window()?
        .document()?
        .create_element("canvas")
        .ok()?
        .dyn_into()
        .ok()?;
    let pen: CanvasRenderingContext2d = canvas.get_context("2d").ok()??.dyn_into().ok()?;
    let room = f64::from(WIDTH) - 2.0 * MARGIN;
    let mut rows = Vec::new();
    for (kind, text) in lines {
        pen.set_font(kind.font().1);
        let mut row = String::new();
        for letter in text.chars() {
            row.push(letter);
            if pen.measure_text(&row).ok()?.width() > room {
                row.pop();
                rows.push((*kind, std::mem::replace(&mut row, letter.into())));
            }
        }
        rows.push((*kind, row));
    }
    let height = rows.iter().map(|(kind, _)| kind.font().0).sum::<f64>() + 2.0 * MARGIN;
    if height * f64::from(WIDTH) > MOST_PIXELS {
        return None;
    }
    canvas.set_width(WIDTH);
    canvas.set_height(height as u32);
    pen.set_fill_style_str("#fff");
    pen.fill_rect(0.0, 0.0, f64::from(WIDTH), height);
    pen.set_fill_style_str("#000");
    let mut y = MARGIN;
    for (kind, row) in rows {
        let (line, font) = kind.font();
        y += line;
        pen.set_font(font);
        pen.fill_text(&row, MARGIN, y - line / 4.0).ok()?;
    }
    let url = canvas.to_data_url().ok()?;
    STANDARD
        .decode(url.strip_prefix("data:image/png;base64,")?)
        .ok()
}
