// A small chart in SVG, drawn in CSS pixels so that its letters keep their size on a phone.
var instruments = window.instruments ?? {};

instruments.chart = (() => {
  function element(name, attributes = {}, ...children) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  // The plotting area inside the svg's box, and the maps from values to pixels.
  function area(svg, [x0, x1], [y0, y1]) {
    const box = { left: 46, right: svg.clientWidth - 12, top: 12, bottom: svg.clientHeight - 38 };
    const x = (v) => box.left + ((v - x0) / (x1 - x0)) * (box.right - box.left);
    const y = (v) => box.bottom - ((v - y0) / (y1 - y0)) * (box.bottom - box.top);
    const invertX = (px) => x0 + ((px - box.left) / (box.right - box.left)) * (x1 - x0);
    return { ...box, x, y, invertX };
  }

  // Grid lines with their labels, and the name of the horizontal axis; ticks are [value, text].
  function axes(area, xTicks, yTicks, xName) {
    const { left, right, top, bottom, x, y } = area;
    const text = (attributes, content) => element("text", attributes, content);
    return element("g", { class: "axes" },
      ...yTicks.flatMap(([v, label]) => [
        element("line", { x1: left, x2: right, y1: y(v), y2: y(v), class: "grid" }),
        text({ x: left - 6, y: y(v) + 4, "text-anchor": "end" }, label)]),
      ...xTicks.flatMap(([v, label]) => [
        element("line", { x1: x(v), x2: x(v), y1: bottom, y2: bottom + 4, class: "tick" }),
        text({ x: x(v), y: bottom + 17, "text-anchor": "middle" }, label)]),
      element("line", { x1: left, x2: right, y1: bottom, y2: bottom, class: "tick" }),
      text({ x: (left + right) / 2, y: bottom + 33, "text-anchor": "middle" }, xName));
  }

  const line = (area, points, kind) => element("path", {
    class: kind,
    d: points.map(([x, y], i) => `${i ? "L" : "M"}${area.x(x).toFixed(2)} ${area.y(y).toFixed(2)}`)
      .join(""),
  });

  const vertical = (area, v, kind) => element("line", {
    class: kind, x1: area.x(v), x2: area.x(v), y1: area.top, y2: area.bottom,
  });

  // At most `most` ticks from `low` to `high`, a round number apart, and at least 1.
  function ticks(low, high, most, label = String) {
    const rounds = [1, 2, 5, 10, 20, 50, 100, 200];
    const step = rounds.find((s) => (high - low) / s <= most - 1) ?? rounds.at(-1);
    const found = [];
    for (let v = Math.ceil(low / step) * step; v <= high; v += step) found.push([v, label(v)]);
    return found;
  }

  // Calls `move` with the value under the pointer while it hovers, presses or drags.
  function follow(svg, invert, move) {
    const report = (event) => move(invert(event.clientX - svg.getBoundingClientRect().left));
    svg.addEventListener("pointerdown", (event) => {
      svg.setPointerCapture(event.pointerId);
      report(event);
    });
    svg.addEventListener("pointermove", report);
  }

  return { area, axes, element, follow, line, ticks, vertical };
})();
