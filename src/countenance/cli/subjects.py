"""`countenance subject`: who searched for the person on a photo. For whoever oversees; itself recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from countenance.cli.configuration import opened, with_settings
from countenance.cli.output import AsJson, print_json, print_table, say
from countenance.cli.photographs import PhotoFile, for_files, read_photo
from countenance.policy.vocabulary import Purpose
from countenance.settings import Settings

if TYPE_CHECKING:
    from countenance.service.subjects import Touch

# Stated here as well as in the service, which takes seconds to load: a search of 90 or more is taken for the person.
DEFAULT_SIMILARITY = 90.0


@with_settings("data")
def subject(
    settings: Settings,
    photo: PhotoFile,
    principal: Annotated[
        str, typer.Option("--principal", metavar="NAME", show_default=False, help="Who asks: of an oversight body.")
    ],
    *,
    threshold: Annotated[
        float, typer.Option(min=0, max=100, help="From which Similarity on an enrolled face is the person's.")
    ] = DEFAULT_SIMILARITY,
    as_json: AsJson = False,
) -> None:
    """Find every search that touched the templates of the person on a photo, from the ledger and the salts."""
    settings = for_files(settings)
    source = read_photo(photo, settings)
    with opened(settings) as application:
        caller = application.locals.caller(principal, purpose=Purpose.OVERSIGHT)
        found = application.subjects.of_photo(caller, source, threshold=threshold)
    if as_json:
        touches = [
            {
                "receipt": touch.receipt,
                "use": touch.use,
                "at": touch.at,
                "action": touch.action,
                "organization_kind": touch.organization_kind,
                "purpose": touch.purpose,
                "legal_basis": touch.legal_basis,
                "collection": touch.collection,
                "similarity": touch.similarity,
                "searched_for": touch.searched_for,
                "withheld": touch.withheld,
            }
            for touch in found.touches
        ]
        print_json({"faces": {name: list(ids) for name, ids in found.faces.items()}, "searches": touches})
        return
    if not found.faces:
        say("Nobody like this person is enrolled, so no search can have touched their templates.")
        return
    faces = sum(map(len, found.faces.values()))
    say(f"Enrolled: {faces} faces in {', '.join(found.faces)}. Searches that touched them: {len(found.touches)}.")
    print_table(
        ("When", "Search", "By", "Purpose", "Legal basis", "Answered with", "Receipt"),
        (
            (
                touch.at,
                touch.action,
                touch.organization_kind,
                touch.purpose,
                touch.legal_basis,
                _answered(touch),
                touch.receipt,
            )
            for touch in found.touches
        ),
    )


def _answered(touch: Touch) -> str:
    if touch.searched_for:
        return "searched for, by an enrolled face"
    return "not among the candidates" if touch.similarity is None else f"Similarity {touch.similarity:.2f}"
