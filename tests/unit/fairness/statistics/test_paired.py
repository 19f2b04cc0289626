"""Two audits of the same people are compared person by person."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from countenance.errors import InvalidParameter
from countenance.fairness.audit import Question, audit_points
from countenance.fairness.data.enrolment import Enrolment
from countenance.fairness.record import ALL, EVERYONE, Difference
from countenance.fairness.statistics.evidence import Group, of_templates
from countenance.fairness.statistics.paired import Errors, differences, errors_of
from tests.unit.fairness.synthetic import enrolment, random_directions, true_threshold
from tests.unit.fairness.test_audit import A, B, people

QUESTION = Question(scores=[true_threshold(0.02), true_threshold(0.005)])


def errors(found: Enrolment, question: Question = QUESTION) -> Errors:
    evidence = of_templates(found)
    left = errors_of(found, evidence, audit_points(evidence, question, None))
    assert left is not None
    return left


def blurred(found: Enrolment, amount: float, seed: int) -> Enrolment:
    """The same photos through a worse engine."""
    templates = found.templates + np.float32(amount) * random_directions(len(found.templates), seed)
    return replace(found, templates=templates / np.linalg.norm(templates, axis=1, keepdims=True))


def of(found: list[Difference], error: str, group: str) -> Difference:
    return next(one for one in found if (one.error, one.group) == (error, group))


@pytest.fixture(scope="module")
def photos() -> Enrolment:
    vectors = {"a": people(80, 1, images=3), "b": people(80, 3, images=3)}
    return enrolment(vectors, images_per_subject=3)


def test_an_engine_that_blurs_faces_misses_more_mates_and_that_is_real(photos: Enrolment) -> None:
    strict = Question(scores=[0.7])
    good, bad = errors(photos, strict), errors(blurred(photos, 0.4, 9), strict)
    point = good.points[0]
    found = differences(good, point, bad, point, confidence=0.95)
    missed = of(found, "FNMR", EVERYONE)
    assert missed.real
    assert missed.difference > 0
    assert missed.interval.low < missed.difference < missed.interval.high


def test_an_engine_does_not_differ_from_itself(photos: Enrolment) -> None:
    same = errors(photos)
    assert not any(one.real for one in differences(same, same.points[0], same, same.points[0], confidence=0.95))


def test_two_thresholds_of_one_engine_are_compared_too(photos: Enrolment) -> None:
    left = errors(photos)
    found = differences(left, left.points[0], left, left.points[1], confidence=0.95)
    fewer = of(found, "FMR", A)
    assert fewer.real
    assert (fewer.one, fewer.other) == (pytest.approx(0.02, rel=0.5), pytest.approx(0.005, rel=0.9))
    assert {(one.error, one.group) for one in found} == {
        (error, group) for error in ("FMR", "FNMR") for group in (EVERYONE, A, B)
    }


def test_people_who_are_hard_for_both_do_not_hide_a_difference() -> None:
    """Some people look like everybody: alone, either rate is very unsure; the difference between them is less so."""
    vectors = people(200, 1)
    vectors[:20] = people(20, 2, alike=0.8)
    evidence = of_templates(enrolment({"a": vectors}))
    points = audit_points(evidence, QUESTION, None)
    left = errors_of(enrolment({"a": vectors}), evidence, points)
    assert left is not None
    difference = of(differences(left, points[0].name, left, points[1].name, confidence=0.95), "FMR", EVERYONE)
    alone = [point.of(ALL, EVERYONE).fmr.interval for point in points]
    widths = [interval.high - interval.low for interval in alone if interval is not None]
    assert difference.real
    assert difference.interval.high - difference.interval.low < 0.9 * float(np.hypot(*widths))


def test_photos_that_one_engine_cannot_enrol_do_not_shift_the_subjects(photos: Enrolment) -> None:
    kept = [number for number in range(len(photos.images)) if not 3 <= number < 6]
    fewer = replace(
        photos,
        images=tuple(photos.images[number] for number in kept),
        templates=photos.templates[kept],
        failures=photos.images[3:6],
    )
    one, other = errors(photos), errors(fewer)
    assert one.population == other.population
    found = differences(one, one.points[0], other, one.points[0], confidence=0.95)
    assert not of(found, "FMR", B).real
    assert of(found, "FMR", B).difference == 0


def test_audits_of_different_data_are_not_compared(photos: Enrolment) -> None:
    left = errors(photos)
    with pytest.raises(InvalidParameter, match="not about the same data"):
        differences(left, left.points[0], errors(replace(photos, digest="1" * 64)), left.points[0], confidence=0.95)
    with pytest.raises(InvalidParameter, match="There is no operating point 'Similarity 99'"):
        differences(left, "Similarity 99", left, left.points[0], confidence=0.95)


def test_what_an_audit_leaves_is_read_as_it_was_written(photos: Enrolment, tmp_path: Path) -> None:
    left = errors(photos)
    left.write(tmp_path / "errors.npz")
    read = Errors.read(tmp_path / "errors.npz")
    assert (read.people, read.population, read.points, read.groups) == (
        left.people,
        left.population,
        left.points,
        left.groups,
    )
    assert read.groups[0] == Group(ALL, EVERYONE)
    again = differences(read, read.points[0], left, left.points[1], confidence=0.95)
    assert again == differences(left, left.points[0], left, left.points[1], confidence=0.95)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"{}", b"\x93NUMPY"])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "errors.npz").write_bytes(content)
    with pytest.raises(InvalidParameter, match="is not what an audit leaves"):
        Errors.read(tmp_path / "errors.npz")
    with pytest.raises(InvalidParameter):
        Errors.read(tmp_path / "missing.npz")


def test_a_file_of_errors_names_nobody(photos: Enrolment, tmp_path: Path) -> None:
    named = tuple(
        replace(image, subject=f"Ada {image.subject}", identity=f"Ada {image.identity}") for image in photos.images
    )
    errors(replace(photos, images=named, data_set=replace(photos.data_set, images=named))).write(
        tmp_path / "errors.npz"
    )
    with np.load(tmp_path / "errors.npz") as content:
        assert not any(b"Ada" in content[name].tobytes() for name in content.files)
