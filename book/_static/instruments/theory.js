// What the book's theory says about the nets of network.js: sizes of signal and gradient, block by
// block, relative to the signal that enters and to the gradient that comes back from the top.
// Derived in theory/signal_propagation and theory/gradient_flow; He's variance 2/n times gain^2.
var instruments = window.instruments ?? {};

instruments.theory = (() => {
  // 1 - 1/pi is the variance of the ReLU of a standard normal number, times 2.
  const kappa = Math.PI / (Math.PI - 1);

  // One layer a block: the signal is multiplied by the gain; batch norm makes its square 1/2.
  function plain({ depth, gain, batchNorm }) {
    const layers = Array.from({ length: depth + 1 }, (_, l) => l);
    if (!batchNorm) {
      return {
        signal: layers.map((l) => gain ** l),
        gradient: layers.map((l) => gain ** (depth - l)),
      };
    }
    // The first layer is different: its input has variance 1, not (1 - 1/pi)/2.
    const growth = (l) => kappa ** ((depth - Math.max(l, 1)) / 2) * (l === 0 ? Math.SQRT1_2 : 1);
    return {
      signal: layers.map((l) => (l === 0 ? 1 : Math.SQRT1_2)),
      gradient: layers.map(growth),
    };
  }

  // Two layers a block: signal and gradient add the squares of shortcut and branch.
  function residual({ depth, gain, branchScale, batchNorm }) {
    const count = depth / 2;
    const added = branchScale ** 2 * gain ** (batchNorm ? 2 : 4) * (batchNorm ? 1 : 2);
    const squares = [1];
    const factors = []; // of the square of the gradient, through block b
    for (let b = 0; b < count; b++) {
      squares.push(batchNorm ? 1 + (b + 1) * added : squares[b] * (1 + added));
      factors.push(1 + (batchNorm ? (added * kappa) / (1 + (b * added) / kappa) : added));
    }
    const gradient = [1];
    for (const factor of factors.reverse()) gradient.unshift(gradient[0] * factor);
    return { signal: squares.map(Math.sqrt), gradient: gradient.map(Math.sqrt) };
  }

  return { law: (settings) => (settings.skip ? residual : plain)(settings) };
})();
