"""Moratoria as the ledger announces them: in force from when to when, and what was allowed all the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from countenance.ledger.entries import Decision, timestamp
from countenance.transparency.uses import Asked, determining

# Whom a moratorium of this project suspends; "or for one", because no search is made by proxy.
SUSPENDED_KIND = "law_enforcement"

HOLD = "hold"

ALLOWED = "allowed"
DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Moratorium:
    """One moratorium. Times are RFC 3339 in UTC as entries have them, comparable as text; the rest is for people."""

    name: str
    title: str
    start: str
    sunset: str | None
    at_sunset: str
    ended: str | None
    scope: str
    exemptions: str

    @classmethod
    def announced(cls, said: Mapping[str, Any]) -> Moratorium | None:
        """The moratorium of a policy change's entry; None where it lacks what it must say."""
        try:
            return cls(
                name=str(said["name"]),
                title=str(said.get("title", said["name"])),
                start=_time(said["start"]),
                sunset=_time(said["sunset"]) if "sunset" in said else None,
                at_sunset=str(said.get("at_sunset", HOLD)),
                ended=_time(said["ended"]) if "ended" in said else None,
                scope=str(said.get("scope", "")),
                exemptions=str(said.get("exemptions", "")),
            )
        except (KeyError, ValueError, OverflowError):
            return None

    def in_force(self, at: str) -> bool:
        """Whether it holds at this time. At its sunset it lapses only if it was declared so."""
        if at < self.start or (self.ended is not None and at >= self.ended):
            return False
        return self.sunset is None or at < self.sunset or self.at_sunset == HOLD


@dataclass
class Exemptions:
    """What was asked for while a moratorium was in force, by those whom it suspends or for them."""

    # (moratorium, allowed or denied)
    decided: Counter[tuple[str, str]] = field(default_factory=Counter)
    # of what was allowed: (moratorium, purpose), (moratorium, kind of organization), (moratorium, policy)
    purposes: Counter[tuple[str, str]] = field(default_factory=Counter)
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    policies: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, moratorium: Moratorium, asked: Asked, decision: Decision) -> None:
        """A decision while the moratorium is in force; most are none of its business."""
        if not (asked.is_search and asked.concerns(SUSPENDED_KIND)):
            return
        if decision.effect == "deny":
            self.decided[moratorium.name, DENIED] += 1
            return
        self.decided[moratorium.name, ALLOWED] += 1
        self.purposes[moratorium.name, asked.purpose] += 1
        self.kinds[moratorium.name, asked.kind] += 1
        self.policies.update((moratorium.name, policy) for policy in determining(decision))


def _time(said: Any) -> str:
    return timestamp(datetime.fromisoformat(str(said)).astimezone(UTC))
