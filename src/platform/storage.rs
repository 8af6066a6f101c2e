//! What survives a killed tab, sealed in IndexedDB (public/storage.js): the draft, the outgoing
//! reports, the documents of each claim, and the bytes of each file.
//!
//! Promise: a save that was confirmed is on disk. Where the browser keeps nothing, everything stays
//! in memory and [`Storage::state`] says why; nothing else changes. What cannot be read is put
//! aside, never overwritten.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{Array, Function, Reflect, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use super::now_ms;

#[wasm_bindgen(js_namespace = baoanStore)]
extern "C" {
    #[wasm_bindgen(catch)]
    async fn open() -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch)]
    async fn names(prefix: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch)]
    async fn get(name: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch)]
    async fn put(name: &str, bytes: &Uint8Array, seen: f64) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch)]
    async fn remove(name: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch)]
    async fn sweep(now: f64, life: f64, keep: &Array) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch)]
    async fn wipe() -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch)]
    async fn alone(name: &str, most: u32) -> Result<JsValue, JsValue>;
}

/// Whether what is saved survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Kept,
    /// This browser keeps nothing, or no longer does: a private window, a locked-down webview, no
    /// encryption.
    Refused,
    /// There is no room left.
    Full,
    /// A newer version of the app has upgraded the database.
    Newer,
    /// A record could no longer be opened; it was put aside.
    Damaged,
}

/// Another tab has written since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict;

#[derive(Clone)]
pub struct Storage(Rc<Inner>);

struct Inner {
    state: Cell<State>,
    /// The database opened at startup; otherwise it is never used.
    opened: bool,
    /// What the database rejected. A handful at most.
    memory: RefCell<Vec<(String, Vec<u8>)>>,
    /// The record written by compare-and-set, and its revision as this page knows it.
    mine: RefCell<(String, f64)>,
}

pub const PHOTO: &str = "photo:";
const LONGEST_WAIT_MS: u32 = 15_000;
/// Records untouched this long are deleted.
const LIFETIME_MS: f64 = 7.0 * 86_400_000.0;

fn name_of(error: &JsValue) -> String {
    Reflect::get(error, &"name".into())
        .ok()
        .and_then(|n| n.as_string())
        .unwrap_or_default()
}

/// The name under which a photo is kept.
pub fn photo(id: &str) -> String {
    PHOTO.to_owned() + id
}

/// What lists show of a photo; it stays when the photo itself has been sent.
pub fn thumbnail(id: &str) -> String {
    "thumb:".to_owned() + id
}

impl Storage {
    pub async fn open() -> Storage {
        let outcome = open().await;
        let opened = outcome.is_ok();
        let storage = Storage(Rc::new(Inner {
            state: Cell::new(State::Kept),
            opened,
            memory: RefCell::default(),
            mine: RefCell::default(),
        }));
        if let Err(error) = outcome {
            storage.failed(&error);
        }
        storage
    }

    pub fn state(&self) -> State {
        self.0.state.get()
    }

    fn failed(&self, error: &JsValue) {
        self.0.state.set(match &*name_of(error) {
            "newer" => State::Newer,
            "full" => State::Full,
            _ => State::Refused,
        });
    }

    /// Nothing is read from or written to the database.
    fn is_refused(&self) -> bool {
        !self.0.opened
    }

    /// Writes; what the database rejects stays in memory.
    async fn keep(&self, name: &str, bytes: Vec<u8>, seen: f64) -> Result<(), Conflict> {
        if !self.is_refused() {
            match put(name, &Uint8Array::from(&bytes[..]), seen).await {
                Ok(revision) => {
                    self.seen(name, &revision);
                    self.unremember(name);
                    self.catch_up().await;
                    return Ok(());
                }
                Err(error) if name_of(&error) == "conflict" => return Err(Conflict),
                Err(error) => self.failed(&error),
            }
        }
        self.unremember(name);
        self.0.memory.borrow_mut().push((name.to_owned(), bytes));
        Ok(())
    }

