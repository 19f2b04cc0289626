"""`countenance keys`: create, list and revoke access keys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from countenance.cli.configuration import administered, with_settings
from countenance.cli.identifiers import name
from countenance.cli.output import AsJson, print_json, print_table, say
from countenance.policy.vocabulary import Purpose
from countenance.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Create, list and revoke access keys.")


@app.command()
@with_settings("data")
def create(
    settings: Settings,
    principal: Annotated[
        str, typer.Option("--principal", metavar="NAME", parser=name, show_default=False, help="The person or service.")
    ],
    purpose: Annotated[
        Purpose, typer.Option("--purpose", show_default=False, help="What it is for where a session says nothing else.")
    ],
    *,
    organization: Annotated[
        str | None,
        typer.Option("--organization", metavar="NAME", help="Theirs, where several have a principal of this name."),
    ] = None,
    authorization: Annotated[
        str | None, typer.Option("--authorization", metavar="ID", help="The authorization it is used under.")
    ] = None,
    beneficiary: Annotated[
        str | None, typer.Option("--beneficiary", metavar="ORGANIZATION", help="For whom it is used.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Issue an access key to a named principal, for a purpose. Its secret is shown now and never again."""
    with administered(settings) as application:
        issued = application.keys.create(
            application.locals.caller(),
            principal,
            organization=organization,
            purpose=purpose,
            authorization=authorization,
            beneficiary=beneficiary,
        )
    if as_json:
        print_json({"aws_access_key_id": issued.key.access_key_id, "aws_secret_access_key": issued.secret})
    else:
        say(f"aws_access_key_id = {issued.key.access_key_id}")
        say(f"aws_secret_access_key = {issued.secret}")


@app.command("list")
@with_settings("data")
def list_(settings: Settings, as_json: AsJson = False) -> None:
    """List all access keys, revoked ones too, without their secrets."""
    with administered(settings) as application:
        keys = application.keys.list(application.locals.caller())
    if as_json:
        print_json(
            [
                {
                    "access_key_id": key.access_key_id,
                    "principal": key.principal.name,
                    "organization": key.principal.organization.name,
                    "purpose": key.purpose,
                    "authorization": key.authorization,
                    "beneficiary": key.beneficiary and key.beneficiary.name,
                    "created_at": key.created_at,
                    "revoked_at": key.revoked_at,
                }
                for key in keys
            ]
        )
    else:
        print_table(
            ("Access key", "Principal", "Organization", "Purpose", "For", "Created", "Revoked"),
            (
                (
                    key.access_key_id,
                    key.principal.name,
                    key.principal.organization.name,
                    key.purpose,
                    key.beneficiary and key.beneficiary.name,
                    _when(key.created_at),
                    _when(key.revoked_at),
                )
                for key in keys
            ),
        )


@app.command()
@with_settings("data")
def revoke(
    settings: Settings,
    access_key_id: Annotated[str, typer.Argument(metavar="ACCESS_KEY_ID", show_default=False, help="The key's id.")],
    as_json: AsJson = False,
) -> None:
    """End an access key, within a second also on servers that are running."""
    with administered(settings) as application:
        application.keys.revoke(application.locals.caller(), access_key_id)
    if as_json:
        print_json({"revoked": access_key_id})
    else:
        say(f"Revoked {access_key_id}.")


def _when(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
