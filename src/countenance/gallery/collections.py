"""Collections: galleries of faces and users, each bound to one face model version for life."""

from __future__ import annotations

import time
from collections.abc import Collection as Container
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, func, insert, select, update

from countenance.errors import ResourceAlreadyExists, ResourceNotFound, ServiceQuotaExceeded
from countenance.gallery.pages import Page
from countenance.storage import schema
from countenance.storage.database import Database
from countenance.storage.identities import Kind, new_uid
from countenance.storage.salts import destroy, face_subject, user_subject

# Rekognition's limits of one collection (guidelines and quotas page; TagResource for the tags).
MAX_FACES = 20_000_000
MAX_USERS = 10_000_000
MAX_TAGS = 200

# What a collection holds when nothing else was declared: a word of `policy.vocabulary`.
DEFAULT_SENSITIVITY = "general"


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection as it stood when it was read. `created_at` is UTC seconds since the epoch.

    `uid` is what the ledger knows it by; `sensitivity`, `purposes` (empty: for any) and `owner` (the uid of an
    organization, None for one made before there were owners) are what policies may ask for.
    """

    key: int
    collection_id: str
    face_model_version: str
    created_at: float
    face_count: int
    user_count: int
    uid: str
    sensitivity: str
    purposes: tuple[str, ...]
    owner: str | None


@dataclass(frozen=True, slots=True)
class Governance:
    """What a new collection is declared to be. `owner_key` is the organization that makes it."""

    sensitivity: str = DEFAULT_SENSITIVITY
    purposes: tuple[str, ...] = ()
    owner_key: int | None = None


class Collections:
    """The collections of a database. Ids are case-sensitive."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        collection_id: str,
        face_model_version: str,
        tags: Mapping[str, str] | None = None,
        governance: Governance | None = None,
    ) -> Collection:
        """An empty collection. Raises ResourceAlreadyExists, or ServiceQuotaExceeded for more than 200 tags."""
        with self._database.write() as connection:
            collection = insert_collection(connection, collection_id, face_model_version, time.time(), governance)
            _put_tags(connection, collection, tags or {})
            return collection

    def get(self, collection_id: str) -> Collection:
        """The collection with its counts. Raises ResourceNotFound."""
        with self._database.read() as connection:
            return find_collection(connection, collection_id)

    def find(self, collection_id: str) -> Collection | None:
        """The collection, or None."""
        rows = self._database.ask(_BY_ID, id=collection_id)
        return _to_collection(rows[0]) if rows else None

    def govern(
        self, collection_id: str, *, sensitivity: str | None = None, purposes: Sequence[str] | None = None
    ) -> Collection:
        """Declares what a collection holds and what for; what is None stays. Raises ResourceNotFound."""
        values: dict[str, str] = {}
        if sensitivity is not None:
            values["sensitivity"] = sensitivity
        if purposes is not None:
            values["purposes"] = " ".join(purposes)
        with self._database.write() as connection:
            collection = find_collection(connection, collection_id)
            if values:
                own = schema.collections.c.key == collection.key
                connection.execute(update(schema.collections).where(own).values(values))
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
            forget_erased(connection, collection)
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
    row = connection.execute(_BY_ID, {"id": collection_id}).one_or_none()
    if row is None:
        raise ResourceNotFound(f"The collection id: {collection_id} does not exist")
    return _to_collection(row)


def insert_collection(
    connection: Connection,
    collection_id: str,
    face_model_version: str,
    created_at: float,
    governance: Governance | None = None,
) -> Collection:
    """A new, empty collection, within a write transaction. Raises ResourceAlreadyExists."""
    taken = select(schema.collections.c.key).where(schema.collections.c.collection_id == collection_id)
    if connection.execute(taken).one_or_none() is not None:
        raise ResourceAlreadyExists(f"The collection id: {collection_id} already exists")
    declared = governance or Governance()
    statement = insert(schema.collections).values(
        uid=new_uid(Kind.COLLECTION),
        sensitivity=declared.sensitivity,
        purposes=" ".join(declared.purposes),
        owner_key=declared.owner_key,
        collection_id=collection_id,
        face_model_version=face_model_version,
        created_at=created_at,
        face_count=0,
        user_count=0,
    )
    connection.execute(statement)
    return find_collection(connection, collection_id)


def forget_erased(connection: Connection, collection: Collection) -> None:
    """Destroys what would open the ledger's commitments to a collection's faces and users, which are being deleted."""
    faces, users = schema.faces, schema.users
    for table, subject in ((faces, face_subject), (users, user_subject)):
        keys = connection.execute(select(table.c.key).where(table.c.collection_key == collection.key)).scalars()
        destroy(connection, map(subject, keys))
    own = select(faces.c.key).where(faces.c.collection_key == collection.key)
    connection.execute(delete(schema.limited_faces).where(schema.limited_faces.c.face_key.in_(own)))


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
    collections, owners = schema.collections, schema.organizations
    own = [column for column in collections.c if column.name != "owner_key"]
    return select(*own, owners.c.uid.label("owner")).outerjoin_from(
        collections, owners, collections.c.owner_key == owners.c.key
    )


# Made once: it is asked for every use, and making it takes several times as long as the answer.
_BY_ID = _select_collections().where(schema.collections.c.collection_id == bindparam("id"))
_COLUMNS = _BY_ID.selected_columns.keys()


def _to_collection(row: Iterable[Any]) -> Collection:
    values = dict(zip(_COLUMNS, row, strict=True))
    return Collection(**{**values, "purposes": tuple(values["purposes"].split())})
