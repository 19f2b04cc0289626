"""`countenance export` and `countenance import`: a collection in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from countenance.cli.acting import Acting, acting, beside, tell
from countenance.cli.collections import CollectionArgument
from countenance.cli.configuration import opened, with_settings
from countenance.cli.identifiers import valid
from countenance.cli.output import AsJson, print_json, say
from countenance.settings import Settings


@with_settings("data")
@acting
def export_collection(
    settings: Settings,
    collection: CollectionArgument,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", dir_okay=False, show_default=False, help="A new file, such as ID.parquet.")
    ],
    *,
    acting: Acting,
    as_json: AsJson = False,
) -> None:
    """Write a collection with its ids, boxes, users and templates into a Parquet file."""
    # Imported when needed, as `opened` does.
    from countenance.service.uses import released  # noqa: PLC0415

    with opened(settings) as application, released() as answer:
        exported = application.exchange.export(acting.caller(application), collection, file)
    if as_json:
        print_json(
            {
                "CollectionId": exported.collection_id,
                "FaceCount": exported.face_count,
                "UserCount": exported.user_count,
                "File": str(file),
                **beside(answer),
            }
        )
    else:
        say(f"Exported {exported.face_count} faces and {exported.user_count} users into {file}.")
    tell(answer)


@with_settings("data")
def import_collection(
    settings: Settings,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", exists=True, dir_okay=False, readable=True, show_default=False, help="An exported file."
        ),
    ],
    *,
    collection: Annotated[
        str | None,
        typer.Option(
            "--as", metavar="ID", parser=valid("CollectionId"), show_default=False, help="Another CollectionId."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a collection of an exported file: the same ids and templates, searchable at once."""
    with opened(settings, creates=True) as application:
        made = application.exchange.import_(application.locals.caller(), file, collection)
    if as_json:
        print_json(
            {
                "CollectionId": made.collection_id,
                "FaceModelVersion": made.face_model_version,
                "FaceCount": made.face_count,
                "UserCount": made.user_count,
            }
        )
    else:
        say(f"Imported {made.face_count} faces and {made.user_count} users into {made.collection_id}.")
