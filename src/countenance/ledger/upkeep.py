"""What goes on in the background of a ledger: it is published, cosigned, and compared with its database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import structlog
from sqlalchemy.exc import SQLAlchemyError

from countenance.errors import CountenanceError, Unaccountable
from countenance.ledger import notes
from countenance.ledger.audit import audit
from countenance.ledger.checkpoints import read_text
from countenance.ledger.cosigning import Cosigning
from countenance.ledger.keys import KeyFile
from countenance.ledger.mirror import Mirror, Store
from countenance.ledger.published import Folder, PublishedLog
from countenance.ledger.publishing import Publisher
from countenance.ledger.tiles import TileFolder
from countenance.ledger.trust import Distrust, Trust
from countenance.storage.database import Database

# How often what is committed is published.
PUBLISHING_SECONDS = 1.0

# How long publishing may fail before nothing is added any more: nobody could see what is.
PUBLISHING_PATIENCE_SECONDS = 60.0

# How often all that is published is compared with the database.
AUDIT_SECONDS = 600.0

# The audit at the start is finished before anything is added, unless it takes longer than this (about half a million
# entries); then it goes on in the background, where it takes this share of one core.
OPENING_AUDIT_SECONDS = 5.0
AUDIT_SHARE = 0.05

_log = structlog.get_logger(__name__)


class Upkeep:
    """Keeps a ledger published and audited. What it finds wrong, it says by `check`."""

    def __init__(
        self,
        database: Database,
        folder: TileFolder,
        keys: KeyFile,
        *,
        trust: Trust,
        cosigning: Cosigning,
        store: Store | None = None,
    ) -> None:
        self._database = database
        self._folder = folder
        self._keys = keys
        self._trust = trust
        self._cosigning = cosigning
        self._publisher = Publisher(database, folder, keys)
        self._mirror = None if store is None else Mirror(folder, store)
        self._mirrored = True
        self._unpublished_since: float | None = None
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Audits what is published, and begins the work in the background.

        Raises Unaccountable when the audit finds something or cannot be done.
        """
        rest = self._audit_at_start()
        self._threads = [
            threading.Thread(target=self._publish_regularly, name="ledger publishing", daemon=True),
            threading.Thread(target=self._audit_regularly, args=(rest,), name="ledger audit", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def check(self) -> None:
        """Raises Unaccountable, with the sentence that says why, when nothing may be added."""
        self._trust.check()
        if self._stopped.is_set():
            raise Unaccountable("The ledger is closed.")
        since = self._unpublished_since
        if since is not None and time.monotonic() - since > PUBLISHING_PATIENCE_SECONDS:
            raise Unaccountable(
                f"The ledger could not be published in {self._folder.path} for {time.monotonic() - since:,.0f} "
                "seconds: see that the folder can be written and its disk has space."
            )

    def publish(self) -> None:
        """Publishes everything that is committed. Raises Unaccountable when that cannot be done or relied on."""
        try:
            self._publisher.publish()
        except Distrust as error:
            raise self._trust.lose(error) from error
        except (OSError, SQLAlchemyError) as error:
            raise Unaccountable(f"The ledger cannot be published in {self._folder.path}: {_cause(error)}.") from error

    def stop(self) -> None:
        """Ends the work in the background, and publishes what is not published yet, if that can be done."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        self._attempt(self._publisher.publish)
        self._follow()

    def _audit_at_start(self) -> Iterator[int]:
        """Compares what is published with the database; gives what is left to compare when that takes too long."""
        comparing = audit(self._database, self._folder, self._keys)
        deadline = time.monotonic() + OPENING_AUDIT_SECONDS
        try:
            for _ in comparing:
                if time.monotonic() > deadline:
                    break
        except Distrust as error:
            raise self._trust.lose(error) from error
        except (OSError, SQLAlchemyError) as error:
            raise Unaccountable(f"The ledger in {self._folder.path} cannot be read: {_cause(error)}.") from error
        return comparing

    def _audit_regularly(self, comparing: Iterator[int]) -> None:
        while not self._stopped.is_set():
            begun = time.monotonic()
            self._audit_slowly(comparing)
            self._stopped.wait(max(0.0, begun + AUDIT_SECONDS - time.monotonic()))
            comparing = audit(self._database, self._folder, self._keys)

    def _audit_slowly(self, comparing: Iterator[int]) -> None:
        begun = time.monotonic()
        try:
            for _ in comparing:
                worked = time.monotonic() - begun
                if self._stopped.wait(worked / AUDIT_SHARE - worked):
                    return
                begun = time.monotonic()
        except Distrust as error:
            self._trust.lose(error)
        except (CountenanceError, OSError, SQLAlchemyError) as error:
            _log.warning("the ledger could not be audited", why=_cause(error))

    def _publish_regularly(self) -> None:
        work = self._publish_cosigned if self._cosigning.names else self._publisher.publish
        while not self._stopped.wait(PUBLISHING_SECONDS):
            self._attempt(work)
            self._follow()

    def _follow(self) -> None:
        """Brings the mirror up to date. What keeps it from that is told once; the ledger itself is published."""
        if self._mirror is None or self._trust.is_lost:
            return
        try:
            self._mirror.update()
            self._mirrored = True
        except (CountenanceError, OSError) as error:
            if self._mirrored:
                _log.warning("the ledger could not be mirrored", why=_cause(error))
            self._mirrored = False

    def _publish_cosigned(self) -> None:
        """Publishes a checkpoint with the cosignatures of witnesses, or nothing while it is too early to ask them.

        So what readers find has been cosigned, although the log grows faster than witnesses are asked.
        """
        if self._cosigning.due():
            note = self._publisher.write()
            read = PublishedLog(Folder(self._folder.path)).subtrees(read_text(notes.parse(note).text).size)
            self._publisher.release(note, self._cosigning.gather(note, read))

    def _attempt(self, work: Callable[[], object]) -> None:
        if self._trust.is_lost:
            return
        try:
            work()
            self._unpublished_since = None
        except Distrust as error:
            self._trust.lose(error)
        except (CountenanceError, OSError, SQLAlchemyError) as error:
            if self._unpublished_since is None:
                self._unpublished_since = time.monotonic()
                _log.warning("the ledger could not be published", why=_cause(error))


def _cause(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip()
