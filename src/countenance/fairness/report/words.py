"""Rates, groups and thresholds as people read them."""

from __future__ import annotations

import re
from textwrap import wrap

from countenance.fairness.numbers import number, one_in
from countenance.fairness.record import ALL, EVERYONE, OperatingPoint, Rate
from countenance.vision.calibration import Interval

# Where nothing is known.
NOTHING = "\N{EN DASH}"


def between(interval: Interval | None) -> str:
    """An interval of rates."""
    return NOTHING if interval is None else f"{number(interval.low)} to {number(interval.high)}"


def bound(rate: Rate) -> str:
    """Where a rate lies with confidence; where no error was seen, what it is at most."""
    if rate.rate is None and rate.interval is not None:
        return f"at most {number(rate.interval.high)}"
    return between(rate.interval)


def in_short(rate: Rate) -> str:
    """A rate for a sentence."""
    if rate.interval is None:
        return "not measured"
    if rate.rate is None:
        return f"no error seen, at most {one_in(rate.interval.high)}"
    return one_in(rate.rate)


def clean(name: str) -> str:
    """A name on one line, without characters that do not show or that turn the direction of what follows."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in name).split())


def label(grouping: str, group: str) -> str:
    """A group's name without the columns that its grouping names: "Female, Black" of "gender=Female, race=Black"."""
    if grouping == ALL:
        return EVERYONE
    values = re.fullmatch(", ".join(f"{re.escape(column)}=(.*)" for column in grouping.split(", ")), group, re.DOTALL)
    return clean(group) if values is None else ", ".join(clean(value) or "(empty)" for value in values.groups())


def lines(name: str, width: int, most: int = 3) -> str:
    """A name broken into at most `most` lines of `width` characters."""
    found = wrap(name, width, max_lines=most, placeholder=" …", break_long_words=True)
    return "\n".join(found)


def grouping_title(grouping: str) -> str:
    """What the groups of a grouping are by."""
    return EVERYONE if grouping == ALL else f"by {clean(grouping).replace(', ', ' and ')}"


def point_title(point: OperatingPoint) -> str:
    """What a threshold is there for, in words."""
    target = "" if point.target is None else f"{number(point.target)} ({one_in(point.target)})"
    purpose = {
        "threshold": "A threshold that was asked for",
        "overall": f"The threshold at which the false match rate of all comparisons together is {target}",
        "worst_group": "The lowest threshold at which no group's interval for the false match rate reaches above "
        + target,
    }[point.kind]
    known = [
        "" if point.threshold is None else f"score at least {point.threshold:.4f}",
        "" if point.similarity is None else f"Similarity at least {point.similarity:.4g}",
    ]
    return f"{purpose}{': ' if any(known) else ''}{', '.join(part for part in known if part)}."
