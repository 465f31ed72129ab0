// How many paths of each length lead through L residual blocks, and what they weigh. A path takes
// the branch or the shortcut in each block, and one through k branches weighs epsilon^k, with
// epsilon = percent / 100. All sums are whole numbers of any size (BigInt).
var instruments = window.instruments ?? {};

instruments.paths = (() => {
  // The binomial coefficients of `blocks`: the number of paths through k = 0, 1, ... branches.
  function counts(blocks) {
    const found = [1n];
    for (let k = 1; k <= blocks; k++) {
      found.push((found[k - 1] * BigInt(blocks - k + 1)) / BigInt(k));
    }
    return found;
  }

  // The paths' weights over 100^-blocks, so that they are whole numbers too.
  function weights(blocks, percent) {
    const power = (base, exponent) => BigInt(base) ** BigInt(exponent);
    return counts(blocks).map((n, k) => n * power(percent, k) * power(100, blocks - k));
  }

  const length = (n) => n.toString(2).length;

  // n / d as a float, right to its last digits however small it is: 64 bits of the quotient first.
  function ratio(n, d) {
    if (n === 0n) return 0;
    const shift = Math.max(0, 64 + length(d) - length(n));
    return Number((n << BigInt(shift)) / d) * 2 ** -shift;
  }

  const total = (numbers) => numbers.reduce((sum, n) => sum + n, 0n);

  function shares(numbers) {
    const all = total(numbers);
    return numbers.map((n) => ratio(n, all));
  }

  // The share of the lengths first to last, both included.
  function mass(numbers, first, last) {
    return ratio(total(numbers.slice(first, last + 1)), total(numbers));
  }

  // Binomial laws: a branch is on the path with chance epsilon / (1 + epsilon), 1/2 at epsilon 1.
  function moments(blocks, percent) {
    const chance = percent / (100 + percent);
    return { mean: blocks * chance, deviation: Math.sqrt(blocks * chance * (1 - chance)) };
  }

  return { counts, mass, moments, ratio, shares, total, weights };
})();
