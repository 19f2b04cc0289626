"""A small diagram for each group: its own curve in front of those of all others, all on the same axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from countenance.fairness.record import AgeGap, Curve, Distribution, Rate
from countenance.fairness.report.figures import (
    BLUE,
    CHARACTER,
    INK,
    LINE,
    ORANGE,
    PAPER,
    QUIET,
    TEXT,
    WIDTH,
    axes_at,
    decades,
    label_decades,
    new_figure,
)
from countenance.fairness.report.rate_charts import LINE_HEIGHT, TALLEST, ends
from countenance.fairness.report.words import lines

COLUMNS = 4
# Inches.
SIDE = 1.5
SMALLEST_SIDE = 0.8
LEFT = 0.95
FOOT = 0.62
GAP = 0.14
# A score axis is drawn in so many steps at most, and at least.
STEPS = 100
FEWEST_STEPS = 8

_MARKERS = "osD^vPX*"


def small_multiples(names: Sequence[str], draw: Callable[[Axes, int], None], x: str, y: str) -> Figure:
    """A diagram for each name, `draw` by its number; the axes' labels are at the left and at the bottom."""
    columns = min(COLUMNS, max(len(names), 3))
    rows = math.ceil(len(names) / columns)
    width = (WIDTH - LEFT - 0.1 - GAP * (columns - 1)) / columns
    titles = [lines(name, int(width / CHARACTER)) for name in names]
    head = 0.13 + LINE_HEIGHT * max(title.count("\n") + 1 for title in titles)
    side = min(SIDE, max(SMALLEST_SIDE, (TALLEST - FOOT) / rows - GAP - head))
    figure = new_figure(rows * (side + GAP + head) + FOOT)
    for place, title in enumerate(titles):
        row, column = divmod(place, columns)
        axes = axes_at(figure, LEFT + column * (width + GAP), head + row * (side + GAP + head), width, side)
        draw(axes, place)
        axes.set_title(title, loc="left", fontsize=TEXT - 0.5, linespacing=1.1)
        axes.tick_params(labelleft=column == 0, labelbottom=place + columns >= len(names))
    figure.text(0.5, 0.06 / figure.get_figheight(), x, ha="center", va="bottom", fontsize=TEXT)
    figure.text(0.004, 0.5, y, ha="left", va="center", rotation=90, fontsize=TEXT)
    return figure


def det_figure(names: Sequence[str], curves: Sequence[Curve], everyone: Curve | None) -> Figure:
    """DET curves, false match rate across and false non-match rate up, both logarithmic.

    Where only one of the two errors was seen a curve is dotted, and lies on the edge: the other is not known.
    """
    known = [_det(curve) for curve in curves]
    whole = None if everyone is None else _det(everyone)
    values = np.concatenate([*known, *([] if whole is None else [whole])], axis=1)
    x, y = (decades([value for value in axis if value > 0]) for axis in values)
    edges = np.array([[10.0 ** x[0]], [10.0 ** y[0]]])

    def draw(axes: Axes, place: int) -> None:
        label_decades(axes, "x", *x, most=3)
        label_decades(axes, "y", *y, most=5)
        for other in known:
            axes.plot(*other, color=LINE, linewidth=0.8)
        if whole is not None:
            axes.plot(*whole, color=QUIET, linewidth=1, linestyle=(0, (3, 1.5)))
        own = known[place]
        axes.plot(*np.where(np.isnan(own), edges, own), color=BLUE, linewidth=1.2, linestyle=(0, (1, 1)), clip_on=False)
        axes.plot(*own, color=BLUE, linewidth=1.8)

    return small_multiples(names, draw, "false match rate", "false non-match rate")


def _det(curve: Curve) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """FMR and FNMR at each threshold, float64 (2, n); NaN where no error was seen."""
    points = [(point.fmr or math.nan, point.fnmr or math.nan) for point in curve.points]
    return np.array(points, dtype=np.float64).reshape(-1, 2).T


def scores_figure(
    names: Sequence[str],
    non_mated: Sequence[Distribution],
    mated: Sequence[Distribution | None],
    marks: Sequence[float],
) -> Figure:
    """How scores are distributed: non-mated solid, mated dashed, thresholds dotted; shares on a logarithmic axis."""
    drawn = [_shares(one) for one in non_mated]
    mates = [None if one is None else _shares(one) for one in mated]
    every = [*drawn, *(one for one in mates if one is not None)]
    low, high = decades([float(share) for _, shares in every for share in shares if share > 0])
    left = min(float(edges[0]) for edges, _ in every)
    right = max(float(edges[-1]) for edges, _ in every)

    def draw(axes: Axes, place: int) -> None:
        label_decades(axes, "y", low, high, most=4)
        axes.set_xlim(left, right)
        axes.xaxis.get_major_locator().set_params(nbins=4)  # type: ignore[call-arg]
        for mark in marks:
            axes.axvline(mark, color=INK, linewidth=0.9, linestyle=(0, (1, 1.5)))
        for line, color, style in ((drawn[place], BLUE, "-"), (mates[place], ORANGE, (0, (3, 1)))):
            if line is not None:
                edges, shares = line
                axes.stairs(np.where(shares > 0, shares, 10.0**low / 10), edges, color=color, linestyle=style)

    return small_multiples(names, draw, "score", "share of comparisons")


