"""The use case on the log's own key: handing over to another one, by an entry that the old key signs."""

from __future__ import annotations

from countenance.ledger.log import Ledger
from countenance.ledger.notes import LogKey, Verifier
from countenance.service.actions import Action
from countenance.service.callers import Caller
from countenance.service.uses import Uses


class LogKeys:
    """Rotates the key that signs the ledger."""

    def __init__(self, uses: Uses, ledger: Ledger) -> None:
        self._uses = uses
        self._ledger = ledger

    def rotate(self, caller: Caller) -> tuple[int, str]:
        """A new key of the same name, which signs from here on; the secret of the old one is destroyed.

        The index of the entry that says so, and the new verifier key.
        """
        with self._uses.use(caller, Action.ROTATE_LOG_KEY) as use:
            name = Verifier.from_vkey(self._ledger.vkey).name
            entry = self._ledger.rotate(LogKey.generate(name))
            use.state(rotated_by=entry)
            return entry, self._ledger.vkey
