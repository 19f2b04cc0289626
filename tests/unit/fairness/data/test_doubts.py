"""What was planted in a data set is found and shown to a person; nothing is corrected by itself."""

from __future__ import annotations

import csv
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Picture

from countenance.errors import InvalidParameter
from countenance.fairness.comparisons.all_pairs import Grouping, compare_all, exact, mated_scores
from countenance.fairness.data.doubts import MAX_SHOWN, Doubts, find, write_page
from countenance.fairness.data.enrolment import Enrolment
from countenance.settings import Settings
from tests.unit.fairness.synthetic import enrolment, random_directions

PEOPLE = 120


def _found(enrolled: Enrolment) -> Doubts:
    templates = exact(enrolled.templates)
    identities, subjects = (
        np.unique([getattr(image, kind) for image in enrolled.images], return_inverse=True)[1]
        for kind in ("identity", "subject")
    )
    everyone = Grouping("", ("everyone",), np.zeros(len(templates), np.int32))
    (pairs,) = compare_all(templates, identities, [everyone])
    mated = mated_scores(templates, subjects) if enrolled.data_set.has_mates else None
    return find(enrolled, pairs, mated)


def _near(templates: NDArray[np.float32], seed: int, noise: float = 0.3) -> NDArray[np.float32]:
    """Another image of each of these people: cosines of about 0.96."""
    near = templates + noise * random_directions(len(templates), seed)
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    return near


def _names(found: Doubts) -> list[set[str]]:
    return [{doubt.image.name, doubt.other.name} for doubt in found.non_mated_that_look_mated]


def test_strangers_raise_hardly_a_doubt() -> None:
    counts = [_found(enrolment({"a": random_directions(PEOPLE, seed)})).counts for seed in range(10)]
    assert sum(count.non_mated_that_look_mated for count in counts) < 10, "less than one a set"
    assert {(count.duplicates, count.mated_that_look_non_mated) for count in counts} == {(0, 0)}


def test_one_picture_under_two_names_is_a_duplicate() -> None:
    people = random_directions(PEOPLE, 1)
    people[7] = people[3]
    enrolled = enrolment({"a": people})
    found = _found(enrolled)
    assert found.counts.duplicates == 1
    assert {"a/3", "a/7"} not in _names(found), "it is told once"
    (doubt,) = found.duplicates
    assert (doubt.image.name, doubt.other.name, doubt.why) == ("a/3", "a/7", "one picture")
    files = [f"{number:064x}" for number in range(PEOPLE)]
    files[7] = files[3]
    (doubt,) = _found(replace(enrolled, files=tuple(files))).duplicates
    assert doubt.why == "one file"


def test_a_person_under_two_names_stands_out() -> None:
    people = random_directions(PEOPLE, 1)
    people[40] = _near(people[[90]], 2)[0]
    found = _found(enrolment({"a": people}))
    assert _names(found)[0] == {"a/40", "a/90"}, "and it is the worst"
    assert found.duplicates == ()


def test_a_group_that_looks_alike_to_the_engine_is_no_label_error() -> None:
    """All of one group score 0.9 with each other: that is an error of the engine, and must not be explained away."""
    alike = 0.95 * random_directions(1, 3) + 0.32 * random_directions(60, 4)
    alike /= np.linalg.norm(alike, axis=1, keepdims=True)
    people = random_directions(PEOPLE, 1)
    people[40] = _near(people[[90]], 2)[0]
    names = _names(_found(enrolment({"a": people, "b": alike})))
    assert names[0] == {"a/40", "a/90"}
    assert not any(name.startswith("b/") for pair in names for name in pair)


def test_a_person_with_many_images_under_two_names_is_told_once() -> None:
    people = random_directions(PEOPLE, 1)
    people[40] = people[90]
    images = np.stack([_near(people, seed) for seed in range(5)], axis=1).reshape(-1, people.shape[1])
    found = _found(enrolment({"a": images}, images_per_subject=5))
    told = [{doubt.image.subject, doubt.other.subject} for doubt in found.non_mated_that_look_mated]
    assert told == [{"a/40", "a/90"}]


def test_two_people_under_one_name_are_found_and_lookalikes_of_mates_are_not() -> None:
    people = random_directions(PEOPLE, 1)
    images = np.stack([people, _near(people, 2)], axis=1).reshape(-1, people.shape[1])
    images[1] = random_directions(1, 9)[0]
    found = _found(enrolment({"a": images}, images_per_subject=2))
    assert found.counts.model_dump() == {
        "duplicates": 0,
        "mated_that_look_non_mated": 1,
        "non_mated_that_look_mated": 0,
    }
    (doubt,) = found.mated_that_look_non_mated
    assert doubt.image.subject == doubt.other.subject == "a/0"


def test_in_a_handful_of_people_nobody_can_stand_out() -> None:
    people = random_directions(20, 1)
    people[4] = _near(people[[5]], 2)[0]
    assert _found(enrolment({"a": people})).counts.non_mated_that_look_mated == 0


def test_of_many_the_worst_are_shown() -> None:
    placeholder = np.repeat(random_directions(1, 5), 30, axis=0)
    found = _found(enrolment({"a": random_directions(PEOPLE, 1), "placeholder": placeholder}))
    assert found.counts.duplicates == 30 * 29 // 2
    assert len(found.duplicates) == MAX_SHOWN


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data")


@pytest.fixture
def doubtful(tmp_path: Path) -> Enrolment:
    """A data set with photos, in which one person is there twice."""
    people = random_directions(PEOPLE, 1)
    people[40] = _near(people[[90]], 2)[0]
    enrolled = enrolment({"<b>x</b>": people}, name="<script>alert(1)</script>")
    images = []
    for number, image in enumerate(enrolled.images):
        path = tmp_path / f"{number}.png"
        images.append(replace(image, path=path))
    Picture.new("RGB", (400, 300), "red").save(tmp_path / "40.png")
    (tmp_path / "90.png").write_bytes(b"no photo")
    return replace(enrolled, images=tuple(images))


def test_a_person_judges_on_a_page_that_nobody_else_sees(
    doubtful: Enrolment, settings: Settings, tmp_path: Path
) -> None:
    page, corrections = write_page(_found(doubtful), doubtful.data_set, tmp_path / "doubts", settings)
    text = page.read_text()
    assert text.count("data:image/jpeg;base64,") == 1
    assert "no photo at hand" in text
    assert "<script" not in text
    assert "<b>" not in text
    assert "&lt;b&gt;x&lt;/b&gt;/40" in text
    for path in (page, corrections):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert corrections.read_text() == "image,other,reason\n<b>x</b>/40,<b>x</b>/90,\n"


def test_what_somebody_wrote_stays(doubtful: Enrolment, settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "doubts"
    folder.mkdir()
    judged = ["image,other,reason", '<b>x</b>/90,<b>x</b>/40,"same scar, same shirt"', "a,b,twins"]
    (folder / "same-person.csv").write_text("\n".join(judged) + "\n")
    _, corrections = write_page(_found(doubtful), doubtful.data_set, folder, settings)
    assert corrections.read_text().splitlines() == judged
    corrections.write_text("image,other,reason\na,b,twins\n")
    write_page(_found(doubtful), doubtful.data_set, folder, settings)
    with corrections.open() as file:
        assert [row["reason"] for row in csv.DictReader(file)] == ["twins", ""]


def test_a_folder_that_cannot_be_written_is_told(doubtful: Enrolment, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidParameter, match="cannot be written"):
        write_page(_found(doubtful), doubtful.data_set, tmp_path / "file", settings)
