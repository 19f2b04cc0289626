"""Collections: galleries of faces and users, each bound to one face model version for life."""

from __future__ import annotations

import time
from collections.abc import Collection as Container
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, select

from countenance.errors import ResourceAlreadyExists, ResourceNotFound, ServiceQuotaExceeded
from countenance.gallery.pages import Page
from countenance.storage import schema
from countenance.storage.database import Database

# Rekognition's limits of one collection (guidelines and quotas page; TagResource for the tags).
MAX_FACES = 20_000_000
MAX_USERS = 10_000_000
MAX_TAGS = 200


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection as it stood when it was read. `created_at` is UTC seconds since the epoch."""

    key: int
    collection_id: str
    face_model_version: str
    created_at: float
    face_count: int
    user_count: int


class Collections:
    """The collections of a database. Ids are case-sensitive."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, collection_id: str, face_model_version: str, tags: Mapping[str, str] | None = None) -> Collection:
        """An empty collection. Raises ResourceAlreadyExists, or ServiceQuotaExceeded for more than 200 tags."""
        with self._database.write() as connection:
            collection = insert_collection(connection, collection_id, face_model_version, time.time())
            _put_tags(connection, collection, tags or {})
            return collection

    def get(self, collection_id: str) -> Collection:
        """The collection with its counts. Raises ResourceNotFound."""
        with self._database.read() as connection:
            return find_collection(connection, collection_id)

    def list(self, after: int | None, limit: int) -> Page[Collection]:
        """Collections whose key comes after `after`, by key, at most `limit`."""
        query = _select_collections().order_by(schema.collections.c.key).limit(limit + 1)
        if after is not None:
            query = query.where(schema.collections.c.key > after)
        with self._database.read() as connection:
            found = [_to_collection(row) for row in connection.execute(query)]
        return Page.of(found, limit)

    def delete(self, collection_id: str) -> None:
        """Deletes the collection with its faces, users and tags. Raises ResourceNotFound."""
        with self._database.write(erases=True) as connection:
            collection = find_collection(connection, collection_id)
            for table in (schema.request_tokens, schema.faces, schema.users, schema.tags):
                connection.execute(delete(table).where(table.c.collection_key == collection.key))
            connection.execute(delete(schema.collections).where(schema.collections.c.key == collection.key))
            connection.execute(insert(schema.changes).values(collection_key=collection.key, at=time.time()))

    def tags(self, collection_id: str) -> dict[str, str]:
        """The collection's tags. Raises ResourceNotFound."""
        with self._database.read() as connection:
            return tags_of(connection, find_collection(connection, collection_id))

    def tag(self, collection_id: str, tags: Mapping[str, str]) -> None:
        """Sets tags, replacing the values of those there are.

        Raises ResourceNotFound, or ServiceQuotaExceeded, and then sets none, when there would be more than 200.
        """
        with self._database.write() as connection:
            _put_tags(connection, find_collection(connection, collection_id), tags)

    def untag(self, collection_id: str, tag_keys: Container[str]) -> None:
        """Removes tags; keys that are not there are ignored. Raises ResourceNotFound."""
        with self._database.write() as connection:
            collection = find_collection(connection, collection_id)
            connection.execute(
                delete(schema.tags).where(
                    schema.tags.c.collection_key == collection.key, schema.tags.c.tag_key.in_(list(tag_keys))
                )
            )


def find_collection(connection: Connection, collection_id: str) -> Collection:
    """The collection, within a transaction. Raises ResourceNotFound."""
    row = connection.execute(
        _select_collections().where(schema.collections.c.collection_id == collection_id)
    ).one_or_none()
    if row is None:
        raise ResourceNotFound(f"The collection id: {collection_id} does not exist")
    return _to_collection(row)


def insert_collection(
    connection: Connection, collection_id: str, face_model_version: str, created_at: float
) -> Collection:
    """A new, empty collection, within a write transaction. Raises ResourceAlreadyExists."""
    taken = select(schema.collections.c.key).where(schema.collections.c.collection_id == collection_id)
    if connection.execute(taken).one_or_none() is not None:
        raise ResourceAlreadyExists(f"The collection id: {collection_id} already exists")
    statement = insert(schema.collections).values(
        collection_id=collection_id,
        face_model_version=face_model_version,
        created_at=created_at,
        face_count=0,
        user_count=0,
    )
    key = connection.execute(statement.returning(schema.collections.c.key)).scalar_one()
    return Collection(key, collection_id, face_model_version, created_at, face_count=0, user_count=0)


def tags_of(connection: Connection, collection: Collection) -> dict[str, str]:
    """The collection's tags, by key, within a transaction."""
    query = select(schema.tags.c.tag_key, schema.tags.c.tag_value).where(schema.tags.c.collection_key == collection.key)
    return {row.tag_key: row.tag_value for row in connection.execute(query.order_by(schema.tags.c.tag_key))}


def _put_tags(connection: Connection, collection: Collection, tags: Mapping[str, str]) -> None:
    if not tags:
        return
    mine = schema.tags.c.collection_key == collection.key
    connection.execute(delete(schema.tags).where(mine, schema.tags.c.tag_key.in_(list(tags))))
    kept = connection.execute(select(func.count()).select_from(schema.tags).where(mine)).scalar_one()
    if kept + len(tags) > MAX_TAGS:
        raise ServiceQuotaExceeded(
            f"A collection has at most {MAX_TAGS} tags; {collection.collection_id} would have {kept + len(tags)}."
        )
    connection.execute(
        insert(schema.tags),
        [
            {"collection_key": collection.key, "tag_key": tag_key, "tag_value": tag_value}
            for tag_key, tag_value in tags.items()
        ],
    )


def _select_collections() -> Select[Any]:
    return select(schema.collections)


def _to_collection(row: Row[Any]) -> Collection:
    return Collection(**row._mapping)
