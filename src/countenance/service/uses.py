"""Every use passes here: what may be done is decided before the work, what was done is recorded after it.

This is the one place where policy and ledger join the flow. Today every authenticated caller is permitted and the
record is the server's log; the order of things is already the final one: intent, work, outcome, then the answer.
The log holds ids, counts, thresholds and versions: never a photo, a template or a name.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

import structlog

from countenance.errors import CountenanceError
from countenance.service.callers import Caller

Fact = str | int | float | bool | None

log = structlog.get_logger("countenance.uses")


class Action(StrEnum):
    """What can be asked for, by Rekognition's names where it has one."""

    DETECT_FACES = "DetectFaces"
    COMPARE_FACES = "CompareFaces"
    INDEX_FACES = "IndexFaces"
    SEARCH_FACES = "SearchFaces"
    SEARCH_FACES_BY_IMAGE = "SearchFacesByImage"
    SEARCH_USERS = "SearchUsers"
    SEARCH_USERS_BY_IMAGE = "SearchUsersByImage"
    LIST_FACES = "ListFaces"
    DELETE_FACES = "DeleteFaces"
    CREATE_COLLECTION = "CreateCollection"
    DESCRIBE_COLLECTION = "DescribeCollection"
    LIST_COLLECTIONS = "ListCollections"
    DELETE_COLLECTION = "DeleteCollection"
    CREATE_USER = "CreateUser"
    DELETE_USER = "DeleteUser"
    LIST_USERS = "ListUsers"
    ASSOCIATE_FACES = "AssociateFaces"
    DISASSOCIATE_FACES = "DisassociateFaces"
    TAG_RESOURCE = "TagResource"
    UNTAG_RESOURCE = "UntagResource"
    LIST_TAGS_FOR_RESOURCE = "ListTagsForResource"
    EXPORT_COLLECTION = "ExportCollection"
    IMPORT_COLLECTION = "ImportCollection"
    CREATE_ACCESS_KEY = "CreateAccessKey"
    LIST_ACCESS_KEYS = "ListAccessKeys"
    REVOKE_ACCESS_KEY = "RevokeAccessKey"


class Outcome:
    """What a use came to, gathered while it is carried out."""

    def __init__(self) -> None:
        self.facts: dict[str, Fact] = {}

    def state(self, **facts: Fact) -> None:
        """Add facts to the record. Ids, counts, scores and versions only."""
        self.facts.update(facts)


@contextmanager
def use(caller: Caller, action: Action, resource: str | None = None, /, **context: Fact) -> Iterator[Outcome]:
    """Carry out one use inside this block.

    `resource` is the collection acted on, if any; `context` is what the decision depends on (thresholds, limits).
    Whatever the block raises is recorded and raised again: a refusal is part of the record too.
    """
    outcome = Outcome()
    started = time.perf_counter()
    entry = log.bind(
        principal=caller.principal, organization=caller.organization, access_key_id=caller.access_key_id, **context
    )
    if resource is not None:
        entry = entry.bind(collection=resource)
    try:
        yield outcome
    except CountenanceError as error:
        entry.info(action, refused=error.code, **outcome.facts, ms=_since(started))
        raise
    except Exception as error:
        entry.error(action, failed=type(error).__name__, **outcome.facts, ms=_since(started))
        raise
    entry.info(action, **outcome.facts, ms=_since(started))


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
