// In a partner's frame or a native app's webview: tells the host what has happened, takes a signed link from it. boot.js
// loads this only there; the app is whole without it (docs/EMBEDDING.md).
//
// Promise: only the exact origins of terms.json are spoken to and listened to, never `*`; a message of another shape, from
// another window or origin does nothing; what is told names a claim by its number and nobody by his name.
'use strict';
(() => {
  // The server says the origins of terms.json before this file.
  const PARTNERS = globalThis.baoanPartners || [];
  const native = globalThis.webkit?.messageHandlers?.baoan || globalThis.baoanNative;
  const framed = parent !== self;
  const tell = (event, more) => {
    const message = { type: 'baoan', version: 1, event, ...more };
    if (native) { native.postMessage(JSON.stringify(message)); }
    // The browser delivers it only where the parent is of that origin.
    if (framed) { for (const origin of PARTNERS) { parent.postMessage(message, origin); } }
  };

  const isLink = (text) => typeof text === 'string' && text.length < 2000 && /^[\w-]+\.[0-9a-f]{64}$/.test(text);
  const take = (message) => {
    const shaped = message && message.type === 'baoan' && message.version === 1 && typeof message.context === 'object' && message.context;
    // Signed by the insurer: nobody is believed because he says so.
    if (shaped && isLink(message.context.launch)) { location.replace('/launch#' + message.context.launch); }
  };
  addEventListener('message', ({ origin, source, data }) => {
    if (framed && source === parent && PARTNERS.includes(origin)) { take(data); }
  });
  // Native: the app calls this with the same message.
  if (native) { globalThis.baoanFromApp = (text) => { try { take(JSON.parse(text)); } catch { /* not a message */ } }; }

  let told = '';
  const look = () => {
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
