"""Whether the ledger can be relied on, as far as this process has seen."""

from __future__ import annotations

import structlog

from countenance.errors import CountenanceError, Unaccountable

_log = structlog.get_logger(__name__)

# What to do, at the end of a sentence that says what was found.
RESTORE_FILE = "Restore it from a backup or from a mirror of the ledger, and start the server again."
RESTORE_DATABASE = "Stop the server and bring back the newest copy of the database."


class Distrust(CountenanceError):
    """The database, the published files and the key do not belong to one ledger. The message says what to do."""

    code = "Distrust"


class Trust:
    """Once lost, trust is lost until the process is started again on a ledger that was repaired."""

    def __init__(self) -> None:
        self._lost: str | None = None

    @property
    def is_lost(self) -> bool:
        """Whether it is."""
        return self._lost is not None

    def check(self) -> None:
        """Raises Unaccountable, with the sentence that says why, when trust was lost."""
        if self._lost is not None:
            raise Unaccountable(self._lost)

    def lose(self, why: Distrust) -> Unaccountable:
        """Remembers that the ledger cannot be relied on; gives what is to be raised."""
        if self._lost is None:
            self._lost = why.message
            _log.error("the ledger cannot be relied on: nothing is released any more", why=why.message)
        return Unaccountable(self._lost)
