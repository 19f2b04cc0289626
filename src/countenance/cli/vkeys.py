"""Verifier keys as options: the key itself, or a file that holds it."""

from __future__ import annotations

from pathlib import Path

import typer

from countenance.ledger.notes import MAX_KEY_CHARACTERS, InvalidKey, Verifier


def read_log_key(value: str) -> Verifier:
    """The verifier key of a log."""
    return _read(value)


def read_witness_key(value: str) -> Verifier:
    """The verifier key of a witness; an ordinary one is taken for that of a cosigner."""
    return _read(value).as_cosigner()


def _read(value: str) -> Verifier:
    text = value
    if "+" not in value or Path(value).is_file():
        try:
            with Path(value).open("rb") as file:
                text = file.read(MAX_KEY_CHARACTERS).decode("utf-8", "replace").strip()
        except OSError as error:
            raise typer.BadParameter(f"{value} is neither a verifier key nor a file that holds one") from error
    try:
        return Verifier.from_vkey(text)
    except InvalidKey as error:
        raise typer.BadParameter(error.message) from error
