"""Real photos become templates as the server makes them; what holds no face is counted, not skipped over."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from countenance.errors import InvalidParameter
from countenance.fairness.calibrator import calibrate
from countenance.fairness.datasets import read_data_set
from countenance.fairness.enrolment import enrol
from countenance.fairness.evidence import of_templates
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


def test_photos_without_a_face_are_failures_to_enrol(settings: Settings, presidents: tuple[Path, Path]) -> None:
    seen: list[tuple[str, int, int]] = []
    enrolment = enrol(
        Vision(settings), settings, read_data_set(*presidents), lambda name, done, of: seen.append((name, done, of))
    )
    assert [image.name for image in enrolment.failures] == ["wall.png", "note.jpg"]
    assert [image.name for image in enrolment.images] == ["obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg"]
    assert seen == [("Presidents", done, 6) for done in range(1, 7)]
    evidence = of_templates(enrolment)
    pairs = evidence.mated[evidence.groups[0]]
    assert len(pairs.scores) == 3
    assert pairs.scores.min() > 0.6


def test_the_digest_changes_with_a_photo_and_with_who_it_shows(
    settings: Settings, presidents: tuple[Path, Path]
) -> None:
    vision, (card, folder) = Vision(settings), presidents
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
