"""A calibration keeps its promise on people whose true error rates are known, and says what it cannot promise."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from countenance.errors import InvalidParameter
from countenance.fairness.calibration.calibrator import measure
from countenance.fairness.data.enrolment import Enrolment
from countenance.vision.calibration import PINNED_FMRS, Calibration, CalibrationRecord
from tests.unit.fairness.synthetic import enrolment, random_directions, true_threshold


def made(*enrolments: Enrolment) -> CalibrationRecord:
    return measure(
        enrolments,
        face_model_version="synthetic-1",
        model_sha256="1" * 64,
        precision="f32",
        command="a test",
        replicates=200,
    )


def alike(number: int, seed: int) -> NDArray[np.float32]:
    """People who look more like each other than random directions do."""
    vectors = random_directions(number, seed) + np.float32(0.4) * random_directions(1, 99)
    lengths: NDArray[np.float32] = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / lengths


@pytest.fixture(scope="module")
def record() -> CalibrationRecord:
    return made(
        enrolment({"random": random_directions(500, 1), "alike": alike(500, 2), "few": random_directions(40, 3)})
    )


def test_the_group_with_the_most_false_matches_sets_every_pin(record: CalibrationRecord) -> None:
    assert {pin.worst_group for pin in record.pins} == {"synthetic: group=alike"}


@pytest.mark.parametrize("seed", range(5))
def test_at_no_pin_are_there_more_false_matches_than_promised(seed: int) -> None:
    record = made(enrolment({"random": random_directions(400, 100 + seed)}))
    for pin in record.pins:
        assert pin.cosine >= true_threshold(pin.fmr)
    seen, rare = record.pins[0], record.pins[1]
    assert seen.cosine <= true_threshold(seen.fmr / 3), "and the price of caution is bounded"
    assert rare.cosine <= true_threshold(rare.fmr / 30)


def test_the_true_threshold_lies_in_the_interval() -> None:
    record = made(enrolment({"random": random_directions(800, 5)}))
    for pin in record.pins:
        assert pin.interval.low <= true_threshold(pin.fmr) <= pin.interval.high
        assert pin.estimate == pytest.approx(true_threshold(pin.fmr), abs=0.03)


def test_rates_that_were_seen_are_told_from_rates_that_were_not(record: CalibrationRecord) -> None:
    evidence = {pin.fmr: pin.evidence for pin in record.pins}
    assert evidence == {1e-3: "observed", 1e-4: "extrapolated", 1e-5: "extrapolated", 1e-6: "extrapolated"}
    assert record.smallest_observable_fmr == pytest.approx(30 / (500 * 499 / 2))


def test_a_group_of_few_people_is_reported_and_decides_nothing(record: CalibrationRecord) -> None:
    few = next(group for group in record.groups if group.group == "group=few")
    assert (few.subjects, few.comparisons, few.counts_for_pins) == (40, 780, False)
    assert few.fmr_at_pins[3].errors == 0
    assert few.fmr_at_pins[3].interval.high > 1e-3, "no errors in 780 comparisons show nothing about one in a million"


def test_a_group_declared_outside_is_measured_and_named_as_not_promised() -> None:
    record = made(enrolment({"random": random_directions(300, 1), "alike": alike(300, 2)}, outside="alike"))
    assert {pin.worst_group for pin in record.pins} == {"synthetic: group=random"}
    outside = next(group for group in record.groups if group.outside)
    assert outside.fmr_at_pins[0].rate > 1e-3
    assert any("Nothing is promised for synthetic, group=alike" in sentence for sentence in record.limits)


def test_counts_at_the_pins_are_exact(record: CalibrationRecord) -> None:
    templates = alike(500, 2).astype(np.float64)
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    scores = (templates @ templates.T)[np.triu_indices(500, 1)]
    group = next(group for group in record.groups if group.group == "group=alike")
    assert [rate.errors for rate in group.fmr_at_pins] == [int(np.sum(scores >= pin.cosine)) for pin in record.pins]


def test_people_of_different_data_sets_are_never_compared() -> None:
    vectors = random_directions(200, 1)
    record = made(enrolment({"a": vectors}, name="one"), enrolment({"a": vectors}, name="other"))
    assert [(group.data_set, group.comparisons) for group in record.groups] == [("one", 19_900), ("other", 19_900)]


def test_mated_comparisons_are_counted_where_the_data_set_says_who_is_who() -> None:
    people = np.repeat(random_directions(150, 1), 2, axis=0)
    people[1::2] += np.float32(0.1) * random_directions(150, 2)
    people /= np.linalg.norm(people, axis=1, keepdims=True)
    record = made(enrolment({"a": people}, images_per_subject=2))
    (mates,) = record.mates
    assert (mates.subjects, mates.comparisons) == (150, 150)
    assert mates.fnmr_at_pins[0].errors == 0
    assert 0 < mates.fnmr_at_pins[0].interval.high < 0.05
    (group,) = record.groups
    assert group.comparisons == 300 * 299 // 2 - 150


def test_the_same_people_in_another_order_give_the_same_calibration() -> None:
    groups = {"a": random_directions(150, 1), "b": alike(150, 2)}
    assert made(enrolment(groups)).curve == made(enrolment(dict(reversed(groups.items())))).curve


def test_the_record_works_as_a_calibration(record: CalibrationRecord) -> None:
    calibration = Calibration.parse(record.text())
    for pin in record.pins:
        assert calibration.similarity(pin.cosine) == pytest.approx(pin.similarity)
        assert calibration.fmr(pin.cosine) == pytest.approx(pin.fmr)
    assert tuple(pin.fmr for pin in record.pins) == PINNED_FMRS


def test_too_few_people_for_any_claim_are_an_error_not_a_claim() -> None:
    with pytest.raises(InvalidParameter, match="100 people"):
        made(enrolment({"few": random_directions(99, 1)}))


def test_one_person_passing_for_many_is_an_error_not_a_claim() -> None:
    copies = np.repeat(random_directions(30, 1), 4, axis=0)
    with pytest.raises(InvalidParameter, match="one person"):
        made(enrolment({"copies": copies}))
