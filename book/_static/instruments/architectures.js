// The architecture explorer: the stages of a named network to scale, and what is in each one.
// All numbers come from the page's JSON, which the package's `counts` has written; for images of
// another size and another number of classes they are scaled here.
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

  // The side of a map after so many strides of 2: each halves it and rounds up.
  function halved(side, times) {
    for (let i = 0; i < times; i++) side = Math.ceil(side / 2);
    return side;
  }

  const sum = (list, key) => list.reduce((total, { times = 1, [key]: n }) => total + times * n, 0);

  // A block for images of `side` pixels; grid says how often they were halved in front of it, and
  // how many weights meet each position of its input, and each second one.
  function partFor(part, side) {
    const [before, every, second] = part.grid;
    const [whole, half] = [halved(side, before), halved(side, before + 1)];
    return { ...part, macs: every * whole ** 2 + second * half ** 2 };
  }

  // `last` is the stage in front; averaging its map lets the head see `jump` pixels a position on.
  function headFor(head, last, jump, classes) {
    const [features, side] = last.shape;
    const [part] = head.parts;
    const [before] = head.shape;
    const linear = (words) => words.startsWith("linear");
    const layers = part.layers.map(([words, parameters]) =>
      linear(words)
        ? [words.replace(/\d+$/, String(classes)), (features + 1) * classes]
        : [words, parameters]);
    const parameters = part.parameters + (features + 1) * (classes - before);
    const counted = {
      parameters, macs: features * classes, field: last.field + (side - 1) * jump,
    };
    return { ...head, shape: [classes], ...counted, parts: [{ ...part, ...counted, layers }] };
  }

  // The network for square images of `side` pixels and so many classes.
  function scaled(net, side, classes) {
    const [channels, usual] = net.image;
    const [head, ...reversed] = [...net.stages].reverse();
    const stages = reversed.reverse().map((stage) => {
      const parts = stage.parts.map((part) => partFor(part, side));
      const [width, before] = stage.shape;
      const after = halved(side, Math.log2(usual / before));
      return { ...stage, shape: [width, after, after], parts, macs: sum(parts, "macs") };
    });
    stages.push(headFor(head, stages.at(-1), usual / net.stages.at(-2).shape[1], classes));
    const counted = { parameters: sum(stages, "parameters"), macs: sum(stages, "macs") };
    return { ...net, image: [channels, side, side], ...counted, stages };
  }

  // Sums over the stages up to and including number `last`.
  function partial(net, last) {
    const stages = net.stages.slice(0, last + 1);
    return { parameters: sum(stages, "parameters"), macs: sum(stages, "macs") };
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
    const form = root.querySelector("form");
    let drawn = "", named = null, net = null;

    // A number that somebody types, kept within its bounds while it is used.
    const typed = ({ value, min, max }) =>
      Math.min(Math.max(Math.round(Number(value)) || Number(min), Number(min)), Number(max));

    controls.start(root, (settings) => {
      const found = networks.find(({ name }) => name === settings.network);
      const { side, classes } = form.elements;
      if (found !== named) { // what the network was designed for, until somebody wants another
        if (named === null || found.image[1] !== named.image[1]) side.value = found.image[1];
        const [usual] = found.stages.at(-1).shape;
        if (named === null || usual !== named.stages.at(-1).shape[0]) classes.value = usual;
        named = found;
      }
      const [, least] = found.stages.at(-2).shape; // the package refuses maps of less than a pixel
      const wanted = [Math.max(typed(side), found.image[1] / least), typed(classes)];
      const asked = Number(settings.stage ?? 1);
      const index = Math.min(asked, found.stages.length - 1);
      if (drawn !== [found.name, ...wanted].join()) {
        net = scaled(found, ...wanted);
        const made = net.stages.map((stage, i) => column(net, stage, i, i === index));
        columns.replaceChildren(...made);
        inside.replaceChildren(...net.stages.map(partTable)); // one on the other: the room is kept
        drawn = [found.name, ...wanted].join();
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
  return { partial, scaled, sentence };
})();
