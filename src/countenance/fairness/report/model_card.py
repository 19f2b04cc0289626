"""A model card (Mitchell et al., "Model Cards for Model Reporting", FAT* 2019) of what an audit found, in Markdown."""

from __future__ import annotations

import re
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from countenance.fairness.numbers import number, percent
from countenance.fairness.record import ALL, AuditRecord, Rate
from countenance.fairness.report import words


def to_model_card(record: AuditRecord) -> str:
    """The card. What the audit cannot know, as what a model was trained on, it says that it does not know."""
    groupings = [grouping for grouping in dict.fromkeys(one.grouping for one in record.populations) if grouping != ALL]
    return _environment().get_template("model-card.md").render(record=record, groupings=groupings)


@cache
def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("countenance.fairness.report"),
        autoescape=False,  # noqa: S701  # Markdown, not HTML: `finalize` escapes for it
        undefined=StrictUndefined,
        finalize=_escaped,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters |= {"number": number, "percent": percent, "cell": _cell, "reach": _reach}
    found.filters |= {"grouping_title": words.grouping_title, "point_title": words.point_title}
    found.globals["label"] = words.label
    return found


def _escaped(value: object) -> object:
    """Text that says nothing to Markdown, nor to the HTML in it."""
    if not isinstance(value, str):
        return value
    return re.sub(r"([\\`*_{}\[\]<>#|!~$&])", r"\\\1", words.clean(value))


def _cell(rate: Rate | None) -> str:
    if rate is None or rate.interval is None:
        return "not measured"
    if rate.rate is None:
        return "cannot be shown"
    return number(rate.rate) + ("" if rate.shown else " (too few errors)")


def _reach(rate: Rate | None) -> str:
    return words.NOTHING if rate is None else words.bound(rate)
