"""The program: its commands, each loaded when it is asked for.

Exit status: 0 when it is done, 1 when it is refused or has failed (one sentence on stderr says why), 2 when the command
line itself is wrong, 130 when it was interrupted.
"""

from __future__ import annotations

from importlib import import_module

import typer

from countenance.cli import logs

# The commands by name, in the order of the help: the module each is in, and what it is there. Loading them all takes
# seconds and 260 MB; whoever administers, verifies or witnesses needs little of that.
COMMANDS = {
    "serve": "serve.serve",
    "index": "indexing.index",
    "search": "search.search",
    "compare": "comparison.compare",
    "detect": "detection.detect",
    "video": "video.video",
    "collections": "collections.app",
    "faces": "faces.app",
    "users": "users.app",
    "export": "exchange.export_collection",
    "import": "exchange.import_collection",
    "import-rekognition": "migration.import_rekognition",
    "organization": "organizations.organization_app",
    "principal": "organizations.principal_app",
    "keys": "keys.app",
    "authorization": "authorizations.app",
    "policy": "policy.app",
    "moratorium": "moratoria.app",
    "review": "reviews.app",
    "subject": "subjects.subject",
    "transparency": "transparency.transparency",
    "ledger": "ledger.app",
    "witness": "witness.app",
    "models": "models.app",
    "fairness": "fairness.app",
}


def program(*names: str) -> typer.Typer:
    """The program with the commands of these names, all of them when none is given."""
    app = typer.Typer(
        name="countenance",
        help="Face recognition on your own machine, speaking Amazon Rekognition's API.",
        no_args_is_help=True,
        add_completion=False,
        # Its tracebacks show local variables' reprs at their worst; Python's own never do.
        pretty_exceptions_enable=False,
    )
    for name in names or COMMANDS:
        module, _, attribute = COMMANDS[name].partition(".")
        command = getattr(import_module(f"countenance.cli.{module}"), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    app.callback()(logs.common)
    return app
