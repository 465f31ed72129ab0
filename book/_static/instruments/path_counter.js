// The path counter: two distributions of the length of a path, and the mass between two lengths.
var instruments = window.instruments ?? {};

instruments.pathCounter = (() => {
  const { chart, controls, paths } = instruments;
  const GRAB = 24; // pixels from an edge of the range within which the pointer takes hold of it

  function percent(share) {
    const value = 100 * share;
    if (value > 99.995 && share < 1) return "over 99.99 %";
    return value >= 10 ? `${value.toFixed(1)} %` : `${controls.number(value)} %`;
  }

  // All digits, as long as they can be read.
  const whole = (n) => (n < 10n ** 18n ? n.toLocaleString("en-US") : controls.number(Number(n)));

  // What is to be seen, in words.
  function sentence({ blocks, epsilon, network, first, last }, counts, weights) {
    const inside = whole(paths.total(counts.slice(first, last + 1)));
    const all = whole(paths.total(counts));
    const weighing = network
      ? `the weights measured in ${network}`
      : `a weight of ${(epsilon / 100).toFixed(2)} a branch`;
    const lengths = first === last ? first : `${first} to ${last}`;
    return (
      `${inside} of the ${all} paths take ${lengths} of the ${blocks} branches: ` +
      `${percent(paths.mass(counts, first, last))} of all paths. With ${weighing} they carry ` +
      `${percent(paths.mass(weights, first, last))} of the weight.`
    );
  }

  // The mean as a line with its name beside it, on the side where there is room.
  function marker(area, value, kind, name, row) {
    const late = area.x(value) > (area.left + area.right) / 2;
    const place = { x: area.x(value) + (late ? -5 : 5), y: area.top + 14 * row - 3 };
    return chart.element("g", { class: `mean ${kind}` },
      chart.vertical(area, value, "line"),
      chart.element("text", { ...place, "text-anchor": late ? "end" : "start" }, name));
  }

  function bars(area, shares, kind, offset) {
    const width = Math.max(1, (area.x(1) - area.x(0)) * 0.42);
    return chart.element("g", { class: `bars ${kind}` }, ...shares.map((share, k) =>
      chart.element("rect", {
        x: area.x(k) + offset * width, width,
        y: area.y(share), height: area.bottom - area.y(share),
      })));
  }

  // The end of the vertical axis; the means' names stand between it and the highest bar.
  function top(shares) {
    const highest = 120 * Math.max(...shares);
    const percent = [5, 10, 15, 20, 25, 30, 40, 50, 60, 80].find((v) => v >= highest) ?? 100;
    return percent / 100;
  }

  // Whole percents, one a block: measured ones of the network that is chosen, or one for all.
  function percents({ blocks, epsilon, network }, measured) {
    return measured[network] ?? Array.from({ length: blocks }, () => epsilon);
  }

  function paint(svg, { blocks, branches, first, last }, counts, weights) {
    const [plain, weighted] = [paths.shares(counts), paths.shares(weights)];
    const high = top([...plain, ...weighted]);
    const area = chart.area(svg, [-0.7, blocks + 0.7], [0, high]);
    const [left, right] = [area.x(first - 0.5), area.x(last + 0.5)];
    const middle = (area.top + area.bottom) / 2;
    const edge = (x) => chart.element("g", { class: "edge" },
      chart.element("line", { x1: x, x2: x, y1: area.top, y2: area.bottom }),
      chart.element("rect", { x: x - 4, y: middle - 14, width: 8, height: 28, rx: 3 }));
    svg.replaceChildren(
      chart.element("rect", { class: "range", x: left, width: right - left, y: area.top,
        height: area.bottom - area.top }),
      chart.axes(area, chart.ticks(0, blocks, 8),
        chart.ticks(0, 100 * high, 6).map(([v]) => [v / 100, `${v} %`]), "branches on the path, k"),
      bars(area, plain, "unweighted", -1), bars(area, weighted, "weighted", 0),
      marker(area, blocks / 2, "unweighted", "mean of all", 1),
      marker(area, paths.moments(branches).mean, "weighted", "weighted mean", 2),
      edge(left), edge(right));
    return { area, left, right };
  }

  // Keeps the range inside the net: the slider that moved pushes the other one along.
  function mend(form, moved) {
    const { blocks, first, last } = form.elements;
    for (const input of [first, last]) input.max = blocks.value;
    if (Number(first.value) <= Number(last.value)) return;
    if (moved === last) first.value = last.value;
    else last.value = first.value;
  }

  function table(root, { branches }) {
    const all = branches.map(() => 100);
    for (const [row, weights] of [["unweighted", all], ["weighted", branches]]) {
      const { mean, deviation } = paths.moments(weights);
      root.querySelector(`[data-row=${row}] .mean`).textContent = mean.toFixed(2);
      root.querySelector(`[data-row=${row}] .deviation`).textContent = deviation.toFixed(2);
    }
  }

  function begin(root) {
    const form = root.querySelector("form");
    const svg = root.querySelector("svg");
    const measured = JSON.parse(root.querySelector(".data").textContent);
    let drawn = null, held = null;
    form.addEventListener("input", (event) => mend(form, event.target));

    const { change } = controls.start(root, (settings) => {
      const { blocks, epsilon, first, last, network } = form.elements;
      const branches = percents(settings, measured);
      blocks.value = branches.length;
      blocks.disabled = epsilon.disabled = network.value !== "";
      mend(form, null);
      const range = { first: Number(first.value), last: Number(last.value) };
      const now = { ...settings, ...range, blocks: branches.length, branches };
      const [counts, weights] = [paths.counts(now.blocks), paths.weights(branches)];
      drawn = paint(svg, now, counts, weights);
      table(root, now);
      const seen = sentence(now, counts, weights);
      root.querySelector(".sentence").textContent = seen;
      return seen;
    });

    // The nearer edge follows the pointer until it is let go.
    const position = (event) => event.clientX - svg.getBoundingClientRect().left;
    svg.addEventListener("pointerdown", (event) => {
      const [toLeft, toRight] = [drawn.left, drawn.right].map((x) => Math.abs(x - position(event)));
      if (Math.min(toLeft, toRight) > GRAB) return;
      held = toLeft < toRight ? form.elements.first : form.elements.last;
      svg.setPointerCapture(event.pointerId);
    });
    svg.addEventListener("pointermove", (event) => {
      if (!held) return;
      const side = held === form.elements.first ? 0.5 : -0.5;
      held.value = Math.round(drawn.area.invertX(position(event)) + side);
      mend(form, held);
      change();
    });
    const release = () => (held = null);
    for (const end of ["pointerup", "pointercancel"]) svg.addEventListener(end, release);
  }

  document.querySelectorAll(".instrument.path-counter").forEach(begin);
  return { sentence };
})();
