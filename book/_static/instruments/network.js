// A fully connected network at initialisation: what it does to a signal and to a gradient.
//
// An array of activations is a Float64Array of `n` features times `batch` images, feature by
// feature: entry (i, b) stands at i * batch + b. A step of the network takes such an array and
// returns [y, back], where back(dy) is dx: forward and backward pass of a step stand side by side.
var instruments = window.instruments ?? {};

instruments.network = (() => {
  // y = W x, with W of shape (n, n), row by row, and n a multiple of 4: four features a turn read
  // and write the row of y once instead of four times, which halves the time of everything. Into
  // `dw`, where it is asked for, goes the gradient of W.
  function linear(w, n, dw = null) {
    const multiply = (x, entry) => {
      const batch = x.length / n;
      const y = new Float64Array(x.length);
      for (let i = 0; i < n; i++) {
        const row = y.subarray(i * batch, (i + 1) * batch);
        for (let j = 0; j < n; j += 4) {
          const w0 = entry(i, j), w1 = entry(i, j + 1), w2 = entry(i, j + 2), w3 = entry(i, j + 3);
          const x0 = j * batch, x1 = x0 + batch, x2 = x1 + batch, x3 = x2 + batch;
          for (let b = 0; b < batch; b++) {
            row[b] += w0 * x[x0 + b] + w1 * x[x1 + b] + w2 * x[x2 + b] + w3 * x[x3 + b];
          }
        }
      }
      return y;
    };
    const outer = (dy, x) => {
      const batch = x.length / n;
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < n; j++) {
          let sum = 0;
          for (let b = 0; b < batch; b++) sum += dy[i * batch + b] * x[j * batch + b];
          dw[i * n + j] = sum;
        }
      }
    };
    const back = (x) => (dy) => {
      if (dw) outer(dy, x);
      return multiply(dy, (i, j) => w[j * n + i]);
    };
    return (x) => [multiply(x, (i, j) => w[i * n + j]), back(x)];
  }

  function relu(x) {
    return [x.map((v) => (v > 0 ? v : 0)), (dy) => dy.map((v, i) => (x[i] > 0 ? v : 0))];
  }

  // Batch norm of each feature over the batch, with gamma = 1, beta = 0 and epsilon = 0.
  function batchNorm(n) {
    return (x) => {
      const batch = x.length / n;
      const z = new Float64Array(x.length);
      const spread = new Float64Array(n);
      for (let start = 0; start < x.length; start += batch) {
        let mean = 0, square = 0;
        for (let i = start; i < start + batch; i++) mean += x[i] / batch;
        for (let i = start; i < start + batch; i++) square += (x[i] - mean) ** 2 / batch;
        spread[start / batch] = Math.sqrt(square);
        for (let i = start; i < start + batch; i++) z[i] = (x[i] - mean) / Math.sqrt(square);
      }
      const back = (dz) => {
        const dx = new Float64Array(dz.length);
        for (let start = 0; start < dz.length; start += batch) {
          let mean = 0, along = 0;
          for (let i = start; i < start + batch; i++) {
            mean += dz[i] / batch;
            along += (dz[i] * z[i]) / batch;
          }
          for (let i = start; i < start + batch; i++) {
            dx[i] = (dz[i] - mean - z[i] * along) / spread[start / batch];
          }
        }
        return dx;
      };
      return [z, back];
    };
  }

  // Steps one after the other are a step.
  const chain = (steps) => (x) => {
    const backs = [];
    for (const step of steps) {
      const [y, back] = step(x);
      backs.push(back);
      x = y;
    }
    return [x, (dy) => backs.reduceRight((g, back) => back(g), dy)];
  };

  // x + beta F(x).
  const residual = (branch, beta) => (x) => {
    const [f, back] = branch(x);
    const sum = x.map((v, i) => v + beta * f[i]);
    return [sum, (dy) => {
      const through = back(dy.map((v) => beta * v));
      return dy.map((v, i) => v + through[i]);
    }];
  };

  // The blocks of a net: one layer each without skips, two with them (pre-activation).
  function blocks({ skip, batchNorm: normed, branchScale }, weights, n, gradients = []) {
    const norm = normed ? [batchNorm(n)] : [];
    const layers = weights.map((w, l) => linear(w, n, gradients[l]));
    if (!skip) return layers.map((layer) => chain([layer, ...norm, relu]));
    const found = [];
    for (let l = 0; l + 1 < weights.length; l += 2) {
      const [first, second] = [layers[l], layers[l + 1]];
      const before = normed ? [...norm, relu] : [];
      found.push(residual(chain([...before, first, ...norm, relu, second]), branchScale));
    }
    return found;
  }

  const rms = (x) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / x.length);

  // Root mean squares of x_l (signal) and of dE/dx_l (gradient) before the first and after each
  // block, when x enters and the gradient `cotangent` comes back from above the last block.
  function profiles(settings, weights, x, cotangent, n) {
    const signal = [rms(x)], gradient = [rms(cotangent)], backs = [];
    for (const block of blocks(settings, weights, n)) {
      const [y, back] = block(x);
      backs.push(back);
      signal.push(rms(y));
      x = y;
    }
    let g = cotangent;
    for (const back of backs.reverse()) {
      g = back(g);
      gradient.unshift(rms(g));
    }
    return { signal, gradient };
  }

  const length = (w) => Math.sqrt(w.reduce((sum, v) => sum + v * v, 0));

  // The weights after one step of gradient descent on the sum of cotangent times output, at the
  // rate that changes the last layer by `share` of its length; and by which share each one changes.
  function step(settings, weights, x, cotangent, n, share) {
    const gradients = weights.map((w) => new Float64Array(w.length));
    const [, back] = chain(blocks(settings, weights, n, gradients))(x);
    back(cotangent);
    const shares = weights.map((w, l) => length(gradients[l]) / length(w));
    const rate = shares.at(-1) > 0 ? share / shares.at(-1) : 0;
    return {
      weights: weights.map((w, l) => w.map((v, i) => v - rate * gradients[l][i])),
      moved: shares.map((v) => rate * v),
    };
  }

  return { profiles, step };
})();
