// Browsers below the minimum (Chromium 97, iOS 16.4) go to the page without script. Old syntax on
// purpose: all of them read this file. The bytes are a WASM module that uses one SIMD instruction.
(function () {
  var simd = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];
  var good = false;
  try {
    good = typeof WebAssembly === 'object' && WebAssembly.validate(new Uint8Array(simd)) && 'noModule' in document.createElement('script') && typeof Array.prototype.at === 'function' && typeof indexedDB !== 'undefined';
  } catch (_) { good = false; }
  if (!good) { location.replace('/lite'); }
})();
