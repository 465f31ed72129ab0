// The architecture explorer: the stages of a named network to scale, and what is in each of them.
// All numbers come from the page's JSON, which the package's `counts` has written.
var instruments = window.instruments ?? {};

instruments.architectures = (() => {
  const { controls } = instruments;
  const count = (n) => n.toLocaleString("en-US");
  const shapeText = (shape) => shape.join(" × ");

  function node(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  function percent(part, whole) {
    const value = (100 * part) / whole;
    return value > 0 && value < 1 ? "<1" : String(Math.round(value));
  }

  // Sums over the stages up to and including number `last`.
  function partial(net, last) {
    const stages = net.stages.slice(0, last + 1);
    const sum = (key) => stages.reduce((total, stage) => total + stage[key], 0);
    return { parameters: sum("parameters"), macs: sum("macs") };
  }

  // What is to be seen, in words.
  function sentence(net, index) {
    const stage = net.stages[index];
    const ofAll = (key) => `${count(stage[key])} of ${count(net[key])}`;
    return (
      `${stage.name} of ${net.name} gives ${shapeText(stage.shape)} numbers. It holds ` +
      `${ofAll("parameters")} parameters and takes ${ofAll("macs")} multiply-adds. One of its ` +
      `positions can see ${stage.field} × ${stage.field} pixels.`
    );
  }

  // One stage as a radio button, which the arrow keys walk along without further help.
  function column(net, stage, index, checked) {
    const [channels, side = 1] = stage.shape;
    const widest = Math.max(...net.stages.map((s) => s.shape[0]));
    const tallest = Math.max(...net.stages.map((s) => s.shape[1] ?? 1));
    const input = node("input", { type: "radio", name: "stage", value: index });
    input.checked = checked;
    const bar = (key) => node("span", {
      class: `bar ${key}`, style: `--share: ${stage[key] / net[key]}`,
    }, node("span", {}, percent(stage[key], net[key])));
    return node("label", { class: "stage" }, input,
      node("span", { class: "room", "aria-hidden": "true" }, node("span", {
        class: "slab", style: `--side: ${side / tallest}; --channels: ${channels / widest}`,
      })),
      node("strong", {}, stage.name),
      node("span", { class: "shape" }, node("span", {}, count(channels)),
        node("span", {}, stage.shape.length > 1 ? `${side} × ${side}` : "numbers")),
      node("span", { class: "bars", "aria-hidden": "true" }, bar("parameters"), bar("macs")));
  }

  function row(cells, attributes = {}) {
    const [head, ...rest] = cells;
    return node("tr", attributes, node("th", { scope: "row" }, head),
      ...rest.map((cell) => node("td", {}, cell)));
  }

  // The blocks of a stage, each with its layers below it.
  function partTable(stage) {
    const rows = stage.parts.flatMap((part) => {
      const title = part.times > 1 ? `${part.times} × ${part.title}, each` : part.title;
      return [
        row([`${title} ${count(part.macs)} multiply-adds`, count(part.parameters)],
          { class: "part" }),
        ...part.layers.map(([words, parameters]) => row([words, count(parameters)])),
      ];
    });
    const [inside, parameters] = [`inside ${stage.name}`, "parameters"].map((words) =>
      node("th", { scope: "col" }, words));
    return node("table", {}, node("thead", {}, node("tr", {}, inside, parameters)),
      node("tbody", {}, ...rows));
  }

  function showSums(table, net, index) {
    const cells = (s) => [s.name, shapeText(s.shape), count(s.parameters), count(s.macs), s.field];
    const sums = partial(net, index);
    table.tBodies[0].replaceChildren(...net.stages.map((stage, i) =>
      row(cells(stage), { class: i === index ? "chosen" : i < index ? "passed" : "" })));
    const total = (kind, words, { parameters, macs }) =>
      table.querySelector(`.${kind}`).replaceWith(
        row([words, "", count(parameters), count(macs), ""], { class: kind }));
    total("partial", `up to ${net.stages[index].name}`, sums);
    total("whole", "whole net", net);
  }

  // The receptive field as a square over the image, both to one scale.
  function showField(root, net, stage) {
    const [, side] = net.image;
    const scale = 184 / Math.max(side, stage.field);
    const square = (kind, size) =>
      `<rect class="${kind}" x="${-size / 2}" y="${-size / 2}" width="${size}" height="${size}"/>`;
    root.querySelector(".field svg").innerHTML =
      square("image", scale * side) + square("seen", scale * stage.field);
    root.querySelector(".reach").textContent =
      `Dashed: the receptive field, ${stage.field} × ${stage.field}. Grey: the image, ` +
      `${side} × ${side}.`;
  }

  function begin(root) {
    const networks = JSON.parse(root.querySelector(".data").textContent);
    const [columns, inside] = [root.querySelector(".columns"), root.querySelector(".inside")];
    let drawn = null;

    controls.start(root, (settings) => {
      const net = networks.find(({ name }) => name === settings.network);
      const asked = Number(settings.stage ?? 1);
      const index = Math.min(asked, net.stages.length - 1);
      if (net !== drawn) {
        const made = net.stages.map((stage, i) => column(net, stage, i, i === index));
        columns.replaceChildren(...made);
        inside.replaceChildren(...net.stages.map(partTable)); // one on the other: the room is kept
        drawn = net;
        root.classList.add("ready");
      }
      const stage = net.stages[index];
      showField(root, net, stage);
      [...inside.children].forEach((table, i) => table.classList.toggle("shown", i === index));
      showSums(root.querySelector(".sums"), net, index);
      const seen = sentence(net, index);
      root.querySelector(".sentence").textContent = seen;
      return seen;
    });
  }

  document.querySelectorAll(".instrument.architecture-explorer").forEach(begin);
  return { partial, sentence };
})();
