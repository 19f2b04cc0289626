"""`countenance search`: who of a collection is on a photo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from countenance.aws.faces import bounding_box, face_match
from countenance.cli.acting import WITHHELD, Acting, acting, beside, tell
from countenance.cli.collections import CollectionOption
from countenance.cli.configuration import opened, with_settings
from countenance.cli.output import AsJson, print_json, print_table, say
from countenance.cli.photographs import PhotoFile, for_files, read_photo
from countenance.service.recognition import DEFAULT_THRESHOLD
from countenance.service.searches import MAX_FACES, MAX_USERS
from countenance.service.uses import released
from countenance.settings import Settings

if TYPE_CHECKING:
    from countenance.service.searches import FaceSearch, UserSearch
    from countenance.service.uses import Answer

Threshold = Annotated[float, typer.Option(min=0, max=100, help="The least Similarity that is a match.")]


@with_settings("data")
@acting
def search(
    settings: Settings,
    photo: PhotoFile,
    *,
    acting: Acting,
    collection: CollectionOption,
    threshold: Threshold = DEFAULT_THRESHOLD,
    max_faces: Annotated[int, typer.Option(min=1, max=MAX_FACES, help="The most matches; of users, at most 500.")] = 10,
    users: Annotated[bool, typer.Option("--users", help="Search users instead of faces.")] = False,
    as_json: AsJson = False,
) -> None:
    """Search a collection for the largest face of a photo."""
    settings = for_files(settings)
    source = read_photo(photo, settings)
    with opened(settings) as application, released() as answer:
        if users:
            people = application.searches.search_users_by_image(
                acting.caller(application),
                collection,
                source,
                threshold=threshold,
                max_users=min(max_faces, MAX_USERS),
            )
            _print_users(people, answer, as_json=as_json)
        else:
            found = application.searches.search_faces_by_image(
                acting.caller(application), collection, source, threshold=threshold, max_faces=max_faces
            )
            _print_faces(found, answer, as_json=as_json)
    tell(answer)


def _print_faces(found: FaceSearch, answer: Answer, *, as_json: bool) -> None:
    if as_json:
        searched = found.searched
        assert searched is not None, "a photo without a face is refused"
        print_json(
            {
                "SearchedFaceBoundingBox": bounding_box(searched.bounding_box),
                "SearchedFaceConfidence": searched.confidence,
                "FaceMatches": [face_match(similarity, face) for similarity, face in found.matches],
                "FaceModelVersion": found.face_model_version,
                **beside(answer),
            }
        )
    elif found.matches:
        print_table(
            ("Similarity", "ExternalImageId", "Face", "User"),
            ((similarity, face.external_image_id, face.face_id, face.user_id) for similarity, face in found.matches),
        )
    else:
        _say_why_nothing(answer)


def _print_users(found: UserSearch, answer: Answer, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "UserMatches": [
                    {"Similarity": similarity, "User": {"UserId": user.user_id, "UserStatus": user.status}}
                    for similarity, user in found.matches
                ],
                "FaceModelVersion": found.face_model_version,
                **beside(answer),
            }
        )
    elif found.matches:
        print_table(("Similarity", "User"), ((similarity, user.user_id) for similarity, user in found.matches))
    else:
        _say_why_nothing(answer)


def _say_why_nothing(answer: Answer) -> None:
    if answer.review is None:
        say("Nobody in the collection matches.")
    else:
        say(WITHHELD.format(answer.review))
