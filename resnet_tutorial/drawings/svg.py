"""A drawing as SVG, and the few strokes that every drawing of the book is made of.

A drawing is a light card of one width, so that it is legible on any page, and tall rather than
wide, so that a phone shows its text at 11 pixels or more. The same object gives the same text:
there is no identifier, style sheet or script in it.
"""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from resnet_tutorial.palette import PLAIN, RESIDUAL, THEORY

Number = int | float
WIDTH, MARGIN = 372, 16
INNER = WIDTH - 2 * MARGIN
SCALE = 1.3  # of a drawing where the page has room
INK, MUTED, FAINT = THEORY, "#666666", "#c9ccd1"
PAPER, WEIGHTS = "#fdfdfb", "#e4e9f0"  # WEIGHTS fills what has weights
FONT = "system-ui, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"
SMALL, NORMAL = 12, 13
WIDE, NARROW = set("mwMWN—×"), set(" .,:;ilj|'()[]t/f")


class Drawing:
    """What a function of ``drawings`` returns; a notebook shows it.

    ``alt`` says what is seen, for readers who do not see it. ``svg`` is the file's text.

    >>> drawing = Drawing(Canvas(10, 20), "an empty card")
    >>> drawing, drawing.svg[:4]
    (Drawing: an empty card, '<svg')
    """

    def __init__(self, canvas: "Canvas", alt: str):
        height = canvas.height + 2 * MARGIN
        card = Canvas(WIDTH, height)
        card.rect(0.5, 0.5, WIDTH - 1, height - 1, fill=PAPER, stroke="#e3e3de", radius=10)
        card.place(canvas, (WIDTH - canvas.width) / 2, MARGIN)
        self.alt = alt
        self.svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {number(height)}" '
            f'width="{number(SCALE * WIDTH)}" height="{number(SCALE * height)}" role="img" '
            f'font-family="{FONT}"><title>{escape(alt)}</title>{card}</svg>'
        )

    def __repr__(self) -> str:
        return f"Drawing: {self.alt}"

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str | Path) -> None:
        """Write the SVG file."""
        Path(path).write_text(self.svg, encoding="utf-8")


def number(value: Number) -> str:
    """A coordinate, the same on every machine: at most one decimal.

    >>> number(2 / 3), number(4.0)
    ('0.7', '4')
    """
    return f"{value:.1f}".removesuffix(".0").replace("-0.0", "0")


def said_number(value: float) -> str:
    """A number as a drawing shows it: two decimals at most, and a true minus.

    >>> said_number(-1.0), said_number(0.125)
    ('−1', '0.12')
    """
    return f"{round(float(value), 2) + 0.0:g}".replace("-", "−")


def width_of(text: str, size: Number = NORMAL) -> Number:
    """About how wide a text is; a sans-serif font is assumed, a little on the wide side.

    >>> width_of("16×8×8") < width_of("256×56×56") < 100
    True
    """
    wide = sum(0.86 if c in WIDE else 0.32 if c in NARROW else 0.58 for c in text)
    return size * wide


def shape_text(shape: Sequence[int]) -> str:
    """
    >>> shape_text((16, 8, 8))
    '16×8×8'
    """
    return "×".join(map(str, shape))


