// A kiosk in a branch, used by one stranger after another. The server serves this file instead of
// storage.js, and only to enrolled kiosks (claim-server, kiosk.rs).
//
// Promise: data is kept only in this page's memory. 结束, inactivity and a finished report erase
// everything, even if the server does not answer. Before anyone begins, the server has ended
// whatever was left over.
'use strict';
(() => {
  const root = document.documentElement;
  // The words of src/i18n, every language (words.js).
  const say = (name, n) => (globalThis.baoanKioskWords[root.lang] || globalThis.baoanKioskWords['zh-CN'])[name].replace('{n}', n);
  const make = (tag, fields = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), fields);
    made.append(...children);
    return made;
  };
  const fields = () => /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll('input, textarea'));
  const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
  const api = (method, path, body, patience = 8000) => fetch('/api/v1' + path, {
    method, headers: body && { 'content-type': 'application/json' }, body: body && JSON.stringify(body), signal: AbortSignal.timeout(patience),
  });

  // ---- Memory instead of the database: the same interface as storage.js.
  const memory = new Map();
  let open;
  const opened = new Promise((resolve) => { open = resolve; });
  globalThis.baoanStore = {
    open: () => opened,
    names: async (prefix) => [...memory.keys()].filter((name) => name.startsWith(prefix)).sort(),
    get: async (name) => memory.get(name),
    put: async (name, bytes, seen) => {
      const rev = seen < 0 ? Date.now() : seen + 1;
      memory.set(name, { bytes: bytes.slice(), rev });
      return rev;
    },
    remove: async (name) => { memory.delete(name); },
    sweep: async () => {},
    wipe: async () => { memory.clear(); },
    alone: async () => () => {},
  };

  // ---- No trace in the history: back only leaves the page.
  history.pushState = history.replaceState;

  // ---- Wiping.
  const pictures = new Set();
  const [createUrl, revokeUrl] = [URL.createObjectURL.bind(URL), URL.revokeObjectURL.bind(URL)];
  URL.createObjectURL = (blob) => { const url = createUrl(blob); pictures.add(url); return url; };
  URL.revokeObjectURL = (url) => { pictures.delete(url); revokeUrl(url); };
  const tracks = new Set();
  if (navigator.mediaDevices) {
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (wish) => {
      const stream = await ask(wish);
      for (const track of stream.getTracks()) { tracks.add(track); }
      return stream;
    };
  }

  let wiping = false;
  const cleared = async () => {
    memory.clear();
    for (const track of tracks) { track.stop(); }
    for (const url of pictures) { revokeUrl(url); }
    sessionStorage.clear();
    localStorage.clear();
    for (const { name } of indexedDB.databases ? await indexedDB.databases() : []) { indexedDB.deleteDatabase(name || ''); }
    // The service worker caches only the app itself, which is the same for everybody.
    for (const name of await caches.keys()) { if (!name.startsWith('app-')) { await caches.delete(name); } }
    await navigator.clipboard?.writeText('').catch(() => {});
  };
  const wipe = async (why) => {
    if (wiping) { return; }
    wiping = true;
    covered(say('clearing'));
    // Clear what was typed while the page waits.
    for (const field of fields()) { field.value = ''; }
    // Give up for good after three seconds: a late answer must not reach the next person.
    const answer = await api('POST', '/kiosk/wipe', { why }, 3000).catch(() => undefined);
    await cleared().catch(() => {});
    if (answer && answer.status !== 204) {
      // No longer a kiosk: do not fall through to the ordinary page.
      await api('DELETE', '/session', undefined, 3000).catch(() => {});
      outOfService();
      return;
    }
    location.replace('/');
  };
  const outOfService = () => {
    if (cover?.id !== 'out-of-service') {
      covered(say('out_of_service'), 'out-of-service',
        make('p', { className: 'kiosk-number', textContent: hotline() }));
    }
  };

  // ---- Before anybody begins.
  let waiting = true;
  const begin = async () => {
    if (sessionStorage.getItem('busy')) { return; }
    if (location.pathname !== '/') { location.replace('/'); await new Promise(() => {}); }
    for (;;) {
      const answer = await api('POST', '/kiosk/wipe', { why: 'start' }).catch(() => undefined);
      if (answer && answer.status === 204) { break; }
      outOfService();
      await sleep(2000);
    }
    // A page cached before this became a kiosk must not come back when the server is unreachable.
    const kept = await caches.match('/');
    if (kept && !(await kept.text()).includes('data-kiosk')) {
      for (const name of await caches.keys()) { await caches.delete(name); }
      for (const worker of await navigator.serviceWorker.getRegistrations()) { await worker.unregister(); }
    }
    uncovered();
    sessionStorage.setItem('busy', '1');
  };

  // ---- The overlay.
  /** @type {HTMLDialogElement | null} */
  let cover = null;
  // Closing the overlay also cancels the "are you still there" question: no countdown runs unseen.
  const uncovered = () => {
    asked = null;
    if (cover) { cover.close(); cover.remove(); cover = null; }
  };
  const covered = (text, id = 'covered', ...more) => {
    uncovered();
    /** @type {HTMLDialogElement} */
    const mine = make('dialog', { id, className: 'kiosk-cover' }, make('h2', { id: 'kiosk-title', textContent: text, tabIndex: -1 }), ...more);
    cover = mine;
    mine.setAttribute('aria-labelledby', 'kiosk-title');
    // Escape must not end a countdown; in some browsers, pressing it twice would.
    mine.addEventListener('cancel', (event) => event.preventDefault());
    mine.addEventListener('close', () => { if (cover === mine) { asked = null; mine.remove(); cover = null; } });
    document.body.append(mine);
    mine.showModal();
    return mine;
  };
  const button = (id, text, deed, primary) => {
    const made = make('button', { type: 'button', id, textContent: text, className: `weui-btn ${primary ? 'weui-btn_primary' : 'weui-btn_default'}` });
    made.addEventListener('click', deed);
    return made;
  };

  // ---- Inactivity.
  const idle = Number(root.dataset.idle) * 1000;
  let touched = performance.now();
  /** @type {{ why: string, until: number, left: HTMLElement } | null} */
  let asked = null;
  // Nobody has touched it since the last wipe. Kept across the pages of one person, and no longer.
  const isFresh = () => !sessionStorage.getItem('used');
  for (const kind of ['pointerdown', 'keydown', 'input', 'scroll', 'wheel']) {
    addEventListener(kind, ({ isTrusted }) => {
      if (!asked) { touched = performance.now(); }
      if (isTrusted && kind !== 'scroll' && !waiting && !wiping) { sessionStorage.setItem('used', '1'); }
    }, { capture: true, passive: true });
  }
  const ask = (why, seconds) => {
    const left = make('p', { className: 'kiosk-left' });
    left.setAttribute('role', 'timer');
    const stay = button('kiosk-stay', say('stay'), () => { touched = performance.now(); uncovered(); }, true);
    const title = why === 'sent' ? say('all_done') : say('still_there');
    for (const track of tracks) { track.stop(); }
    const hint = make('p', { textContent: isSending() ? say('still_sending') : say('protects') });
    covered(title, 'kiosk-idle', left, hint, stay, button('kiosk-end-now', say('end_and_clear'), () => wipe('end')));
    asked = { why, until: performance.now() + seconds * 1000, left };
    count();
    stay.focus();
  };
  const count = () => {
    if (!asked) { return; }
    const left = Math.max(0, Math.ceil((asked.until - performance.now()) / 1000));
    asked.left.textContent = say('seconds_left', left);
  };
  setInterval(() => {
    if (wiping) { return; }
    const now = performance.now();
    if (asked) {
      count();
      if (now >= asked.until) { wipe(asked.why); }
    } else if (!waiting && now - touched > (isSending() ? Math.max(idle, SENDING_MS) : idle) && !isFresh()) {
      ask(isSent() ? 'sent' : 'idle', idle / 2000);
    }
  }, 250);
  const number = () => document.querySelector('#claim-no')?.textContent.trim();
  // Sending needs nobody present, but must have a time limit.
  const SENDING_MS = 600000;
  // The app says of itself whether something is written or on its way.
  const isSending = () => root.dataset.busy === 'sending';
  const isWriting = () => root.dataset.busy === 'writing' && memory.has('draft');
  const isSent = () => Boolean(number()) && !isSending();

  // ---- 人工服务, 转到手机, 打印, 结束: always there.
  const hotline = () => document.querySelector('a[href^="tel:"]:not([href="tel:120"]):not([href="tel:122"])')?.getAttribute('href')?.slice(4) || '';
  const closing = () => button('kiosk-close', say('back'), uncovered, true);
  const person = () => covered(
    say('person'), 'kiosk-help',
    make('p', { textContent: say('person_hint') }),
    make('p', { className: 'kiosk-number', textContent: hotline() }), closing());
  const end = () => covered(
    say('end_question'), 'kiosk-ending',
    make('p', { textContent: say('end_hint') }),
    button('kiosk-end-yes', say('end_and_clear'), () => wipe('end'), true),
    button('kiosk-close', say('back'), uncovered));

  const drawn = (qr) => {
    const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    // A quiet zone of four modules (ISO/IEC 18004).
    svg.setAttribute('viewBox', `-4 -4 ${qr.width + 8} ${qr.width + 8}`);
    svg.setAttribute('role', 'img');
    svg.setAttribute('aria-label', say('qr_code'));
    const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
    path.setAttribute('d', qr.path);
    svg.append(path);
    svg.classList.add('kiosk-qr');
    return svg;
  };
  const base64 = (bytes) => {
    let text = '';
    for (let at = 0; at < bytes.length; at += 8192) { text += String.fromCharCode(...bytes.subarray(at, at + 8192)); }
    return btoa(text);
  };
  const parcel = () => {
    const whole = JSON.parse(new TextDecoder().decode(memory.get('draft').bytes));
    const bytes = (name) => (memory.get(name) ? base64(memory.get(name).bytes) : '');
    const photos = whole.photos.map(({ id }) => ({ id, jpeg: bytes('photo:' + id), thumbnail: bytes('thumb:' + id) }));
    return { draft: whole, photos: photos.filter((photo) => photo.jpeg) };
  };
  // Shows a code and waits for the phone; `then` gets what came of it.
  const handOver = async (title, hint, body, then) => {
    covered(say('one_moment'));
    const answer = await api('POST', '/handoffs', body, 60000).catch(() => undefined);
    if (!answer || answer.status !== 201) {
      covered(say('no_network'), 'kiosk-qr-failed', closing());
      return;
    }
    const handoff = await answer.json();
    const left = make('p', { className: 'kiosk-left' });
    const shown = covered(title, 'kiosk-qr', make('p', { textContent: hint }), drawn(handoff.qr), left, closing());
    const until = performance.now() + 120000;
    for (let known = 'open'; cover === shown && (known === 'open' || known === 'taken');) {
      await sleep(1000);
      const over = performance.now() - until;
      // Somebody waiting for their phone counts as present, but not for ever.
      if (over < (known === 'taken' ? 60000 : 0)) { touched = performance.now(); } else { known = 'expired'; }
      left.textContent = say('valid_for', Math.max(0, Math.round((until - performance.now()) / 1000)));
      const moved = known === 'expired' ? undefined : await api('GET', '/handoffs/' + handoff.id).then((a) => (a.ok ? a.json() : undefined)).catch(() => undefined);
      known = moved?.state || known;
      if (known === 'done') { await then(moved); return; }
      if (known === 'expired') { covered(say('qr_expired'), 'kiosk-qr-expired', closing()); return; }
    }
  };
  const toPhone = () => (isWriting() ? moving() : covered(
    isSending() ? say('sent_later') : say('nothing_to_move'),
    'kiosk-nothing', closing()));
  const moving = () => handOver(
    say('on_phone'),
    say('on_phone_hint'),
    { parcel: parcel() },
    async () => {
      covered(say('moved'), 'kiosk-moved');
      await sleep(3000);
      wipe('moved');
    });

  const print = (ticket) => {
    document.querySelector('.kiosk-ticket')?.remove();
    const line = (name, text) => make('p', {}, make('span', { textContent: name }), ' ', make('strong', { textContent: text }));
    document.body.append(make('section', { className: 'kiosk-ticket' },
      make('h1', { textContent: say('ticket') }),
      line(say('ticket_no'), ticket.claim_no),
      !ticket.reported_at ? '' : line(say('ticket_time'), new Date(ticket.reported_at).toLocaleString(root.lang, { timeZone: 'Asia/Shanghai' })),
      ticket.phone ? line(say('ticket_phone'), ticket.phone) : '',
      line(say('ticket_hotline'), ticket.hotline),
      make('p', { textContent: say('ticket_hint') })));
    globalThis.print();
  };
  const printed = async () => {
    // A number shown on this screen, or one that a phone sends.
    if (number()) { print({ claim_no: number(), reported_at: /** @type {HTMLElement} */ (document.querySelector('#claim-no')).dataset.at, hotline: hotline() }); return; }
    await handOver(
      say('print_from_phone'), say('print_hint'),
      {}, async ({ ticket }) => { uncovered(); print(ticket); });
  };

  const bar = () => {
    const made = make('nav', { className: 'kiosk-bar', id: 'kiosk-bar' },
      button('kiosk-person', say('bar_person'), person),
      button('kiosk-phone', say('bar_phone'), toPhone),
      button('kiosk-print', say('bar_print'), printed),
      button('kiosk-end', say('bar_end'), end, true));
    made.setAttribute('aria-label', say('bar'));
    return made;
  };

  // ---- Fields: no browser autofill, our own keys, masked on blur.
  const PROVINCES = '京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使领';
  const SETS = {
    digits: () => '123456789 0',
    id: () => '123456789X0',
    plate: (field) => (field.value.length === 0 ? PROVINCES : 'ABCDEFGHJKLMNPQRSTUVWXYZ1234567890港澳学警挂'),
  };
  const set = (field, mode) => {
    if (/plate/.test(field.id)) { return 'plate'; }
    if (/id_no|-id$/.test(field.id)) { return 'id'; }
    return ['tel', 'numeric', 'decimal'].includes(mode) || field.type === 'tel' ? 'digits' : '';
  };
  const isSecret = (field) => /phone|id_no|card|code|holder/.test(field.id);
  const random = () => Array.from(crypto.getRandomValues(new Uint8Array(6)), (n) => n.toString(36)).join('');
  // The app reuses a field under another name, so we track the field together with its name.
  const seen = new WeakMap();
  const shown = (field, show) => {
    show.className = 'chip kiosk-show';
    const mask = () => field.classList.toggle('kiosk-masked', field.value !== '' && document.activeElement !== field);
    for (const kind of ['pointerdown', 'keydown']) { show.addEventListener(kind, () => field.classList.remove('kiosk-masked')); }
    for (const kind of ['pointerup', 'pointercancel', 'pointerleave', 'keyup', 'blur']) { show.addEventListener(kind, mask); }
    field.after(show);
    mask();
    return show;
  };
  for (const kind of ['focusin', 'focusout']) {
    addEventListener(kind, (event) => {
      const target = /** @type {HTMLInputElement} */ (event.target);
      if (seen.get(target)?.show) { target.classList.toggle('kiosk-masked', kind === 'focusout' && target.value !== ''); }
    });
  }
  const tamed = (field) => {
    if (!field.id || ['radio', 'checkbox', 'file', 'hidden'].includes(field.type)) { return; }
    const before = seen.get(field);
    const mode = field.inputMode === 'none' ? before?.mode : field.inputMode;
    if (before?.id !== field.id || before.mode !== mode) {
      before?.show?.remove();
      field.classList.remove('kiosk-masked');
      field.dataset.keys = set(field, mode);
      field.setAttribute('name', 'f' + random());
      const show = isSecret(field) ? shown(field, button('', say('hold_to_show'), () => {})) : undefined;
      seen.set(field, { id: field.id, mode, show });
    }
    const wanted = { autocomplete: 'off', autocorrect: 'off', spellcheck: 'false', ...(field.dataset.keys && { inputmode: 'none' }) };
    for (const [name, value] of Object.entries(wanted)) {
      if (field.getAttribute(name) !== value) { field.setAttribute(name, value); }
    }
  };

  /** @type {HTMLElement | null} */
  let pad = null;
  const put = (field, text) => {
    const [from, to] = [field.selectionStart ?? field.value.length, field.selectionEnd ?? field.value.length];
    if (text === '') {
      field.setRangeText('', from === to ? Math.max(0, from - 1) : from, to, 'end');
    } else {
      field.setRangeText(text, from, to, 'end');
    }
    field.dispatchEvent(new Event('input', { bubbles: true }));
  };
  addEventListener('input', (event) => {
    const target = /** @type {HTMLInputElement} */ (event.target);
    if (target.dataset?.keys === 'plate' && pad) { keys(target); }
  });
  const keys = (field) => {
    pad?.remove();
    const key = (text, value, name) => {
      const made = make('button', { type: 'button', textContent: text });
      if (name) { made.setAttribute('aria-label', name); }
      // The field keeps the focus.
      made.addEventListener('pointerdown', (event) => event.preventDefault());
      made.addEventListener('click', () => put(field, value));
      return made;
    };
    const made = make('div', { className: `kiosk-keys ${field.dataset.keys}`, id: 'kiosk-keys' },
      ...[...SETS[field.dataset.keys](field)].map((sign) => (sign === ' ' ? make('span') : key(sign, sign))), key('⌫', '', say('delete')));
    made.setAttribute('role', 'group');
    made.setAttribute('aria-label', say('keypad'));
    document.body.append(made);
    pad = made;
    // In the upper part: the keys cover the lower.
    scrollBy(0, field.getBoundingClientRect().top - innerHeight * (innerHeight > innerWidth ? 0.35 : 0.25));
  };
  addEventListener('focusin', (event) => {
    const target = /** @type {HTMLInputElement} */ (event.target);
    if (target.dataset?.keys) { keys(target); return; }
    // Not while a finger is lifting: what it touches must not move.
    setTimeout(() => { if (pad && !(/** @type {HTMLElement} */ (document.activeElement))?.dataset.keys) { pad.remove(); pad = null; } }, 300);
  });

  // ---- The document camera instead of a file chooser, which would show the kiosk's own files.
  const CAMERA = 'kiosk-camera';
  const remembered = () => document.cookie.split('; ').find((pair) => pair.startsWith(CAMERA + '='))?.slice(CAMERA.length + 1);
  const photograph = async (input) => {
    const wish = { width: { ideal: 4096 }, height: { ideal: 3072 } };
    const known = remembered();
    const stream = await navigator.mediaDevices?.getUserMedia({ video: known ? { ...wish, deviceId: { ideal: decodeURIComponent(known) } } : wish }).catch(() => undefined);
    if (!stream) { covered(say('camera_failed'), 'kiosk-camera-failed', closing()); return; }
    const [track] = stream.getVideoTracks();
    // Remembers which camera, not who stands in front of it.
    document.cookie = `${CAMERA}=${encodeURIComponent(track.getSettings().deviceId || '')}; path=/; max-age=31536000; samesite=strict`;
    const video = make('video', { srcObject: stream, autoplay: true, playsInline: true, muted: true, className: 'kiosk-video' });
    const shut = () => { track.stop(); tracks.delete(track); uncovered(); };
    const shoot = async () => {
      const canvas = make('canvas', { width: video.videoWidth, height: video.videoHeight });
      canvas.getContext('2d').drawImage(video, 0, 0);
      const blob = await new Promise((resolve) => { canvas.toBlob(resolve, 'image/jpeg', 0.92); });
      canvas.width = 1;
      shut();
      const chosen = new DataTransfer();
      chosen.items.add(new File([blob], 'photo.jpg', { type: 'image/jpeg', lastModified: Date.now() }));
      input.files = chosen.files;
      input.dispatchEvent(new Event('change', { bubbles: true }));
    };
    const trigger = button('kiosk-shoot', say('shoot'), shoot, true);
    trigger.disabled = true;
    video.addEventListener('loadedmetadata', () => { trigger.disabled = false; });
    covered(say('shoot_hint'), 'kiosk-camera', video,
      trigger, button('kiosk-close', say('back'), shut));
  };

  addEventListener('click', (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    /** @type {any} */
    const file = target.closest?.('input[type=file]') || target.closest?.('label')?.control;
    if (file?.type === 'file' && event.isTrusted) { event.preventDefault(); event.stopImmediatePropagation(); photograph(file); return; }
    const link = /** @type {HTMLAnchorElement} */ (target.closest?.('a[href]'));
    if (!link) { return; }
    const to = link.getAttribute('href') || '';
    if (to.startsWith('tel:')) {
      event.preventDefault();
      person();
    } else if (link.relList.contains('external') && !to.startsWith('#')) {
      // Outside the app nothing gets wiped.
      event.preventDefault();
    } else if (/^\/({{kept_pages}}|$)/.test(to) && !event.defaultPrevented && root.dataset.ready) {
      // The other program replaces this page, with no history entry.
      const part = (path) => /^\/({{kept_pages}})/.test(path);
      if (part(to) === part(location.pathname)) { return; }
      event.preventDefault();
      event.stopImmediatePropagation();
      // Another page begins with an empty memory.
      if (!isWriting() && !isSending()) { location.replace(to); return; }
      covered(say('leaving'), 'kiosk-leaving',
        button('kiosk-leave', say('leave'), () => location.replace(to)), closing());
    }
  }, true);
  addEventListener('contextmenu', (event) => event.preventDefault());
  addEventListener('dragover', (event) => event.preventDefault());
  addEventListener('drop', (event) => event.preventDefault());

  addEventListener('DOMContentLoaded', () => {
    document.body.append(bar());
    const look = () => { for (const field of fields()) { tamed(field); } };
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true, attributeFilter: ['id', 'inputmode', 'autocomplete'] });
    look();
    begin().then(() => { waiting = false; open(); });
  });
})();