    pub async fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        if let Some((_, bytes)) = self.0.memory.borrow().iter().find(|m| m.0 == name) {
            return Some(bytes.clone());
        }
        if self.is_refused() {
            return None;
        }
        match get(name).await {
            Ok(record) => {
                let field = |name: &str| Reflect::get(&record, &name.into()).ok();
                let bytes = field("bytes")?.dyn_into::<Uint8Array>().ok()?.to_vec();
                self.seen(name, &field("rev")?);
                Some(bytes)
            }
            Err(error) if name_of(&error) == "damaged" => {
                self.0.state.set(State::Damaged);
                None
            }
            Err(_) => None,
        }
    }

    /// The database works, perhaps again: retry what it rejected before.
    async fn catch_up(&self) {
        let waiting = self.0.memory.take();
        let mut kept = true;
        for (name, bytes) in waiting {
            if kept
                && put(&name, &Uint8Array::from(&bytes[..]), -1.0)
                    .await
                    .is_ok()
            {
                continue;
            }
            kept = false;
            self.0.memory.borrow_mut().push((name, bytes));
        }
        if kept && self.state() != State::Damaged {
            self.0.state.set(State::Kept);
        }
    }

    fn unremember(&self, name: &str) {
        self.0.memory.borrow_mut().retain(|m| m.0 != name);
    }

    fn seen(&self, name: &str, revision: &JsValue) {
        let mut mine = self.0.mine.borrow_mut();
        if mine.0 == name {
            mine.1 = revision.as_f64().unwrap_or_default();
        }
    }

    /// All names with this prefix, in order. `None`: the database does not answer.
    pub async fn names(&self, prefix: &str) -> Option<Vec<String>> {
        let mut found: Vec<String> = Vec::new();
        if !self.is_refused() {
            found.extend(
                Array::from(&names(prefix).await.ok()?)
                    .iter()
                    .filter_map(|n| n.as_string()),
            );
        }
        let memory = self.0.memory.borrow();
        for (name, _) in memory.iter().filter(|m| m.0.starts_with(prefix)) {
            if !found.contains(name) {
                found.push(name.clone());
            }
        }
        Some(found)
    }

    pub async fn text(&self, name: &str) -> Option<String> {
        String::from_utf8(self.bytes(name).await?).ok()
    }

    /// A text that several pages may change: [`Storage::save_mine`] then compares. There is one
    /// such record.
    pub async fn mine(&self, name: &str) -> Option<String> {
        *self.0.mine.borrow_mut() = (name.to_owned(), 0.0);
        self.text(name).await
    }

    pub async fn save(&self, name: &str, bytes: Vec<u8>) {
        // Nothing is compared, so nothing conflicts.
        let _ = self.keep(name, bytes, -1.0).await;
    }

    pub fn save_text(&self, name: &str, text: String) -> impl Future<Output = ()> {
        self.save(name, text.into_bytes())
    }

    /// The same, unless another tab has written it since it was read or saved here.
    ///
    /// # Errors
    /// [`Conflict`]; nothing was written.
    pub async fn save_mine(&self, name: &str, text: String) -> Result<(), Conflict> {
        let seen = self.0.mine.borrow().1;
        self.keep(name, text.into_bytes(), seen).await
    }

    /// Keeps a text that this app cannot read, for a version that can.
    pub async fn put_aside(&self, name: &str, text: String) {
        self.save_text(&format!("aside:{name}"), text).await;
    }

    pub async fn forget(&self, name: &str) {
        self.unremember(name);
        if !self.is_refused() {
            let _ = remove(name).await;
        }
    }

    /// Writes a photo and reads it back: some engines accept a write they cannot return.
    pub async fn save_photo(&self, id: &str, bytes: Vec<u8>) -> bool {
        let (length, name) = (bytes.len(), photo(id));
        self.save(&name, bytes).await;
        self.bytes(&name).await.is_some_and(|b| b.len() == length)
    }

    /// Deletes what nobody has touched for seven days of server time, which is known here, except
    /// `keep`.
    pub async fn sweep(&self, keep: &[String]) {
        if !self.is_refused() {
            let keep: Array = keep.iter().map(|n| JsValue::from_str(n)).collect();
            let _ = sweep(now_ms() as f64, LIFETIME_MS, &keep).await;
        }
    }

    /// Forgets everything, its key first.
    pub async fn wipe(&self) {
        self.0.memory.borrow_mut().clear();
        self.0.mine.borrow_mut().1 = 0.0;
        if !self.is_refused() {
            let _ = wipe().await;
        }
    }

    /// Until the guard is dropped, no other tab of this browser gets past the same call. If the
    /// browser has no locks, or a sleeping tab does not release one, we go on regardless: the work
    /// must be correct without the lock.
    pub async fn alone(&self, name: &str) -> Alone {
        Alone(
            alone(name, LONGEST_WAIT_MS)
                .await
                .ok()
                .and_then(|free| free.dyn_into().ok()),
        )
    }
}

