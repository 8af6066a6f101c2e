// In WeChat, as a page of an official account or in a mini-program's web-view: location, photos,
// scanning, sharing and closing through WeChat's JSSDK. boot.js loads this only there; the app is
// complete without it (docs/EMBEDDING.md).
//
// Promise: nothing waits for WeChat. We offer its functions only once it has accepted this page's
// signature. If one is missing, refuses, is late, answers twice or never, the browser's own way
// remains, which also keeps a photo's metadata.
'use strict';
(() => {
  const USED = ['getLocation', 'chooseImage', 'getLocalImgData', 'scanQRCode', 'updateAppMessageShareData', 'closeWindow'];
  const OPENED = 'camera-opened';

  // One call as a promise, settled once; null if the person declined.
  const call = (name, options) => new Promise((success, failed) => {
    const fail = ({ errMsg }) => (/cancel|deny/.test(errMsg) ? success(null) : failed(new Error(errMsg)));
    globalThis.wx[name]({ ...options, success, fail, cancel: () => success(null) });
  });
  const within = (ms, promise) => Promise.race([promise, new Promise((_, late) => { setTimeout(late, ms); })]);

  const can = {
    // In the coordinate system of the phone's own receiver, as the browser gives it.
    locate: async () => {
      const found = await call('getLocation', { type: 'wgs84' });
      return found && [Number(found.latitude), Number(found.longitude)];
    },
    // Base64, on some phones with a prefix. A photo we cannot get is empty, and the person is told
    // so.
    photos: async () => {
      const chosen = await call('chooseImage', { count: 9, sizeType: ['original'], sourceType: ['album', 'camera'] });
      const read = (localId) => within(15000, call('getLocalImgData', { localId })).then((got) => String(got.localData), () => '');
      const photos = [];
      for (const id of chosen?.localIds || []) { photos.push(await read(id)); }
      return photos;
    },
    scan: async () => (await call('scanQRCode', { needResult: 1, scanType: ['qrCode'] }))?.resultStr,
    // Set up behind WeChat's own menu, from which the person sends it; on another page it becomes
    // the app's own address again.
    share: async ({ title, link }) => {
      const from = location.pathname;
      const lay = (link) => call('updateAppMessageShareData', { title, desc: '', link, imgUrl: location.origin + '/icon-192.png' });
      await lay(link);
      const left = new MutationObserver(() => {
        if (location.pathname !== from) { left.disconnect(); lay(location.origin); }
      });
      left.observe(document.body, { childList: true, subtree: true });
      return 'menu';
    },
    close: async () => {
      if (globalThis.__wxjs_environment === 'miniprogram') { globalThis.wx.miniProgram.navigateBack(); } else { globalThis.wx.closeWindow(); }
    },
  };

  // Offer WeChat's chooser if the browser's returned nothing or the page was killed meanwhile.
  const offer = () => baoanCan({ photos: can.photos });
  const camera = {
    opens: () => { try { localStorage.setItem(OPENED, '1'); } catch { /* then it is not known */ } },
    back: () => { try { localStorage.removeItem(OPENED); } catch { /* as above */ } },
    get open() { try { return localStorage.getItem(OPENED) !== null; } catch { return false; } },
  };
  const watch = () => {
    const killed = camera.open;
    camera.back();
    if (killed) { offer(); }
    const isFile = ({ target }) => target instanceof HTMLInputElement && target.type === 'file';
    addEventListener('click', (event) => { if (isFile(event)) { camera.opens(); } }, true);
    addEventListener('change', (event) => { if (isFile(event)) { camera.back(); } }, true);
    addEventListener('cancel', (event) => { if (isFile(event)) { camera.back(); offer(); } }, true);
    // Some hosts fire neither event: the page is visible again and nothing has arrived.
    const returned = () => setTimeout(() => { if (camera.open && document.hasFocus()) { camera.back(); offer(); } }, 1500);
    addEventListener('focus', returned);
    addEventListener('visibilitychange', returned);
  };

  const script = (src) => new Promise((loaded, failed) => {
    document.head.append(Object.assign(document.createElement('script'), { src, onload: loaded, onerror: failed }));
  });
  const start = async () => {
    // The server defines the library's address before this file loads; without an account it
    // defines none.
    if (!globalThis.baoanWechat) { return; }
    if (!globalThis.wx?.config) { await script(globalThis.baoanWechat); }
    // On iPhones WeChat compares with the address that the page was opened with, elsewhere with the
    // one that it has now.
    const opened = performance.getEntriesByType('navigation')[0]?.name;
    const url = ((/iPhone|iPad/.test(navigator.userAgent) && opened) || location.href).split('#')[0];
    const answer = await fetch('/api/v1/wx/jssdk-signature?url=' + encodeURIComponent(url));
    if (!answer.ok) { return; }
    const { app_id: appId, timestamp, nonce: nonceStr, signature } = await answer.json();
    const accepted = new Promise((ready, refused) => { wx.ready(ready); wx.error(refused); });
    wx.config({ debug: false, appId, timestamp, nonceStr, signature, jsApiList: USED });
    await accepted;
    const { photos: _later, share, ...rest } = can;
    baoanCan(rest);
    // A mini-program's web-view has another menu.
    if (globalThis.__wxjs_environment !== 'miniprogram') { baoanCan({ share }); }
    watch();
  };
  start().catch(() => { /* the browser's own ways stay */ });
})();
