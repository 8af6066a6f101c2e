//! One type for everything that changes and everything that is tapped. Leptos instantiates its
//! machinery for every closure it is given; through these boxes it is compiled once, which takes 20
//! KB (brotli) off the wire.

use leptos::ev::{Event, MouseEvent};
use leptos::prelude::*;

/// A part of a page that is drawn again when a signal it read has changed.
pub fn live<V: IntoAny + 'static>(part: impl Fn() -> V + Send + 'static) -> AnyView {
    boxed(Box::new(move || part().into_any()))
}

fn boxed(part: Box<dyn Fn() -> AnyView + Send>) -> AnyView {
    part.into_any()
}

/// Runs now and whenever a signal it read has changed.
pub fn effect(run: impl FnMut() + 'static) {
    boxed_effect(Box::new(run));
}

fn boxed_effect(mut run: Box<dyn FnMut()>) {
    Effect::new(move |_| run());
}

/// For `on:click`.
pub fn click(then: impl FnMut(MouseEvent) + 'static) -> Box<dyn FnMut(MouseEvent)> {
    Box::new(then)
}

/// For `on:input` and `on:change`.
pub fn changed(then: impl FnMut(Event) + 'static) -> Box<dyn FnMut(Event)> {
    Box::new(then)
}
