// Starts the app: preferences first, then the one Trusted Types policy, then the WASM with its integrity.
// Taps made before the app is there are not lost: they set the address, and the app opens it.
'use strict';
(() => {
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const stored = (key) => { try { return localStorage.getItem(key); } catch { return null; } };
  const store = (key, value) => { try { localStorage.setItem(key, value); } catch { /* a private window forgets it */ } };

  const setCare = (on) => {
    if (on) { document.body.dataset.weuiMode = 'care'; } else { delete document.body.dataset.weuiMode; }
    byId('care').setAttribute('aria-pressed', String(on));
  };
  root.lang = stored('lang') === 'en' ? 'en' : 'zh-CN';
  setCare(stored('care') === 'on');
  byId('care').addEventListener('click', () => {
    const on = document.body.dataset.weuiMode !== 'care';
    store('care', on ? 'on' : 'off');
    setCare(on);
  });
  byId('lang').addEventListener('click', () => {
    store('lang', root.lang === 'en' ? 'zh-CN' : 'en');
    // Everything typed is saved at every keystroke, so starting again loses nothing.
    location.reload();
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
  // The app calls this when it stands, and again if it ever falls.
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
      // Leptos makes its templates with innerHTML; they hold markup of ours and nothing anybody typed.
      createHTML: (html) => { if (forbidden.test(html)) { throw new TypeError('refused markup'); } return html; },
      createScriptURL: (url) => {
        if (new URL(url, location.href).origin !== location.origin) { throw new TypeError('refused script'); }
        return url;
      },
    });
  }

  if (parent !== self || self.webkit?.messageHandlers?.baoan || self.baoanNative) {
    document.head.append(Object.assign(document.createElement('script'), { src: '/embed.js' }));
  }

  // What the browser does in few words here and in many from WASM: src/platform/http.rs and page.rs.
  globalThis.baoanCall = async (method, path, headers, body, binary) => {
    const answer = await fetch(path, { method, headers, body });
    const header = (name) => answer.headers.get(name);
    const text = binary ? new Uint8Array(await answer.arrayBuffer()) : await answer.text().catch(() => {});
    return [answer.status, text, header('location'), header('upload-offset'), header('retry-after')];
  };
  globalThis.baoanLocate = () => new Promise((found, failed) => {
    navigator.geolocation.getCurrentPosition(({ coords }) => found([coords.latitude, coords.longitude]), failed, { timeout: 10000, enableHighAccuracy: true });
  });

  // Two programs: the report, and everything after it (see src/lib.rs).
  const part = /^\/(claims|login|help|verify|handoff|launch)/.test(location.pathname) ? 'claims' : 'app';
  if (part === 'claims') { byId('claims-style').rel = 'stylesheet'; }
  const start = async () => {
    const [js, wasm] = [byId(part + '-js'), byId(part + '-wasm')];
    // An import carries no integrity of its own; a preload of the same module does.
    const preload = document.createElement('link');
    Object.assign(preload, { rel: 'modulepreload', href: js.href, integrity: js.integrity });
    document.head.append(preload);
    // The app asks for these as soon as it runs; they come along with it.
    for (const id of [part + '-catalog-' + root.lang.slice(0, 2), 'app-config']) {
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
