// Begins without a network: keeps the page and the program of the report (xtask names them), nothing that the API said,
// nothing of anybody. A page is always asked for at the server first, so a new version is never held back; what is kept
// answers only when the server does not. `service_worker: false` in terms.json takes it away from everybody.
'use strict';
const BUILD = 'app-{{build}}';
const SHELL = ["{{shell}}"];
// A server that does not answer within this is not waited for: the network may be there and carry nothing.
const PATIENCE_MS = 4000;

self.addEventListener('install', (event) => event.waitUntil((async () => {
  const kept = await caches.open(BUILD);
  const page = await fetch('/', { cache: 'no-store' });
  if (!page.ok) { throw new Error('no page'); }
  // A machine in a branch has two files more.
  const more = (await page.clone().text()).match(/\/kiosk\/kiosk\.\w+\?v=\w+/g) || [];
  await Promise.all([kept.put('/', page), kept.addAll([...SHELL, ...more])]);
  // Pages that are open go on with what they have: everything they still load is named by its content.
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
// The page that is kept; at a machine for every address, since nobody there can leave an error page.
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
    if (/^\/($|report|claims|login|help|verify)/.test(pathname)) {
      event.respondWith(within(request).catch((error) => shell(pathname, error)));
    }
    return;
  }
  const named = request.url.slice(origin.length);
  if (SHELL.includes(named) || pathname.startsWith('/kiosk/kiosk.')) {
    // Pages ask for these with an integrity of their own, so what is kept is compared again.
    event.respondWith(caches.match(named, { ignoreVary: true }).then((kept) => kept || fetch(request)));
  }
});
