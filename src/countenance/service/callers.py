"""Who asks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """A named principal of an organization, known by an access key. Nobody calls anonymously."""

    access_key_id: str
    principal: str
    organization: str
