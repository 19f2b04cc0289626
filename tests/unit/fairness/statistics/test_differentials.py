"""Measures of inequality agree with published numbers, and say where they are blind."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from statistics import median

import pytest

from countenance.fairness.record import GroupRates, Rate
from countenance.fairness.statistics.differentials import (
    differential,
    fdr,
    garbe,
    gini,
    ir,
    max_geomean,
    max_min,
    statements,
)
from countenance.fairness.statistics.intervals import wilson

# Hand-checkable: four groups.
FMRS = [1e-4, 2e-4, 5e-4, 1e-3]
FNMRS = [0.01, 0.02, 0.03, 0.06]

# NIST FRVT 1:1, 2020: FMR of white men, Black men, white women, Black women at the threshold of FMR 1e-3 on white men.
NIST = {
    "acisw-003": ([0.001, 0.0005, 0.0044, 0.0014], 8.800, 3.3214, 0.5525),
    "bresee-000": ([0.001, 0.0009, 0.0018, 0.0017], 2.000, 1.3973, 0.2099),
    "intellifusion-002": ([0.001, 0.0015, 0.0016, 0.002], 2.000, 1.3512, 0.1694),
}


def rate(errors: int, comparisons: int) -> Rate:
    return Rate(
        errors=errors,
        comparisons=comparisons,
        subjects=comparisons,
        rate=errors / comparisons if errors else None,
        interval=wilson(errors, comparisons, 0.95),
        shown=errors >= 30,
    )


def group(name: str, fmr: Rate, fnmr: Rate | None = None) -> GroupRates:
    return GroupRates(grouping="group", group=name, fmr=fmr, fnmr=fnmr)


def test_the_example_that_can_be_checked_by_hand() -> None:
    assert fdr(FMRS, FNMRS) == pytest.approx(0.97455)
    assert ir(FMRS, FNMRS) == pytest.approx(7.745967)
    assert gini(FMRS) == pytest.approx(5 / 9)
    assert gini(FNMRS) == pytest.approx(4 / 9)
    assert garbe(FMRS, FNMRS) == pytest.approx(0.5)
    assert (max_min(FMRS), max_min(FNMRS)) == pytest.approx((10, 6))
    assert (max_geomean(FMRS), max_geomean(FNMRS)) == pytest.approx((math.sqrt(10), math.sqrt(6)))


def test_equal_rates_are_fair_and_one_group_with_all_errors_is_as_unfair_as_can_be() -> None:
    assert gini([1, 1, 1, 1]) == 0
    assert gini([0, 0, 0, 1]) == pytest.approx(1)
    assert gini([0, 0]) is None


@pytest.mark.parametrize("algorithm", NIST)
def test_what_nist_published_of_single_algorithms(algorithm: str) -> None:
    fmrs, highest, to_mean, inequality = NIST[algorithm]
    assert max_min(fmrs) == pytest.approx(highest, abs=5e-4)
    assert max_geomean(fmrs) == pytest.approx(to_mean, abs=5e-5)
    assert gini(fmrs) == pytest.approx(inequality, abs=5e-5)


@pytest.mark.data
def test_the_medians_of_240_algorithms_that_nist_tested(data: Path) -> None:
    with (data / "nist_frvt" / "frvt_11_gender_race.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    within = [[float(row[name]) for name in ("MW_MW", "MB_MB", "FW_FW", "FB_FB")] for row in rows]
    assert len(within) == 240
    assert [median(column) for column in zip(*within, strict=True)] == pytest.approx([0.001, 0.00225, 0.0029, 0.01165])
    ratios = [ratio for ratio in map(max_min, within) if ratio is not None]
    assert median(ratios) == pytest.approx(11.75, abs=0.05)
    across = [
        float(row[name]) / float(row[same])
        for row in rows
        for name, same in (("MW_MB", "MW_MW"), ("FW_FB", "FW_FW"))
        if float(row[same])
    ]
    assert median(across) < 0.25, "comparisons across groups make every rate look better than people meet"


def test_fdr_calls_a_hundredfold_difference_fair_and_the_record_says_so() -> None:
    found = differential(
        "group",
        [
            group("a", rate(100, 100_000_000), rate(100, 10_000)),
            group("b", rate(10_000, 100_000_000), rate(100, 10_000)),
        ],
        confidence=0.95,
    )
    assert found.fdr == pytest.approx(0.99995, abs=1e-5)
    assert found.ir == pytest.approx(10)
    assert found.garbe == pytest.approx(0.49, abs=0.005)
    assert any("FDR is 0.99995" in sentence and "100 times" in sentence for sentence in found.blind_spots)


def test_where_no_error_was_seen_a_ratio_is_not_defined_and_nobody_is_called_perfect() -> None:
    found = differential("group", [group("a", rate(0, 1000)), group("b", rate(40, 1000))], confidence=0.95)
    assert (found.fmr.max_min, found.fmr.max_geomean, found.fmr.unseen, found.fmr.best) == (None, None, ("a",), None)
    assert found.fmr.worst == "b"


def test_one_group_alone_differs_from_nobody() -> None:
    found = differential("group", [group("a", rate(40, 1000))], confidence=0.95)
    assert (found.fmr.worst, found.fmr.gini, found.garbe) == (None, None, None)


def test_a_difference_is_stated_only_where_chance_does_not_explain_it() -> None:
    rates = [
        group("a", rate(50, 100_000)),
        group("b", rate(58, 100_000)),
        group("c", rate(500, 100_000)),
        group("d", rate(2, 100_000)),
    ]
    found = statements("group", rates, 0.95)
    assert [(one.group, one.other) for one in found] == [("c", "a"), ("c", "b")]
    assert found[0].ratio == pytest.approx(10)
    assert found[0].interval.low < 10 < found[0].interval.high
    assert found[0].interval.low > 1
    assert found[0].text.startswith("The FMR of c is 10 times that of a [")


def test_of_many_comparisons_a_single_chance_difference_is_not_stated() -> None:
    # 50 against 76 of 100,000: two standard errors apart. Alone that is stated; among 45 pairs of groups it is not.
    pair = [group("a", rate(50, 100_000)), group("b", rate(76, 100_000))]
    crowd = [group(f"g{number}", rate(63, 100_000)) for number in range(8)]
    assert statements("group", pair, 0.95)
    assert not statements("group", [*pair, *crowd], 0.95)
