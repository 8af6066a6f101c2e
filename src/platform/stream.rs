//! Server-sent events as a wake-up call: it says that there is something new, the page then asks
//! what.

use std::cell::Cell;
use std::rc::Rc;

use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;
use web_sys::{EventSource, MessageEvent};

use super::now_ms;

/// An open stream; dropping it closes it.
pub struct Stream {
    source: EventSource,
    heard: Rc<Cell<i64>>,
    newest: Rc<Cell<u32>>,
    failed: Rc<Cell<bool>>,
    _listeners: [Closure<dyn FnMut(MessageEvent)>; 2],
    _error: Closure<dyn FnMut()>,
}

impl Stream {
    /// `None`: this browser does not support streams.
    pub fn open(path: &str) -> Option<Stream> {
        let source = EventSource::new(path).ok()?;
        let (heard, newest, failed) = (
            Rc::new(Cell::new(now_ms())),
            Rc::new(Cell::new(0)),
            Rc::new(Cell::new(false)),
        );
        let listener = || {
            let (heard, newest) = (heard.clone(), newest.clone());
            Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
                heard.set(now_ms());
                newest.set(event.last_event_id().parse().unwrap_or(0).max(newest.get()));
            })
        };
        let listeners = [listener(), listener()];
        let error = {
            let failed = failed.clone();
            Closure::<dyn FnMut()>::new(move || failed.set(true))
        };
        source.set_onmessage(Some(listeners[0].as_ref().unchecked_ref()));
        source
            .add_event_listener_with_callback("ping", listeners[1].as_ref().unchecked_ref())
            .ok()?;
        source.set_onerror(Some(error.as_ref().unchecked_ref()));
        Some(Stream {
            source,
            heard,
            newest,
            failed,
            _listeners: listeners,
            _error: error,
        })
    }

    /// Number of the newest event announced.
    pub fn newest(&self) -> u32 {
        self.newest.get()
    }

    /// It reported a failure, or nothing came for `ms`. The browser's own state does not count (iOS
    /// reports a dead stream as "open").
    pub fn is_dead(&self, ms: i64) -> bool {
        self.failed.get() || now_ms() - self.heard.get() > ms
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.source.set_onmessage(None);
        self.source.set_onerror(None);
        self.source.close();
    }
}
