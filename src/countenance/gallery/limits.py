"""Faces that may not be kept for ever: until a time, or while the authorization they came under is not refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select

from countenance.gallery.collections import find_collection
from countenance.gallery.faces import erase_faces
from countenance.gallery.users import take_from_users
from countenance.storage import schema
from countenance.storage.database import Database
from countenance.storage.salts import AT_ONCE


@dataclass(frozen=True, slots=True)
class Erased:
    """Faces of one collection (its uid) that went because they had to; `due` in UTC seconds since the epoch."""

    collection: str
    faces: int
    due: float | None


class Limits:
    """Erases the faces of a database whose time is up. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def erase_made_under(self, authorization: str) -> list[Erased]:
        """Deletes the faces that were enrolled under an authorization, users' faces too."""
        return self._erase(schema.limited_faces.c.authorization == authorization)

    def erase_due(self, now: datetime) -> list[Erased]:
        """Deletes the faces that may be kept no longer, users' faces too."""
        return self._erase(schema.limited_faces.c.due_at <= now.timestamp())

    def authorizations(self) -> frozenset[str]:
        """Those that faces are kept under, by uid."""
        authorization = schema.limited_faces.c.authorization
        with self._database.read() as connection:
            found = connection.execute(select(authorization).where(authorization.is_not(None)).distinct())
            return frozenset(found.scalars())

    def _erase(self, which: ColumnElement[bool]) -> list[Erased]:
        faces, limited, collections = schema.faces, schema.limited_faces, schema.collections
        over = (
            select(faces.c.key, faces.c.user_key, limited.c.due_at, collections.c.collection_id)
            .join_from(limited, faces, limited.c.face_key == faces.c.key)
            .join(collections, faces.c.collection_key == collections.c.key)
            .where(which)
            .order_by(faces.c.key)
        )
        with self._database.read() as connection:
            # A round of the sweeper that finds nothing must not hold up writers.
            if connection.execute(over.limit(1)).first() is None:
                return []
        erased: list[Erased] = []
        with self._database.write(erases=True) as connection:
            found: dict[str, list[Any]] = {}
            for row in connection.execute(over):
                found.setdefault(row.collection_id, []).append(row)
            for collection_id, rows in found.items():
                collection = find_collection(connection, collection_id)
                take_from_users(
                    connection, collection, {row.key: row.user_key for row in rows if row.user_key is not None}
                )
                for start in range(0, len(rows), AT_ONCE):
                    erase_faces(connection, collection, [row.key for row in rows[start : start + AT_ONCE]])
                oldest = min((row.due_at for row in rows if row.due_at is not None), default=None)
                erased.append(Erased(collection.uid, len(rows), oldest))
        return erased
