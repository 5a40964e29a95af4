"""Drawings as SVG text: boxes, lines and words in colours that light and dark pages both bear."""

from __future__ import annotations

from html import escape
from typing import Final, Literal

INK: Final = "#7a8794"
HOST, POWER, BATTERY = "#3d7dca", "#c9722a", "#a08a1a"
COLD, WARM, NETWORK, SCALE_UP = "#2a8fa0", "#c0506f", "#8e5bb0", "#5f6fc0"
BUILDING: Final = "#7f8c99"
SERIES: Final = (HOST, POWER, "#2e9e6b", NETWORK, BATTERY, COLD, WARM, BUILDING)
FONT: Final = "system-ui, -apple-system, 'Segoe UI', sans-serif"
TEXT, SMALL, HEAD = 12.0, 10.0, 14.0
"""Sizes of letters."""
LETTER_RATIO = 0.56
"""Mean width of a letter against its size; for fitting words into boxes."""
ARROW = 5.0
LINE_HEIGHT = 14.0
Anchor = Literal["start", "middle", "end"]


class Drawing:
    """A picture that grows; positions are in pixels from the top left corner."""

    def __init__(self, width: float, height: float, title: str) -> None:
        """``title`` is what a screen reader says of it."""
        self.width = width
        self.height = height
        self.title = title
        self._items: list[str] = []

    def box(self, x: float, y: float, width: float, height: float, hue: str, *lines: str) -> None:
        """A filled box with at most two lines of words in it, the second one smaller."""
        self._items.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="2" fill="{hue}"/>'
        )
        written = [line for line in lines if line]
        middle, base = x + width / 2, y + height / 2 + (4 if len(written) == 1 else -2)
        for size, line in zip((TEXT, SMALL), written, strict=False):
            self.words(middle, base, line, size=size, hue="#fff", anchor="middle")
            base += LINE_HEIGHT

    def words(  # noqa: PLR0913  a place, a text and how it looks
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = TEXT,
        hue: str = INK,
        anchor: Anchor = "start",
        bold: bool = False,
    ) -> None:
        """A line of words; ``y`` is its base line."""
        weight = ' font-weight="600"' if bold else ""
        self._items.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{hue}" '
            f'text-anchor="{anchor}"{weight}>{escape(text)}</text>'
        )

    def line(  # noqa: PLR0913  two places and how it looks
        self,
        x1: float,
        y1: float,
        x2: float,
        y2: float,
        hue: str = INK,
        *,
        thick: float = 1.5,
        arrow: bool = False,
    ) -> None:
        """A line, with an arrow at its second end; arrows are upright or level."""
        self._items.append(
            f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{hue}" '
            f'stroke-width="{thick:g}"/>'
        )
        if arrow:
            along = (0.0, ARROW if y2 > y1 else -ARROW) if x1 == x2 else (
                ARROW if x2 > x1 else -ARROW, 0.0
            )  # fmt: skip
            across = (ARROW * 0.7, 0.0) if x1 == x2 else (0.0, ARROW * 0.7)
            corners = (
                (x2 + along[0], y2 + along[1]),
                (x2 + across[0], y2 + across[1]),
                (x2 - across[0], y2 - across[1]),
            )
            points = " ".join(f"{x:g},{y:g}" for x, y in corners)
            self._items.append(f'<polygon points="{points}" fill="{hue}"/>')

    def place(self, other: Drawing, x: float, y: float) -> None:
        """Another drawing inside this one."""
        self._items.append(f'<g transform="translate({x:g} {y:g})">{other.inner()}</g>')

    def inner(self) -> str:
        """What is drawn, without its frame."""
        return "\n".join(self._items)

    def svg(self) -> str:
        """The whole picture."""
        title = escape(self.title)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:g} {self.height:g}" '
            f'width="{self.width:g}" height="{self.height:g}" font-family="{FONT}" role="img" '
            f'aria-label="{title}">\n<title>{title}</title>\n{self.inner()}\n</svg>\n'
        )


def fits(text: str, width: float, size: float = TEXT) -> bool:
    """Whether a line of words is about that narrow."""
    return len(text) * size * LETTER_RATIO <= width


def wrapped(text: str, width: float, size: float = TEXT) -> list[str]:
    """Words as lines that fit a width."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if fits(longer, width, size) or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def beside(title: str, left: Drawing, right: Drawing, gap: float = 24.0) -> Drawing:
    """Two drawings side by side."""
    both = Drawing(left.width + gap + right.width, max(left.height, right.height), title)
    both.place(left, 0, 0)
    both.place(right, left.width + gap, 0)
    return both


def stacked(title: str, *parts: Drawing, gap: float = 20.0) -> Drawing:
    """Drawings one under the other."""
    height = sum(part.height for part in parts) + gap * (len(parts) - 1)
    whole, y = Drawing(max(part.width for part in parts), height, title), 0.0
    for part in parts:
        whole.place(part, 0, y)
        y += part.height + gap
    return whole
