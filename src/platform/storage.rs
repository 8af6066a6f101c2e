//! What survives a killed tab, in IndexedDB: the draft, the reports on their way, the papers of each claim, and the
//! bytes of each file.
//!
//! Promise: a save that was reported is on disk. Where the browser refuses IndexedDB (a private window, a locked
//! down webview, a database that a newer version of the app has taken over), everything stays in memory and
//! [`Storage::is_durable`] says so; nothing else changes, and what cannot be read is never written over.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use idb::{Database, DatabaseEvent, Factory, ObjectStoreParams, TransactionMode};
use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};

const DATABASE: &str = "baoan";
const STORE: &str = "kept";
/// Goes up with every change of what is stored: an older app then leaves a newer database alone.
const VERSION: u32 = 1;

#[derive(Clone)]
pub struct Storage(Rc<Inner>);

struct Inner {
    database: RefCell<Option<Rc<Database>>>,
    /// Nothing is read from or written to the database.
    refused: Cell<bool>,
    /// What the database did not take.
    memory: RefCell<BTreeMap<String, Vec<u8>>>,
}

async fn open() -> Result<Database, idb::Error> {
    let mut request = Factory::new()?.open(DATABASE, Some(VERSION))?;
    request.on_upgrade_needed(|event| {
        if let Ok(database) = event.database() {
            let _ = database.create_object_store(STORE, ObjectStoreParams::new());
        }
    });
    request.await
}

enum Operation {
    Put(JsValue),
    Get,
    Delete,
}

/// One operation in a transaction of its own, to its commit.
async fn attempt(database: &Database, key: &JsValue, operation: &Operation) -> Result<JsValue, idb::Error> {
    let mode = if matches!(operation, Operation::Get) { TransactionMode::ReadOnly } else { TransactionMode::ReadWrite };
    let transaction = database.transaction(&[STORE], mode)?;
    let store = transaction.object_store(STORE)?;
    match operation {
        Operation::Get => return Ok(store.get(key.clone())?.await?.unwrap_or(JsValue::UNDEFINED)),
        Operation::Put(value) => drop(store.put(value, Some(key))?.await?),
        Operation::Delete => store.delete(key.clone())?.await?,
    }
    transaction.commit()?.await?;
    Ok(JsValue::UNDEFINED)
}

impl Storage {
    pub async fn open() -> Storage {
        let database = open().await.ok();
        let refused = Cell::new(database.is_none());
        Storage(Rc::new(Inner { database: RefCell::new(database.map(Rc::new)), refused, memory: RefCell::default() }))
    }

    /// `false`: closing the page loses what was typed, and the person must be told.
    pub fn is_durable(&self) -> bool {
        !self.0.refused.get() && self.0.memory.borrow().is_empty()
    }

    /// Carries out one operation; a connection that the browser closed (WebKit in the background) is opened again
    /// once. `None`: it failed twice.
    async fn run(&self, key: &str, operation: Operation) -> Option<JsValue> {
        for _ in 0..2 {
            if self.0.refused.get() {
                return None;
            }
            let known = self.0.database.borrow().clone();
            let database = match known {
                Some(database) => database,
                None => {
                    let fresh = Rc::new(open().await.ok()?);
                    *self.0.database.borrow_mut() = Some(fresh.clone());
                    fresh
                }
            };
            match attempt(&database, &JsValue::from_str(key), &operation).await {
                Ok(value) => return Some(value),
                Err(_) => *self.0.database.borrow_mut() = None,
            }
        }
        None
    }

    async fn put(&self, key: String, bytes: Vec<u8>) {
        let value = JsValue::from(Uint8Array::from(&bytes[..]));
        let kept = self.run(&key, Operation::Put(value)).await.is_some();
        let mut memory = self.0.memory.borrow_mut();
        if kept {
            memory.remove(&key)
        } else {
            memory.insert(key, bytes)
        };
    }

    async fn take(&self, key: &str) -> Option<Vec<u8>> {
        if let Some(bytes) = self.0.memory.borrow().get(key) {
            return Some(bytes.clone());
        }
        let value = self.run(key, Operation::Get).await?;
        Some(value.dyn_into::<Uint8Array>().ok()?.to_vec())
    }

    async fn remove(&self, key: &str) {
        self.0.memory.borrow_mut().remove(key);
        self.run(key, Operation::Delete).await;
    }

    /// A stored text. When even reading fails, the database is left as it is and everything stays in memory.
    pub async fn text(&self, key: &str) -> Option<String> {
        if let Some(bytes) = self.0.memory.borrow().get(key) {
            return String::from_utf8(bytes.clone()).ok();
        }
        let Some(value) = self.run(key, Operation::Get).await else {
            self.0.refused.set(true);
            return None;
        };
        String::from_utf8(value.dyn_into::<Uint8Array>().ok()?.to_vec()).ok()
    }

    pub async fn save_text(&self, key: &str, text: String) {
        self.put(key.to_owned(), text.into_bytes()).await;
    }

    /// Keeps a text that this app cannot read, for whoever can.
    pub async fn put_aside(&self, key: &str, text: String) {
        self.put(format!("{key}-aside"), text.into_bytes()).await;
    }

    pub async fn photo(&self, id: &str) -> Option<Vec<u8>> {
        self.take(&format!("photo:{id}")).await
    }

    /// Writes a photo and reads it back: some engines accept a write that they cannot give back.
    pub async fn save_photo(&self, id: &str, bytes: Vec<u8>) -> bool {
        let length = bytes.len();
        self.put(format!("photo:{id}"), bytes).await;
        self.photo(id).await.is_some_and(|b| b.len() == length)
    }

    pub async fn forget_photo(&self, id: &str) {
        self.remove(&format!("photo:{id}")).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

    #[wasm_bindgen_test]
    async fn what_was_saved_is_there_for_the_next_page() {
        let storage = Storage::open().await;
        assert!(storage.is_durable());
        storage.save_text("record", "{\"v\":1}".into()).await;
        assert!(storage.save_photo("a", vec![1, 2, 3]).await);
        let next = Storage::open().await;
        assert_eq!(next.text("record").await.as_deref(), Some("{\"v\":1}"));
        assert_eq!(next.photo("a").await, Some(vec![1, 2, 3]));
        next.forget_photo("a").await;
        assert_eq!(storage.photo("a").await, None);
    }

    #[wasm_bindgen_test]
    async fn a_connection_that_was_closed_is_opened_again() {
        let storage = Storage::open().await;
        storage.0.database.borrow().as_ref().unwrap().close();
        assert!(storage.save_photo("b", vec![7; 1000]).await);
        assert!(storage.is_durable());
    }
}
