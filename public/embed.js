// Inside a partner's frame or a native app's webview: tells the host what happened and takes a
// signed link from it. boot.js loads this only there; the app is complete without it
// (docs/EMBEDDING.md).
//
// Promise: we talk and listen only to the exact origins in terms.json, never `*`. A message of
// another shape, or from another window or origin, does nothing. Messages identify a claim by its
// number and name no person.
'use strict';
(() => {
  // The server defines the origins of terms.json before this file loads.
  const PARTNERS = globalThis.baoanPartners || [];
  const native = globalThis.webkit?.messageHandlers?.baoan || globalThis.baoanNative;
  const framed = parent !== self;
  const tell = (event, more) => {
    const message = { type: 'baoan', version: 1, event, ...more };
    if (native) { native.postMessage(JSON.stringify(message)); }
    // The browser delivers it only where the parent is of that origin.
    if (framed) { for (const origin of PARTNERS) { parent.postMessage(message, origin); } }
  };

  // We ask the host for each thing it says it can do, one message each; an answer of the wrong
  // shape counts as none.
  const is = (kind) => (value) => typeof value === kind;
  const shapes = {
    locate: (value) => value === null || (Array.isArray(value) && value.length === 2 && value.every(Number.isFinite)),
    photos: (value) => Array.isArray(value) && value.length < 31 && value.every(is('string')),
    scan: is('string'), share: is('boolean'), save: is('boolean'), close: is('boolean'),
  };
  const waiting = new Map();
  let asked = 0;
  const base64 = (bytes) => { let text = ''; for (const byte of bytes) { text += String.fromCharCode(byte); } return btoa(text); };
  const ask = (what) => (given) => new Promise((resolve) => {
    asked += 1;
    waiting.set(asked, (value) => resolve(shapes[what](value) ? value : undefined));
    const sent = given?.png ? { ...given, png: base64(given.png) } : given;
    tell('ask', { id: asked, what, given: sent });
  });

  const isLink = (text) => typeof text === 'string' && text.length < 2000 && /^[\w-]+\.[0-9a-f]{64}$/.test(text);
  const take = (message) => {
    const shaped = message && message.type === 'baoan' && message.version === 1 && typeof message.context === 'object' && message.context;
    if (!shaped) { return; }
    const { launch, can, answer } = message.context;
    // Signed by the insurer: a host's word alone proves nothing about who somebody is.
    if (isLink(launch)) { location.replace('/launch#' + launch); }
    // A letter and a private link belong to the person. An app has a photo library to save them in;
    // a partner's page would only read them.
    const mayAsk = (what) => Object.hasOwn(shapes, what) && (native || !['save', 'share'].includes(what));
    if (Array.isArray(can)) { baoanCan(Object.fromEntries(can.filter(mayAsk).map((what) => [what, ask(what)]))); }
    const answered = waiting.get(answer?.id);
    // The first answer counts.
    if (waiting.delete(answer?.id)) { answered(answer.value); }
  };
  addEventListener('message', ({ origin, source, data }) => {
    if (framed && source === parent && PARTNERS.includes(origin)) { take(data); }
  });
  // Native: the app calls this with the same message.
  if (native) { globalThis.baoanFromApp = (text) => { try { take(JSON.parse(text)); } catch { /* not a message */ } }; }

  let [told, title] = ['', ''];
  const look = () => {
    if (document.title !== title) {
      title = document.title;
      tell('title', { title });
    }
    /** @type {HTMLElement | null} */
    const shown = document.querySelector('#claim-no');
    if (!shown) { return; }
    const { requested, closed } = shown.dataset;
    const event = location.pathname === '/report/done' ? 'reported' : (closed && 'closed') || (requested && 'documents-complete');
    const number = shown.textContent.trim();
    if (event && told !== event + number) {
      told = event + number;
      tell(event, { claim_no: number });
    }
  };
  new MutationObserver(look).observe(document.documentElement, { childList: true, subtree: true });
  tell('ready');
  look();
})();
