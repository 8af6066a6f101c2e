// One task for all: a photograph becomes a JPEG with a long edge of at most 2048 and at most 400
// 000 bytes.
import encode from '/npm/@jsquash/jpeg/encode.js';

const EDGE = 2048;
const MOST = 400_000;

const worker = await (async () => {
  const page = await (await fetch('/index.html')).text();
  const address = page.match(/<link id="photo-worker"[^>]*href="([^"]+)"/)[1];
  const rest = page.match(/<link id="photo-rest"[^>]*href="([^"]+)"/)[1];
  const start = (address) => new Promise((resolve, reject) => {
    const worker = new Worker(address);
    worker.onmessage = () => resolve(worker);
    worker.onerror = (e) => reject(new Error(e.message));
  });
  let quick = null;
  const ask = (worker, order) => new Promise((resolve, reject) => {
    worker.onmessage = (e) => resolve(e.data);
    worker.onerror = (e) => reject(new Error(e.message));
    worker.postMessage({ pdf: false, codes: false, ...order });
  });
  return {
    ready: async () => { quick ??= await start(address); },
    ask: async (file, native) => {
      quick ??= await start(address);
      let answer = await ask(quick, { file, native });
      if (answer.other) {
        const other = await start(rest);
        answer = await ask(other, { file, native });
        other.terminate();
      }
      if (answer.held > 120e6) { quick.terminate(); quick = null; }
      if (answer.error) throw new Error(answer.error);
      return new Blob([answer.bytes], { type: 'image/jpeg' });
    },
  };
})();

const fitted = (width, height) => {
  const scale = Math.min(1, EDGE / Math.max(width, height));
  return [Math.round(width * scale), Math.round(height * scale)];
};

// The best quality that fits, in six steps.
async function bisect(blobOf) {
  let [low, high, best] = [0.2, 0.98, null];
  for (let i = 0; i < 6; i += 1) {
    const quality = (low + high) / 2;
    const blob = await blobOf(quality);
    if (blob.size <= MOST) { best = blob; low = quality; } else { high = quality; }
  }
  return best;
}

const CANVAS_WORKER = `onmessage = async ({ data: [file, bisect, fitted] }) => {
  const EDGE = ${EDGE}, MOST = ${MOST};
  const run = eval('(' + bisect + ')'), fit = eval('(' + fitted + ')');
  try {
    const whole = await createImageBitmap(file);
    const [width, height] = fit(whole.width, whole.height);
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext('2d');
    context.imageSmoothingQuality = 'high';
    context.drawImage(whole, 0, 0, width, height);
    whole.close();
    postMessage(await run((quality) => canvas.convertToBlob({ type: 'image/jpeg', quality })));
  } catch (e) { postMessage(String(e)); }
};`;
const inWorker = new Worker(URL.createObjectURL(new Blob([CANVAS_WORKER], { type: 'text/javascript' })));

const canvasOf = async (file) => {
  const whole = await createImageBitmap(file);
  const [width, height] = fitted(whole.width, whole.height);
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  return { whole, canvas, width, height };
};

const pipelines = {
  ours: (file) => worker.ask(file, true),
  'ours, all WASM': (file) => worker.ask(file, false),
  canvas: (file) => new Promise((resolve, reject) => {
    inWorker.onmessage = (e) => (e.data instanceof Blob ? resolve(e.data) : reject(new Error(e.data)));
    inWorker.postMessage([file, bisect.toString(), fitted.toString()]);
  }),
  'browser-image-compression': (file) => imageCompression(file, {
    maxSizeMB: MOST / 1048576, maxWidthOrHeight: EDGE, useWebWorker: true, alwaysKeepResolution: true, fileType: 'image/jpeg',
    libURL: `${location.origin}/npm/browser-image-compression/dist/browser-image-compression.js`,
  }),
  compressorjs: (file) => new Promise((success, error) => new Compressor(file, { maxWidth: EDGE, maxHeight: EDGE, quality: 0.8, mimeType: 'image/jpeg', success, error })),
  pica: async (file) => {
    const { whole, canvas } = await canvasOf(file);
    await pica().resize(whole, canvas);
    return bisect((quality) => pica().toBlob(canvas, 'image/jpeg', quality));
  },
  '@jsquash/jpeg': async (file) => {
    const { whole, canvas, width, height } = await canvasOf(file);
    const context = canvas.getContext('2d');
    context.imageSmoothingQuality = 'high';
    context.drawImage(whole, 0, 0, width, height);
    const pixels = context.getImageData(0, 0, width, height);
    let [low, high, best] = [30, 95, null];
    while (low <= high) {
      const quality = (low + high) >> 1;
      const bytes = await encode(pixels, { quality });
      if (bytes.byteLength <= MOST) { best = bytes; low = quality + 1; } else { high = quality - 1; }
    }
    return new Blob([best], { type: 'image/jpeg' });
  },
};

// The longest time the page did not respond, watched only during a measurement.
let [longest, last, watched] = [0, 0, false];
const beat = new MessageChannel();
beat.port1.onmessage = () => {
  longest = Math.max(longest, performance.now() - last);
  if (watched) setTimeout(() => { last = performance.now(); beat.port2.postMessage(0); }, 5);
};

window.warm = () => worker.ready();
window.once = async (name, address) => {
  const file = await (await fetch(address)).blob();
  await new Promise((resolve) => { setTimeout(resolve, 200); });
  [longest, last, watched] = [0, performance.now(), true];
  beat.port2.postMessage(0);
  const begin = performance.now();
  try {
    const made = await pipelines[name](new File([file], 'photo.jpg', { type: file.type }));
    const ms = performance.now() - begin;
    watched = false;
    const bytes = new Uint8Array(await made.arrayBuffer());
    let text = '';
    for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
    return { ms, longest, bytes: btoa(text) };
  } catch (e) {
    watched = false;
    return { ms: performance.now() - begin, longest, error: String(e.message ?? e) };
  }
};
window.names = Object.keys(pipelines);
document.documentElement.dataset.ready = 'true';
