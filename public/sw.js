// Starts without a network. Caches the page and the program of the report (xtask names them), no
// API answers and no personal data. Pages always come from the server first, so a new version is
// never held back; the cache answers only when the server does not. `service_worker: false` in
// terms.json removes it for everybody.
'use strict';
const BUILD = 'app-{{build}}';
const SHELL = ["{{shell}}"];
// How long to wait for the server: a network may be present and carry nothing.
const PATIENCE_MS = 4000;

self.addEventListener('install', (event) => event.waitUntil((async () => {
  const kept = await caches.open(BUILD);
  const page = await fetch('/', { cache: 'no-store' });
  if (!page.ok) { throw new Error('no page'); }
  // A kiosk has files of its own.
  const more = (await page.clone().text()).match(/\/kiosk\/\w+\.\w+\?v=\w+/g) || [];
  await Promise.all([kept.put('/', page), kept.addAll([...SHELL, ...more])]);
  // Pages that are open go on with what they have: everything they still load is named by its
  // content.
  await self.skipWaiting();
})()));

self.addEventListener('activate', (event) => event.waitUntil((async () => {
  for (const name of await caches.keys()) {
    if (name !== BUILD) { await caches.delete(name); }
  }
  await self.clients.claim();
})()));

const within = (request) => new Promise((resolve, reject) => {
  setTimeout(() => reject(new Error('no answer')), PATIENCE_MS);
  fetch(request).then((answer) => (answer.status < 500 ? resolve(answer) : reject(answer)), reject);
});
// The cached page; on a kiosk for every address, since nobody there can leave an error page.
const shell = async (pathname, error) => {
  const kept = await caches.match('/');
  if (kept && /^\/($|report)/.test(pathname)) { return kept; }
  if (kept && (await kept.text()).includes('data-kiosk')) { return Response.redirect('/'); }
  if (error instanceof Response) { return error; }
  throw error;
};

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== 'GET' || origin !== location.origin) { return; }
  if (request.mode === 'navigate') {
    if (/^\/($|report|{{kept_pages}})/.test(pathname)) {
      event.respondWith(within(request).catch((error) => shell(pathname, error)));
    }
    return;
  }
  const named = request.url.slice(origin.length);
  if (SHELL.includes(named) || pathname.startsWith('/kiosk/')) {
    // Pages request these with an integrity hash, so the browser verifies cached files again.
    event.respondWith(caches.match(named, { ignoreVary: true }).then((kept) => kept || fetch(request)));
  }
});
