// An inline formula that is wider than its line gets a line of its own, which scrolls.
function markWideFormulas() {
  for (const formula of document.querySelectorAll(".bd-content span.math")) {
    formula.classList.remove("wide-formula");
    const line = formula.closest("p, li, dd, td, h1, h2, h3, figcaption");
    const width = formula.firstElementChild?.getBoundingClientRect().width ?? 0;
    formula.classList.toggle("wide-formula", line !== null && width > line.clientWidth);
  }
}

window.addEventListener("load", () => {
  window.MathJax?.startup?.promise.then(markWideFormulas);
  window.addEventListener("resize", markWideFormulas);
});
