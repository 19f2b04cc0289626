"""What must go because its time is up or its authorization was refused: faces, withheld candidates, and salts.

Nothing here is asked for by anybody: it is what earlier uses owe. Every erasure is an entry of the ledger, which says
whether it came in time. What gives entries erases one thing after the other while they are taken from it, so that of
what was erased before something failed, the entry is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from countenance.gallery.limits import Erased, Limits
from countenance.ledger.entries import Deletion, Intent, read, timestamp
from countenance.ledger.log import Ledger
from countenance.review.cases import Case, Cases

# How much later than due an erasure may come and still be in time: the sweeper's own rounds, and a restart.
GRACE = timedelta(hours=1)


class Erasure:
    """Erases what is due, and gives the entries that say so, for the caller to record."""

    def __init__(self, limits: Limits, cases: Cases, ledger: Ledger) -> None:
        self._limits = limits
        self._cases = cases
        self._ledger = ledger

    def made_under(self, authorization: str) -> Iterator[Deletion]:
        """Everything that was made under an authorization that is refused: the AI Act asks so in Art. 5(3), 26(10)."""
        for erased in self._limits.erase_made_under(authorization):
            yield Deletion(
                reason="refusal", authorization=authorization, collection=erased.collection, faces=erased.faces
            )
        for case in self._cases.under(authorization):
            if self._cases.erase(case.uid):
                yield Deletion(reason="refusal", authorization=authorization, reviews=1, review=case.uid)
        uses = self._uses_under(authorization)
        opened = self._ledger.salts(uses)
        if opened:
            # Which photos were looked at cannot be confirmed any more, by anybody.
            self._ledger.destroy_salts(list(opened))
            yield Deletion(reason="refusal", authorization=authorization, commitments=len(opened))

    def _uses_under(self, authorization: str) -> list[str]:
        """The uses that the ledger says were made under an authorization."""
        leaves = self._ledger.entries(0, self._ledger.size())
        named = (read(leaf) for leaf in leaves if authorization.encode() in leaf)
        return [entry.use for entry in named if isinstance(entry, Intent) and entry.authorization == authorization]

    def kept_under(self) -> frozenset[str]:
        """The authorizations, by uid, that anything is kept under."""
        return self._limits.authorizations() | self._cases.authorizations()

    def due(self, now: datetime) -> Iterator[Deletion]:
        """Everything whose time is up."""
        for erased in self._limits.erase_due(now):
            yield _of_faces(erased, now)
        for case in self._cases.due(now):
            if self._cases.erase(case.uid):
                yield _of_case(case, now)


def _of_faces(erased: Erased, now: datetime) -> Deletion:
    due = datetime.fromtimestamp(erased.due or 0.0, UTC)
    return Deletion(
        reason="retention",
        collection=erased.collection,
        faces=erased.faces,
        due=timestamp(due),
        late=now > due + GRACE,
    )


def _of_case(case: Case, now: datetime) -> Deletion:
    due = case.due or now
    return Deletion(reason="retention", reviews=1, review=case.uid, due=timestamp(due), late=now > due + GRACE)
