//! The photo worker: started on first use, one photo at a time, killed when it takes too long.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use claim_domain::documents::File as Paper;
use claim_domain::draft::Prepared;
use claim_domain::{Code, Moment};
use futures::channel::oneshot;
use futures::future::{Either, select};
use js_sys::{ArrayBuffer, Object, Reflect, Uint8Array};
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

/// What a photo is made to fit: pixels of its longer side, and bytes.
#[derive(Clone, Copy)]
pub struct Fit {
    pub edge: u32,
    pub bytes: u32,
}

/// What is wanted besides a small photo: a thumbnail, the measurements for the checks, PDF support,
/// QR code content.
#[derive(Clone, Copy)]
struct Wanted {
    thumbnail: Option<Fit>,
    look: bool,
    pdf: bool,
    codes: bool,
}

/// The quick worker is kept; the other one is ended after each file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Quick,
    Rest,
}

impl Which {
    fn link(self) -> &'static str {
        match self {
            Which::Quick => "photo-worker",
            Which::Rest => "photo-rest",
        }
    }
}

thread_local! {
    static WORKER: RefCell<[Option<Running>; 2]> = const { RefCell::new([None, None]) };
    static STARTING: Cell<bool> = const { Cell::new(false) };
    /// How often a photo was cancelled.
    static CANCELS: Cell<u32> = const { Cell::new(0) };
}

fn end(which: Which) {
    WORKER.with_borrow_mut(|w| w[which as usize] = None);
}

/// Cancels the photo in progress and frees what it held.
pub fn cancel() {
    CANCELS.set(CANCELS.get() + 1);
    end(Which::Quick);
    end(Which::Rest);
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
async fn message(
    which: Which,
    receive: oneshot::Receiver<JsValue>,
) -> Result<JsValue, &'static str> {
    match select(
        receive,
        gloo::timers::future::TimeoutFuture::new(WATCHDOG_MS),
    )
    .await
    {
        Either::Left((Ok(value), _)) => Ok(value),
        Either::Left((Err(_), _)) => {
            end(which);
            Err("photo-damaged")
        }
        Either::Right(_) => {
            end(which);
            Err("photo-timeout")
        }
    }
}

/// Starts the worker and waits until it listens. Concurrent callers wait for the same start.
async fn start(which: Which) -> Result<(), &'static str> {
    while STARTING.get() {
        super::sleep_ms(20).await;
    }
    if WORKER.with_borrow(|w| w[which as usize].is_some()) {
        return Ok(());
    }
    STARTING.set(true);
    let outcome = launch(which).await;
    STARTING.set(false);
    outcome
}

async fn launch(which: Which) -> Result<(), &'static str> {
    let url = super::page::link_href(which.link()).ok_or("photo-timeout")?;
    let worker = Worker::new(&url).map_err(|_| "photo-timeout")?;
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
    let ready = expect_message(which).ok_or("photo-timeout")?;
    message(which, ready).await?;
    if which == Which::Quick {
        super::page::mark("photos-ready");
    }
    Ok(())
}

/// Fetches and starts the worker while the person still reads.
pub fn warm_up() {
    super::spawn(async {
        let _ = start(Which::Quick).await;
    });
}

/// Makes a small upright JPEG of a file. The error names its sentence in the catalogue. One call at
/// a time: the session keeps the queue.
pub async fn prepare(
    file: &Picked,
    fit: Fit,
    thumbnail: Fit,
) -> Result<(Vec<u8>, Vec<u8>, Prepared), &'static str> {
    let answer = ask(
        file,
        fit,
        Wanted {
            thumbnail: Some(thumbnail),
            look: false,
            pdf: false,
            codes: false,
        },
    )
    .await?;
    let text = |name: &str| field(&answer, name).as_string().unwrap_or_default();
    let bytes = bytes_of(&answer, "bytes")?;
    let result = Prepared {
        bytes: bytes.len() as u64,
        sha256: text("sha256"),
        original_sha256: text("original_sha256"),
        salvaged: field(&answer, "salvaged").is_truthy(),
        facts: text("paper"),
        place: text("place"),
    };
    let thumbnail = bytes_of(&answer, "thumbnail").unwrap_or_else(|_| bytes.clone());
    Ok((bytes, thumbnail, result))
}

