// How many paths of each length lead through L residual blocks, and what they weigh. All counts are
// whole numbers of any size (BigInt): a path takes the branch or the shortcut in each block, and
// one through k branches weighs epsilon^k, with epsilon = percent / 100.
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
    return counts(blocks).map((n, k) => n * BigInt(percent) ** BigInt(k) * 100n ** BigInt(blocks - k));
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
  const mass = (numbers, first, last) => ratio(total(numbers.slice(first, last + 1)), total(numbers));

  // Binomial laws: a branch is on the path with chance epsilon / (1 + epsilon), 1/2 without weights.
  function moments(blocks, percent) {
    const chance = percent / (100 + percent);
    return { mean: blocks * chance, deviation: Math.sqrt(blocks * chance * (1 - chance)) };
  }

  return { counts, mass, moments, ratio, shares, total, weights };
})();
