"""Frames a second and times real time on videos of 1, 5 and 20 faces, beside the image pipeline on every frame; and
recall and identity switches of the tracks, on crowds whose truth is known.

    python -m bench.video --photos FOLDER

The photos' faces, one person a photo, walk through the composed videos, behind and in front of each other. What is
compared runs in one process in turns; a ratio is to the image pipeline in the same round, a figure the median over the
rounds.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from bench import machine, photos
from countenance.faces import BoundingBox
from countenance.settings import Settings
from countenance.video.decoding import Frame, Video, VideoLimits, opened
from countenance.video.encoding import encode
from countenance.video.tracking import Tracking
from countenance.vision.analysis import Vision

Picture = NDArray[np.uint8]

RATE = 30  # frames a second of the composed videos
SIZES = {"480p": (854, 480), "1080p": (1920, 1080)}
FACES = (1, 5, 20)
# Width of a head, in the frame's height: the more there are, the farther away they stand.
HEADS = {1: 0.45, 5: 0.22, 20: 0.14}
# What a face is looked up in: as many templates as a small collection has.
GALLERY = 10_000
# Least overlap of a tracked face with the true one, as in the MOT challenges.
TRUE_OVERLAP = 0.5
# A face of which more than this is covered by others cannot be expected to be found.
VISIBLE = 0.6


@dataclass(frozen=True)
class Head:
    """A person's head, cut out of a photo: RGB, and where the face is in it, in ratios of it."""

    picture: Picture
    face: BoundingBox


@dataclass(frozen=True)
class Crowd:
    """A composed video, and for each frame the true boxes, in ratios, by person; those behind others are left out."""

    path: Path
    truth: Sequence[dict[int, BoundingBox]]


def heads(vision: Vision, paths: Sequence[Path], wanted: int, settings: Settings) -> list[Head]:
    """The largest face of each photo with its hair."""
    found: list[Head] = []
    for path in paths:
        pixels = photos.opened(path.read_bytes(), settings).pixels
        faces = vision.detect(Frame(0, pixels).photo)
        if faces and len(found) < wanted:
            box, (height, width) = faces[0].bounding_box, pixels.shape[:2]
            left, top = max(box.left - 0.25 * box.width, 0), max(box.top - 0.35 * box.height, 0)
            right, bottom = min(box.left + 1.25 * box.width, 1), min(box.top + 1.2 * box.height, 1)
            picture = pixels[int(top * height) : int(bottom * height), int(left * width) : int(right * width)]
            across, down = right - left, bottom - top
            face = BoundingBox(
                (box.left - left) / across, (box.top - top) / down, box.width / across, box.height / down
            )
            found.append(Head(picture, face))
    if len(found) < wanted:
        raise SystemExit(f"{wanted} photos with a face are needed; there are {len(found)}.")
    return found


def compose(path: Path, people: Sequence[Head], size: tuple[int, int], seconds: int, seed: int) -> Crowd:
    """Heads that walk to and fro, each at a height and speed of its own; later ones pass in front of earlier ones."""
    width, height = size
    generator = np.random.default_rng(seed)
    side = int(HEADS[min(count for count in HEADS if count >= len(people))] * height)
    scaled = []
    for head in people:
        tall = int(side * head.picture.shape[0] / head.picture.shape[1])
        scaled.append(cv2.resize(head.picture, (side, tall), interpolation=cv2.INTER_AREA))
    starts = generator.uniform(0, 2 * (width - side), len(people))
    speeds = generator.uniform(0.1, 0.35, len(people)) * width / RATE * generator.choice([-1, 1], len(people))
    rows = [int(generator.uniform(0, max(height - one.shape[0], 1))) for one in scaled]
    background = cv2.GaussianBlur(generator.integers(60, 200, (height, width, 3)).astype(np.uint8), (0, 0), 9)
    truth: list[dict[int, BoundingBox]] = []

    def frames() -> Iterator[Frame]:
        for number in range(seconds * RATE):
            picture, owner = background.copy(), np.full((height, width), -1, np.int16)
            places = {}
            for person, one in enumerate(scaled):
                way = (starts[person] + speeds[person] * number) % (2 * (width - side))
                left = int(min(way, 2 * (width - side) - way))
                top, tall = rows[person], min(one.shape[0], height - rows[person])
                picture[top : top + tall, left : left + side] = one[:tall]
                owner[top : top + tall, left : left + side] = person
                places[person] = (left, top, one.shape[0])
            seen = {}
            for person, (left, top, tall) in places.items():
                face = people[person].face
                x, y, w, h = left + face.left * side, top + face.top * tall, face.width * side, face.height * tall
                part = owner[max(int(y), 0) : int(y + h), max(int(x), 0) : int(x + w)]
                if (part == person).sum() >= VISIBLE * w * h:
                    seen[person] = BoundingBox(x / width, y / height, w / width, h / height)
            truth.append(seen)
            yield Frame(round(number * 1000 / RATE), picture)

    encode(path, frames(), RATE)
    return Crowd(path, truth)


def images(vision: Vision, video: Video, gallery: NDArray[np.float32]) -> int:
    """Every frame as if it were a photo: detected, described, every face embedded and searched for."""
    count = 0
    for frame in video.frames():
        photo, count = frame.photo, count + 1
        detections = vision.detect(photo)
        vision.describe(photo, detections, frozenset())
        for template in vision.templates(photo, detections, vision.face_model_version):
            (gallery @ template.vector).argmax()
    return count


