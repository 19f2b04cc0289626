"""`countenance users`: list, create and delete users, associate and disassociate their faces."""

from __future__ import annotations

from typing import Annotated

import typer

from countenance.cli.collections import CollectionArgument
from countenance.cli.configuration import opened, with_settings
from countenance.cli.faces import FaceIds
from countenance.cli.identifiers import valid
from countenance.cli.output import AsJson, print_json, print_table, say
from countenance.service.keys import local_caller
from countenance.service.users import DEFAULT_USER_MATCH_THRESHOLD
from countenance.settings import Settings

UserArgument = Annotated[
    str, typer.Argument(metavar="USER", parser=valid("UserId"), show_default=False, help="UserId.")
]

app = typer.Typer(no_args_is_help=True, help="Keep the users of a collection and their faces.")


@app.command("list")
@with_settings("data")
def list_(settings: Settings, collection: CollectionArgument, as_json: AsJson = False) -> None:
    """List the users of a collection in the order of their creation."""
    found = []
    with opened(settings) as application:
        token = None
        while True:
            page = application.users.list(local_caller(), collection, token=token)
            found.extend(page.items)
            token = page.next_token
            if token is None:
                break
    if as_json:
        print_json({"Users": [{"UserId": user.user_id, "UserStatus": user.status} for user in found]})
    else:
        print_table(("User", "Status"), ((user.user_id, user.status) for user in found))


@app.command()
@with_settings("data")
def create(settings: Settings, collection: CollectionArgument, user: UserArgument, as_json: AsJson = False) -> None:
    """Create a user without faces."""
    with opened(settings) as application:
        application.users.create(local_caller(), collection, user)
    if as_json:
        print_json({"UserId": user})
    else:
        say(f"Created {user}.")


@app.command()
@with_settings("data")
def delete(settings: Settings, collection: CollectionArgument, user: UserArgument, as_json: AsJson = False) -> None:
    """Erase a user; the faces stay in the collection."""
    with opened(settings) as application:
        application.users.delete(local_caller(), collection, user)
    if as_json:
        print_json({"UserId": user})
    else:
        say(f"Erased {user}.")


@app.command()
@with_settings("data")
def associate(
    settings: Settings,
    collection: CollectionArgument,
    user: UserArgument,
    face_ids: FaceIds,
    *,
    threshold: Annotated[
        float, typer.Option(min=0, max=100, help="Similarity to the user that each face must have.")
    ] = DEFAULT_USER_MATCH_THRESHOLD,
    as_json: AsJson = False,
) -> None:
    """Give faces to a user; each must match the faces the user already has."""
    with opened(settings) as application:
        association = application.users.associate(local_caller(), collection, user, face_ids, threshold=threshold)
    failed = [
        {"FaceId": one.face_id, "UserId": one.user_id, "Confidence": one.confidence, "Reasons": list(one.reasons)}
        for one in association.unchanged
    ]
    _report(association.changed, failed, "associated", as_json=as_json)


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
        disassociation = application.users.disassociate(local_caller(), collection, user, face_ids)
    failed = [
        {"FaceId": one.face_id, "UserId": one.user_id, "Reasons": list(one.reasons)} for one in disassociation.unchanged
    ]
    _report(disassociation.changed, failed, "disassociated", as_json=as_json)


def _report(changed: tuple[str, ...], failed: list[dict[str, object]], verb: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"Changed": list(changed), "Unchanged": failed})
    else:
        print_table(
            ("Face", "Outcome", "Reasons"),
            [
                *((face_id, verb, "") for face_id in changed),
                *((one["FaceId"], f"not {verb}", ", ".join(map(str, one["Reasons"]))) for one in failed),  # type: ignore[call-overload]
            ],
        )
    if failed:
        raise typer.Exit(1)
