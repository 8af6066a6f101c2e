// Starts the app: preferences first, then the one Trusted Types policy, then the WASM with its
// integrity hash.
// Taps made before the app is ready are not lost: they set the address, and the app opens it.
'use strict';
(() => {
  const root = document.documentElement;
  // Of whatever kind: each is one of index.html's own.
  /** @type {(id: string) => any} */
  const byId = (id) => document.getElementById(id);
  const stored = (key) => { try { return localStorage.getItem(key); } catch { return null; } };
  const store = (key, value) => { try { localStorage.setItem(key, value); } catch { /* a private window forgets it */ } };

  const setCare = (on) => {
    if (on) { document.body.dataset.weuiMode = 'care'; } else { delete document.body.dataset.weuiMode; }
    byId('care').setAttribute('aria-pressed', String(on));
  };
  const languages = /** @type {HTMLElement[]} */ ([...document.querySelectorAll('[data-lang]')]);
  const wanted = stored('lang') || (/^zh-(hant|hk|mo|tw)/i.test(navigator.language) ? 'zh-Hant' : 'zh-CN');
  root.lang = languages.some(({ dataset }) => dataset.lang === wanted) ? wanted : 'zh-CN';
  setCare(stored('care') === 'on');
  byId('care').addEventListener('click', () => {
    const on = document.body.dataset.weuiMode !== 'care';
    store('care', on ? 'on' : 'off');
    setCare(on);
  });
  for (const button of languages) {
    button.hidden = button.dataset.lang === root.lang;
    button.addEventListener('click', () => {
      store('lang', button.dataset.lang);
      // Everything typed is saved at every keystroke, so starting again loses nothing.
      location.reload();
    });
  }
  // The first page holds two languages; any other language fetches its words (xtask, build.rs).
  const page = byId('page-' + root.lang);
  if (page) {
    fetch(page.href).then((answer) => answer.json()).then((words) => {
      for (const said of document.querySelectorAll('.zh')) { said.textContent = words[said.textContent] || said.textContent; }
    });
  }

  // The soft keyboard opened: not every webview keeps the field in view by itself.
  addEventListener('resize', () => {
    const field = document.activeElement;
    if (field?.matches('input,textarea')) { field.scrollIntoView({ block: 'nearest' }); }
  });

  const first = byId('first');
  const waiting = () => { byId('opening').hidden = false; };
  const hideFirst = () => { first.classList.add('elsewhere'); };
  if (location.pathname !== '/') { hideFirst(); waiting(); }

  const early = (event) => {
    const link = event.target.closest('a[href^="/report"]');
    if (!link) { return; }
    event.preventDefault();
    history.pushState(null, '', link.getAttribute('href'));
    byId('start').setAttribute('aria-busy', 'true');
    waiting();
  };
  first.addEventListener('click', early);

  const failed = () => {
    first.classList.remove('elsewhere');
    byId('opening').hidden = true;
    byId('failed').hidden = false;
  };
  // The app calls baoanReady when it is running, and baoanFailed if it ever crashes.
  globalThis.baoanReady = () => {
    first.removeEventListener('click', early);
    byId('start').removeAttribute('aria-busy');
    byId('opening').hidden = true;
    byId('failed').hidden = true;
    root.dataset.ready = 'true';
    navigator.serviceWorker?.register('/sw.js');
  };
  globalThis.baoanFailed = failed;

  if (globalThis.trustedTypes && trustedTypes.createPolicy) {
    const forbidden = /<(script|iframe|object|embed|base|meta|link)[\s>/]|\son\w+\s*=|javascript:/i;
    trustedTypes.createPolicy('default', {
      // Leptos builds its templates with innerHTML; they contain only our own markup, never user
      // input.
      createHTML: (html) => { if (forbidden.test(html)) { throw new TypeError('refused markup'); } return html; },
      createScriptURL: (url) => {
        // Also WeChat's own library, if the server names it (wechat.js) and its policy allows it.
        if (new URL(url, location.href).origin !== location.origin && url !== globalThis.baoanWechat) { throw new TypeError('refused script'); }
        return url;
      },
    });
  }

  // What the page's host can do. Its adapter registers here; any call may be refused, late or
  // answered twice.
  const host = {};
  globalThis.baoanCan = (more) => {
    Object.assign(host, more);
    root.dataset.host = Object.keys(host).join(' ');
  };
  // undefined: not supported, failed or late. null: the person declined.
  globalThis.baoanAsk = (what, given, ms) => new Promise((/** @type {(answer?: any) => void} */ done) => {
    if (ms) { setTimeout(done, ms); }
    Promise.resolve().then(() => host[what]?.(given)).then(done, () => done());
  });
  // Not on a kiosk, where sharing would expose its other programs, nor in a frame without
  // permission.
  if (navigator.canShare?.({ url: location.href }) && !root.dataset.kiosk) {
    baoanCan({ share: ({ title, link }) => navigator.share({ title, url: link }).then(() => true) });
  }
  const adapter = (src) => document.head.append(Object.assign(document.createElement('script'), { src }));
  if (parent !== self || self.webkit?.messageHandlers?.baoan || self.baoanNative) { adapter('/embed.js'); }
  if (/MicroMessenger/.test(navigator.userAgent)) { adapter('/wechat.js'); }

  // Things that take few bytes in JS and many from WASM: src/platform/http.rs and host.rs.
  // After signing out while the server was unreachable, we make no other API call until the server
  // has been told (we cannot delete its cookie ourselves). We keep only a flag for this.
  globalThis.baoanCall = async (method, path, headers, body, binary) => {
    const leaves = method === 'DELETE' && path === '/api/v1/session';
    /** @type {Partial<Storage>} */
    let all = {};
    try {
      all = localStorage;
      if (leaves && !root.dataset.kiosk) { all.baoanLeft = 1; }
    } catch { /* refused, or full */ }
    if (leaves || all.baoanLeft && path.startsWith('/api/')) {
      if ((await fetch('/api/v1/session', { method: 'DELETE' })).ok) { delete all.baoanLeft; }
      if (leaves) { return [204, '']; }
    }
    const answer = await fetch(path, { method, headers, body });
    const header = (name) => answer.headers.get(name);
    const text = binary ? new Uint8Array(await answer.arrayBuffer()) : await answer.text().catch(() => {});
    return [answer.status, text, header('location'), header('upload-offset'), header('retry-after')];
  };
  globalThis.baoanLocate = async () => {
    const known = await baoanAsk('locate', 0, 5000);
    if (known === null) { return []; }
    if (Math.abs(known?.[0]) <= 90 && Math.abs(known[1]) <= 180) { return known; }
    return new Promise((found, failed) => {
      navigator.geolocation.getCurrentPosition(({ coords }) => found([coords.latitude, coords.longitude]), failed, { timeout: 10000, enableHighAccuracy: true });
    });
  };
  globalThis.baoanPhotos = async () => ((await baoanAsk('photos')) || []).map((base64, i) => {
    let bytes = '';
    try { bytes = atob(base64.split(',').pop()); } catch { /* an empty file is refused by its own sentence */ }
    return new File([Uint8Array.from(bytes, (c) => c.charCodeAt(0))], (i + 1) + '.jpg');
  });

  // Two programs: the report, and everything after it (see src/lib.rs).
  const part = /^\/({{claims}}|gallery)/.test(location.pathname) ? 'claims' : 'app';
  if (part === 'claims') { byId('claims-style').rel = 'stylesheet'; }
  const start = async () => {
    const [js, wasm] = [byId(part + '-js'), byId(part + '-wasm')];
    // An import carries no integrity of its own; a preload of the same module does.
    const preload = document.createElement('link');
    Object.assign(preload, { rel: 'modulepreload', href: js.href, integrity: js.integrity });
    document.head.append(preload);
    // The app needs these as soon as it runs, so they load alongside it.
    for (const id of [part + '-catalog-' + root.lang.replace('-CN', ''), 'app-config']) {
      const early = document.createElement('link');
      Object.assign(early, { rel: 'preload', as: 'fetch', crossOrigin: 'anonymous', href: byId(id).href });
      document.head.append(early);
    }
    const [glue, response] = await Promise.all([
      import(js.href),
      fetch(wasm.href, { integrity: wasm.integrity || undefined, credentials: 'same-origin' }),
    ]);
    if (!response.ok) { throw new Error('wasm ' + response.status); }
    await glue.default({ module_or_path: response });
  };
  start().catch((error) => { console.error(error); failed(); });
})();