def detection(vision: Vision, video: Video) -> None:
    """As StartFaceDetection: two frames a second."""
    for frame in video.frames(every_ms=500):
        vision.describe(frame.photo, vision.detect(frame.photo), frozenset())


def tracking(vision: Vision, video: Video) -> None:
    """As StartPersonTracking: by movement alone."""
    for _ in Tracking(vision).follow(video):
        pass


def search(vision: Vision, video: Video, gallery: NDArray[np.float32]) -> None:
    """As StartFaceSearch: tracked, few faces embedded, everybody searched for once."""
    people = Tracking(vision, vision.face_model_version)
    for _ in people.follow(video):
        pass
    for one in people.templates():
        (gallery @ one.template.vector).argmax()


def timed(path: Path, work: Callable[[Video], object]) -> float:
    """Seconds from opening the file to the end."""
    start = time.perf_counter()
    with opened(path, VideoLimits()) as video:
        work(video)
    return time.perf_counter() - start


def measure(vision: Vision, crowd: Crowd, seconds: int, rounds: int) -> list[tuple[str, float, float, float]]:
    """For each way: frames a second, times real time, and the ratio to the image pipeline."""
    generator = np.random.default_rng(0)
    gallery = generator.standard_normal((GALLERY, vision.recognizer(vision.face_model_version).dimension))
    gallery = (gallery / np.linalg.norm(gallery, axis=1)[:, None]).astype(np.float32)
    ways: dict[str, Callable[[Video], object]] = {
        "image pipeline on every frame": lambda video: images(vision, video, gallery),
        "decoding alone": lambda video: sum(1 for _ in video.frames()),
        "face detection": lambda video: detection(vision, video),
        "person tracking": lambda video: tracking(vision, video),
        "face search": lambda video: search(vision, video, gallery),
    }
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, work in ways.items():
            spent[name].append(timed(crowd.path, work))
    base = spent["image pipeline on every frame"]
    return [
        (
            name,
            seconds * RATE / statistics.median(times),
            seconds / statistics.median(times),
            statistics.median(before / now for before, now in zip(base, times, strict=True)),
        )
        for name, times in spent.items()
    ]


@dataclass(frozen=True)
class Truthfulness:
    """Share of true faces on sampled frames that were tracked; times that a person's number changed; numbers given;
    faces tracked that are nobody's of the truth: those of people who are mostly behind others, or none at all.
    """

    recall: float
    switches: int
    numbers: int
    hidden: int


def judge(vision: Vision, crowd: Crowd, version: str | None) -> Truthfulness:
    """Tracks beside the truth."""
    last: dict[int, int] = {}
    numbers: set[int] = set()
    faces = hits = switches = hidden = 0
    with opened(crowd.path, VideoLimits()) as video:
        for frame, found in Tracking(vision, version).follow(video):
            truth = crowd.truth[round(frame.timestamp_ms * RATE / 1000)]
            numbers |= {face.person for face in found}
            faces += len(truth)
            matched = set()
            for person, box in truth.items():
                best = max(found, key=lambda face: face.detection.bounding_box.iou(box), default=None)
                if best is None or best.detection.bounding_box.iou(box) < TRUE_OVERLAP:
                    continue
                hits += 1
                matched.add(id(best))
                switches += person in last and last[person] != best.person
                last[person] = best.person
            hidden += sum(1 for face in found if id(face) not in matched)
    return Truthfulness(hits / max(faces, 1), switches, len(numbers), hidden)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    photos.add_options(parser, limit=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4, help="length of the videos that are timed (%(default)s)")
    parser.add_argument("--crowd-seconds", type=int, default=20, help="length of those with truth (%(default)s)")
    arguments = parser.parse_args()
    console = Console(width=120)
    console.print(machine.describe())
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=Path(folder))
        vision = Vision(settings)
        people = heads(vision, photos.choose(arguments.photos, arguments.limit), max(FACES), settings)
        table = Table("video", "faces", "what", "frames/s", "x real time", "x image pipeline", box=MARKDOWN)
        for name, size in SIZES.items():
            for faces in FACES:
                crowd = compose(Path(folder) / "v.mp4", people[:faces], size, arguments.seconds, seed=faces)
                for what, rate, real, ratio in measure(vision, crowd, arguments.seconds, arguments.rounds):
                    table.add_row(name, f"{faces}", what, f"{rate:.0f}", f"{real:.1f}", f"{ratio:.1f}")
        console.print(table)
        table = Table(
            "video", "people", "told by", "recall", "switches", "numbers given", "hidden ones found", box=MARKDOWN
        )
        for name, size in SIZES.items():
            for faces in FACES[1:]:
                crowd = compose(Path(folder) / "v.mp4", people[:faces], size, arguments.crowd_seconds, seed=faces)
                for by, version in (("faces", vision.face_model_version), ("movement alone", None)):
                    one = judge(vision, crowd, version)
                    table.add_row(
                        name, f"{faces}", by, f"{one.recall:.3f}", f"{one.switches}", f"{one.numbers}", f"{one.hidden}"
                    )
        console.print(table)


if __name__ == "__main__":
    main()
