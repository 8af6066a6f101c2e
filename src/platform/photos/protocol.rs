//! What a page and its photo workers say to each other, each message written and read in one place,
//! so that two programs agree on it by one type.

use claim_domain::Code;
use js_sys::{Array, ArrayBuffer, Object, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::Blob;

/// What a photo is made to fit: pixels of its longer side, and bytes.
#[derive(Clone, Copy)]
pub struct Fit {
    pub edge: u32,
    pub bytes: u32,
}

/// A file to shrink.
#[derive(Clone, Copy)]
pub struct Order {
    /// Without it: the most that the server takes.
    pub fit: Option<Fit>,
    /// The size of the thumbnail, if one is wanted.
    pub thumbnail: Option<Fit>,
    /// Measure the stored file, for the checks.
    pub look: bool,
    /// A PDF is welcome, too.
    pub pdf: bool,
    /// Read QR codes.
    pub codes: bool,
    /// The browser's decoders may be used.
    pub native: bool,
}

/// What a worker has to say of a file.
pub enum Answer {
    Done(Done),
    Wrong(Code),
    /// This program lacks what the file needs: the other one has it.
    Other,
}

/// The file to store, and what was found on it.
#[derive(Default)]
pub struct Done {
    pub bytes: Vec<u8>,
    pub thumbnail: Option<Vec<u8>>,
    /// Lower-case hex, of `bytes` and of the chosen file.
    pub sha256: String,
    pub original_sha256: String,
    /// Part of the chosen file was unreadable.
    pub salvaged: bool,
    /// A [`File`](claim_domain::documents::File) as JSON, which a page may send on unread; and the
    /// same with where it was taken, if it says so.
    pub paper: String,
    pub located: Option<String>,
    /// For the bench: width and height, milliseconds spent on shrinking and on measuring.
    pub size: (u32, u32),
    pub prepared_ms: f64,
    pub measured_ms: f64,
}

fn set(message: &Object, name: &str, value: impl Into<JsValue>) {
    let _ = Reflect::set(message, &JsValue::from_str(name), &value.into());
}

fn get(message: &JsValue, name: &str) -> JsValue {
    Reflect::get(message, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED)
}

impl Fit {
    fn read(message: &JsValue, edge: &str, bytes: &str) -> Option<Fit> {
        let asked = |name: &str| get(message, name).as_f64().filter(|n| *n >= 1.0);
        Some(Fit {
            edge: asked(edge)? as u32,
            bytes: asked(bytes)? as u32,
        })
    }
}

impl Order {
    pub fn to_message(self, file: &Blob) -> JsValue {
        let message = Object::new();
        set(&message, "file", file);
        let size = |fit: Option<Fit>| fit.map_or((0, 0), |fit| (fit.edge, fit.bytes));
        let ((edge, bytes), (small_edge, small_bytes)) = (size(self.fit), size(self.thumbnail));
        for (name, value) in [
            ("edge", edge),
            ("bytes", bytes),
            ("small_edge", small_edge),
            ("small_bytes", small_bytes),
            ("look", self.look.into()),
            ("pdf", self.pdf.into()),
            ("codes", self.codes.into()),
            ("native", self.native.into()),
        ] {
            set(&message, name, value);
        }
        message.into()
    }

    /// `None` if it names no file.
    pub fn from_message(message: &JsValue) -> Option<(Blob, Order)> {
        let is = |name: &str| get(message, name).is_truthy();
        let order = Order {
            fit: Fit::read(message, "edge", "bytes"),
            thumbnail: Fit::read(message, "small_edge", "small_bytes"),
            look: is("look"),
            pdf: is("pdf"),
            codes: is("codes"),
            native: is("native"),
        };
        Some((get(message, "file").dyn_into().ok()?, order))
    }
}

impl Answer {
    /// The message and the buffers to be handed over, not copied. `held`: bytes of the worker's
    /// memory.
    pub fn into_message(self, held: u32) -> (JsValue, Array) {
        let message = Object::new();
        let buffers = Array::new();
        let hand = |name: &str, bytes: &[u8]| {
            let buffer = Uint8Array::from(bytes).buffer();
            set(&message, name, &buffer);
            buffers.push(&buffer);
        };
        set(&message, "held", held);
        match self {
            Answer::Other => set(&message, "other", true),
            Answer::Wrong(code) => set(&message, "error", code.as_str()),
            Answer::Done(done) => {
                hand("bytes", &done.bytes);
                if let Some(small) = done.thumbnail {
                    hand("thumbnail", &small);
                }
                set(&message, "sha256", done.sha256);
                set(&message, "original_sha256", done.original_sha256);
                set(&message, "salvaged", done.salvaged);
                set(&message, "paper", done.paper);
                set(&message, "located", done.located);
                set(&message, "width", done.size.0);
                set(&message, "height", done.size.1);
                set(&message, "prepared_ms", done.prepared_ms);
                set(&message, "measured_ms", done.measured_ms);
            }
        }
        (message.into(), buffers)
    }

    /// The answer, and how many bytes of memory the worker holds. What only the bench reads stays
    /// unread.
    pub fn from_message(message: &JsValue) -> (Answer, f64) {
        let held = get(message, "held").as_f64().unwrap_or_default();
        let text = |name: &str| get(message, name).as_string();
        let bytes = |name: &str| {
            let buffer: ArrayBuffer = get(message, name).dyn_into().ok()?;
            Some(Uint8Array::new(&buffer).to_vec())
        };
        let answer = if get(message, "other").is_truthy() {
            Answer::Other
        } else if let Some(code) = text("error") {
            let known = Code::ALL.iter().find(|c| c.as_str() == code);
            Answer::Wrong(*known.unwrap_or(&Code::PhotoRead))
        } else if let Some(file) = bytes("bytes") {
            Answer::Done(Done {
                bytes: file,
                thumbnail: bytes("thumbnail"),
                sha256: text("sha256").unwrap_or_default(),
                original_sha256: text("original_sha256").unwrap_or_default(),
                salvaged: get(message, "salvaged").is_truthy(),
                paper: text("paper").unwrap_or_default(),
                located: text("located"),
                ..Done::default()
            })
        } else {
            Answer::Wrong(Code::PhotoDamaged)
        };
        (answer, held)
    }
}
