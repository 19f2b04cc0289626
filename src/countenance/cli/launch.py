"""What the `countenance` command runs, and what becomes of what that raises."""

from __future__ import annotations

import resource
import sqlite3
import sys

import typer

from countenance.cli.output import refuse
from countenance.cli.program import COMMANDS, program
from countenance.errors import CountenanceError


def main() -> None:
    """Runs the command line."""
    # A crash must not write photos, templates and secrets into a file.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    try:
        _program()()
    except CountenanceError as error:
        refuse(error.message)
    except sqlite3.Error as error:
        refuse(f"The database cannot be used: {error}.")
    except OSError as error:
        # The machine's own refusals: no such file, no permission, no space left.
        where = f"{error.filename}: " if error.filename else ""
        refuse(f"{where}{error.strerror or error}.")


def _program() -> typer.Typer:
    """The program with the one command that is asked for; with all of them when it is not clear which one is."""
    asked = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    return program(asked) if asked in COMMANDS else program()
