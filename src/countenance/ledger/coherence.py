"""What the entries of a ledger must be, one by one and to one another.

Each is canonical JSON of the published schema. Time never runs backwards. An intent comes before its decision, and both
before the entry that closes the use. A denial closes it too: nothing comes of what was denied. The old key of the log
hands over to the new one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import rfc8785

from countenance.errors import CountenanceError
from countenance.ledger import entries
from countenance.ledger.entries import AnyEntry, Closing, Decision, Intent, KeyChange, Outcome
from countenance.ledger.notes import Verifier
from countenance.ledger.rotation import InvalidHandover, Succession

_NOT_OPEN = "has no intent, was denied, or is closed already"


class Incoherent(CountenanceError):
    """The entry cannot stand where it stands."""

    code = "IncoherentEntry"


@dataclass(slots=True)
class _Use:
    intent: int
    at: str
    is_allowed: bool = False


class Coherence:
    """Takes the entries of a ledger in their order, from the first. Keeps only what is still open."""

    def __init__(self, trusted: Sequence[Verifier]) -> None:
        self.succession = Succession(trusted)
        self.kinds: Counter[str] = Counter()
        self.first_at: str | None = None
        self.last_at: str | None = None
        self._uses: dict[str, _Use] = {}
        self._size = 0

    @property
    def dangling(self) -> list[tuple[str, int, str]]:
        """Uses that have an intent and nothing that closes them, as (use, index, time) of the intent."""
        return [(name, use.intent, use.at) for name, use in self._uses.items()]

    def take(self, leaf: bytes) -> AnyEntry:
        """The next entry. Raises Incoherent when it cannot be the next."""
        entry, at = _read(leaf)
        if self.last_at is not None and at < self.last_at:
            raise Incoherent(f"its time, {at}, is before that of the entry before it, {self.last_at}")
        match entry:
            case Intent():
                self._intend(entry, at)
            case Decision():
                self._decide(entry)
            case Closing():
                self._close(entry)
            case KeyChange():
                self._hand_over(entry)
        self.first_at = self.first_at or at
        self.last_at = at
        self.kinds[entry.kind] += 1
        self._size += 1
        return entry

    def _intend(self, entry: Intent, at: str) -> None:
        if entry.use in self._uses:
            raise Incoherent(f"the use {entry.use} has an intent already")
        self._uses[entry.use] = _Use(self._size, at)

    def _decide(self, entry: Decision) -> None:
        use = self._uses.get(entry.use)
        if use is None:
            raise Incoherent(f"it decides on the use {entry.use}, which {_NOT_OPEN}")
        use.is_allowed = entry.effect == "allow"
        if not use.is_allowed:
            del self._uses[entry.use]

    def _close(self, entry: Closing) -> None:
        if entry.use is None:
            return
        use = self._uses.get(entry.use)
        if use is None:
            raise Incoherent(f"it tells what came of the use {entry.use}, which {_NOT_OPEN}")
        if not (isinstance(entry, Outcome) and entry.continued):
            del self._uses[entry.use]
        if not use.is_allowed and entry.refused is None and entry.failed is None:
            raise Incoherent(f"it tells what came of the use {entry.use}, which was not decided on")

    def _hand_over(self, entry: KeyChange) -> None:
        try:
            self.succession.follow(entry)
        except InvalidHandover as error:
            raise Incoherent(error.message) from error


def _read(leaf: bytes) -> tuple[AnyEntry, str]:
    try:
        entry = entries.read(leaf)
    except entries.Impossible as error:
        raise Incoherent("it is no entry of the published schema") from error
    try:
        canonical = rfc8785.dumps(entry.model_dump(mode="json", exclude_none=True))
    except rfc8785.CanonicalizationError as error:
        raise Incoherent("it is not in canonical JSON") from error
    if canonical != leaf:
        raise Incoherent("it is not in canonical JSON")
    if entry.at is None or not _is_time(entry.at):
        raise Incoherent("it does not say when it was entered")
    return entry, entry.at


def _is_time(text: str) -> bool:
    try:
        return entries.timestamp(datetime.fromisoformat(text)) == text
    except ValueError:
        return False
