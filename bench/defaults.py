"""The tables of docs/fairness-of-the-default-models.md, out of reports that `countenance fairness audit` wrote.

    python -m bench.defaults FAIRFACE CONGRESS LONDON OTHER_FAIRFACE

Each is the folder of a report: of the default recognizer on the three data sets, and of the second one on the first.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from countenance.fairness.numbers import number, times
from countenance.fairness.record import ALL, EVERYONE, AuditRecord, OperatingPoint, Rate
from countenance.fairness.statistics.paired import FILE, Errors, differences

RACE, AGE, GENDER = "race, gender", "age", "gender"
STATED = 5


def main(folders: Sequence[str]) -> None:
    """Print them."""
    fairface, congress, london, other = map(Path, folders)
    default = _read(fairface)
    _rates(default, RACE, ("Similarity 80", "FMR 0.001 overall"))
    _rates(default, AGE, ("Similarity 80",))
    _differentials(default)
    _statements(default, "FMR 0.001 overall")
    _across(default, "FMR 0.001 overall")
    _searches(default)
    for folder in (congress, london):
        _missed(_read(folder))
    _beside(default, _read(other), fairface, other)


def _rates(record: AuditRecord, grouping: str, names: Sequence[str]) -> None:
    points = [_point(record, name) for name in names]
    populations = {(one.grouping, one.group): one for one in record.populations}
    heads = [f"FMR at {_title(point)}" for point in points]
    rows = []
    for group in [
        (ALL, EVERYONE),
        *((one.grouping, one.group) for one in points[0].groups if one.grouping == grouping),
    ]:
        population = populations[group]
        failures = "" if population.failures is None else f"{population.failures.errors} of {population.images}"
        rates = [_told(point.of(*group).fmr) for point in points]
        rows.append((_name(group[1]), f"{population.subjects:,}", failures, *rates))
    _table((f"by {grouping}", "people", "FTE", *heads), rows)


def _differentials(record: AuditRecord) -> None:
    rows = []
    for point in record.points:
        for found in point.differentials:
            spread = found.fmr
            interval = (
                "" if spread.interval is None else f" [{times(spread.interval.low)}, {times(spread.interval.high)}]"
            )
            unseen = f"{len(spread.unseen)} unseen" if spread.unseen else ""
            rows.append(
                (
                    _title(point),
                    found.grouping,
                    _name(spread.worst or ""),
                    "" if spread.max_min is None else times(spread.max_min),
                    unseen if spread.max_geomean is None else f"{times(spread.max_geomean)}{interval}",
                    "" if spread.gini is None else f"{spread.gini:.2f}",
                )
            )
    _table(("at", "by", "worst group", "max/min", "max/geometric mean", "Gini"), rows)


def _statements(record: AuditRecord, name: str) -> None:
    for grouping in (RACE, AGE):
        found = [one for one in _point(record, name).statements if one.grouping == grouping]
        _say(f"{len(found)} differences by {grouping} at {name}, the largest:")
        _say(*(f"- {one.text}" for one in sorted(found, key=lambda one: -one.ratio)[:STATED]))


def _across(record: AuditRecord, name: str) -> None:
    point = _point(record, name)
    within = [cross.fmr.rate or 0.0 for cross in point.cross if cross.grouping == RACE and cross.group == cross.other]
    between = [cross.fmr.rate or 0.0 for cross in point.cross if cross.grouping == RACE and cross.group != cross.other]
    ratio = (sum(between) / len(between)) / (sum(within) / len(within))
    _say(f"Mean FMR across groups by that within them, {RACE}, {name}: {number(ratio)}.")


def _searches(record: AuditRecord) -> None:
    rows = []
    for found in record.identification:
        if found.rank == 1 and found.point.startswith("Similarity"):
            everyone = next(one for one in found.groups if one.grouping == ALL)
            worst = max(
                (one for one in found.groups if one.grouping == RACE and one.fpir is not None and one.fpir.rate),
                key=lambda one: (one.fpir.rate if one.fpir else 0) or 0,
                default=None,
            )
            rows.append(
                (
                    f"{found.size:,}",
                    found.point,
                    _told(everyone.fpir),
                    "" if worst is None else f"{_name(worst.group)}: {_told(worst.fpir)}",
                )
            )
    _table(("gallery", "threshold", "FPIR", "highest by race, gender"), rows)


def _missed(record: AuditRecord) -> None:
    points = [point for point in record.points if point.name.startswith("Similarity")]
    rows = [
        (_name(rates.group), *(_told(point.of(rates.grouping, rates.group).fnmr) for point in points))
        for rates in points[0].groups
        if rates.fnmr is not None
    ]
    _table((f"FNMR, {record.data_set.card.name}", *(point.name for point in points)), rows)


def _beside(default: AuditRecord, other: AuditRecord, one: Path, second: Path) -> None:
    name = "FMR 0.001 overall"
    found = differences(Errors.read(one / FILE), name, Errors.read(second / FILE), name, confidence=default.confidence)
    rows = [
        (
            _name(difference.group),
            "not seen" if difference.one is None else number(difference.one),
            "not seen" if difference.other is None else number(difference.other),
            "yes" if difference.real else "",
        )
        for difference in found
        if difference.error == "FMR"
    ]
    _table((f"FMR at {name}", default.engine.name, other.engine.name, "real"), rows)
    for record in (default, other):
        spreads = {found.grouping: found.fmr for found in _point(record, name).differentials}
        told = ", ".join(
            f"{grouping}: {times(spread.max_geomean)}" for grouping, spread in spreads.items() if spread.max_geomean
        )
        _say(f"Max/geometric mean of {record.engine.name}: {told}.")


def _point(record: AuditRecord, name: str) -> OperatingPoint:
    return next(point for point in record.points if point.name == name)


def _title(point: OperatingPoint) -> str:
    if point.kind == "threshold" or point.similarity is None:
        return point.name
    return f"{point.name} (Similarity {point.similarity:.1f})"


def _name(group: str) -> str:
    return ", ".join(part.partition("=")[2] or part for part in group.split(", "))


def _told(rate: Rate | None) -> str:
    if rate is None or rate.interval is None:
        return ""
    if rate.rate is None:
        return f"not seen, at most {number(rate.interval.high)}"
    return f"{number(rate.rate)} [{number(rate.interval.low)}, {number(rate.interval.high)}]"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    _say("| " + " | ".join(heads) + " |", "|" + "---|" * len(heads), *("| " + " | ".join(row) + " |" for row in rows))


def _say(*lines: str) -> None:
    print("\n".join(lines) + "\n")


def _read(folder: Path) -> AuditRecord:
    return AuditRecord.model_validate_json((folder / "report.json").read_text("utf-8"))


if __name__ == "__main__":
    main(sys.argv[1:])
