"""An audit of people whose error rates are known by construction finds them, and claims nothing that it did not see."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from countenance.errors import InvalidParameter
from countenance.fairness.audit import Circumstances, Question, audit_enrolment, audit_table
from countenance.fairness.data.enrolment import Enrolment
from countenance.fairness.data.scores import ScoreTable, TableGrouping
from countenance.fairness.record import ALL, EVERYONE, AuditRecord, Engine, OperatingPoint
from countenance.fairness.statistics.evidence import Group, of_table, of_templates
from countenance.vision.calibration import Calibration, DataSetCard
from tests.unit.fairness.synthetic import enrolment, random_directions, true_threshold

SOMETHING = Circumstances("a test", Engine(kind="templates", name="synthetic"))
A, B = "group=a", "group=b"


def people(number: int, seed: int, *, images: int = 1, alike: float = 0.0) -> NDArray[np.float32]:
    """Photos of so many people; `alike` is how far all of them lie towards one face."""
    subjects = random_directions(number, seed) + np.float32(alike) * random_directions(1, 99)
    photos = np.repeat(subjects, images, axis=0)
    if images > 1:
        photos += np.float32(0.5) * random_directions(len(photos), seed + 1)
    lengths: NDArray[np.float32] = np.linalg.norm(photos, axis=1, keepdims=True)
    return photos / lengths


def audited(found: Enrolment, question: Question, calibration: Calibration | None = None) -> AuditRecord:
    return audit_enrolment(found, of_templates(found), question, SOMETHING, calibration)


def point_of(record: AuditRecord, name: str) -> OperatingPoint:
    return next(point for point in record.points if point.name == name)


def test_rates_are_counted_over_all_comparisons_of_a_group() -> None:
    vectors = {"a": people(120, 1), "b": people(90, 2, alike=0.5)}
    threshold = true_threshold(0.01)
    record = audited(enrolment(vectors), Question(scores=[threshold]))
    (point,) = record.points
    for name, templates in vectors.items():
        scores = (templates.astype(np.float64) @ templates.T)[np.triu_indices(len(templates), 1)]
        found = point.of("group", f"group={name}").fmr
        assert (found.errors, found.comparisons) == (int(np.sum(scores >= threshold)), len(scores))
        assert found.subjects == len(templates)
    between = vectors["a"].astype(np.float64) @ vectors["b"].T
    crossed = next(rate.fmr for rate in point.cross if (rate.group, rate.other) == (A, B))
    assert (crossed.errors, crossed.comparisons) == (int(np.sum(between >= threshold)), 120 * 90)
    assert point.of(ALL, EVERYONE).fmr.comparisons == 210 * 209 // 2


def test_a_group_whose_members_look_alike_is_named_with_a_factor_and_an_interval() -> None:
    record = audited(enrolment({"a": people(300, 1), "b": people(300, 2, alike=0.4)}), Question(overall=[0.02]))
    (point,) = record.points
    assert point.of(ALL, EVERYONE).fmr.rate == pytest.approx(0.02, rel=0.01)
    (spread,) = (differential.fmr for differential in point.differentials)
    assert (spread.worst, spread.best) == (B, A)
    assert spread.max_geomean is not None
    assert spread.interval is not None
    assert 1 < spread.interval.low < spread.max_geomean < spread.interval.high
    (statement,) = point.statements
    assert (statement.error, statement.group, statement.other) == ("FMR", B, A)
    worst, text = record.answer[0], record.answer[1]
    assert "most often within group=b" in worst
    assert text.startswith("The FMR of group=b is")


def test_groups_that_do_not_differ_are_not_said_to_differ() -> None:
    differing = 0
    for seed in range(20):
        record = audited(enrolment({"a": people(80, 10 + seed), "b": people(80, 50 + seed)}), Question(overall=[0.02]))
        differing += bool(record.points[0].statements)
    assert differing <= 3


def test_where_no_false_match_was_seen_a_bound_is_told_and_never_nought() -> None:
    record = audited(enrolment({"a": people(40, 1), "b": people(40, 2)}), Question(scores=[0.9]))
    rate = record.points[0].of("group", A).fmr
    assert (rate.errors, rate.rate, rate.shown) == (0, None, False)
    assert rate.interval is not None
    assert 3 / 780 < rate.interval.high < 0.1
    assert rate.needs_subjects is not None
    assert rate.needs_subjects > 40
    assert "which leaves up to" in record.answer[0]
    assert "cannot be shown" in record.answer[2]
    assert " 0 [" not in " ".join((*record.answer, *record.limits))


def test_a_worst_group_threshold_holds_for_people_who_were_not_measured() -> None:
    target, held = 0.005, 0
    for seed in range(10):
        found = enrolment({"a": people(300, 100 + seed), "b": people(300, 200 + seed)})
        (point,) = audited(found, Question(worst_group=[target])).points
        assert point.threshold is not None
        held += point.threshold >= true_threshold(target)
        assert point.threshold <= true_threshold(target / 3), "and caution has bounds"
        for group in (A, B):
            interval = point.of("group", group).fmr.interval
            assert interval is not None
            assert interval.high <= target
    assert held == 10


def test_a_worst_group_threshold_that_cannot_be_shown_says_which_group_stands_in_the_way() -> None:
    record = audited(enrolment({"a": people(400, 1), "b": people(50, 2)}), Question(worst_group=[1e-4]))
    (point,) = record.points
    assert point.threshold is None
    assert point.reason is not None
    assert "group=b has 50 subjects" in point.reason
    assert "It would take about" in point.reason
    assert point.groups == ()


def test_groups_of_a_handful_are_shown_and_decide_nothing() -> None:
    found = enrolment({"a": people(200, 1), "b": people(200, 2), "c": people(5, 3)})
    record = audited(found, Question(worst_group=[0.01]))
    (point,) = record.points
    assert point.threshold is not None
    assert point.differentials[0].left_out == ("group=c",)
    assert point.of("group", "group=c").fmr.comparisons == 10
    assert any("group=c: fewer than 30 subjects" in sentence for sentence in record.limits)


def test_mates_are_missed_at_a_rate_that_counts_people_and_not_photos() -> None:
    found = enrolment({"a": people(60, 1, images=4), "b": people(60, 3, images=4)}, images_per_subject=4)
    record = audited(found, Question(scores=[0.8]))
    rate = record.points[0].of("group", A).fnmr
    assert rate is not None
    assert (rate.comparisons, rate.subjects) == (60 * 6, 60)
    assert 0 < rate.errors < 360
    population = next(one for one in record.populations if one.group == A)
    assert (population.subjects, population.images, population.mated_comparisons) == (60, 240, 360)
    assert not any("no mated comparisons" in sentence for sentence in record.limits)


def test_a_face_that_is_never_found_is_a_failure_to_enrol_of_its_group() -> None:
    found = enrolment({"a": people(50, 1), "b": people(50, 2)})
    lost = tuple(image for image in found.images if image.groups == (B,))[:10]
    kept = [number for number, image in enumerate(found.images) if image not in lost]
    found = replace(
        found,
        images=tuple(found.images[number] for number in kept),
        templates=found.templates[kept],
        failures=lost,
    )
    record = audited(found, Question(scores=[0.5]))
    failures = {one.group: one.failures for one in record.populations}
    of_a, of_b = failures[A], failures[B]
    assert of_a is not None
    assert of_b is not None
    assert (of_a.errors, of_a.rate) == (0, None)
    assert (of_b.errors, of_b.comparisons, of_b.rate) == (10, 50, 0.2)


def test_years_between_photos_cost_matches() -> None:
    vectors = people(100, 1, images=2)
    vectors[1::4] = people(50, 7)  # every second person has changed beyond recognition
    found = enrolment({"a": vectors}, images_per_subject=2)
    years = [2015.0 if number % 2 == 0 else 2016.0 + 8 * (number % 4 == 1) for number in range(200)]
    images = tuple(replace(image, years=year) for image, year in zip(found.images, years, strict=True))
    record = audited(replace(found, images=images), Question(scores=[0.5]))
    name = record.points[0].name
    rates = {(band.from_years, band.to_years): band.fnmr[name].rate for band in record.ageing}
    assert rates[1.0, 2.0] is None or rates[1.0, 2.0] < 0.2
    long_after = rates[5.0, 10.0]
    assert long_after is not None
    assert long_after > 0.9


def test_in_larger_galleries_strangers_are_found_more_often() -> None:
    found = enrolment({"a": people(150, 1, images=2), "b": people(150, 3, images=2)}, images_per_subject=2)
    record = audited(found, Question(scores=[true_threshold(1e-3)]))
    rates = {
        (one.size, one.rank): next(group for group in one.groups if group.grouping == ALL)
        for one in record.identification
    }
    assert [size for size, rank in rates if rank == 1] == [10, 100, 150]
    fpirs = [group.fpir.rate for (_, rank), group in rates.items() if rank == 1 and group.fpir is not None]
    assert len(fpirs) == 3
    small, middle, large = (rate or 0.0 for rate in fpirs)
    assert small < middle < large
    assert large == pytest.approx(1 - (1 - 1e-3) ** 150, rel=0.3)
    fnir, listed = rates[100, 1].fnir, rates[100, 20].fnir
    assert fnir is not None
    assert listed is not None
    assert listed.errors <= fnir.errors


def test_thresholds_are_similarities_where_a_calibration_says_what_they_mean() -> None:
    calibration = Calibration.packaged("1.0")
    record = audited(enrolment({"a": people(50, 1)}), Question(similarities=[80, 99]), calibration)
    assert [(point.name, point.similarity) for point in record.points] == [("Similarity 80", 80), ("Similarity 99", 99)]
    assert record.points[1].threshold == calibration.cosine(99)
    with pytest.raises(InvalidParameter, match="give thresholds as scores"):
        audited(enrolment({"a": people(50, 1)}), Question(similarities=[80]))


def test_curves_fall_and_end_where_nothing_more_can_be_seen() -> None:
    record = audited(enrolment({"a": people(100, 1, images=2)}, images_per_subject=2), Question(scores=[0.5]))
    curve = record.curves[0]
    fmrs = [point.fmr for point in curve.points]
    assert fmrs[0] == 1
    seen = [fmr for fmr in fmrs if fmr is not None]
    assert seen == sorted(seen, reverse=True)
    assert fmrs[-1] is None, "beyond the last false match there is no rate, not a rate of 0"
    assert all(point.fnmr is None or point.fnmr > 0 for point in curve.points)


def test_a_record_is_read_as_it_was_written() -> None:
    record = audited(enrolment({"a": people(60, 1), "b": people(60, 2)}), Question(scores=[0.2], worst_group=[1e-6]))
    assert AuditRecord.model_validate_json(record.text()) == record


def test_the_same_data_give_the_same_record() -> None:
    found = enrolment({"a": people(60, 1), "b": people(60, 2, alike=0.4)})
    assert audited(found, Question(overall=[0.01])).text() == audited(found, Question(overall=[0.01])).text()


class TestTables:
    """Scores that somebody else made."""

    @staticmethod
    def table(vectors: NDArray[np.float32], images: int, *, who: bool = True) -> ScoreTable:
        pairs = list(combinations(range(len(vectors)), 2))
        left, right = (np.array(ends) for ends in zip(*pairs, strict=True))
        scores = np.einsum("ij,ij->i", vectors[left].astype(np.float64), vectors[right].astype(np.float64))
        half = len(vectors) // 2
        groups = tuple((ends >= half).astype(np.int32) for ends in (left, right))
        nobody = np.zeros(len(scores), np.int32)
        return ScoreTable(
            card=DataSetCard(name="a table", source="a generator", licence="CC0-1.0", labels="none"),
            digest="0" * 64,
            scores=scores,
            mated=left // images == right // images,
            left=(left // images).astype(np.int32) if who else None,
            right=(right // images).astype(np.int32) if who else None,
            subjects=len(vectors) // images if who else None,
            groupings=(
                TableGrouping(ALL, (EVERYONE,), nobody, nobody),
                TableGrouping("group", (A, B), groups[0], groups[1]),
            ),
        )

    def test_a_table_of_all_comparisons_says_what_the_templates_say(self) -> None:
        one, other = people(40, 1, images=3), people(40, 3, images=3, alike=0.5)
        question = Question(scores=[true_threshold(0.01)])
        direct = audited(enrolment({"a": one, "b": other}, images_per_subject=3), question)
        table = self.table(np.concatenate([one, other]), 3)
        by_table = audit_table(table, of_table(table), question, SOMETHING, scores_are_similarities=False)
        for grouping, group in ((ALL, EVERYONE), ("group", A), ("group", B)):
            expected, found = (record.points[0].of(grouping, group) for record in (direct, by_table))
            assert found.fmr.errors == expected.fmr.errors
            assert found.fmr.interval is not None
            assert expected.fmr.interval is not None
            assert found.fmr.interval.high == pytest.approx(expected.fmr.interval.high)
            assert found.fnmr == expected.fnmr
        expected_spread, found_spread = (record.points[0].differentials[0].fmr for record in (direct, by_table))
        assert found_spread.max_geomean == pytest.approx(expected_spread.max_geomean)

    def test_where_nobody_knows_the_subjects_the_report_warns_that_intervals_are_too_narrow(self) -> None:
        vectors = people(40, 1, images=3)
        known, unknown = self.table(vectors, 3), self.table(vectors, 3, who=False)
        records = [
            audit_table(table, of_table(table), Question(scores=[0.2]), SOMETHING, scores_are_similarities=False)
            for table in (known, unknown)
        ]
        widths = [
            rate.interval.high - rate.interval.low
            for rate in (record.points[0].of(ALL, EVERYONE).fmr for record in records)
            if rate.interval is not None
        ]
        assert widths[1] < widths[0]
        assert any("does not say who the subjects are" in sentence for sentence in records[1].limits)
        assert not any("does not say who the subjects are" in sentence for sentence in records[0].limits)

    def test_thresholds_of_a_table_are_exact_wherever_they_lie(self) -> None:
        table = self.table(people(60, 1), 1)
        evidence = of_table(table)
        everyone = evidence.non_mated[Group(ALL, EVERYONE), Group(ALL, EVERYONE)]
        for threshold in (-math.inf, float(table.scores[7]), 0.1234567):
            assert everyone.false_matches(threshold) == int(np.sum(table.scores[~table.mated] >= threshold))


# Actionable Auditing (Raji and Buolamwini 2019; revisited in CACM 2023), August 2018: errors and people in the groups
# of darker women, darker men, lighter women, lighter men; then the published error of all in per cent.
GENDER_CLASSIFIERS = {
    "Amazon": ((85, 4, 21, 0), 8.66),
    "Kairos": ((61, 4, 19, 0), 6.60),
    "IBM": ((46, 2, 7, 1), 4.41),
    "Face++": ((11, 4, 3, 2), 1.6),
}
PEOPLE = (271, 318, 295, 386)


@pytest.mark.parametrize("company", GENDER_CLASSIFIERS)
def test_the_table_of_actionable_auditing(company: str) -> None:
    errors, of_all = GENDER_CLASSIFIERS[company]
    groups = np.repeat(np.arange(4, dtype=np.int32), PEOPLE)
    right = np.concatenate([np.arange(number) >= wrong for wrong, number in zip(errors, PEOPLE, strict=True)]).astype(
        np.float64
    )
    names = ("darker women", "darker men", "lighter women", "lighter men")
    nobody = np.zeros(len(groups), np.int32)
    table = ScoreTable(
        card=DataSetCard(name="PPB", source="Actionable Auditing", licence="published figures", labels="observed"),
        digest="0" * 64,
        scores=right,
        mated=np.ones(len(groups), np.bool_),
        left=np.arange(len(groups), dtype=np.int32),
        right=np.arange(len(groups), dtype=np.int32),
        subjects=len(groups),
        groupings=(
            TableGrouping(ALL, (EVERYONE,), nobody, nobody),
            TableGrouping("group", names, groups, groups),
        ),
    )
    mated = of_table(table).mated
    everyone = mated[Group(ALL, EVERYONE)].rate(0.5, 0.95)
    assert everyone.rate is not None
    assert 100 * everyone.rate == pytest.approx(of_all, abs=0.05)
    for name, wrong, number in zip(names, errors, PEOPLE, strict=True):
        rate = mated[Group("group", name)].rate(0.5, 0.95)
        assert (rate.errors, rate.comparisons) == (wrong, number)
        assert (rate.rate is None) == (wrong == 0), "no error among 386 men is no error rate of 0"
