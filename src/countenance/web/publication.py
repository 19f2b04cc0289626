"""The report of this server's ledger, kept up to date: each entry is accounted for once.

The accounts live in memory alone. What is kept on disk could be changed there, and then the page would no longer be
computed from the ledger; a server that starts counts again, about 30,000 entries a second.
"""

from __future__ import annotations

import base64
import threading
import time
from dataclasses import dataclass
from functools import cached_property

from countenance.errors import Unaccountable
from countenance.ledger.checkpoints import Checkpoint, read_text
from countenance.ledger.entries import Impossible, read
from countenance.ledger.log import Ledger
from countenance.ledger.notes import parse
from countenance.transparency.accounts import Accounts
from countenance.transparency.formats import to_csv, to_json
from countenance.transparency.report import Report, make_report
from countenance.web.pages import to_html

# Entries accounted for between two looks at the clock, and how long one request may account, in seconds.
ENTRIES_AT_ONCE = 1_000
BUDGET_SECONDS = 5.0

# After a report was made, none is made for this many times as long as it took, at most the seconds below: whoever asks
# again and again, with or without a reason, gets the last one and costs a fifth of a processor at most.
REST = 4.0
MAX_REST_SECONDS = 30.0


class Behind(Unaccountable):
    """The entries are still being counted. Ask again in a few seconds."""


@dataclass(frozen=True)
class Edition:
    """A report in all its forms, each written when it is first asked for."""

    checkpoint: Checkpoint
    report: Report

    @cached_property
    def html(self) -> str:
        """The page."""
        return to_html(self.report)

    @cached_property
    def json(self) -> str:
        """For programs."""
        return to_json(self.report)

    @cached_property
    def csv(self) -> str:
        """For spreadsheets."""
        return to_csv(self.report)


class Publication:
    """The newest report of a ledger. Safe to share between threads: one accounts, the others wait for it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._accounts = Accounts()
        self._edition: Edition | None = None
        self._rested_at = 0.0

    def edition(self) -> Edition:
        """The report at the newest checkpoint, or at one that is a few seconds older.

        Raises Behind while there is more to count than one request may, Unaccountable for a ledger that cannot be read.
        """
        with self._lock:
            started = time.monotonic()
            if self._edition is not None and started < self._rested_at:
                return self._edition
            checkpoint = read_text(parse(self._ledger.checkpoint()).text)
            if self._edition is None or self._edition.checkpoint != checkpoint:
                self._account(checkpoint.size, started + BUDGET_SECONDS)
                root = base64.b64encode(checkpoint.root).decode()
                self._edition = Edition(checkpoint, make_report(self._accounts, origin=checkpoint.origin, root=root))
                ended = time.monotonic()
                self._rested_at = ended + min(REST * (ended - started), MAX_REST_SECONDS)
            return self._edition

    def _account(self, size: int, deadline: float) -> None:
        accounts = self._accounts
        if accounts.size > size:
            raise Unaccountable("The ledger has fewer entries than it had: it was taken back, and is not reported on.")
        while accounts.size < size:
            if time.monotonic() >= deadline:
                raise Behind(f"{accounts.size:,} of {size:,} entries are counted. Ask again in a few seconds.")
            before = accounts.size
            for leaf in self._ledger.entries(before, min(size, before + ENTRIES_AT_ONCE)):
                try:
                    accounts.add(accounts.size, read(leaf))
                except Impossible as error:
                    raise Unaccountable(f"Entry {accounts.size} of the ledger is none, so nothing is told.") from error
            if accounts.size == before:
                raise Unaccountable("The ledger's database lacks entries that its checkpoint covers.")
