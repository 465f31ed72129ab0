"""How the tests visit the pages with an interactive figure."""

import re

from test_site_pages import NEXT_FRAME

PAGES = ("signal_and_gradient", "paths", "architectures")
MARKS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def visit(tab, address, page):
    tab.goto(f"{address}/book/instruments/{page}.html", wait_until="load")
    tab.wait_for_function("document.querySelector('.instrument .sentence').textContent")


def settle(tab):
    tab.evaluate(NEXT_FRAME)


def sentence(tab):
    settle(tab)
    return tab.locator(".instrument .sentence").inner_text()


def numbers(text):
    """The numbers of a sentence: 881, 12,300, 4.2 × 10⁻⁷."""
    found = re.findall(r"(\d[\d,]*(?:\.\d+)?)(?: × 10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?", text)
    return [
        float(value.replace(",", "")) * 10.0 ** int(power.translate(MARKS) or 0)
        for value, power in found
    ]


def slide(tab, name, value):
    """Move a slider as a hand does: the input event tells the page."""
    tab.locator(f"input[name={name}]").evaluate(
        "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }", value
    )