pub struct Alone(Option<Function>);

impl Drop for Alone {
    fn drop(&mut self) {
        if let Some(free) = &self.0 {
            let _ = free.call0(&JsValue::UNDEFINED);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

    /// As the page loads it.
    async fn storage() -> Storage {
        if !Reflect::has(&js_sys::global(), &"baoanStore".into()).unwrap() {
            js_sys::eval(include_str!("../../public/storage.js")).unwrap();
        }
        Storage::open().await
    }

    #[wasm_bindgen_test]
    async fn what_was_saved_is_there_for_the_next_page() {
        let first = storage().await;
        assert_eq!(first.state(), State::Kept);
        first.save_text("record", "{\"v\":1}".into()).await;
        assert!(first.save_photo("a", vec![1, 2, 3]).await);
        let next = storage().await;
        assert_eq!(next.text("record").await.as_deref(), Some("{\"v\":1}"));
        assert_eq!(next.bytes(&photo("a")).await, Some(vec![1, 2, 3]));
        next.forget(&photo("a")).await;
        assert_eq!(first.bytes(&photo("a")).await, None);
    }

    #[wasm_bindgen_test]
    async fn of_two_tabs_the_second_to_write_is_told() {
        let (one, other) = (storage().await, storage().await);
        one.forget("both").await;
        assert_eq!(
            (one.mine("both").await, other.mine("both").await),
            (None, None)
        );
        assert_eq!(one.save_mine("both", "1".into()).await, Ok(()));
        assert_eq!(other.text("both").await.as_deref(), Some("1"));
        assert_eq!(other.save_mine("both", "2".into()).await, Ok(()));
        assert_eq!(one.save_mine("both", "3".into()).await, Err(Conflict));
        assert_eq!(one.text("both").await.as_deref(), Some("2"));
        assert_eq!(one.save_mine("both", "3".into()).await, Ok(()));
    }

    #[wasm_bindgen_test]
    async fn after_a_wipe_nothing_is_there_and_saving_goes_on() {
        let storage = storage().await;
        storage.save_text("secret", "x".into()).await;
        storage.wipe().await;
        assert_eq!(storage.text("secret").await, None);
        storage.save_text("secret", "y".into()).await;
        assert_eq!(storage.text("secret").await.as_deref(), Some("y"));
        assert_eq!(storage.state(), State::Kept);
    }

    #[wasm_bindgen_test]
    async fn only_one_is_past_the_lock() {
        let (one, other) = (storage().await, storage().await);
        let held = one.alone("door").await;
        let passed = Rc::new(Cell::new(false));
        let seen = passed.clone();
        wasm_bindgen_futures::spawn_local(async move {
            let _held = other.alone("door").await;
            seen.set(true);
        });
        super::super::sleep_ms(100).await;
        assert!(!passed.get());
        drop(held);
        while !passed.get() {
            super::super::sleep_ms(5).await;
        }
    }
}
