"""Who asks, and what for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from countenance.policy.vocabulary import Purpose
from countenance.storage.principals import Organization, Principal


@dataclass(frozen=True, slots=True)
class Caller:
    """A named principal of an organization, known by an access key. Nobody calls anonymously.

    `purpose`, `case`, `authorization` (a uid) and `beneficiary` (None: the caller's own organization) are what the key
    carries, or what the session made with it says instead; `session` is that session's name.
    """

    access_key_id: str
    principal: Principal
    role: str
    purpose: Purpose
    case: str | None = None
    authorization: str | None = None
    beneficiary: Organization | None = None
    credential: Literal["access_key", "session", "local"] = "access_key"
    session: str | None = None