/// The same for a file of a document, with everything measured on it. `pdf` accepts a PDF, `codes`
/// reads QR codes.
pub async fn prepare_paper(
    file: &Picked,
    fit: Fit,
    pdf: bool,
    codes: bool,
) -> Result<(Vec<u8>, Paper), &'static str> {
    let answer = ask(
        file,
        fit,
        Wanted {
            thumbnail: None,
            look: true,
            pdf,
            codes,
        },
    )
    .await?;
    let paper = field(&answer, "paper")
        .as_string()
        .and_then(|json| serde_json::from_str(&json).ok());
    Ok((bytes_of(&answer, "bytes")?, paper.ok_or("photo-read")?))
}

fn field(answer: &JsValue, name: &str) -> JsValue {
    Reflect::get(answer, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED)
}

fn bytes_of(answer: &JsValue, name: &str) -> Result<Vec<u8>, &'static str> {
    field(answer, name)
        .dyn_into::<ArrayBuffer>()
        .map(|b| Uint8Array::new(&b).to_vec())
        .map_err(|_| "photo-damaged")
}

/// Tries the quick worker with the browser's decoders; if that hangs or crashes, without them; if
/// that fails too or the worker lacks what is needed, the other worker.
async fn ask(file: &Picked, fit: Fit, wanted: Wanted) -> Result<JsValue, &'static str> {
    let cancels = CANCELS.get();
    let is_wanted = || CANCELS.get() == cancels;
    let mut answer = order(Which::Quick, file, fit, wanted, true).await;
    if answer.is_err() && is_wanted() {
        answer = order(Which::Quick, file, fit, wanted, false).await;
    }
    if answer
        .as_ref()
        .map_or(true, |a| field(a, "other").is_truthy())
        && is_wanted()
    {
        answer = order(Which::Rest, file, fit, wanted, false).await;
        end(Which::Rest);
    }
    // The QR code reader is a third party's: if it crashes, check the file without it.
    if answer.is_err() && wanted.codes && is_wanted() {
        answer = order(
            Which::Quick,
            file,
            fit,
            Wanted {
                codes: false,
                ..wanted
            },
            true,
        )
        .await;
    }
    let answer = answer?;
    match field(&answer, "error").as_string() {
        Some(code) => Err(known_code(&code)),
        None => Ok(answer),
    }
}

async fn order(
    which: Which,
    file: &Picked,
    fit: Fit,
    wanted: Wanted,
    native: bool,
) -> Result<JsValue, &'static str> {
    start(which).await?;
    let receive = expect_message(which).ok_or("photo-timeout")?;
    let order = Object::new();
    let set =
        |name: &str, value: &JsValue| drop(Reflect::set(&order, &JsValue::from_str(name), value));
    set("file", file.0.as_ref());
    let (small_edge, small_bytes) = wanted.thumbnail.map_or((0, 0), |t| (t.edge, t.bytes));
    for (name, value) in [
        ("edge", fit.edge),
        ("bytes", fit.bytes),
        ("small_edge", small_edge),
        ("small_bytes", small_bytes),
    ] {
        set(name, &value.into());
    }
    for (name, value) in [
        ("native", native),
        ("look", wanted.look),
        ("pdf", wanted.pdf),
        ("codes", wanted.codes),
    ] {
        set(name, &value.into());
    }
    let sent = WORKER.with_borrow(|w| {
        w[which as usize]
            .as_ref()
            .map(|w| w.worker.post_message(&order))
    });
    sent.and_then(Result::ok).ok_or("photo-read")?;
    let answer = message(which, receive).await?;
    if field(&answer, "held")
        .as_f64()
        .is_some_and(|held| held > MOST_HELD)
    {
        end(which);
    }
    Ok(answer)
}

fn known_code(code: &str) -> &'static str {
    Code::ALL
        .iter()
        .map(|c| c.as_str())
        .find(|c| *c == code)
        .unwrap_or("photo-read")
}
