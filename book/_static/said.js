// On the page Said about ResNets: show the sentences that have these words and this verdict.
document.addEventListener("DOMContentLoaded", () => {
  const page = document.getElementById("said-about-resnets");
  if (!page) return;
  const sentences = [...page.querySelectorAll(":scope > section")].map(section => ({
    section,
    text: section.textContent.toLowerCase(),
    verdict: section.querySelector("dt").textContent.match(/^(Holds when|\w+(?: tested yet)?)/)[0],
  }));
  const verdicts = ["any verdict", ...new Set(sentences.map(one => one.verdict))];
  const form = document.createElement("form");
  form.className = "said-filter";
  form.innerHTML = `<label>Words, English or Chinese <input type="search"></label>
    <label>Verdict <select>${verdicts.map(name => `<option>${name}</option>`).join("")}</select></label>
    <output></output>`;
  const [words, verdict, count] = form.querySelectorAll("input, select, output");

  function show() {
    const asked = words.value.toLowerCase().split(/\s+/);
    let shown = 0;
    for (const one of sentences) {
      const fits = verdict.selectedIndex === 0 || one.verdict === verdict.value;
      one.section.hidden = !(fits && asked.every(word => one.text.includes(word)));
      shown += !one.section.hidden;
    }
    count.textContent = `${shown} of ${sentences.length} sentences`;
  }

  form.addEventListener("input", show);
  form.addEventListener("submit", event => event.preventDefault());
  window.addEventListener("hashchange", () => {
    form.reset(); // an address leads to its sentence, whatever was asked before
    show();
    document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
  });
  sentences[0].section.before(form);
  show();
});
