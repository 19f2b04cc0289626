"""The program: its commands.

Exit status: 0 when it is done, 1 when it is refused or has failed (one sentence on stderr says why), 2 when the command
line itself is wrong, 130 when it was interrupted.
"""

from __future__ import annotations

import typer

from countenance.cli import (
    authorizations,
    collections,
    comparison,
    detection,
    exchange,
    faces,
    fairness,
    indexing,
    keys,
    ledger,
    logs,
    migration,
    models,
    moratoria,
    organizations,
    reviews,
    search,
    serve,
    subjects,
    users,
    witness,
)

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
app.add_typer(organizations.organization_app, name="organization")
app.add_typer(organizations.principal_app, name="principal")
app.add_typer(keys.app, name="keys")
app.add_typer(authorizations.app, name="authorization")
app.add_typer(moratoria.app, name="moratorium")
app.add_typer(reviews.app, name="review")
app.command("subject")(subjects.subject)
app.add_typer(models.app, name="models")
app.add_typer(fairness.app, name="fairness")
app.add_typer(ledger.app, name="ledger")
app.add_typer(witness.app, name="witness")
app.callback()(logs.common)
