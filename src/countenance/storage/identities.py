"""Random ids: what the ledger knows people, organizations, collections and uses by."""

from __future__ import annotations

import secrets
from enum import StrEnum


class Kind(StrEnum):
    """What an id is of: its first letter."""

    USE = "u"
    PRINCIPAL = "p"
    ORGANIZATION = "o"
    COLLECTION = "c"
    AUTHORIZATION = "a"
    REVIEW = "r"
    POLICY_CHANGE = "y"
    QUALIFICATION = "q"


def new_uid(kind: Kind) -> str:
    """128 random bits in hex behind the letter of what it is of: it says nothing about what it names."""
    return f"{kind}-{secrets.token_hex(16)}"
