//! Photos on their way from a file input to the store: the page's side of the photo workers.
//!
//! Promise: every chosen file is worked on in its [`turn`], in the order chosen, whatever it is for.
//! A worker is started on first use, and killed when it takes too long.

mod protocol;
pub mod worker;

use std::cell::RefCell;
use std::rc::Rc;

use claim_domain::documents::File as Paper;
use claim_domain::draft::Prepared;
use claim_domain::{Code, Moment};
use futures::channel::oneshot;
use futures::future::{Either, select};
pub use protocol::Fit;
use protocol::{Answer, Done, Order};
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Event, File, HtmlInputElement, MessageEvent, Worker};

/// A photo takes a second; anything longer than this hangs, and is retried without the browser's
/// decoders.
const WATCHDOG_MS: u32 = 10_000;
/// A worker that holds more than this is not kept: WASM memory never shrinks.
const MOST_HELD: f64 = 120e6;

/// A file that somebody chose, or took in the page at a known time.
#[derive(Clone)]
pub struct Picked(File, Option<Moment>);

impl Picked {
    pub(super) fn new(file: File) -> Picked {
        Picked(file, None)
    }

    pub(super) fn taken(file: File, at: Moment) -> Picked {
        Picked(file, Some(at))
    }

    pub fn taken_at(&self) -> Option<Moment> {
        self.1
    }

    pub fn bytes(&self) -> u64 {
        self.0.size() as u64
    }

    pub fn name(&self) -> String {
        self.0.name()
    }

    /// The whole file; `None` if the host has withdrawn it meanwhile.
    pub async fn read(&self) -> Option<Vec<u8>> {
        gloo::file::futures::read_as_bytes(&gloo::file::Blob::from(web_sys::Blob::from(
            self.0.clone(),
        )))
        .await
        .ok()
    }
}

/// The files of an `<input type=file>`; the input is emptied, so that the same file may be chosen
/// again.
pub fn picked(event: &Event) -> Vec<Picked> {
    let Some(input) = event
        .target()
        .and_then(|t| t.dyn_into::<HtmlInputElement>().ok())
    else {
        return Vec::new();
    };
    let files = input
        .files()
        .map(|list| {
            (0..list.length())
                .filter_map(|i| list.get(i))
                .map(Picked::new)
                .collect()
        })
        .unwrap_or_default();
    input.set_value("");
    files
}

/// The worker for JPEG is kept; the other one is ended after each file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Jpeg,
    Other,
}

impl Which {
    fn link(self) -> &'static str {
        match self {
            Which::Jpeg => "photo-worker",
            Which::Other => "photo-rest",
        }
    }
}

thread_local! {
    static WORKER: RefCell<[Option<Running>; 2]> = const { RefCell::new([None, None]) };
    /// The end of the line of files: ready when the last one is done.
    static LAST: RefCell<Option<oneshot::Receiver<()>>> = const { RefCell::new(None) };
    /// The file whose turn it is; empty between two turns, and once it is cancelled.
    static CURRENT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The right to the workers; the next file's turn comes when it is dropped.
pub struct Turn(#[expect(dead_code, reason = "its drop is the message")] oneshot::Sender<()>);

impl Drop for Turn {
    fn drop(&mut self) {
        // Otherwise removing a photo that is done would end a worker that is warm.
        CURRENT.take();
    }
}

/// Waits until all files before this one are done.
pub async fn turn(id: &str) -> Turn {
    let (done, last) = oneshot::channel();
    if let Some(before) = LAST.replace(Some(last)) {
        let _ = before.await;
    }
    CURRENT.set(id.to_owned());
    Turn(done)
}

fn end(which: Which) {
    WORKER.with_borrow_mut(|w| w[which as usize] = None);
}

/// Cancels the file `id`, if it is its turn, and frees what it held.
pub fn cancel(id: &str) {
    if CURRENT.with_borrow(|current| current == id) {
        CURRENT.take();
        end(Which::Jpeg);
        end(Which::Other);
    }
}

struct Running {
    worker: Worker,
    /// Where the next message goes.
    answer: Rc<RefCell<Option<oneshot::Sender<JsValue>>>>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_error: Closure<dyn FnMut(Event)>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.worker.terminate();
    }
}

fn expect_message(which: Which) -> Option<oneshot::Receiver<JsValue>> {
    WORKER.with_borrow(|workers| {
        let (send, receive) = oneshot::channel();
        *workers[which as usize].as_ref()?.answer.borrow_mut() = Some(send);
        Some(receive)
    })
}

/// Waits for one message; ends a silent worker.
async fn message(which: Which, receive: oneshot::Receiver<JsValue>) -> Result<JsValue, Code> {
    match select(
        receive,
        gloo::timers::future::TimeoutFuture::new(WATCHDOG_MS),
    )
    .await
    {
        Either::Left((Ok(value), _)) => Ok(value),
        Either::Left((Err(_), _)) => {
            end(which);
            Err(Code::PhotoDamaged)
        }
        Either::Right(_) => {
            end(which);
            Err(Code::PhotoTimeout)
        }
    }
}

/// Starts the worker, unless it runs, and waits until it listens.
async fn start(which: Which) -> Result<(), Code> {
    if WORKER.with_borrow(|w| w[which as usize].is_some()) {
        return Ok(());
    }
    let url = super::page::link_href(which.link()).ok_or(Code::PhotoTimeout)?;
    let worker = Worker::new(&url).map_err(|_| Code::PhotoTimeout)?;
    let answer = Rc::new(RefCell::new(None::<oneshot::Sender<JsValue>>));
    let (on_answer, on_failure) = (answer.clone(), answer.clone());
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        if let Some(send) = on_answer.borrow_mut().take() {
            let _ = send.send(event.data());
        }
    });
    // Dropping the sender wakes the waiter with an error.
    let on_error =
        Closure::<dyn FnMut(Event)>::new(move |_: Event| drop(on_failure.borrow_mut().take()));
    worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
    let running = Running {
        worker,
        answer,
        _on_message: on_message,
        _on_error: on_error,
    };
    WORKER.with_borrow_mut(|w| w[which as usize] = Some(running));
    let ready = expect_message(which).ok_or(Code::PhotoTimeout)?;
    message(which, ready).await?;
    if which == Which::Jpeg {
        super::page::mark("photos-ready");
    }
    Ok(())
}

