// Signal and gradient through depth: the sizes in one random network, beside the theory.
var instruments = window.instruments ?? {};

instruments.signal = (() => {
  const { chart, controls, network, random, theory } = instruments;
  const WIDTH = 64, BATCH = 64;
  const MOST_GHOSTS = 12;

  // Input, gradient at the top and standard normal weights of the net number `seed`, the weights
  // drawn as far as they are needed: a deeper net begins with the layers of the shallower one.
  function draw(seed) {
    const next = random.bits(seed);
    const x = random.normals(next, WIDTH * BATCH);
    const cotangent = random.normals(next, WIDTH * BATCH);
    const drawn = [];
    const weights = (depth, deviation) => {
      while (drawn.length < depth) drawn.push(random.normals(next, WIDTH * WIDTH));
      return drawn.slice(0, depth).map((w) => w.map((v) => deviation * v));
    };
    return { x, cotangent, weights };
  }

  // Sizes after each block, relative to the input and to the gradient at the top.
  function measure(settings, net) {
    const weights = net.weights(settings.depth, settings.gain * Math.sqrt(2 / WIDTH));
    const found = network.profiles(settings, weights, net.x, net.cotangent, WIDTH);
    const [input, top] = [found.signal[0], found.gradient.at(-1)];
    return {
      kind: settings.skip ? "residual" : "plain",
      step: settings.skip ? 2 : 1, // layers a block
      signal: found.signal.map((v) => v / input),
      gradient: found.gradient.map((v) => v / top),
    };
  }

  function verb(ratio) {
    if (ratio > 100) return "explodes";
    if (ratio > 3) return "grows";
    if (ratio < 0.01) return "vanishes";
    return ratio < 1 / 3 ? "shrinks" : "keeps its size";
  }

  // What is to be seen, in words.
  function sentence({ depth }, { signal, gradient }) {
    const [out, back] = [signal.at(-1), gradient[0]];
    return (
      `Over ${depth} layers the signal ${verb(out)}: at the output it is ` +
      `${controls.number(out)} times that of the input. On the way back the gradient ` +
      `${verb(back)}: at the input it is ${controls.number(back)} times that of the output.`
    );
  }

  function reading(layer, { step, signal, gradient }, law) {
    const block = Math.min(Math.floor(layer / step), signal.length - 1);
    const pair = (part, found) =>
      `${part} ${controls.number(found[block])} (theory ${controls.number(law[part][block])})`;
    const place = block === 0 ? "Before the first layer" : `After layer ${block * step}`;
    return `${place}: ${pair("signal", signal)}, ${pair("gradient", gradient)}`;
  }

  // Decades that hold all curves, one at least on each side of 1, the same for both charts.
  function decades(profiles) {
    const logs = profiles.flatMap((p) => [...p.signal, ...p.gradient]).map(Math.log10);
    return [Math.min(-1, Math.floor(Math.min(...logs))), Math.max(1, Math.ceil(Math.max(...logs)))];
  }

  function paint(svg, part, { depth, layer }, { shown, ghosts, pinned, law }, range) {
    const area = chart.area(svg, [0, depth], range);
    const line = (profile, kind) => {
      const points = profile[part].map((v, i) => [i * profile.step, Math.log10(v)]);
      return chart.line(area, points.filter(([l]) => l <= depth), kind); // a kept one may be deeper
    };
    svg.replaceChildren(
      chart.axes(area, chart.ticks(0, depth, 6), chart.ticks(...range, 6, controls.power), "layer"),
      ...(pinned ? [line(pinned, `pinned ${pinned.kind}`)] : []),
      ...ghosts.map((profile) => line(profile, `ghost ${profile.kind}`)),
      line(shown, `measured ${shown.kind}`),
      line({ ...law, step: shown.step }, "theory"),
      chart.vertical(area, Math.min(layer, depth), "probe"));
    return area;
  }

  function begin(root) {
    const form = root.querySelector("form");
    const pin = form.querySelector(".pin");
    const [signal, gradient] = root.querySelectorAll(".charts svg");
    const svgs = { signal, gradient };
    let seed = 0, net = null, shown = null, key = "", ghosts = [], pinned = null, area = null;

    function remember(settings) {
      if (settings.seed !== seed) net = draw(settings.seed);
      seed = settings.seed;
      const { layer, seed: _, ...rest } = settings; // what makes another experiment
      const now = JSON.stringify(rest);
      if (key === `${now} ${seed}`) return; // only the reading moved
      ghosts = key.startsWith(`${now} `) ? [shown, ...ghosts].slice(0, MOST_GHOSTS) : [];
      key = `${now} ${seed}`;
      shown = measure(settings, net);
    }

    function render(settings) {
      form.elements.branchScale.disabled = !settings.skip;
      form.elements.layer.max = settings.depth;
      remember(settings);
      const law = theory.law(settings);
      const range = decades([shown, law, ...ghosts, ...(pinned ? [pinned] : [])]);
      for (const [part, svg] of Object.entries(svgs)) {
        area = paint(svg, part, settings, { shown, ghosts, pinned, law }, range);
      }
      const kind = shown.kind + (settings.batchNorm ? " normed" : "");
      for (const note of root.querySelectorAll("[data-net]")) {
        note.classList.toggle("shown", note.dataset.net === kind);
      }
      root.querySelector(".reading").textContent = reading(settings.layer, shown, law);
      const seen = sentence(settings, shown);
      root.querySelector(".sentence").textContent = seen;
      return seen;
    }

    const { change } = controls.start(root, render);
    pin.addEventListener("click", () => {
      pinned = pinned ? null : shown;
      pin.setAttribute("aria-pressed", String(pinned !== null));
      change();
    });
    form.querySelector(".redraw").addEventListener("click", () => {
      form.elements.seed.value = Number(form.elements.seed.value) + 1;
      change();
    });
    for (const svg of Object.values(svgs)) {
      chart.follow(svg, (px) => area.invertX(px), (layer) => {
        form.elements.layer.value = Math.round(layer);
        change();
      });
    }
  }

  document.querySelectorAll(".instrument.signal-and-gradient").forEach(begin);
  return { draw, measure, sentence };
})();
