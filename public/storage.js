// What survives a killed tab: the single interface to IndexedDB and WebCrypto, used by
// src/platform/storage.rs.
//
// Every value is sealed with AES-256-GCM under a key that cannot be read out of the browser
// (extractable: false), so an image or backup of the device is unreadable; deleting the key deletes
// everything. A record is { v, rev, at, iv, ct }; its name, form and revision are authenticated
// with it. Errors are named: 'conflict', 'damaged', 'newer', 'full', 'refused'.
'use strict';
(() => {
  const NAME = 'baoan';
  // Increases with every change of the stored format, so an older app leaves a newer database
  // alone.
  const VERSION = 2;
  const FORM = 2;
  const KEPT = 'kept';
  const KEYS = 'keys';
  // If the database does not open within this time we go on without it: the report must start
  // regardless.
  const PATIENCE_MS = 5000;

  /** @type {any} */
  let database = null;
  /** @type {any} */
  let key = null;
  // How far this device's clock is ahead of the server's, once known. Clocks are wrong and jump,
  // and a record written under a wrong one must not look old.
  let ahead;
  // Why there is no key.
  let missing = 'refused';

  const fail = (name) => { throw Object.assign(new Error(name), { name }); };
  const asked = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    // An old page that does not let go: not worth waiting for.
    request.onblocked = () => reject(new Error('blocked'));
  });

  const connect = async () => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = ({ oldVersion }) => {
      if (oldVersion < 1) { request.result.createObjectStore(KEPT); }
      if (oldVersion < 2) { request.result.createObjectStore(KEYS); }
    };
    // Chromium may freeze a page that is left while it creates the database. The next page to ask
    // then waits for as long as the frozen one stays in the back/forward cache. Chromium evicts a
    // frozen page that receives a message.
    const wake = new BroadcastChannel(NAME);
    wake.onmessage = () => {};
    wake.postMessage('');
    let late;
    const patience = new Promise((_, reject) => {
      late = setTimeout(() => {
        request.onsuccess = () => request.result.close();
        reject(Object.assign(new Error('late'), { late: true }));
      }, PATIENCE_MS);
    });
    const opened = await Promise.race([asked(request), patience]).finally(() => { clearTimeout(late); wake.close(); });
    // A newer app in another tab must not wait for this one.
    opened.onversionchange = () => opened.close();
    opened.onclose = () => { if (database === opened) { database = null; } };
    if (key) {
      // Somebody has cleared the storage meanwhile: what is written from now on must be readable
      // after the next start.
      const keys = opened.transaction(KEYS, 'readwrite').objectStore(KEYS);
      if (!await asked(keys.get('key'))) { await asked(keys.put(key, 'key')); }
    }
    return opened;
  };

  const named = (error) => {
    const name = error && error.name;
    const ours = ['conflict', 'damaged', 'newer', 'full'].find((n) => n === name);
    return ours || { VersionError: 'newer', QuotaExceededError: 'full' }[name] || 'refused';
  };

  // Runs one transaction to its end. Reopens a connection that the browser closed (WebKit in the
  // background), twice at most.
  const within = async (store, mode, work, durability = 'relaxed') => {
    for (let tries = 0; ; tries += 1) {
      try {
        database = database || await connect();
        const transaction = database.transaction(store, mode, { durability });
        const ended = new Promise((resolve, reject) => {
          transaction.oncomplete = resolve;
          transaction.onabort = () => reject(transaction.error || new Error('aborted'));
        });
        ended.catch(() => {});
        const value = await work(transaction.objectStore(store), transaction);
        if (mode === 'readwrite') { await ended; }
        return value;
      } catch (error) {
        const name = named(error);
        if (tries === 2 || name !== 'refused' || error.late) { fail(name); }
        database = null;
      }
    }
  };

  const bound = (name, rev) => new TextEncoder().encode(`${name}|${FORM}|${rev}`);
  const seal = async (name, rev, bytes) => {
    if (!key) { fail(missing); }
    // Encrypt before the transaction begins: a transaction ends by itself during an await.
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const ct = await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData: bound(name, rev) }, key, bytes);
    return { v: FORM, rev, at: ahead === undefined ? 0 : Date.now() - ahead, iv, ct };
  };
  const unseal = async (name, record) => {
    const additionalData = bound(name, record.rev);
    return new Uint8Array(await crypto.subtle.decrypt({ name: 'AES-GCM', iv: record.iv, additionalData }, key, record.ct));
  };

  // Some engines take a key and give nothing back, or refuse to store one: a full round trip shows
  // it.
  const openKey = async () => {
    let found = await within(KEYS, 'readonly', (store) => asked(store.get('key')));
    if (!found) {
      const fresh = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
      // Another tab may have been first: an existing key stays.
      await within(KEYS, 'readwrite', async (store) => { if (!await asked(store.get('key'))) { await asked(store.put(fresh, 'key')); } });
      found = await within(KEYS, 'readonly', (store) => asked(store.get('key')));
    }
    key = found;
    const probe = await unseal('probe', await seal('probe', 0, new Uint8Array([1, 2, 3])));
    if (probe.join() !== '1,2,3') { fail('refused'); }
  };

  // Seals what version 1 kept in the clear.
  const sealOld = async () => {
    const names = await within(KEPT, 'readonly', (store) => asked(store.getAllKeys()));
    for (const name of names) {
      const old = await within(KEPT, 'readonly', (store) => asked(store.get(name)));
      if (old instanceof Uint8Array) {
        const record = await seal(name, 1, old);
        await within(KEPT, 'readwrite', (store) => asked(store.put(record, name)));
      }
    }
  };

  globalThis.baoanStore = {
    // Whether anything can be kept; if not, why.
    open: async () => {
      try {
        await openKey();
        await sealOld();
      } catch (error) {
        key = null;
        missing = named(error);
        fail(missing);
      }
    },
    names: (prefix) => within(KEPT, 'readonly', (store) => asked(store.getAllKeys(IDBKeyRange.bound(prefix, prefix + '\uffff')))),
    // { bytes, rev }, or undefined. A record that cannot be opened is put aside for a version that
    // can.
    get: async (name) => {
      const record = await within(KEPT, 'readonly', (store) => asked(store.get(name)));
      if (!record) { return undefined; }
      try {
        return { bytes: await unseal(name, record), rev: record.rev };
      } catch {
        await within(KEPT, 'readwrite', async (store) => {
          await asked(store.put(record, `aside:${name}`));
          await asked(store.delete(name));
        });
        return fail('damaged');
      }
    },
    // Stores bytes under a name and returns their revision. `seen` is the revision the writer knows
    // (0: none); a different one in the database is a conflict, and nothing is written. Negative:
    // overwrite whatever is there.
    put: async (name, bytes, seen) => {
      const rev = seen < 0 ? Date.now() : seen + 1;
      const record = await seal(name, rev, bytes);
      await within(KEPT, 'readwrite', async (store) => {
        const there = seen < 0 ? undefined : await asked(store.get(name));
        if (there && there.rev !== seen) { fail('conflict'); }
        await asked(store.put(record, name));
        // An outgoing report is flushed to disk: its bytes must not change any more.
      }, name.startsWith('outbox:') ? 'strict' : 'relaxed');
      return rev;
    },
    remove: (name) => within(KEPT, 'readwrite', (store) => asked(store.delete(name))),
    // Deletes what nobody has touched for `life` ms, except the names in `keep`. `now` is the
    // server's time. From here on records carry it; those written without it start their life now.
    sweep: (now, life, keep) => within(KEPT, 'readwrite', async (store) => {
      ahead = Date.now() - now;
      for (const name of await asked(store.getAllKeys())) {
        const record = await asked(store.get(name));
        if (!record.at || record.at > now) {
          await asked(store.put({ ...record, at: now }, name));
          // Receipts are never swept.
        } else if (!keep.includes(name) && !String(name).startsWith('receipt') && record.at < now - life) {
          await asked(store.delete(name));
        }
      }
    }),
    // The key first: if we are killed in between, nobody can read what is left.
    wipe: async () => {
      await within(KEYS, 'readwrite', (store) => asked(store.clear()));
      await within(KEPT, 'readwrite', (store) => asked(store.clear()));
      await openKey();
    },
    // Waits until no other tab of this browser holds `name`, but no longer than `most`; resolves to
    // a function that releases it.
    alone: (name, most) => new Promise((resolve) => {
      if (!navigator.locks) { resolve(() => {}); return; }
      const waiting = new AbortController();
      setTimeout(() => waiting.abort(), most);
      navigator.locks.request(name, { signal: waiting.signal }, () => new Promise((free) => resolve(free))).catch(() => resolve(() => {}));
    }),
  };
})();
