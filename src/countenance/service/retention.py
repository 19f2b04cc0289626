"""The sweeper: what is due goes, whether anybody asks or not, and the ledger says so."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import structlog

from countenance.errors import CountenanceError
from countenance.ledger.entries import Entry
from countenance.policy.authorizations import Authorizations
from countenance.policy.vocabulary import AuthorizationState
from countenance.service.authorizations import authorization_entry
from countenance.service.erasure import Erasure
from countenance.service.uses import Uses

# Between two rounds, in seconds.
ROUND_SECONDS = 30.0

log = structlog.get_logger("countenance.retention")


class Sweeper:
    """Erases what may be kept no longer, and ends authorizations whose time is over; one thread of a server.

    Several servers on one database may each have one: what one has done the others do not find.
    """

    def __init__(self, uses: Uses, authorizations: Authorizations, erasure: Erasure) -> None:
        self._uses = uses
        self._authorizations = authorizations
        self._erasure = erasure
        # What was done and could not be recorded: it is tried again before anything else is done.
        self._owed: list[Entry] = []
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> None:
        """Begin the rounds."""
        self._thread.start()

    def close(self) -> None:
        """End them."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()

    def sweep(self) -> Sequence[Entry]:
        """One round; the entries that it left. Raises `Unaccountable` when they cannot be recorded."""
        self._settle()
        now = self._uses.now()
        over = self._authorizations.fall_due(now)
        self._owed.extend(authorization_entry(one, self._uses.case_of(one)) for one in over)
        self._owed.extend(self._erasure.due(now))
        for authorization in self._erasure.kept_under():
            # A use that was under way when it was refused may have left something after the refusal's own erasure.
            known = self._authorizations.find(authorization, now)
            if known is not None and known.state is AuthorizationState.REFUSED:
                self._owed.extend(self._erasure.made_under(authorization))
        return self._settle()

    def _settle(self) -> Sequence[Entry]:
        entries = list(self._owed)
        if entries:
            self._uses.note(entries)
            del self._owed[: len(entries)]
            log.info("swept", entries=len(entries))
        return entries

    def _run(self) -> None:
        while not self._closed.wait(ROUND_SECONDS):
            try:
                self.sweep()
            except CountenanceError as error:
                log.error("not_swept", reason=error.message)
            except Exception as error:  # noqa: BLE001 - the next round tries again; the log says what was wrong
                log.error("not_swept", error=type(error).__name__)
