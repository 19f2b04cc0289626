"""`countenance users`: list, create and delete users, associate and disassociate their faces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from countenance.cli.acting import Acting, acting
from countenance.cli.collections import CollectionArgument
from countenance.cli.configuration import opened, with_settings
from countenance.cli.faces import FaceIds
from countenance.cli.identifiers import valid
from countenance.cli.listings import every
from countenance.cli.output import AsJson, print_json, print_table, say
from countenance.service.users import DEFAULT_USER_MATCH_THRESHOLD
from countenance.settings import Settings

if TYPE_CHECKING:
    from countenance.gallery.users import Association

UserArgument = Annotated[
    str, typer.Argument(metavar="USER", parser=valid("UserId"), show_default=False, help="UserId.")
]

app = typer.Typer(no_args_is_help=True, help="Keep the users of a collection and their faces.")


@app.command("list")
@with_settings("data")
def list_(settings: Settings, collection: CollectionArgument, as_json: AsJson = False) -> None:
    """List the users of a collection in the order of their creation."""
    with opened(settings) as application:
        found = list(every(lambda token: application.users.list(application.locals.caller(), collection, token=token)))
    if as_json:
        print_json({"Users": [{"UserId": user.user_id, "UserStatus": user.status} for user in found]})
    else:
        print_table(("User", "Status"), ((user.user_id, user.status) for user in found))


@app.command()
@with_settings("data")
def create(settings: Settings, collection: CollectionArgument, user: UserArgument, as_json: AsJson = False) -> None:
    """Create a user without faces."""
    with opened(settings) as application:
        application.users.create(application.locals.caller(), collection, user)
    if as_json:
        print_json({"UserId": user})
    else:
        say(f"Created {user}.")


@app.command()
@with_settings("data")
def delete(settings: Settings, collection: CollectionArgument, user: UserArgument, as_json: AsJson = False) -> None:
    """Erase a user; the faces stay in the collection."""
    with opened(settings) as application:
        application.users.delete(application.locals.caller(), collection, user)
    if as_json:
        print_json({"UserId": user})
    else:
        say(f"Erased {user}.")


@app.command()
@with_settings("data")
@acting
def associate(
    settings: Settings,
    collection: CollectionArgument,
    user: UserArgument,
    face_ids: FaceIds,
    *,
    acting: Acting,
    threshold: Annotated[
        float, typer.Option(min=0, max=100, help="Similarity to the user that each face must have.")
    ] = DEFAULT_USER_MATCH_THRESHOLD,
    as_json: AsJson = False,
) -> None:
    """Give faces to a user; each must match the faces the user already has."""
    with opened(settings) as application:
        association = application.users.associate(
            acting.caller(application), collection, user, face_ids, threshold=threshold
        )
    _report(association, "associated", as_json=as_json)


@app.command()
@with_settings("data")
def disassociate(
    settings: Settings,
    collection: CollectionArgument,
    user: UserArgument,
    face_ids: FaceIds,
    as_json: AsJson = False,
) -> None:
    """Take faces from a user; they stay in the collection."""
    with opened(settings) as application:
        disassociation = application.users.disassociate(application.locals.caller(), collection, user, face_ids)
    _report(disassociation, "disassociated", as_json=as_json)


def _report(association: Association, verb: str, *, as_json: bool) -> None:
    if as_json:
        failed = [
            {"FaceId": one.face_id, "UserId": one.user_id, "Confidence": one.confidence, "Reasons": one.reasons}
            for one in association.unchanged
        ]
        print_json({"Changed": association.changed, "Unchanged": failed, "UserStatus": association.status})
    else:
        print_table(
            ("Face", "Outcome", "Reasons"),
            [
                *((face_id, verb, "") for face_id in association.changed),
                *((one.face_id, f"not {verb}", ", ".join(one.reasons)) for one in association.unchanged),
            ],
        )
    if association.unchanged:
        raise typer.Exit(1)
