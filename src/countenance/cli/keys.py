"""`countenance keys`: create, list and revoke access keys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from countenance.cli.configuration import opened, with_settings
from countenance.cli.output import AsJson, print_json, print_table, say
from countenance.service.keys import local_caller
from countenance.settings import Settings

# Names are kept in 255 characters.
MAX_NAME = 255

app = typer.Typer(no_args_is_help=True, help="Create, list and revoke access keys.")


def _name(value: str) -> str:
    if not 1 <= len(value) <= MAX_NAME or not value.isprintable():
        raise typer.BadParameter(f"a name has 1 to {MAX_NAME} printable characters")
    return value


@app.command()
@with_settings("data")
def create(
    settings: Settings,
    organization: Annotated[
        str,
        typer.Option("--organization", metavar="NAME", parser=_name, show_default=False, help="Who is responsible."),
    ],
    principal: Annotated[
        str,
        typer.Option("--principal", metavar="NAME", parser=_name, show_default=False, help="The person or service."),
    ],
    as_json: AsJson = False,
) -> None:
    """Issue an access key to a named principal of an organization. Its secret is shown now and never again."""
    with opened(settings, creates=True) as application:
        key = application.keys.create(local_caller(), organization, principal)
    if as_json:
        print_json({"aws_access_key_id": key.access_key_id, "aws_secret_access_key": key.secret})
    else:
        say(f"aws_access_key_id = {key.access_key_id}")
        say(f"aws_secret_access_key = {key.secret}")


@app.command("list")
@with_settings("data")
def list_(settings: Settings, as_json: AsJson = False) -> None:
    """List all access keys, revoked ones too, without their secrets."""
    with opened(settings) as application:
        keys = application.keys.list(local_caller())
    if as_json:
        print_json(
            [
                {
                    "access_key_id": key.access_key_id,
                    "principal": key.principal,
                    "organization": key.organization,
                    "created_at": key.created_at,
                    "revoked_at": key.revoked_at,
                }
                for key in keys
            ]
        )
    else:
        print_table(
            ("Access key", "Principal", "Organization", "Created", "Revoked"),
            (
                (key.access_key_id, key.principal, key.organization, _when(key.created_at), _when(key.revoked_at))
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
    with opened(settings) as application:
        application.keys.revoke(local_caller(), access_key_id)
    if as_json:
        print_json({"revoked": access_key_id})
    else:
        say(f"Revoked {access_key_id}.")


def _when(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
