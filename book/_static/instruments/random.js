// Random numbers from a seed: the same seed gives the same network in every browser.
var instruments = window.instruments ?? {};

instruments.random = (() => {
  // The generator sfc32: 128 bits of state, of which 32 are a counter, so that no seed is bad.
  function bits(seed) {
    let a = 0, b = seed | 0, c = 1, counter = 1;
    const next = () => {
      const sum = (((a + b) | 0) + counter) | 0;
      counter = (counter + 1) | 0;
      a = b ^ (b >>> 9);
      b = (c + (c << 3)) | 0;
      c = ((c << 21) | (c >>> 11)) + sum | 0;
      return sum >>> 0;
    };
    for (let i = 0; i < 20; i++) next(); // neighbouring seeds have to drift apart first
    return next;
  }

  // `count` independent standard normal numbers (Box and Muller: two uniform ones make two).
  function normals(next, count) {
    const z = new Float64Array(count);
    for (let i = 0; i < count; i += 2) {
      const radius = Math.sqrt(-2 * Math.log((next() + 1) / 2 ** 32)); // the logarithm needs u > 0
      const angle = (2 * Math.PI * next()) / 2 ** 32;
      z[i] = radius * Math.cos(angle);
      if (i + 1 < count) z[i + 1] = radius * Math.sin(angle);
    }
    return z;
  }

  return { bits, normals };
})();
