"""People keep one number through a video, whatever they and the camera do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from countenance.settings import Settings
from countenance.video.decoding import Frame, VideoLimits, opened
from countenance.video.tracking import MAX_PORTRAITS, TrackedFace, Tracking
from countenance.vision.analysis import Vision
from tests.videos import Picture, compose, pasted, read_image

VERSION = "1.0"
WIDTH, HEIGHT = 480, 270

Way = Callable[[int], tuple[int, int] | None]


@pytest.fixture(scope="module")
def vision(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Vision:
    return Vision(Settings(data=tmp_path_factory.mktemp("data"), model_store=models))


@pytest.fixture(scope="module")
def heads(vision: Vision, portraits: dict[str, Path]) -> dict[str, Picture]:
    """Two faces, cut out of their portraits, at the size at which they walk through the videos."""
    return {name: _head(vision, read_image(portraits[f"{name}.jpg"])) for name in ("obama", "biden")}


def _head(vision: Vision, pixels: Picture) -> Picture:
    box = vision.detect(Frame(0, pixels).photo)[0].bounding_box
    height, width = pixels.shape[:2]
    left, top = int((box.left - 0.2 * box.width) * width), int((box.top - 0.2 * box.height) * height)
    right, bottom = int((box.left + 1.2 * box.width) * width), int((box.top + 1.2 * box.height) * height)
    crop = pixels[max(top, 0) : bottom, max(left, 0) : right]
    return np.asarray(cv2.resize(crop, (84, 112), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def film(path: Path, frames: int, people: Sequence[tuple[Picture, Way]], background: int = 128) -> Path:
    """A video, ten frames a second, of heads that go their ways; a head whose way says None is not there."""
    pictures = []
    for number in range(frames):
        picture = np.full((HEIGHT, WIDTH, 3), background, np.uint8)
        for head, way in people:
            if (place := way(number)) is not None:
                picture = pasted(picture, head, *place)
        pictures.append(picture)
    return compose(path, pictures, options={"crf": "18"})


def tracked(vision: Vision, path: Path, version: str | None = VERSION) -> tuple[list[list[TrackedFace]], Tracking]:
    """The faces of each frame, and the tracking that found them."""
    tracking = Tracking(vision, version)
    with opened(path, VideoLimits()) as video:
        return [faces for _, faces in tracking.follow(video)], tracking


def like(vision: Vision, tracking: Tracking, head: Picture) -> dict[int, float]:
    """How like each person of the video is to a face, as a cosine."""
    photo = Frame(0, head).photo
    (template,) = vision.templates(photo, vision.detect(photo)[:1], VERSION)
    return {one.person: float(one.template.vector @ template.vector) for one in tracking.templates()}


def test_who_walks_by_is_one_person(vision: Vision, heads: dict[str, Picture], tmp_path: Path) -> None:
    """Detected in every frame, described twice a second, embedded few times, and known by the template."""
    path = film(tmp_path / "v.mp4", 40, [(heads["obama"], lambda n: (10 + 9 * n, 60))])
    frames, tracking = tracked(vision, path)
    assert [len(faces) for faces in frames] == [1] * 40
    faces = [face for of_frame in frames for face in of_frame]
    assert {face.person for face in faces} == {0}
    assert [face.timestamp_ms for face in faces if face.detail is not None] == [0, *range(500, 4000, 500)]
    assert like(vision, tracking, heads["obama"])[0] > 0.8
    assert like(vision, tracking, heads["biden"])[0] < 0.3


def test_people_who_cross_keep_their_numbers(vision: Vision, heads: dict[str, Picture], tmp_path: Path) -> None:
    """One goes behind the other: afterwards each is who he was."""
    path = film(
        tmp_path / "v.mp4",
        40,
        [(heads["biden"], lambda n: (380 - 9 * n, 70)), (heads["obama"], lambda n: (10 + 9 * n, 60))],
    )
    frames, tracking = tracked(vision, path)
    assert {face.person for of_frame in frames for face in of_frame} == {0, 1}
    for before, after in ((0, -1), (5, -5)):
        on_the_left = min(frames[before], key=lambda face: face.detection.bounding_box.left).person
        on_the_right = max(frames[after], key=lambda face: face.detection.bounding_box.left).person
        assert on_the_left == on_the_right
    likeness = like(vision, tracking, heads["obama"])
    assert sorted(cosine > 0.5 for cosine in likeness.values()) == [False, True]


def test_who_was_hidden_for_a_while_comes_back(vision: Vision, heads: dict[str, Picture], tmp_path: Path) -> None:
    """For a second and a half nothing is to be seen; without a look at the face nobody could say who it is."""
    path = film(tmp_path / "v.mp4", 35, [(heads["obama"], lambda n: None if 10 <= n < 25 else (100 + 4 * n, 60))])
    with_faces, _ = tracked(vision, path)
    assert {face.person for of_frame in with_faces for face in of_frame} == {0}
    by_movement, tracking = tracked(vision, path, None)
    assert {face.person for of_frame in by_movement for face in of_frame} == {0, 1}
    assert tracking.templates() == []


def test_another_person_in_the_same_place_is_another(vision: Vision, heads: dict[str, Picture], tmp_path: Path) -> None:
    """A cut from one speaker to the next, framed alike."""
    large = {name: np.asarray(cv2.resize(head, (180, 240)), dtype=np.uint8) for name, head in heads.items()}
    path = film(
        tmp_path / "v.mp4",
        20,
        [
            (large["obama"], lambda n: (150, 15) if n < 10 else None),
            (large["biden"], lambda n: None if n < 10 else (150, 15)),
        ],
    )
    frames, _ = tracked(vision, path)
    assert [faces[0].person for faces in frames] == [0] * 10 + [1] * 10


def test_a_video_without_people_has_none(vision: Vision, tmp_path: Path) -> None:
    """Nothing is described and nothing embedded."""
    frames, tracking = tracked(vision, film(tmp_path / "v.mp4", 5, []))
    assert frames == [[]] * 5
    assert tracking.templates() == []


def test_what_was_begun_goes_on_elsewhere(vision: Vision, heads: dict[str, Picture], tmp_path: Path) -> None:
    """In pieces, each with nothing but the state that the one before left: the same faces, numbers and templates."""
    path = film(
        tmp_path / "v.mp4",
        40,
        [(heads["biden"], lambda n: (380 - 9 * n, 70)), (heads["obama"], lambda n: (10 + 9 * n, 60))],
    )
    at_once, whole = tracked(vision, path)
    pieces: list[list[TrackedFace]] = []
    state = None
    for end in (1300, 2600, None):
        tracking = Tracking(vision, VERSION, state=state)
        with opened(path, VideoLimits()) as video:
            pieces += [faces for _, faces in tracking.follow(video, until_ms=end)]
        state = tracking.state()
    assert len(pieces) == len(at_once)
    for one, other in zip(pieces, at_once, strict=True):
        assert [(face.timestamp_ms, face.person, face.detail) for face in one] == [
            (face.timestamp_ms, face.person, face.detail) for face in other
        ]
    for mine, theirs in zip(tracking.templates(), whole.templates(), strict=True):
        assert mine.person == theirs.person
        assert np.array_equal(mine.template.vector, theirs.template.vector)


def test_the_cost_follows_people_and_not_frames(
    vision: Vision, heads: dict[str, Picture], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A face that stays in sight is embedded a few times, however long the video is."""
    embedded: Counter[str] = Counter()
    recognizer = vision.recognizer(VERSION)
    genuine = recognizer.embeddings

    def counting(*arguments: object) -> object:
        embedded["times"] += 1
        return genuine(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(recognizer, "embeddings", counting)
    path = film(tmp_path / "v.mp4", 80, [(heads["obama"], lambda n: (150 + n, 60))])
    frames, _ = tracked(vision, path)
    assert sum(len(faces) for faces in frames) == 80
    assert 1 <= embedded["times"] <= 2 * MAX_PORTRAITS