Line = tuple[np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.float64]]]


def _shares(one: Distribution) -> Line:
    """Edges of steps and the mean share of comparisons in each bin of them, from the first that has any to the last.

    The fewer comparisons, the wider the steps, so that what is left is not noise.
    """
    counts = np.array(one.counts, dtype=np.float64)
    edges = np.linspace(one.low, one.high, len(counts) + 1)
    used = np.flatnonzero(counts)
    if not len(used):
        return edges[[0, -1]], np.zeros(1)
    counts, edges = counts[used[0] : used[-1] + 1], edges[used[0] : used[-1] + 2]
    steps = min(STEPS, max(FEWEST_STEPS, math.isqrt(int(counts.sum()))))
    starts = np.arange(0, len(counts), math.ceil(len(counts) / steps))
    widths = np.diff(np.append(starts, len(counts)))
    return np.append(edges[starts], edges[-1]), np.add.reduceat(counts, starts) / widths / counts.sum()


@dataclass(frozen=True)
class Series:
    """One error by the gallery's size: `rates` of each size, in the order of the names."""

    title: str
    rates: Sequence[Sequence[Rate | None]]


def gallery_figure(names: Sequence[str], sizes: Sequence[int], series: Sequence[Series]) -> Figure:
    """1:N errors by the gallery's size, each error with a mark of its own."""
    found = [rate for one in series for rates in one.rates for rate in rates if rate is not None and rate.interval]
    low, high = decades([end for rate in found for end in ends(rate)])

    def draw(axes: Axes, place: int) -> None:
        label_decades(axes, "y", low, high, most=5)
        axes.set_xlim(-0.5, len(sizes) - 0.5)
        axes.set_xticks(range(len(sizes)), [f"{size:,}" for size in sizes])
        for number, one in enumerate(series):
            places = [at + (number - (len(series) - 1) / 2) * 0.24 for at in range(len(sizes))]
            _series(axes, places, [rates[place] for rates in one.rates], look(number), 10.0**low)

    return small_multiples(names, draw, "people in the gallery", "share of searches")


def look(number: int) -> tuple[str, str]:
    """Marker and colour of a series."""
    return _MARKERS[number % len(_MARKERS)], (BLUE, ORANGE, INK)[number % 3]


def ageing_figure(gaps: Sequence[AgeGap], points: Sequence[str]) -> Figure:
    """False non-match rate by the years between two photos, with a mark for each operating point."""
    found = [gap.fnmr[point] for gap in gaps for point in points if point in gap.fnmr]
    low, high = decades([end for rate in found if rate.interval for end in ends(rate)])
    figure = new_figure(3.1)
    axes = axes_at(figure, 0.9, 0.15, WIDTH - 1.0, 2.3)
    label_decades(axes, "y", low, high, most=5)
    axes.set_xlim(-0.5, len(gaps) - 0.5)
    axes.set_xticks(range(len(gaps)), [f"{gap.from_years:g} to {gap.to_years:g}" for gap in gaps])
    axes.set_xlabel("years between the two photos")
    axes.set_ylabel("false non-match rate")
    for number, point in enumerate(points):
        places = [at + (number - (len(points) - 1) / 2) * 0.7 / len(points) for at in range(len(gaps))]
        marker, color = look(number)
        axes.plot([], [], marker=marker, color=color, linestyle="", label=point)
        _series(axes, places, [gap.fnmr.get(point) for gap in gaps], (marker, color), 10.0**low)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3, frameon=False, fontsize=TEXT - 1)
    return figure


def _series(
    axes: Axes, places: Sequence[float], rates: Sequence[Rate | None], how: tuple[str, str], bottom: float
) -> None:
    """Rates beside each other, each at its place; `how`: marker and colour."""
    marker, color = how
    for place, rate in zip(places, rates, strict=True):
        if rate is None or rate.interval is None:
            continue
        if rate.rate is None:
            high = rate.interval.high
            axes.plot([place, place], [bottom, high], color=color, linewidth=1, linestyle=(0, (1.5, 1.5)))
            axes.plot([place], [high], color=color, marker="_", markersize=7, markeredgewidth=1.4)
            continue
        low = max(rate.interval.low, bottom)
        axes.plot([place, place], [low, rate.interval.high], color=color, linewidth=1.6, alpha=0.55)
        face = color if rate.shown else PAPER
        axes.plot(
            [place],
            [rate.rate],
            marker=marker,
            markersize=5,
            markerfacecolor=face,
            markeredgecolor=color,
            clip_on=False,
        )
