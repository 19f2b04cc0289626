"""`countenance compare`: whether the people on two photos are the same."""

from __future__ import annotations

from countenance.aws.faces import bounding_box, compared_face
from countenance.cli.acting import WITHHELD, Acting, acting, beside, tell
from countenance.cli.configuration import opened, with_settings
from countenance.cli.output import AsJson, box_of, print_json, print_table, say
from countenance.cli.photographs import PhotoFile, for_files, read_photo
from countenance.cli.search import Threshold
from countenance.service.recognition import DEFAULT_THRESHOLD
from countenance.service.uses import released
from countenance.settings import Settings


@with_settings("data")
@acting
def compare(
    settings: Settings,
    source: PhotoFile,
    target: PhotoFile,
    *,
    acting: Acting,
    threshold: Threshold = DEFAULT_THRESHOLD,
    as_json: AsJson = False,
) -> None:
    """Compare the largest face of the first photo with all faces of the second."""
    settings = for_files(settings)
    photos = read_photo(source, settings), read_photo(target, settings)
    with opened(settings, creates=True) as application, released() as answer:
        comparison = application.recognition.compare_faces(acting.caller(application), *photos, threshold=threshold)
    if as_json:
        print_json(
            {
                "SourceImageFace": {
                    "BoundingBox": bounding_box(comparison.source.bounding_box),
                    "Confidence": comparison.source.confidence,
                },
                "FaceMatches": [
                    {"Similarity": similarity, "Face": compared_face(detail)}
                    for similarity, detail in comparison.matches
                ],
                "UnmatchedFaces": [compared_face(detail) for detail in comparison.unmatched],
                **beside(answer),
            }
        )
    elif answer.review is not None:
        say(WITHHELD.format(answer.review))
    else:
        applied = threshold if answer.threshold is None else answer.threshold
        rows = [
            *((f"{similarity:.2f}", detail) for similarity, detail in comparison.matches),
            *((f"below {applied:g}", detail) for detail in comparison.unmatched),
        ]
        print_table(
            ("Similarity", "Left, top, width, height", "Confidence"),
            ((similarity, box_of(detail.bounding_box), detail.confidence) for similarity, detail in rows),
        )
    tell(answer)
