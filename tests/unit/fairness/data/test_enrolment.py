"""Real photos become templates as the server makes them; what holds no face is counted, not skipped over."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from countenance.errors import InvalidParameter
from countenance.fairness.calibration.calibrator import calibrate
from countenance.fairness.data.datasets import read_data_set
from countenance.fairness.data.enrolment import Enrolment, enrol, made_by
from countenance.fairness.data.journal import Journal, key_of
from countenance.fairness.statistics.evidence import of_templates
from countenance.settings import Settings
from countenance.vision.analysis import Vision

CARD = """
name = "Presidents"
source = "official portraits"
licence = "public domain"
labels = "none"

[manifest]
file = "manifest.csv"
images = ["{file}"]
subject = "{who}"
groupings = [["office"]]
"""


@pytest.fixture(scope="module")
def settings(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(data=tmp_path_factory.mktemp("data"), model_store=models, workers=2)


@pytest.fixture(scope="module")
def vision(settings: Settings) -> Vision:
    return Vision(settings)


@pytest.fixture
def presidents(portraits: dict[str, Path], tmp_path: Path) -> tuple[Path, Path]:
    """Card and folder of three photos of one president, one of another, one without a face, and one that is none."""
    (tmp_path / "card.toml").write_text(CARD)
    rows = [("obama.jpg", "o"), ("obama2.jpg", "o"), ("obama3.jpg", "o"), ("biden.jpg", "b"), ("wall.png", "w")]
    for name, _ in rows[:4]:
        shutil.copy(portraits[name], tmp_path / name)
    Image.new("RGB", (320, 240), "grey").save(tmp_path / "wall.png")
    (tmp_path / "note.jpg").write_text("not a photo")
    lines = ["file,who,office", *(f"{name},{who},president" for name, who in [*rows, ("note.jpg", "n")])]
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "card.toml", tmp_path


def test_photos_without_a_face_are_failures_to_enrol(
    vision: Vision, settings: Settings, presidents: tuple[Path, Path]
) -> None:
    seen: list[tuple[str, int, int]] = []
    enrolment = enrol(
        vision, settings, read_data_set(*presidents), lambda name, done, of: seen.append((name, done, of))
    )
    assert [image.name for image in enrolment.failures] == ["wall.png", "note.jpg"]
    assert [image.name for image in enrolment.images] == ["obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg"]
    assert seen == [("Presidents", done, 6) for done in range(1, 7)]
    evidence = of_templates(enrolment)
    pairs = evidence.mated[evidence.groups[0]]
    assert len(pairs.scores) == 3
    assert pairs.scores.min() > 0.6


def test_the_digest_changes_with_a_photo_and_with_who_it_shows(
    vision: Vision, settings: Settings, presidents: tuple[Path, Path]
) -> None:
    card, folder = presidents
    before = enrol(vision, settings, read_data_set(card, folder)).digest
    assert enrol(vision, settings, read_data_set(card, folder)).digest == before
    manifest = folder / "manifest.csv"
    manifest.write_text(manifest.read_text().replace("biden.jpg,b,", "biden.jpg,o,"))
    relabelled = enrol(vision, settings, read_data_set(card, folder)).digest
    shutil.copy(folder / "obama.jpg", folder / "obama2.jpg")
    assert len({before, relabelled, enrol(vision, settings, read_data_set(card, folder)).digest}) == 3


def test_two_people_are_no_basis_for_a_calibration(settings: Settings, presidents: tuple[Path, Path]) -> None:
    with pytest.raises(InvalidParameter, match="100 people"):
        calibrate(settings, [presidents], command="a test")


def test_a_data_set_given_twice_is_refused(settings: Settings, presidents: tuple[Path, Path]) -> None:
    with pytest.raises(InvalidParameter, match="one name"):
        calibrate(settings, [presidents, presidents], command="a test")


def _same(one: Enrolment, other: Enrolment) -> bool:
    return (
        np.array_equal(one.templates, other.templates)
        and (one.images, one.failures) == (other.images, other.failures)
        and (one.digest, one.files) == (other.digest, other.files)
    )


def test_every_enrolled_image_has_the_hash_of_its_file(
    vision: Vision, settings: Settings, presidents: tuple[Path, Path]
) -> None:
    enrolment = enrol(vision, settings, read_data_set(*presidents))
    for image, file in zip(enrolment.images, enrolment.files, strict=True):
        assert hashlib.sha256(image.path.read_bytes()).hexdigest() == file


def test_a_run_that_was_stopped_goes_on_where_it_was(
    vision: Vision, settings: Settings, presidents: tuple[Path, Path], tmp_path: Path
) -> None:
    data_set, cache = read_data_set(*presidents), tmp_path / "templates"

    def stop(_name: str, done: int, _all: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        enrol(vision, settings, data_set, stop, cache=cache)
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600, "templates are for their owner only"
    expected = enrol(vision, settings, data_set)
    assert _same(enrol(vision, settings, data_set, cache=cache), expected)
    assert _same(enrol(vision, settings, data_set, cache=cache), expected), "and failures to enrol are kept too"


def test_what_is_kept_is_not_made_again_unless_something_changed(
    vision: Vision, settings: Settings, presidents: tuple[Path, Path], tmp_path: Path
) -> None:
    data_set, cache = read_data_set(*presidents), tmp_path / "templates"
    made = enrol(vision, settings, data_set, cache=cache)
    planted = np.eye(1, made.templates.shape[1], dtype=np.float32)[0]
    with Journal(cache) as journal:
        journal.record(key_of(made_by(vision, settings), made.files[0]), planted.tobytes())
    assert np.array_equal(enrol(vision, settings, data_set, cache=cache).templates[0], planted)
    stricter = settings.model_copy(update={"min_image_side": settings.min_image_side + 1})
    assert np.array_equal(enrol(vision, stricter, data_set, cache=cache).templates, made.templates)
    shutil.copy(made.images[3].path, made.images[0].path)
    assert np.array_equal(enrol(vision, settings, data_set, cache=cache).templates[0], made.templates[3])


def test_a_file_that_is_something_else_is_no_cache(
    vision: Vision, settings: Settings, presidents: tuple[Path, Path], tmp_path: Path
) -> None:
    data_set = read_data_set(*presidents)
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE people (name TEXT)")
    connection.close()
    text = tmp_path / "text"
    text.write_text("some notes that nobody wants to lose\n" * 100)
    before = other.read_bytes(), text.read_bytes()
    for path in (other, text, tmp_path / "missing" / "cache", tmp_path):
        with pytest.raises(InvalidParameter, match=r"name another file|cannot be written"):
            enrol(vision, settings, data_set, cache=path)
    assert (other.read_bytes(), text.read_bytes()) == before


def test_a_photo_that_cannot_be_read_stops_the_run(
    vision: Vision, settings: Settings, presidents: tuple[Path, Path]
) -> None:
    data_set = read_data_set(*presidents)
    data_set.images[1].path.unlink()
    with pytest.raises(InvalidParameter, match=r"obama2\.jpg cannot be read"):
        enrol(vision, settings, data_set)
