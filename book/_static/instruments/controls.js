// What the instruments share: reading and setting their controls, numbers in words, announcements.
//
// An instrument is a <section class="instrument"> with one <form>. The state is the form's: sliders
// and switches by name, hidden inputs for the rest. Whatever changes it, `render` is called with
// all settings before the next frame, and returns the sentence that a screen reader hears once the
// reader's hand has come to rest.
var instruments = window.instruments ?? {};

instruments.controls = (() => {
  const REST = 600; // milliseconds without a change after which the sentence is announced

  function read(form) {
    const settings = {};
    for (const input of form.elements) {
      if (!input.name || (input.type === "radio" && !input.checked)) continue;
      const number = ["range", "hidden"].includes(input.type);
      settings[input.name] =
        input.type === "checkbox" ? input.checked : number ? Number(input.value) : input.value;
    }
    return settings;
  }

  function write(form, settings) {
    for (const [name, value] of Object.entries(settings)) {
      const input = form.elements[name];
      if (input.type === "checkbox") input.checked = value;
      else input.value = value;
    }
  }

  // Buttons that stand for settings are pressed while the form has those settings.
  function showPressed(form, settings) {
    for (const button of form.querySelectorAll("[data-set]")) {
      const wanted = Object.entries(JSON.parse(button.dataset.set));
      const same = wanted.every(([name, value]) => settings[name] === value);
      button.setAttribute("aria-pressed", String(same));
    }
  }

  // The number beside each slider, and the same with its unit for screen readers.
  function showValues(form) {
    for (const input of form.querySelectorAll("input[type=range]")) {
      const { digits, scale } = input.dataset;
      const text = (Number(input.value) / Number(scale)).toFixed(Number(digits));
      form.querySelector(`[data-shows="${input.name}"]`).textContent = text;
      input.setAttribute("aria-valuetext", `${text} ${input.dataset.unit}`.trim());
    }
  }

  function start(root, render) {
    const form = root.querySelector("form");
    const status = root.querySelector("[role=status]");
    let frame = 0, timer = 0, touched = false;
    const draw = () => {
      frame = 0;
      const settings = read(form);
      const sentence = render(settings);
      showValues(form);
      showPressed(form, settings);
      if (!touched) return; // nothing is announced while the page loads
      clearTimeout(timer);
      timer = setTimeout(() => (status.textContent = spoken(sentence)), REST);
    };
    const schedule = () => (frame ||= requestAnimationFrame(draw));
    const change = () => {
      touched = true;
      schedule();
    };
    form.addEventListener("input", change);
    form.addEventListener("submit", (event) => event.preventDefault());
    for (const button of form.querySelectorAll("[data-set]")) {
      button.addEventListener("click", () => {
        write(form, JSON.parse(button.dataset.set));
        change();
      });
    }
    new ResizeObserver(schedule).observe(root);
    draw();
    return { change };
  }

  // 10 with an exponent: 10⁻¹².
  const power = (n) => "10" + [...String(n)].map((c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c] ?? "⁻").join("");

  // Three digits, as one reads them: 0.0312, 1.21, 881, 12,300, 4.2 × 10⁻⁷.
  function number(value) {
    if (value === 0) return "0";
    const exponent = Math.floor(Math.log10(Math.abs(value)));
    if (exponent < -3 || exponent > 5) {
      const [digits, shift] = value.toExponential(1).split("e");
      return `${digits} × ${power(Number(shift))}`;
    }
    const rounded = Number(value.toPrecision(3));
    return rounded.toLocaleString("en-US", { maximumSignificantDigits: 3 });
  }

  const spoken = (text) =>
    text.replace(/[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+/g, (raised) => {
      const plain = [...raised].map((c) => (c === "⁻" ? "minus " : "⁰¹²³⁴⁵⁶⁷⁸⁹".indexOf(c)));
      return ` to the power ${plain.join("")}`;
    });

  return { number, power, spoken, start };
})();
