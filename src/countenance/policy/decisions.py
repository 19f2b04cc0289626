"""What the policies say about a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy that determined a decision. `sha256` pins its canonical text; `message` is for the person who asked."""

    pack: str
    id: str
    sha256: str
    message: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Obligations:
    """What a permitted use owes, the strictest of all policies that say so. None: nothing of the kind.

    `threshold_floor` is a Similarity (0 to 100) that raises a lower threshold; `human_review` the number of people who
    must confirm candidates before they are disclosed; `retention_days` how long what is kept may be kept.
    """

    threshold_floor: float | None = None
    candidate_cap: int | None = None
    human_review: int | None = None
    retention_days: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a use may be done. A denial has `unlock`: sentences, each of which alone would change it.

    `policies` are the ones that determined it: the permits of an allowed use, the forbids of a denied one, none where
    nothing permits it. `errors` counts policies that could not be evaluated; one is enough to deny.
    """

    allowed: bool
    policies: Sequence[Policy] = ()
    obligations: Obligations = Obligations()
    unlock: Sequence[str] = ()
    errors: int = 0
