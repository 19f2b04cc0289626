"""Search: the faces and users of a collection that are like a probe.

    Search
    └── CollectionProjection, one for each collection that has been searched
        ├── faces: TableProjection ── TemplateIndex
        └── users: TableProjection ── TemplateIndex

The indexes are a projection of the database and nothing else. Before every search they follow what has been committed
since, in this process or another, so every search sees every write that was acknowledged before it began.

Trust: an attacker who can modify the indexes' memory can make searches miss faces or rank them wrongly; they cannot
make a search answer a face that the database does not have, because what is answered is read from the database.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from operator import attrgetter
from typing import Generic, TypeVar

import structlog
from sqlalchemy import ColumnElement, Connection, Table, func, select

from countenance.errors import InvalidParameter, ResourceNotFound
from countenance.faces import Template
from countenance.gallery.collections import Collection
from countenance.gallery.faces import Face, select_faces, to_face
from countenance.gallery.projections import CollectionProjection, TableProjection
from countenance.gallery.users import User, UserStatus
from countenance.storage import schema
from countenance.storage.database import Database

# How soon what another process erased is erased here as well, when nothing is searched for meanwhile.
FOLLOWING_SECONDS = 1.0

# How often a search starts anew because what it found is gone by now, before it keeps the indexes from moving on.
PATIENCE = 2

Subject = TypeVar("Subject")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Among(Generic[Subject]):
    """What is searched: the rows of a table, which projection has their templates, and how to read them by key."""

    table: Table
    projection: Callable[[CollectionProjection], TableProjection]
    describe: Callable[[Connection, Sequence[int]], dict[int, Subject]]


class Search:
    """Searches the collections of a database; safe to share between threads.

    A collection is read into memory when it is first searched, which keeps no search of another one waiting; `load`
    does so for all of them beforehand. A thread looks every second for what was erased elsewhere, to erase it here
    too; `close` ends it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._projections: dict[int, CollectionProjection] = {}
        self._loading: dict[int, threading.Lock] = {}
        self._closed = threading.Event()
        self._follower = threading.Thread(target=self._follow_until_closed, name="search-follower", daemon=True)
        self._follower.start()

    def load(self) -> None:
        """Reads every collection into memory, one after the other, so that no first search has to wait for it."""
        with self._database.read() as connection:
            keys = (
                connection.execute(select(schema.collections.c.key).order_by(schema.collections.c.key)).scalars().all()
            )
        for key in keys:
            if self._closed.is_set():
                return
            self._loaded(key)  # None when it was deleted meanwhile

    def faces(
        self, collection: Collection, probe: Template, threshold: float, limit: int, *, exclude: str | None = None
    ) -> list[tuple[Face, float]]:
        """The up to `limit` nearest faces with their cosines of at least `threshold`: best first, of ties the oldest.

        `exclude` is the FaceId of a face to leave out. Raises ResourceNotFound when the collection is gone,
        InvalidParameter for a probe of another face model version than the collection's.
        """

        def describe(connection: Connection, keys: Sequence[int]) -> dict[int, Face]:
            rows = connection.execute(select_faces().where(schema.faces.c.key.in_(keys)))
            return {row.key: to_face(row) for row in rows}

        among = _Among(schema.faces, attrgetter("faces"), describe)
        own = None if exclude is None else schema.faces.c.face_id == exclude
        return self._find(collection, among, probe, threshold, limit, own=own)

    def users(
        self, collection: Collection, probe: Template, threshold: float, limit: int, *, exclude: str | None = None
    ) -> list[tuple[User, float]]:
        """The same among the users who have a face. `exclude` is the UserId of a user to leave out."""

        def describe(connection: Connection, keys: Sequence[int]) -> dict[int, User]:
            query = select(schema.users.c.key, schema.users.c.user_id).where(schema.users.c.key.in_(keys))
            return {row.key: User(row.key, row.user_id, UserStatus.ACTIVE) for row in connection.execute(query)}

        among = _Among(schema.users, attrgetter("users"), describe)
        own = None if exclude is None else schema.users.c.user_id == exclude
        return self._find(collection, among, probe, threshold, limit, own=own)

    def close(self) -> None:
        """Forgets everything and ends the thread; call it before the database is closed."""
        self._closed.set()
        self._follower.join()
        self._projections.clear()

    def _find(
        self,
        collection: Collection,
        among: _Among[Subject],
        probe: Template,
        threshold: float,
        limit: int,
        *,
        own: ColumnElement[bool] | None,
    ) -> list[tuple[Subject, float]]:
        if probe.face_model_version != collection.face_model_version:
            raise InvalidParameter(
                f"The collection {collection.collection_id} holds templates of {collection.face_model_version}; "
                f"one of {probe.face_model_version} cannot be compared with them."
            )
        attempt = 0
        while True:
            projection = self._loaded(collection.key)
            if projection is None:
                raise ResourceNotFound(f"The collection id: {collection.collection_id} does not exist")
            # The index may be ahead of this snapshot, moved on by a search that began later. What it found and the
            # snapshot does not have is erased, or newer: then the answer would be too short, and is looked for anew.
            patient = attempt < PATIENCE
            with self._database.read() as connection, nullcontext() if patient else projection.moving:
                if not projection.follow(connection):
                    self._forget(collection.key, projection)
                    continue
                excluded = None if own is None else _key(connection, collection, among.table, own)
                cosines = among.projection(projection).search(probe.vector, threshold, limit, excluded)
                found = among.describe(connection, list(cosines)) if cosines else {}
                if len(found) == len(cosines) or not patient:
                    return [(found[key], cosine) for key, cosine in cosines.items() if key in found]
            attempt += 1

    def _loaded(self, collection_key: int) -> CollectionProjection | None:
        """The collection in memory, read now if it is not there yet; None when there is no such collection."""
        projection = self._projections.get(collection_key)
        if projection is not None:
            return projection
        with self._loading.setdefault(collection_key, threading.Lock()):
            projection = self._projections.get(collection_key)
            if projection is None:
                projection = CollectionProjection(collection_key)
                with self._database.read() as connection:
                    if not projection.load(connection):
                        return None
                self._projections[collection_key] = projection
            return projection

    def _forget(self, collection_key: int, projection: CollectionProjection) -> None:
        if self._projections.get(collection_key) is projection:
            self._projections.pop(collection_key, None)

    def _follow_until_closed(self) -> None:
        while not self._closed.wait(FOLLOWING_SECONDS):
            try:
                self._follow_all()
            except Exception as error:  # noqa: BLE001 - a search meets it as well and answers it; here, try again
                _log.warning("index_not_followed", error=type(error).__name__)

    def _follow_all(self) -> None:
        if not self._projections:
            return
        with self._database.read() as connection:
            newest = connection.execute(select(func.max(schema.changes.c.seq))).scalar_one() or 0
            for key, projection in list(self._projections.items()):
                if projection.seq != newest and not projection.follow(connection):
                    self._forget(key, projection)


def _key(connection: Connection, collection: Collection, table: Table, condition: ColumnElement[bool]) -> int | None:
    """The key of the collection's one row of the table that meets the condition."""
    query = select(table.c.key).where(table.c.collection_key == collection.key, condition)
    key: int | None = connection.execute(query).scalar_one_or_none()
    return key