/// Fetches and starts the worker while the person still reads.
pub fn warm_up() {
    super::spawn(async {
        let _turn = turn("").await;
        let _ = start(Which::Jpeg).await;
    });
}

/// Makes a small upright JPEG of a file, and a thumbnail.
pub async fn prepare(
    _: &Turn,
    file: &Picked,
    fit: Fit,
    thumbnail: Fit,
) -> Result<(Vec<u8>, Vec<u8>, Prepared), Code> {
    let order = Order {
        fit: Some(fit),
        thumbnail: Some(thumbnail),
        look: false,
        pdf: false,
        codes: false,
        native: true,
    };
    let done = ask(file, order).await?;
    let result = Prepared {
        bytes: done.bytes.len() as u64,
        sha256: done.sha256,
        original_sha256: done.original_sha256,
        salvaged: done.salvaged,
        facts: done.paper,
        located: done.located,
    };
    let thumbnail = done.thumbnail.unwrap_or_else(|| done.bytes.clone());
    Ok((done.bytes, thumbnail, result))
}

/// The same for a file of a document, with everything measured on it. `pdf` accepts a PDF, `codes`
/// reads QR codes.
pub async fn prepare_paper(
    _: &Turn,
    file: &Picked,
    fit: Fit,
    pdf: bool,
    codes: bool,
) -> Result<(Vec<u8>, Paper), Code> {
    let order = Order {
        fit: Some(fit),
        thumbnail: None,
        look: true,
        pdf,
        codes,
        native: true,
    };
    let done = ask(file, order).await?;
    let paper = serde_json::from_str(&done.paper).map_err(|_| Code::PhotoRead)?;
    Ok((done.bytes, paper))
}

/// Tries the JPEG worker with the browser's decoders; if that hangs or crashes, without them; if
/// that fails too or the worker lacks what is needed, the other worker.
async fn ask(file: &Picked, order: Order) -> Result<Done, Code> {
    let is_wanted = || CURRENT.with_borrow(|current| !current.is_empty());
    let mut answer = send(Which::Jpeg, file, order).await;
    let ours = Order {
        native: false,
        ..order
    };
    if answer.is_err() && is_wanted() {
        answer = send(Which::Jpeg, file, ours).await;
    }
    if matches!(answer, Err(_) | Ok(Answer::Other)) && is_wanted() {
        answer = send(Which::Other, file, ours).await;
        end(Which::Other);
    }
    // The QR code reader is a third party's: if it crashes, check the file without it.
    if answer.is_err() && order.codes && is_wanted() {
        let plain = Order {
            codes: false,
            ..order
        };
        answer = send(Which::Jpeg, file, plain).await;
    }
    match answer? {
        Answer::Done(done) => Ok(done),
        Answer::Wrong(code) => Err(code),
        Answer::Other => Err(Code::PhotoDamaged),
    }
}

async fn send(which: Which, file: &Picked, order: Order) -> Result<Answer, Code> {
    start(which).await?;
    let receive = expect_message(which).ok_or(Code::PhotoTimeout)?;
    let sent = WORKER.with_borrow(|workers| {
        let running = workers[which as usize].as_ref()?;
        running.worker.post_message(&order.to_message(&file.0)).ok()
    });
    sent.ok_or(Code::PhotoRead)?;
    let (answer, held) = Answer::from_message(&message(which, receive).await?);
    if held > MOST_HELD {
        end(which);
    }
    Ok(answer)
}
