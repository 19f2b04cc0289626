"""Rates of groups one below the other, each with its interval, on a logarithmic axis.

A dot is a rate, filled where enough errors were seen to know it and hollow where not, and the bar through it is its
interval. Where no error was seen there is no dot: only an arrow that points down from what the rate is at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from countenance.fairness.numbers import one_in
from countenance.fairness.record import Rate
from countenance.fairness.report.figures import (
    BLUE,
    CHARACTER,
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
from countenance.fairness.report.words import lines

LABEL = 32
# Inches: all rows of a figure, so that it and its heading fit on a page, and a line of a label.
TALLEST = 7.4
LINE_HEIGHT = 0.122
HEAD = 0.35
FOOT = 0.45
GAP = 0.42


@dataclass(frozen=True)
class Panel:
    """One error of the groups. `everyone`: the rate of all, drawn as a line; `target`: what it ought to be at most."""

    title: str
    rates: Sequence[Rate | None]
    everyone: float | None = None
    target: float | None = None


def rows_for(names: Sequence[str]) -> tuple[list[str], float, float]:
    """Labels of rows in so many lines that they fit on a page, the inches that the widest takes, and a row's height."""
    most = min(3, max(1, int(TALLEST / len(names) / LINE_HEIGHT)))
    labels = [lines(name, LABEL, most) for name in names]
    longest = max(len(line) for name in labels for line in name.split("\n"))
    used = max(name.count("\n") + 1 for name in labels)
    height = min((used + 1) * LINE_HEIGHT, max(TALLEST / len(names), used * LINE_HEIGHT))
    return labels, longest * CHARACTER + 0.15, height


def rates_figure(names: Sequence[str], panels: Sequence[Panel]) -> Figure:
    """The panels beside each other, with a row for each of the `names`."""
    labels, left, row = rows_for(names)
    width = (WIDTH - left - 0.25 - GAP * (len(panels) - 1)) / len(panels)
    figure = new_figure(HEAD + FOOT + row * len(names))
    for place, panel in enumerate(panels):
        axes = axes_at(figure, left + place * (width + GAP), HEAD, width, row * len(names))
        _draw(axes, panel, width)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_yticks(range(len(names)), labels if place == 0 else [""] * len(names))
        axes.tick_params(axis="y", length=0, labelsize=TEXT - 0.5)
    return figure


def _draw(axes: Axes, panel: Panel, width: float) -> None:
    measured = [rate for rate in panel.rates if rate is not None and rate.interval is not None]
    marks = [mark for mark in (panel.everyone, panel.target) if mark]
    values = [end for rate in measured for end in ends(rate)]
    low, high = decades([*values, *marks])
    label_decades(axes, "x", low, high, most=max(2, int(width / 0.55)), ruled=True)
    axes.set_title(panel.title, loc="left")
    if panel.everyone:
        axes.axvline(panel.everyone, color=QUIET, linewidth=0.9, linestyle=(0, (4, 2)))
    if panel.target:
        axes.axvline(panel.target, color=ORANGE, linewidth=1.1, linestyle=(0, (1, 1.2)))
    for row, rate in enumerate(panel.rates):
        if rate is None or rate.interval is None:
            axes.text(10.0**high, row, "not measured ", ha="right", va="center", color=QUIET, fontsize=TEXT - 1)
        else:
            draw_rate(axes, rate, row, 10.0**low)


def ends(rate: Rate) -> list[float]:
    """What of a rate an axis must hold: where no error was seen, only what it is at most."""
    assert rate.interval is not None
    return [rate.interval.high] if rate.rate is None else [max(rate.interval.low, rate.rate / 100), rate.interval.high]


def draw_rate(axes: Axes, rate: Rate, row: float, left: float) -> None:
    """One rate and its interval in a row of axes that begin at `left`."""
    assert rate.interval is not None
    high = rate.interval.high
    if rate.rate is None:
        axes.plot([left, high], [row, row], color=BLUE, linewidth=1.2, linestyle=(0, (1.5, 1.5)))
        axes.plot([high], [row], color=BLUE, marker="|", markersize=8, markeredgewidth=1.6)
        axes.plot([left * 1.03], [row], color=BLUE, marker="<", markersize=4.5, clip_on=False)
        return
    axes.plot([max(rate.interval.low, left), high], [row, row], color=BLUE, linewidth=2.2, alpha=0.55)
    face = BLUE if rate.shown else PAPER
    axes.plot([rate.rate], [row], marker="o", markersize=5.5, markerfacecolor=face, markeredgecolor=BLUE, clip_on=False)


def seen(names: Sequence[str], panel: Panel) -> str:
    """What can be seen in a panel, in a sentence."""
    rates = [(rate.rate, name) for name, rate in zip(names, panel.rates, strict=True) if rate and rate.rate]
    if not rates:
        return f"{panel.title}: no error was seen in any group."
    (least, best), (most, worst) = min(rates), max(rates)
    without = sum(rate is not None and rate.interval is not None and rate.rate is None for rate in panel.rates)
    silent = f"; no error was seen in {without} of {len(names)} groups" if without else ""
    return f"{panel.title}: highest {one_in(most)} ({worst}), lowest {one_in(least)} ({best}){silent}."
