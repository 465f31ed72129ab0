// On paper nothing can be unfolded: print what is folded, except the cell that is for Colab only.
window.addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details:not([open])")) {
    const summary = part.querySelector("summary")?.textContent ?? "";
    if (summary.includes("only in Colab")) part.classList.add("not-printed");
    else part.open = part.opened = true;
  }
});

window.addEventListener("afterprint", () => {
  for (const part of document.querySelectorAll("details")) {
    if (part.opened) part.open = part.opened = false;
  }
});
