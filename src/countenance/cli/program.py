"""The program: its commands, and what becomes of what they raise.

Exit status: 0 when it is done, 1 when it is refused or has failed (one sentence on stderr says why), 2 when the command
line itself is wrong, 130 when it was interrupted.
"""

from __future__ import annotations

import resource
from typing import Annotated

import typer

from countenance.cli import (
    collections,
    comparison,
    detection,
    exchange,
    faces,
    fairness,
    indexing,
    keys,
    logs,
    migration,
    models,
    search,
    serve,
    users,
)
from countenance.cli.output import refuse
from countenance.errors import CountenanceError

app = typer.Typer(
    name="countenance",
    help="Face recognition on your own machine, speaking Amazon Rekognition's API.",
    no_args_is_help=True,
    add_completion=False,
    # Its tracebacks show local variables' reprs at their worst; Python's own never do.
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("index")(indexing.index)
app.command("search")(search.search)
app.command("compare")(comparison.compare)
app.command("detect")(detection.detect)
app.add_typer(collections.app, name="collections")
app.add_typer(faces.app, name="faces")
app.add_typer(users.app, name="users")
app.command("export")(exchange.export_collection)
app.command("import")(exchange.import_collection)
app.command("import-rekognition")(migration.import_rekognition)
app.add_typer(keys.app, name="keys")
app.add_typer(models.app, name="models")
app.add_typer(fairness.app, name="fairness")


@app.callback()
def _common(
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log every use on stderr, not only warnings.")
    ] = False,
) -> None:
    logs.configure(everything=verbose)


def main() -> None:
    """What the `countenance` command runs."""
    # A crash must not write photos, templates and secrets into a file.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    try:
        app()
    except CountenanceError as error:
        refuse(error.message)
    except OSError as error:
        # The machine's own refusals: no such file, no permission, no space left.
        where = f"{error.filename}: " if error.filename else ""
        refuse(f"{where}{error.strerror or error}.")
