"""`countenance detect`: what is seen of the faces on a photo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from countenance.aws.faces import face_detail
from countenance.cli.acting import Acting, acting, beside, tell
from countenance.cli.configuration import opened, with_settings
from countenance.cli.drawing import Mark, draw
from countenance.cli.output import AsJson, box_of, notice, print_json, print_table, say
from countenance.cli.photographs import PhotoFile, for_files, read_photo
from countenance.errors import InvalidParameter
from countenance.service.uses import released
from countenance.settings import Settings
from countenance.vision.details import Attribute

if TYPE_CHECKING:
    from countenance.vision.details import FaceDetail, Judgement

DRAWN = frozenset({".jpg", ".jpeg", ".png", ".webp"})


def _attributes(value: str) -> frozenset[Attribute]:
    try:
        return frozenset(Attribute(name.strip().upper()) for name in value.split(",") if name.strip())
    except ValueError as error:
        raise typer.BadParameter(f"{error}; there are {', '.join(Attribute)}") from error


def _drawing(path: Path | None) -> Path | None:
    if path is not None and path.suffix.lower() not in DRAWN:
        raise typer.BadParameter(f"the annotated photo is written as one of {', '.join(sorted(DRAWN))}")
    return path


@with_settings("data")
@acting
def detect(
    settings: Settings,
    photo: PhotoFile,
    *,
    acting: Acting,
    attributes: Annotated[
        object, typer.Option(metavar="A,B,...", parser=_attributes, help="DEFAULT, ALL, or names of attributes.")
    ] = "DEFAULT",
    drawing: Annotated[
        Path | None,
        typer.Option(
            "--draw", metavar="FILE", callback=_drawing, dir_okay=False, help="Write the annotated photo here."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find the faces of a photo, the 100 largest at most, and describe them."""
    assert isinstance(attributes, frozenset)
    if drawing is not None and drawing.exists() and drawing.samefile(photo):
        raise InvalidParameter(f"Drawing into {drawing} would overwrite the photo itself: name another file.")
    settings = for_files(settings)
    source = read_photo(photo, settings)
    with opened(settings, creates=True) as application, released() as answer:
        details = application.recognition.detect_faces(acting.caller(application), source, attributes)
        if drawing is not None:
            pixels = application.photos.open(source).pixels
            draw(pixels, [Mark.of(detail, f"{n}") for n, detail in enumerate(details, 1)], drawing)
            notice(f"Drawn into {drawing}.")
    if as_json:
        print_json({"FaceDetails": [face_detail(detail) for detail in details], **beside(answer)})
    elif details:
        print_table(
            ("Face", "Left, top, width, height", "Confidence", "Yaw, pitch, roll", "Brightness", "Sharpness", "Seen"),
            (_row(n, detail) for n, detail in enumerate(details, 1)),
        )
    else:
        say("No face was found.")
    tell(answer)


def _row(n: int, detail: FaceDetail) -> tuple[object, ...]:
    pose, quality = detail.pose, detail.quality
    return (
        n,
        box_of(detail.bounding_box),
        detail.confidence,
        f"{pose.yaw:.0f} {pose.pitch:.0f} {pose.roll:.0f}",
        quality.brightness,
        quality.sharpness,
        ", ".join(_seen(detail)),
    )


def _seen(detail: FaceDetail) -> list[str]:
    """The attributes that were asked for and could be measured, as words."""
    seen = []
    if detail.age_range is not None:
        seen.append(f"age {detail.age_range.low}-{detail.age_range.high}")
    judgements: dict[str, Judgement | None] = {
        "smile": detail.smile,
        "eyeglasses": detail.eyeglasses,
        "sunglasses": detail.sunglasses,
        "beard": detail.beard,
        "mustache": detail.mustache,
        "eyes open": detail.eyes_open,
        "mouth open": detail.mouth_open,
        "occluded": detail.face_occluded,
    }
    for name, judgement in judgements.items():
        if judgement is not None:
            seen.append(f"{'' if judgement.value else 'no '}{name} {judgement.confidence:.0f}")
    if detail.gender is not None:
        seen.append(f"{detail.gender.value} {detail.gender.confidence:.0f}")
    if detail.emotions:
        seen.append(f"{detail.emotions[0].type} {detail.emotions[0].confidence:.0f}")
    if detail.eye_direction is not None:
        seen.append(f"gaze {detail.eye_direction.yaw:.0f}/{detail.eye_direction.pitch:.0f}")
    return seen
