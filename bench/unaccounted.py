"""The server without its gate and its ledger, for the bench alone: `python -m bench.unaccounted serve ...`.

The product has no switch that does this. Here the class that every use passes is replaced, in this process and before
the application is built, by one that decides nothing, records nothing and only logs, as the server did before it had
either. Nothing else is different.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog

from countenance.errors import CountenanceError
from countenance.policy.decisions import Obligations
from countenance.service import administration
from countenance.service.actions import Action
from countenance.service.callers import Caller
from countenance.service.records import Candidate, Fact, Record
from countenance.service.uses import Use, Uses
from countenance.vision.images import Photo

log = structlog.get_logger("bench.uses")


class UnrecordedUse(Use):
    """A use that owes nothing and of which nothing is kept."""

    def looked_at(self, *photos: Photo) -> None:
        """Nothing is committed to."""

    def by(self, face_model_version: str) -> None:
        """Nothing is pinned."""

    def disclose(self, candidates: Sequence[Candidate]) -> bool:  # noqa: ARG002
        """Everything may be answered."""
        return True


class UnaccountedUses(Uses):
    """Carries out uses, and logs them."""

    @contextmanager
    def use(
        self,
        caller: Caller,
        action: Action,
        resource: str | None = None,
        /,
        *,
        threshold: float | None = None,
        limit: int | None = None,
        quality_filter: str | None = None,
        **context: Fact,
    ) -> Iterator[Use]:
        """As the real one, without decision and entries."""
        started = time.perf_counter()
        record = Record(caller, action, resource, threshold, limit, quality_filter, self._salts, dict(context))
        found = None if resource is None else self._collections.find(resource)
        try:
            yield UnrecordedUse(record, found, Obligations(), self._cases, self._pins)
        except CountenanceError as error:
            log.info(action, refused=error.code, **record.told(), ms=_ms(started))
            raise
        except Exception as error:
            log.error(action, failed=type(error).__name__, **record.told(), ms=_ms(started))
            raise
        log.info(action, **record.told(), ms=_ms(started))


def install() -> None:
    """Put the replacement where the application takes the class from."""
    vars(administration)["Uses"] = UnaccountedUses


def _ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)


if __name__ == "__main__":
    install()
    from countenance.cli import main

    main()
