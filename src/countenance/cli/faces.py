"""`countenance faces`: list and delete the faces of a collection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from countenance.aws.faces import face
from countenance.cli.collections import CollectionArgument
from countenance.cli.configuration import opened, with_settings
from countenance.cli.identifiers import valid
from countenance.cli.listings import every
from countenance.cli.output import AsJson, print_json, print_table, say
from countenance.settings import Settings

if TYPE_CHECKING:
    from countenance.gallery.faces import Face
    from countenance.service.pagination import Listing

app = typer.Typer(no_args_is_help=True, help="List and delete the faces of a collection.")

FaceIds = Annotated[
    list[Any], typer.Argument(metavar="FACE_ID...", parser=valid("FaceId"), show_default=False, help="FaceIds.")
]


@app.command("list")
@with_settings("data")
def list_(
    settings: Settings,
    collection: CollectionArgument,
    user: Annotated[
        str | None, typer.Option("--user", metavar="ID", parser=valid("UserId"), help="Only this user's faces.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the faces of a collection in the order of their enrolment; with --json, one face a line."""
    with opened(settings) as application:

        def page_of(token: str | None) -> Listing[Face]:
            return application.enrolment.list_faces(application.locals.caller(), collection, user_id=user, token=token)[
                1
            ]

        faces = every(page_of)
        if as_json:
            for one in faces:
                print_json(face(one), lines=True)
        else:
            print_table(
                ("Face", "Image", "ExternalImageId", "User", "Confidence"),
                ((one.face_id, one.image_id, one.external_image_id, one.user_id, one.confidence) for one in faces),
            )


@app.command()
@with_settings("data")
def delete(settings: Settings, collection: CollectionArgument, face_ids: FaceIds, as_json: AsJson = False) -> None:
    """Erase faces. Those that a user holds must be disassociated first."""
    with opened(settings) as application:
        deletion = application.enrolment.delete_faces(application.locals.caller(), collection, face_ids)
    if as_json:
        failed = [{"FaceId": one.face_id, "UserId": one.user_id, "Reasons": [one.reason]} for one in deletion.failed]
        print_json({"DeletedFaces": list(deletion.deleted), "UnsuccessfulFaceDeletions": failed})
    else:
        for face_id in deletion.deleted:
            say(f"{face_id} erased")
        for failure in deletion.failed:
            say(f"{failure.face_id} kept: {failure.reason}")
    if deletion.failed:
        raise typer.Exit(1)
