// Signal and gradient through depth: the sizes in one random network, beside the theory.
var instruments = window.instruments ?? {};

instruments.signal = (() => {
  const { chart, controls, network, random, theory } = instruments;
  const WIDTH = 64, BATCH = 64;
  const MOST_GHOSTS = 12;
  const SHARE = 0.01; // of its length that a step of training moves the last layer

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

  // The weights that training begins with.
  const initial = (settings, net) =>
    net.weights(settings.depth, settings.gain * Math.sqrt(2 / WIDTH));

  // Sizes after each block, relative to the input and to the gradient at the top.
  function measure(settings, net, weights = initial(settings, net)) {
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

  // What the last step of training did, in words.
  function stepped(steps, moved) {
    if (steps === 0) return "No step of training yet: the weights are as they were drawn.";
    const [first, last] = [moved[0], moved.at(-1)].map((v) => `${controls.number(100 * v)} %`);
    const so = steps === 1 ? "One step of training" : `${steps} steps of training`;
    return (
      `${so}: the last one moved the first layer’s weights by ${first} of their length, the ` +
      `last layer’s by ${last}. The dashed lines are those of the start.`
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

  // Settings -> the net's sizes, those of other draws with the same settings or of the steps
  // before, and whether any of it is new: not so when only the layer to read at has moved.
  function laboratory() {
    let seed = 0, net = null, shown = null, experiment = "", ghosts = [];
    let weights = null, moved = [], taken = 0;
    return ({ layer, steps, ...settings }) => {
      const { seed: wanted, ...rest } = settings;
      const asked = JSON.stringify(rest);
      const fresh = asked !== experiment || wanted !== seed || steps !== taken;
      if (wanted !== seed) net = draw(wanted);
      if (fresh) {
        ghosts = asked === experiment ? [shown, ...ghosts].slice(0, MOST_GHOSTS) : [];
        if (steps === 0) [weights, moved] = [initial(rest, net), []];
        for (; taken < steps; taken++) {
          ({ weights, moved } = network.step(rest, weights, net.x, net.cotangent, WIDTH, SHARE));
        }
        shown = measure(rest, net, weights);
      }
      [seed, experiment, taken] = [wanted, asked, steps];
      return { shown, ghosts, fresh, moved };
    };
  }

  function showLaw(root, { kind }, { batchNorm }) {
    for (const note of root.querySelectorAll("[data-net]")) {
      note.classList.toggle("shown", note.dataset.net === kind + (batchNorm ? " normed" : ""));
    }
  }

  function begin(root) {
    const form = root.querySelector("form");
    const [signal, gradient] = root.querySelectorAll(".charts svg");
    const observe = laboratory();
    let area = null, shown = null, pinned = null, settled = "";

    // Whatever is changed but the layer to read at and the steps begins again with new weights.
    function beginAgain({ layer, steps, ...settings }) {
      const asked = JSON.stringify(settings);
      if (asked !== settled) form.elements.steps.value = 0;
      settled = asked;
      return { layer, steps: Number(form.elements.steps.value), ...settings };
    }

    function render(changed) {
      const settings = beginAgain(changed);
      form.elements.branchScale.disabled = !settings.skip;
      form.elements.layer.max = settings.depth;
      const observed = observe(settings);
      shown = observed.shown;
      const curves = { ...observed, pinned, law: theory.law(settings) };
      const range = decades([shown, curves.law, ...curves.ghosts, pinned ?? shown]);
      area = paint(signal, "signal", settings, curves, range);
      paint(gradient, "gradient", settings, curves, range);
      showLaw(root, shown, settings);
      const [read, seen] = [reading(settings.layer, shown, curves.law), sentence(settings, shown)];
      root.querySelector(".reading").textContent = read;
      const trained = stepped(settings.steps, observed.moved);
      root.querySelector(".sentence").textContent = seen;
      root.querySelector(".steps").textContent = trained;
      return observed.fresh ? (settings.steps ? `${trained} ${seen}` : seen) : read;
    }

    const { change } = controls.start(root, render);
    form.querySelector(".pin").addEventListener("click", (event) => {
      pinned = pinned ? null : shown;
      event.target.setAttribute("aria-pressed", String(pinned !== null));
      change();
    });
    for (const [button, name] of [[".redraw", "seed"], [".train", "steps"]]) {
      form.querySelector(button).addEventListener("click", () => {
        form.elements[name].value = Number(form.elements[name].value) + 1;
        change();
      });
    }
    for (const svg of [signal, gradient]) {
      chart.follow(svg, (px) => area.invertX(px), (layer) => {
        form.elements.layer.value = Math.round(layer);
        change();
      });
    }
  }

  document.querySelectorAll(".instrument.signal-and-gradient").forEach(begin);
  return { draw, measure, sentence };
})();
