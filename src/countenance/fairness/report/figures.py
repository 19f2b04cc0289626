"""Figures as SVG that lives in a page: the same bytes every time, text as text, and the page's own colours.

What differs in a figure differs in form too, not in colour alone, so that it can be told apart in print without colour
and by people who do not see all colours. The colours are those of Okabe and Ito.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Literal

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

# What the page's style sheet decides, since it is another in the dark: ink on paper, and what stands out.
INK = "#1a1a1a"
QUIET = "#5c5c5c"
LINE = "#d0d0d0"
PAPER = "#ffffff"
BLUE = "#0072b2"
ORANGE = "#d55e00"
_OF_THE_PAGE = {
    INK: "currentColor",
    QUIET: "var(--quiet)",
    LINE: "var(--line)",
    PAPER: "var(--paper)",
    BLUE: "var(--blue)",
    ORANGE: "var(--orange)",
}

# Inches: the width of the text of an A4 page.
WIDTH = 7.2
# Points; and inches that a character of this size takes up, generously.
TEXT = 8.0
CHARACTER = 0.068
# With more powers of ten than these, an axis has no ticks between them.
MOST_RULED = 4

_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "countenance",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": TEXT,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.labelsize": TEXT,
    "axes.titlesize": TEXT + 1,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": LINE,
    "grid.linewidth": 0.5,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": TEXT - 1,
    "ytick.labelsize": TEXT - 1,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "hatch.linewidth": 0.5,
    "hatch.color": LINE,
    "lines.solid_capstyle": "butt",
}


@dataclass(frozen=True)
class Picture:
    """A figure, its SVG, and what it shows in a sentence or two."""

    svg: str
    caption: str


@contextmanager
def drawing() -> Iterator[None]:
    """Draw in our style, whatever the user's own may be."""
    with matplotlib.style.context(["default", _STYLE]), warnings.catch_warnings():
        # Names may be in any script: the reader's browser has the fonts, matplotlib only measures.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def svg(figure: Figure, name: str, seen: str) -> str:
    """A figure as an element of a page. `name` is part of its identifiers, `seen` is what screen readers say."""
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, count=1, flags=re.DOTALL)
    text = re.sub(r"(\bid=\"|href=\"#|url\(#)", rf"\g<1>{name}-", text)
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)
    text = re.sub(r"\s*\n\s*", " ", text)
    for own, of_the_page in _OF_THE_PAGE.items():
        text = text.replace(own, of_the_page)
    head = f'<svg role="img" aria-label="{escape(seen)}"'
    return re.sub(r'<svg( xmlns:xlink="[^"]*")? width="[^"]*" height="[^"]*"', lambda _: head, text, count=1)


def new_figure(height: float) -> Figure:
    """An empty figure of the page's width and a height in inches."""
    return Figure(figsize=(WIDTH, height))


def axes_at(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes whose place is given in inches from the left and from the top."""
    whole_width, whole_height = figure.get_figwidth(), figure.get_figheight()
    return figure.add_axes(
        (left / whole_width, 1 - (top + height) / whole_height, width / whole_width, height / whole_height)
    )


def decades(values: Sequence[float]) -> tuple[int, int]:
    """The powers of ten between which rates lie, never above 1 and at least one apart."""
    seen = [value for value in values if value > 0]
    if not seen:
        return -1, 0
    low = math.floor(math.log10(min(seen)) + 1e-9)
    high = min(0, math.ceil(math.log10(max(seen)) - 1e-9))
    low = min(low, -1)
    return low, max(high, low + 1)


def label_decades(
    axes: Axes, which: Literal["x", "y"], low: int, high: int, most: int = 5, *, ruled: bool = False
) -> None:
    """A logarithmic axis from 10**low to 10**high whose labels say "1 in 1,000"; at most about `most` of them.

    `ruled`: with small ticks from 2 to 9 between the powers of ten, where these are not too many.
    """
    step = max(1, math.ceil((high - low) / (most - 1)))
    powers = range(high, low - 1, -step)
    names = [_decade(power, "\n" if which == "x" else " ") for power in powers]
    axes.set(**{f"{which}scale": "log", f"{which}lim": (10.0**low, 10.0**high)})
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_ticks([10.0**power for power in powers], names)
    axis.set_minor_locator(NullLocator())
    if ruled and high - low <= MOST_RULED:
        axis.set_ticks([10.0**power * times for power in range(low, high) for times in range(2, 10)], minor=True)
        axis.set_minor_formatter(NullFormatter())


def _decade(power: int, gap: str) -> str:
    if power == 0:
        return "all"
    return f"1 in{gap}{10**-power:,}".replace(",000,000", " million")
