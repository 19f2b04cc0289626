"""`countenance video`: who is in a video, from its first frame to its last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from countenance.aws.faces import bounding_box, face_detail, face_match
from countenance.cli.acting import WITHHELD, Acting, acting, beside, tell
from countenance.cli.configuration import opened, with_settings
from countenance.cli.drawing import Mark, marked
from countenance.cli.output import AsJson, notice, print_json, print_table, progress, refuse, say
from countenance.cli.search import Threshold
from countenance.errors import InvalidParameter
from countenance.service.recognition import DEFAULT_THRESHOLD
from countenance.service.searches import MAX_FACES
from countenance.service.uses import Answer, released
from countenance.settings import Settings

if TYPE_CHECKING:
    from countenance.faces import BoundingBox
    from countenance.service.application import Application
    from countenance.service.clips import Clip
    from countenance.service.searches import FaceSearch
    from countenance.video.decoding import Frame, VideoMetadata
    from countenance.video.tracking import TrackedFace

# How long a box stays on the drawn video when no newer one follows: a little longer than from one look to the next.
STAYS_MS = 150

Found = Mapping[int, "tuple[FaceSearch, Answer]"]


def _drawing(path: Path | None) -> Path | None:
    if path is not None and path.suffix.lower() != ".mp4":
        raise typer.BadParameter("the annotated video is written as .mp4")
    return path


@with_settings("data")
@acting
def video(
    settings: Settings,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True, help="A video.", show_default=False),
    ],
    *,
    acting: Acting,
    collection: Annotated[
        str | None, typer.Option("--search", "-s", metavar="ID", help="Search this collection for each person.")
    ] = None,
    threshold: Threshold = DEFAULT_THRESHOLD,
    max_faces: Annotated[int, typer.Option(min=1, max=MAX_FACES, help="The most matches of each person.")] = 10,
    drawing: Annotated[
        Path | None,
        typer.Option(
            "--draw", metavar="FILE", callback=_drawing, dir_okay=False, help="Write the annotated video here, as MP4."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Follow the people of a video, and search a collection for them."""
    if drawing is not None and drawing.exists() and drawing.samefile(file):
        raise InvalidParameter(f"Drawing into {drawing} would overwrite the video itself: name another file.")
    with opened(settings, creates=True) as application:
        caller = acting.caller(application)
        with released() as answer, progress("s") as bar:
            task = bar.add_task("Watching", total=None)

            def show(now: int, whole: int) -> None:
                bar.update(task, completed=now // 1000, total=max(whole, now) // 1000)

            clip = application.clips.track(caller, file, collection_id=collection, progress=show)
        found: dict[int, tuple[FaceSearch, Answer]] = {}
        if collection is not None:
            for person in sorted(clip.templates):
                with released() as of_search:
                    matches = application.clips.search(
                        caller, collection, clip, person, threshold=threshold, max_faces=max_faces
                    )
                found[person] = (matches, of_search)
        if drawing is not None:
            _draw(application, file, clip, found, drawing)
            notice(f"Drawn into {drawing}.")
    if as_json:
        print_json(_answer(clip, found, answer))
    else:
        _print(clip, found)
    tell(answer)
    if clip.damage is not None:
        refuse(clip.damage)


def _answer(clip: Clip, found: Found, answer: Answer) -> dict[str, Any]:
    """As GetFaceSearch answers, with what each search left beside it."""
    matches = {
        person: [face_match(similarity, face) for similarity, face in search.matches]
        for person, (search, _) in found.items()
    }
    return {
        "VideoMetadata": _metadata(clip.metadata),
        "Persons": [
            {
                "Timestamp": face.timestamp_ms,
                "Person": {
                    "Index": face.person,
                    "BoundingBox": bounding_box(face.detection.bounding_box),
                    "Face": face_detail(face.detail),
                },
                "FaceMatches": matches.get(face.person),
            }
            for face in clip.faces
            if face.detail is not None
        ],
        "Searches": [
            {"Index": person, "FaceMatches": matches[person], **beside(of_search)}
            for person, (_, of_search) in found.items()
        ]
        or None,
        "StatusMessage": clip.damage,
        **beside(answer),
    }


def _metadata(metadata: VideoMetadata) -> dict[str, Any]:
    told = asdict(metadata)
    return {
        "Codec": told["codec"],
        "DurationMillis": told["duration_ms"],
        "Format": told["format"],
        "FrameRate": told["frame_rate"],
        "FrameHeight": told["frame_height"],
        "FrameWidth": told["frame_width"],
        "ColorRange": told["color_range"],
    }


def _print(clip: Clip, found: Found) -> None:
    by_person: dict[int, list[TrackedFace]] = {}
    for face in clip.faces:
        by_person.setdefault(face.person, []).append(face)
    if not by_person:
        say("No face was found.")
        return
    rows = [_row(person, faces, found.get(person)) for person, faces in sorted(by_person.items())]
    columns = ("Person", "First seen", "Last seen", "Times")
    print_table((*columns, "Similarity", "ExternalImageId", "Face") if found else columns, rows)
    for _, of_search in found.values():
        if of_search.review is not None:
            say(WITHHELD.format(of_search.review))


def _row(person: int, faces: list[TrackedFace], found: tuple[FaceSearch, Answer] | None) -> tuple[object, ...]:
    seen = (person, _clock(faces[0].timestamp_ms), _clock(faces[-1].timestamp_ms), len(faces))
    if found is None:
        return seen
    matches = found[0].matches
    if not matches:
        return (*seen, None, None, None)
    similarity, best = matches[0]
    return (*seen, similarity, best.external_image_id, best.face_id)


def _clock(milliseconds: int) -> str:
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes}:{rest // 1000:02}.{rest % 1000:03}"


def _draw(application: Application, file: Path, clip: Clip, found: Found, drawing: Path) -> None:
    """The video again, with the faces that were seen on every frame that follows."""
    # Imported when needed, as all that decodes is.
    from countenance.video import decoding, encoding  # noqa: PLC0415

    names = {person: _name(person, of[0]) for person, of in found.items()}

    def frames(video: decoding.Video) -> Iterator[Frame]:
        coming = iter(clip.faces)
        due = next(coming, None)
        last: dict[int, tuple[int, BoundingBox]] = {}
        try:
            for frame in video.frames():
                while due is not None and due.timestamp_ms <= frame.timestamp_ms:
                    last[due.person] = (due.timestamp_ms, due.detection.bounding_box)
                    due = next(coming, None)
                marks = [
                    Mark(box, (), names.get(person, f"{person}"))
                    for person, (seen, box) in last.items()
                    if frame.timestamp_ms - seen <= STAYS_MS
                ]
                pixels = np.asarray(marked(frame.pixels, marks), dtype=np.uint8) if marks else frame.pixels
                yield decoding.Frame(frame.timestamp_ms, pixels)
        except decoding.Damaged:
            return  # as far as it could be read, which is said at the end

    with decoding.opened(file, application.clips.limits) as video:
        encoding.encode(drawing, frames(video), video.metadata.frame_rate)


def _name(person: int, search: FaceSearch) -> str:
    if not search.matches:
        return f"{person}"
    similarity, best = search.matches[0]
    return f"{person}: {best.external_image_id or best.face_id} {similarity:.0f}"
