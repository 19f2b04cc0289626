"""What is signed when a face model may serve a purpose: canonical JSON (RFC 8785) in a signed note of the log's key.

    countenance qualification of a face model
    {"model":{...},"purpose":"criminal_investigation","report":"...","threshold":99.0,...}

    — faces.example.org/ledger Az3grlgt...

The first line has spaces, which no origin has: a statement is never a checkpoint, nor the other way round. Anybody with
the log's verifier key can check one; its SHA-256 is in the entry of the ledger that announces it, without which it
counts for nothing here.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import rfc8785
from pydantic import ValidationError

from countenance.errors import CountenanceError
from countenance.ledger.entries import Model, Part, Sha256, Time, Uid, Waiver

TITLE = "countenance qualification of a face model\n"


class InvalidStatement(CountenanceError):
    """The text is no statement of a qualification."""

    code = "InvalidStatement"


class Statement(Part):
    """That a face model may serve a purpose at a threshold (Similarity, 0 to 100) or above it, until a time.

    `report` is the SHA-256 of the report's JSON, `groupings` are those that it measured, and `not_shown` the groups
    with too few people to say anything about. `notes` are how it was judged, `limits` what the report does not show.
    With a `waiver` the model did not pass, for `reasons`, and serves all the same.
    """

    format: Literal[1] = 1
    qualification: Uid
    model: Model
    purpose: str
    threshold: float
    valid_from: Time
    valid_until: Time
    report: Sha256
    groupings: tuple[str, ...]
    not_shown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    waiver: Waiver | None = None

    def text(self) -> str:
        """What is signed."""
        return f"{TITLE}{rfc8785.dumps(self.model_dump(mode='json', exclude_none=True)).decode()}\n"

    @classmethod
    def read(cls, text: str) -> Statement:
        """The statement of a text that was signed. Raises InvalidStatement for any other."""
        try:
            statement = cls.model_validate_json(text.removeprefix(TITLE))
        except ValidationError as error:
            raise InvalidStatement from error
        if statement.text() != text:
            raise InvalidStatement
        return statement


def digest(note: str) -> str:
    """What the ledger knows a signed statement by: its SHA-256, signatures and all."""
    return hashlib.sha256(note.encode()).hexdigest()
