"""A collection in memory: its templates in indexes, following the database change by change."""

from __future__ import annotations

import threading
from collections.abc import Collection as Container
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, Select, Table, func, select

from countenance.gallery.index import TemplateIndex
from countenance.storage import schema
from countenance.storage.templates import AT_REST

# Templates read at once when a collection is loaded, and when changes are followed.
LOADED_AT_ONCE = 1 << 14
FOLLOWED_AT_ONCE = 1 << 9
CHANGES_AT_ONCE = 1 << 14


class TableProjection:
    """The index of the templates that one collection has in one table, `faces` or `users`."""

    def __init__(self, table: Table, collection_key: int) -> None:
        self._table = table
        self._query = _templates(table, collection_key)
        self.index: TemplateIndex | None = None  # its dimension is known with the first template

    def load(self, connection: Connection) -> None:
        """Reads all templates, without ever holding more than some thousands beside the index."""
        found = connection.execute(
            self._query.order_by(self._table.c.key), execution_options={"yield_per": LOADED_AT_ONCE}
        )
        for rows in found.partitions():
            self._put(rows)

    def follow(self, connection: Connection, keys: Container[int]) -> None:
        """Makes the index agree with the database on the rows of these keys, there or not."""
        ordered = sorted(keys)
        for start in range(0, len(ordered), FOLLOWED_AT_ONCE):
            some = ordered[start : start + FOLLOWED_AT_ONCE]
            there = connection.execute(self._query.where(self._table.c.key.in_(some))).all()
            gone = set(some).difference(row.key for row in there)
            if gone and self.index is not None:
                self.index.drop(np.array(sorted(gone), np.int64))
            self._put(there)

    def search(self, probe: NDArray[np.float32], threshold: float, limit: int, exclude: int | None) -> dict[int, float]:
        """Cosines by key, best first."""
        if self.index is None:
            return {}
        keys, cosines = self.index.search(probe, threshold, limit, exclude)
        return dict(zip(keys.tolist(), cosines.tolist(), strict=True))

    def _put(self, rows: Sequence[Row[Any]]) -> None:
        if not rows:
            return
        templates = np.frombuffer(b"".join(row.template for row in rows), AT_REST).reshape(len(rows), -1)
        if self.index is None:
            self.index = TemplateIndex(templates.shape[1])
        self.index.put(np.array([row.key for row in rows], np.int64), templates)


class CollectionProjection:
    """One collection in memory, as it was in the database after change `seq`.

    Whoever holds `moving` is the only one to move it on; searching needs no lock.
    """

    def __init__(self, collection_key: int) -> None:
        self.moving = threading.RLock()
        self.faces = TableProjection(schema.faces, collection_key)
        self.users = TableProjection(schema.users, collection_key)
        self._collection_key = collection_key
        self.seq = 0
        self._whole = False

    def load(self, connection: Connection) -> bool:
        """Reads the collection as the connection's snapshot has it; False when there is no such collection."""
        there = select(schema.collections.c.key).where(schema.collections.c.key == self._collection_key)
        if connection.execute(there).one_or_none() is None:
            return False
        self.seq = connection.execute(select(func.max(schema.changes.c.seq))).scalar_one() or 0
        self.faces.load(connection)
        self.users.load(connection)
        self._whole = True
        return True

    def follow(self, connection: Connection) -> bool:
        """Moves on to the connection's snapshot, unless it is there already or further.

        False when that cannot be done, and a new projection must be loaded: the collection has been deleted, changes
        on the way have been pruned, or an earlier attempt failed in the middle.
        """
        seq = schema.changes.c.seq
        with self.moving:
            # Each by itself is one look into an index; both in one SELECT would make SQLite read every change.
            ends = select(select(func.min(seq)).scalar_subquery(), select(func.max(seq)).scalar_subquery())
            oldest, newest = connection.execute(ends).one()
            pruned = newest is None or self.seq + 1 < oldest
            if not self._whole or (pruned and self.seq):
                return False
            while self.seq < (newest or 0):
                until = min(newest, self.seq + CHANGES_AT_ONCE)
                mine = schema.changes.c.collection_key == self._collection_key
                query = select(schema.changes).where(seq > self.seq, seq <= until, mine)
                self._whole = False
                if not self._apply(connection, connection.execute(query).all()):
                    return False
                self._whole = True
                self.seq = until
            return True

    def _apply(self, connection: Connection, changes: Sequence[Row[Any]]) -> bool:
        if any(row.face_key is None and row.user_key is None for row in changes):
            return False  # the collection itself: it was deleted
        self.faces.follow(connection, {row.face_key for row in changes if row.face_key is not None})
        self.users.follow(connection, {row.user_key for row in changes if row.user_key is not None})
        return True


def _templates(table: Table, collection_key: int) -> Select[Any]:
    query = select(table.c.key, table.c.template).where(
        table.c.collection_key == collection_key, table.c.template.is_not(None)
    )
    if table is schema.faces:
        # A template of another version than its collection's must never be compared, however it got there.
        version = select(schema.collections.c.face_model_version).where(schema.collections.c.key == collection_key)
        query = query.where(table.c.face_model_version == version.scalar_subquery())
    return query