class Canvas:
    """Strokes in the order in which they were made; ``place`` puts one canvas into another.

    >>> canvas = Canvas(100, 50)
    >>> canvas.text(10, 20, "x")
    >>> outer = Canvas(200, 50)
    >>> outer.place(canvas, 100, 0)
    >>> str(outer).count("<text")
    1
    """

    def __init__(self, width: Number = 0, height: Number = 0):
        self.width, self.height, self.strokes = width, height, []

    def __str__(self) -> str:
        return "".join(self.strokes)

    def _add(self, tag: str, text: str | None = None, **attributes) -> None:
        values = {
            key.replace("_", "-"): number(v) if isinstance(v, int | float) else v
            for key, v in attributes.items()
            if v is not None
        }
        inside = "".join(f' {key}="{value}"' for key, value in values.items())
        end = "/>" if text is None else f">{escape(text, quote=False)}</{tag}>"
        self.strokes.append(f"<{tag}{inside}{end}")

    def place(self, other: "Canvas", x: Number, y: Number) -> None:
        """Everything on ``other``, its upper left corner at (x, y)."""
        self.strokes.append(f'<g transform="translate({number(x)} {number(y)})">{other}</g>')

    def text(
        self,
        x: Number,
        y: Number,
        text: str,
        size: Number = NORMAL,
        color: str = INK,
        anchor: str = "start",
        weight: str | None = None,
        style: str | None = None,
    ) -> None:
        """A line of text, its middle at the height y."""
        anchor = None if anchor == "start" else anchor
        self._add("text", text, x=x, y=y + 0.35 * size, font_size=size, fill=color,
                  text_anchor=anchor, font_weight=weight, font_style=style)  # fmt: skip

    def rect(
        self,
        x: Number,
        y: Number,
        width: Number,
        height: Number,
        fill: str = "#ffffff",
        stroke: str | None = INK,
        radius: Number = 3,
        thick: Number = 1.2,
        dashes: str | None = None,
    ) -> None:
        """A rectangle from its upper left corner."""
        self._add("rect", x=x, y=y, width=width, height=height, rx=radius, fill=fill,
                  stroke=stroke, stroke_width=thick if stroke else None,
                  stroke_dasharray=dashes)  # fmt: skip

    def circle(self, x: Number, y: Number, radius: Number, fill: str, stroke: str | None = None):
        """A disc, with a rim where ``stroke`` names its colour."""
        self._add("circle", cx=x, cy=y, r=radius, fill=fill, stroke=stroke,
                  stroke_width=1.4 if stroke else None)  # fmt: skip

    def path(
        self, d: str, color: str = INK, thick: Number = 1.4, dashes: str | None = None, **more
    ) -> None:
        """A line along an SVG path."""
        self._add("path", d=d, fill="none", stroke=color, stroke_width=thick,
                  stroke_dasharray=dashes, **more)  # fmt: skip

    def fill(self, d: str, color: str) -> None:
        """The inside of a closed SVG path."""
        self._add("path", d=d, fill=color)

    def line(self, x1, y1, x2, y2, color: str = INK, thick: Number = 1.4, dashes=None) -> None:
        """A straight line."""
        d = f"M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}"
        self.path(d, color, thick, dashes)

    def head(self, x: Number, y: Number, toward: str, color: str = INK) -> None:
        """An arrow's head whose tip is at (x, y): toward "down", "up", "left" or "right"."""
        dx, dy = {"down": (0, 1), "up": (0, -1), "left": (-1, 0), "right": (1, 0)}[toward]
        points = [(x, y), (x - 7 * dx - 4 * dy, y - 7 * dy - 4 * dx),
                  (x - 7 * dx + 4 * dy, y - 7 * dy + 4 * dx)]  # fmt: skip
        text = " ".join(f"{number(a)},{number(b)}" for a, b in points)
        self._add("polygon", points=text, fill=color)

    def arrow(self, x1, y1, x2, y2, color: str = INK, thick: Number = 1.4, dashes=None) -> None:
        """A straight arrow, level or upright."""
        toward = ("down" if y2 > y1 else "up") if x1 == x2 else "right" if x2 > x1 else "left"
        dx, dy = {"down": (0, 5), "up": (0, -5), "left": (-5, 0), "right": (5, 0)}[toward]
        self.line(x1, y1, x2 - dx, y2 - dy, color, thick, dashes)
        self.head(x2, y2, toward, color)

    def shortcut(self, x, y1, y2, out, color=RESIDUAL, thick=2.2, dashes=None, stop=0) -> None:
        """The book's shortcut: from (x, y1) out to ``out`` and back to (x + stop, y2)."""
        r = max(2, min(16, abs(out - x) - 2, abs(y2 - y1) / 2))
        turn = r if y2 > y1 else -r
        d = (
            f"M{number(x)} {number(y1)}H{number(out - r)}Q{number(out)} {number(y1)} "
            f"{number(out)} {number(y1 + turn)}V{number(y2 - turn)}Q{number(out)} {number(y2)} "
            f"{number(out - r)} {number(y2)}H{number(x + stop + 5)}"
        )
        self.path(d, color, thick, dashes)
        self.head(x + stop, y2, "left", color)


def row(panels: Sequence[Canvas], gap: Number = 8, below: Number = 22) -> Canvas:
    """Panels side by side, as many in a row as the card is wide, the rows centred.

    >>> row([Canvas(100, 50), Canvas(100, 80), Canvas(300, 10)]).height
    112
    """
    lines: list[list[Canvas]] = []
    for panel in panels:
        taken = sum(p.width + gap for p in lines[-1]) if lines else INNER + 1
        if taken + panel.width > INNER:
            lines.append([])
        lines[-1].append(panel)
    full, y = Canvas(INNER), 0
    for line in lines:
        spare = (INNER - sum(p.width for p in line)) / (len(line) + 1)
        x = spare
        for panel in line:
            full.place(panel, x, y)
            x += panel.width + spare
        y += max(p.height for p in line) + below
    full.height = y - below
    return full


def color_of(residual: bool) -> str:
    """Blue for what adds a shortcut, orange for what does not."""
    return RESIDUAL if residual else PLAIN
