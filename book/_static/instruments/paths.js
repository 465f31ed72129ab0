// How many paths of each length lead through L residual blocks, and what they weigh. A path takes
// the branch or the shortcut in each block, and one through k branches weighs epsilon^k, with
// epsilon = percent / 100, or the product of its branches' own weights where they were measured.
// All sums are whole numbers of any size (BigInt).
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

  // The paths' weights by their length over 100^-blocks, so that they are whole numbers too: the
  // coefficients of the product of (100 + percent t), one factor a block.
  function weights(percents) {
    return percents.reduce((found, percent) => {
      const through = [0n, ...found.map((n) => n * BigInt(percent))];
      return through.map((n, k) => n + 100n * (found[k] ?? 0n));
    }, [1n]);
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

  // Block by block the branch is on the path with chance epsilon / (1 + epsilon), 1/2 at epsilon 1.
  function moments(percents) {
    const chances = percents.map((percent) => percent / (100 + percent));
    const sum = (values) => values.reduce((total, v) => total + v, 0);
    return {
      mean: sum(chances), deviation: Math.sqrt(sum(chances.map((p) => p * (1 - p)))),
    };
  }

  return { counts, mass, moments, ratio, shares, total, weights };
})();
