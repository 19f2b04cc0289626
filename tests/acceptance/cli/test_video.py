"""Videos from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from countenance.video.decoding import VideoLimits, opened
from tests.acceptance.cli.conftest import Shell
from tests.videos import Picture, compose, pasted, read_image


@pytest.fixture(scope="module")
def film(portraits: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds: somebody who is enrolled moves to the right, an astronaut stays."""
    one = _small(read_image(portraits["obama2.jpg"]))
    other = _small(read_image(portraits["astronaut.png"]))
    pictures = [
        pasted(pasted(np.full((270, 481, 3), 128, np.uint8), one, 5 + 4 * number, 10), other, 330, 120)
        for number in range(20)
    ]
    return compose(tmp_path_factory.mktemp("videos") / "film.mp4", (each[:, :480] for each in pictures), front=True)


def _small(picture: Picture) -> Picture:
    side = min(picture.shape[:2])
    return np.asarray(cv2.resize(picture[:side, :side], (140, 140), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def test_who_is_in_a_video(enrolled: Shell, film: Path) -> None:
    """Everybody who was seen, and who of them is enrolled; each search has its own receipt."""
    answer = enrolled.json("video", film, "--search", "people")
    assert answer["VideoMetadata"]["Codec"] == "h264"
    assert answer["VideoMetadata"]["DurationMillis"] == 2000
    people = {entry["Person"]["Index"] for entry in answer["Persons"]}
    assert people == {0, 1}
    assert {entry["Timestamp"] for entry in answer["Persons"]} == {0, 500, 1000, 1500}
    best = {
        search["Index"]: {match["Face"]["ExternalImageId"] for match in search["FaceMatches"]}
        for search in answer["Searches"]
    }
    assert sorted(map(len, best.values()))[0] == 0
    assert "obama.jpg" in set.union(*best.values())
    receipts = [search["Receipt"] for search in answer["Searches"]]
    assert len({*receipts, answer["Receipt"]}) == 3


def test_without_a_collection_nobody_is_searched_for(enrolled: Shell, film: Path) -> None:
    """A table of people, for people; matches are not spoken of."""
    done = enrolled.run("video", film)
    assert done.returncode == 0, done.stderr
    assert "First seen" in done.stdout
    assert "0:01.900" in done.stdout
    assert "Similarity" not in done.stdout
    answer = enrolled.json("video", film)
    assert "Searches" not in answer
    assert not any("FaceMatches" in entry for entry in answer["Persons"])


def test_the_annotated_video_plays_as_long_as_its_original(enrolled: Shell, film: Path, tmp_path: Path) -> None:
    """Boxes on every frame, at the times of the original."""
    done = enrolled.run("video", film, "--search", "people", "--draw", tmp_path / "out.mp4")
    assert done.returncode == 0, done.stderr
    assert "obama.jpg" in done.stdout
    with opened(film, VideoLimits()) as before, opened(tmp_path / "out.mp4", VideoLimits()) as after:
        assert after.metadata == before.metadata
        pairs = list(zip(before.frames(), after.frames(), strict=True))
    assert [one.timestamp_ms for one, _ in pairs] == [other.timestamp_ms for _, other in pairs]
    for one, other in pairs:
        assert np.abs(one.pixels.astype(int) - other.pixels).max() > 60
    kept = enrolled.refused("video", film, "--draw", film)
    assert "would overwrite the video itself" in kept


def test_of_a_broken_video_what_could_be_read_is_answered(enrolled: Shell, film: Path, tmp_path: Path) -> None:
    """On stdout what was seen, on stderr how far, and a status that scripts notice."""
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(film.read_bytes()[: film.stat().st_size * 9 // 10])
    done = enrolled.run("video", broken, "--json")
    assert done.returncode == 1
    answer = json.loads(done.stdout)
    assert answer["Persons"]
    assert answer["StatusMessage"] in done.stderr
    assert "The video is damaged: it could be read up to " in done.stderr


def test_what_cannot_be_done_is_said_in_a_sentence(enrolled: Shell, film: Path, portraits: dict[str, Path]) -> None:
    """A photo, a collection that is not there, a file of another kind to draw into."""
    assert "none of the accepted containers" in enrolled.refused("video", portraits["obama.jpg"])
    assert "The collection id: nobody does not exist" in enrolled.refused("video", film, "--search", "nobody")
    assert enrolled.run("video", film, "--draw", "out.avi").returncode == 2
