// Beside a link to a term, an equation or another page: what stands there, while the pointer or
// the focus is on the link, or after a first tap. Escape hides it. The texts are stored in the page
// by tools/site_terms.py; an equation is copied from where it stands.
const SHOW_AFTER = 150, HIDE_AFTER = 250; // milliseconds: long enough to move into the card

class Previews {
  constructor(article, texts) {
    this.texts = texts; // [title, text] by address
    this.link = null; // the one whose preview is shown
    this.card = document.createElement("div");
    this.card.id = "preview";
    this.card.setAttribute("role", "tooltip");
    this.card.hidden = true;
    document.body.append(this.card);
    this.listen(article);
  }

  listen(article) {
    const on = (target, event, action) => target.addEventListener(event, action);
    on(article, "mouseover", (event) => this.later(this.linkOf(event), SHOW_AFTER));
    on(article, "mouseout", () => this.later(null, HIDE_AFTER));
    on(this.card, "mouseover", () => clearTimeout(this.timer));
    on(this.card, "mouseout", () => this.later(null, HIDE_AFTER));
    on(article, "focusin", (event) => {
      if (event.target.matches(":focus-visible")) this.show(this.linkOf(event));
    });
    on(article, "focusout", () => this.later(null, HIDE_AFTER));
    on(document, "keydown", (event) => event.key === "Escape" && this.show(null));
    on(document, "pointerdown", (event) => this.touch(event));
    on(article, "click", (event) => {
      if (this.firstTap && this.linkOf(event) === this.firstTap) event.preventDefault();
    });
  }

  // The first tap on a link shows its preview, the second one follows it.
  touch(event) {
    const link = this.linkOf(event);
    this.firstTap = event.pointerType === "touch" && link !== this.link ? link : null;
    if (event.pointerType === "touch" && !this.card.contains(event.target)) this.show(link);
  }

  linkOf(event) {
    const link = event.target.closest("a[href]");
    return link && this.content(link) ? link : null;
  }

  content(link) {
    const address = link.getAttribute("href");
    if (link.classList.contains("equation-link")) {
      return document.getElementById(address.slice(1))?.innerHTML;
    }
    return this.texts[address];
  }

  later(link, delay) {
    clearTimeout(this.timer);
    if (link !== this.link || link === null) this.timer = setTimeout(() => this.show(link), delay);
  }

  show(link) {
    clearTimeout(this.timer);
    if (link === this.link) return;
    this.link?.removeAttribute("aria-describedby");
    this.link = link;
    this.card.hidden = link === null;
    if (link === null) return;
    link.setAttribute("aria-describedby", this.card.id);
    this.fill(this.content(link));
    this.place(link);
  }

  fill(content) {
    if (typeof content === "string") {
      this.card.innerHTML = content; // a formula of this page, typeset already
      return;
    }
    const [title, text] = content;
    const heading = document.createElement("strong"), paragraph = document.createElement("p");
    heading.textContent = title;
    paragraph.textContent = text;
    this.card.replaceChildren(heading, paragraph);
    if (text.includes("\\(")) {
      window.MathJax?.typesetPromise?.([paragraph]).then(() => this.link && this.place(this.link));
    }
  }

  // Under the link, or above it where there is no room, and inside the window.
  place(link) {
    const beside = link.getClientRects()[0], gap = 6, margin = 8;
    const { offsetWidth: width, offsetHeight: height } = this.card;
    const left = Math.min(beside.left, document.documentElement.clientWidth - width - margin);
    const below = beside.bottom + gap;
    const top = below + height > innerHeight ? beside.top - height - gap : below;
    this.card.style.left = `${Math.max(margin, left) + scrollX}px`;
    this.card.style.top = `${Math.max(margin, top) + scrollY}px`;
  }
}

document.addEventListener("DOMContentLoaded", () => {
  const article = document.querySelector(".bd-article");
  const stored = document.getElementById("previews");
  if (article) new Previews(article, stored ? JSON.parse(stored.textContent) : {});
});
