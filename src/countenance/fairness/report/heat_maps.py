"""The false match rate between the members of every two groups, as a triangle of cells.

The darker, the higher. Numbers are false matches in a million comparisons. Where none was seen the cell has no colour
but hatching, and the number is what there are at most.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from countenance.fairness.record import Rate
from countenance.fairness.report.figures import LINE, TEXT, WIDTH, axes_at, new_figure
from countenance.fairness.report.rate_charts import rows_for

# Inches: a cell's width.
CELL = 0.46
# Black and white stand out equally from this luminance (WCAG 2).
EVEN = 0.179


def cross_figure(names: Sequence[str], cells: Mapping[tuple[int, int], Rate]) -> Figure:
    """The triangle: `cells` by the numbers of two groups, the greater first."""
    labels, left, height = rows_for([f"{name} ({number})" for number, name in enumerate(names, 1)])
    width = min(CELL, (WIDTH - left - 0.1) / len(names))
    figure = new_figure(0.1 + height * len(names) + 0.3)
    axes = axes_at(figure, left, 0.1, width * len(names), height * len(names))
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), labels, fontsize=TEXT - 0.5)
    axes.set_xticks(range(len(names)), [str(number) for number in range(1, len(names) + 1)], fontsize=TEXT)
    axes.tick_params(length=0)
    seen = [rate.rate for rate in cells.values() if rate.rate]
    low, high = (math.log10(min(seen)), math.log10(max(seen))) if seen else (0.0, 1.0)
    size = min(TEXT - 1, 72 * width / (5 * 0.62))
    for (row, column), rate in cells.items():
        if rate.interval is None:
            continue
        corner = (column - 0.5, row - 0.5)
        if rate.rate is None:
            axes.add_patch(Rectangle(corner, 1, 1, facecolor="none", edgecolor=LINE, linewidth=0.4, hatch="////"))
            axes.text(column, row, f"<{_in_a_million(rate.interval.high)}", ha="center", va="center", fontsize=size)
            continue
        share = 0.05 + 0.95 * (math.log10(rate.rate) - low) / max(high - low, 1e-9)
        color = colormaps["cividis_r"](share)
        axes.add_patch(Rectangle(corner, 1, 1, facecolor=color, edgecolor="#fefefe", linewidth=0.6))
        ink = "#fefefe" if _luminance(color) < EVEN else "#101010"
        style = "normal" if rate.shown else "italic"
        number = _in_a_million(rate.rate)
        axes.text(column, row, number, ha="center", va="center", fontsize=size, color=ink, fontstyle=style)
    return figure


def _in_a_million(rate: float) -> str:
    """So many in a million, in at most four characters."""
    value = float(f"{rate * 1e6:.1e}")
    if value >= 1e6:
        return "all"
    if value >= 1000:
        return f"{value / 1000:.3g}k"
    return f"{value:.3g}"


def _luminance(color: tuple[float, float, float, float]) -> float:
    """Relative luminance of WCAG 2."""
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in color[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
