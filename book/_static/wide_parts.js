// What is wider than its line scrolls inside itself, and the keyboard can reach it to scroll it.
const SCROLLERS = `.bd-article :is(pre, div.math, span.math, mjx-container, figure, .output,
  .pst-scrollable-table-container)`;

// An inline formula that is wider than its line gets a line of its own.
function markWideFormulas() {
  for (const formula of document.querySelectorAll(".bd-content span.math")) {
    formula.classList.remove("wide-formula");
    const line = formula.closest("p, li, dd, td, h1, h2, h3, figcaption");
    const width = formula.firstElementChild?.getBoundingClientRect().width ?? 0;
    formula.classList.toggle("wide-formula", line !== null && width > line.clientWidth);
  }
}

function reachScrollers() {
  const wide = [...document.querySelectorAll(SCROLLERS)].map(
    (part) => [part, part.scrollWidth > part.clientWidth + 1]);
  for (const [part, scrolls] of wide) {
    if (scrolls && /auto|scroll/.test(getComputedStyle(part).overflowX)) part.tabIndex = 0;
    else part.removeAttribute("tabindex");
  }
}

function adaptWidths() {
  markWideFormulas();
  reachScrollers();
}

window.addEventListener("load", () => {
  Promise.resolve(window.MathJax?.startup?.promise).then(adaptWidths);
  window.addEventListener("resize", adaptWidths);
  document.addEventListener("toggle", adaptWidths, true); // what unfolds is measured then
});
