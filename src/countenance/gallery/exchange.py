"""A collection in one file, out and in again: docs/collection-file.md says what is in it.

Trust: the file holds what the collection holds, readable by whoever has it. Whoever can alter it decides what an import
enrols; an import takes nothing from it that a collection could not hold.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, Double, Select, func, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from countenance.errors import InvalidParameter, ResourceAlreadyExists
from countenance.gallery.collection_file import (
    BOX,
    FACE,
    FACE_ONLY,
    PATTERNS,
    ROWS_PER_GROUP,
    USER,
    Header,
    batches_of,
    header_of,
    opened,
    require,
    writing,
)
from countenance.gallery.collections import Collection, Governance, find_collection, insert_collection, tags_of
from countenance.gallery.faces import UNIT_NORM_TOLERANCE, Kept
from countenance.gallery.users import MAX_FACES_PER_USER
from countenance.storage import schema
from countenance.storage.database import Database
from countenance.storage.templates import AT_REST


def export_collection(database: Database, collection_id: str, path: Path) -> Collection:
    """Writes the collection, as it is at one moment, into a new file that only its owner can read.

    The same state of a collection gives the same bytes, with the same version of the Parquet library. Memory does not
    grow with the collection. Raises ResourceNotFound, InvalidParameter where no file can be made, and
    ResourceAlreadyExists rather than overwrite one; when it fails half-way the file is removed.
    """
    with database.read() as connection:
        collection = find_collection(connection, collection_id)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, stat.S_IRUSR | stat.S_IWUSR)
        except FileExistsError as error:
            raise ResourceAlreadyExists(f"The file {path} already exists: name another one.") from error
        except OSError as error:
            raise InvalidParameter(f"The file {path} cannot be made: {error.strerror}.") from error
        try:
            with os.fdopen(descriptor, "wb") as file:
                _write(file, connection, collection)
                file.flush()
                os.fsync(descriptor)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return collection


def import_collection(
    database: Database,
    path: Path,
    *,
    dimensions: Mapping[str, int],
    collection_id: str | None = None,
    governance: Governance | None = None,
    kept: Kept | None = None,
) -> Collection:
    """Makes the collection of a file: same ids, same templates to the bit, same users, tags and order.

    It is named as in the file, or `collection_id`. `dimensions` are the face model versions that can be searched here,
    with the number of values of their templates. It is declared to be what `governance` says, and its faces are stored
    under `kept`: the file says neither. All of it is one transaction: when anything is wrong with the file, or
    the process is killed, there is no such collection afterwards. Other writers wait until it is done.
    Raises InvalidParameter for a file that is not one, is damaged, contradicts itself, or holds templates of a version
    that is not among `dimensions`; ResourceAlreadyExists when there is such a collection: nothing is ever merged.
    """
    with opened(path) as file:
        header = header_of(file)
        if header.face_model_version not in dimensions:
            raise InvalidParameter(
                f"The file's templates were made by {header.face_model_version}, which is not installed here; "
                f"installed: {', '.join(sorted(dimensions)) or 'none'}."
            )
        with database.write(erases=True) as connection:
            name, version = collection_id or header.collection_id, header.face_model_version
            collection = insert_collection(connection, name, version, header.created_at, governance)
            reading = _Import(connection, collection, header, dimensions[header.face_model_version])
            try:
                for batch in batches_of(file):
                    reading.take(batch)
                reading.finish()
                if kept is not None:
                    _limit(connection, collection, kept)
            except IntegrityError as error:
                raise InvalidParameter("The file is damaged: it has the same face or the same user twice.") from error
            return find_collection(connection, collection.collection_id)


def _limit(connection: Connection, collection: Collection, kept: Kept) -> None:
    faces, limited = schema.faces, schema.limited_faces
    own = select(faces.c.key, literal(kept.authorization, limited.c.authorization.type), literal(kept.until, Double))
    columns = ["face_key", "authorization", "due_at"]
    connection.execute(insert(limited).from_select(columns, own.where(faces.c.collection_key == collection.key)))


def _write(file: BinaryIO, connection: Connection, collection: Collection) -> None:
    header = Header(
        format=1,
        collection_id=collection.collection_id,
        face_model_version=collection.face_model_version,
        created_at=collection.created_at,
        tags=tags_of(connection, collection),
        users=collection.user_count,
        faces=collection.face_count,
    )
    with writing(file, header) as write:
        for query in (_select_users(collection), _select_faces(collection)):
            result = connection.execute(query, execution_options={"yield_per": ROWS_PER_GROUP})
            for rows in result.partitions(ROWS_PER_GROUP):
                write(rows)


def _select_users(collection: Collection) -> Select[Any]:
    users = schema.users
    return (
        select(
            literal(USER).label("kind"),
            users.c.user_id,
            *(literal(None).label(name) for name in FACE_ONLY),
            users.c.template,
            literal(collection.face_model_version).label("face_model_version"),
        )
        .where(users.c.collection_key == collection.key)
        .order_by(users.c.key)
    )


def _select_faces(collection: Collection) -> Select[Any]:
    faces, users = schema.faces, schema.users
    return (
        select(
            literal(FACE).label("kind"),
            users.c.user_id,
            *(faces.c[name] for name in FACE_ONLY),
            faces.c.template,
            faces.c.face_model_version,
        )
        .outerjoin_from(faces, users, faces.c.user_key == users.c.key)
        .where(faces.c.collection_key == collection.key)
        .order_by(faces.c.key)
    )


class _Import:
    """Takes the rows of a file into a new collection, within a transaction, and believes none of them."""

    def __init__(self, connection: Connection, collection: Collection, header: Header, dimension: int) -> None:
        self._connection = connection
        self._collection = collection
        self._header = header
        self._dimension = dimension
        self._users = 0
        self._faces = 0

    def take(self, batch: pa.RecordBatch) -> None:
        """Enrols the users, then the faces of a batch."""
        kinds = batch.column("kind")
        users = batch.filter(pc.equal(kinds, USER))
        faces = batch.filter(pc.equal(kinds, FACE))
        require(users.num_rows + faces.num_rows == batch.num_rows, "a row is neither of a user nor of a face")
        in_order = kinds.slice(0, users.num_rows).equals(users.column("kind"))
        require(in_order and not (users.num_rows and self._faces), "a user comes after a face")
        for name, pattern in PATTERNS.items():
            require(_all(pc.match_substring_regex(batch.column(name), pattern)), f"there is an impossible {name}")
        versions = batch.column("face_model_version")
        require(
            versions.null_count == 0 and _all(pc.equal(versions, self._header.face_model_version)),
            f"a row's face model version is not {self._header.face_model_version}, the collection's",
        )
        self._check_templates(batch.column("template").drop_null())
        if users.num_rows:
            self._take_users(users)
        if faces.num_rows:
            self._take_faces(faces)

    def finish(self) -> None:
        """Checks what can only be said of the whole, and tells followers."""
        header = self._header
        require(self._users == header.users, f"it has {self._users} users of {header.users}")
        require(self._faces == header.faces, f"it has {self._faces} faces of {header.faces}")
        users, faces, changes = schema.users, schema.faces, schema.changes
        here = self._collection.key
        held = (
            select(faces.c.user_key, func.count().label("number"))
            .where(faces.c.collection_key == here)
            .group_by(faces.c.user_key)
            .subquery()
        )
        members = select(func.count()).select_from(users.outerjoin(held, users.c.key == held.c.user_key))
        members = members.where(users.c.collection_key == here)
        inconsistent = members.where(users.c.template.is_(None) != held.c.number.is_(None))
        require(
            not self._connection.execute(inconsistent).scalar_one(),
            "a user has faces and no template, or a template and no face",
        )
        overfull = members.where(held.c.number > MAX_FACES_PER_USER)
        require(not self._connection.execute(overfull).scalar_one(), f"a user has more than {MAX_FACES_PER_USER} faces")
        now = literal(time.time())
        for table, column in ((users, "user_key"), (faces, "face_key")):
            put = select(table.c.collection_key, table.c.key, now).where(table.c.collection_key == here)
            self._connection.execute(
                insert(changes).from_select(["collection_key", column, "at"], put.order_by(table.c.key))
            )
        self._connection.execute(
            update(schema.collections)
            .where(schema.collections.c.key == here)
            .values(face_count=self._faces, user_count=self._users)
        )
        tags = [{"collection_key": here, "tag_key": key, "tag_value": value} for key, value in header.tags.items()]
        if tags:
            self._connection.execute(insert(schema.tags), tags)

    def _check_templates(self, templates: pa.Array) -> None:
        right = _all(pc.equal(pc.binary_length(templates), self._dimension * AT_REST.itemsize))
        require(right, f"a template has not {self._dimension} values")
        vectors = np.frombuffer(b"".join(templates.to_pylist()), AT_REST).reshape(-1, self._dimension)
        norms = np.linalg.norm(vectors.astype(np.float32), axis=1)
        require(bool(np.all(np.abs(norms - 1.0) <= UNIT_NORM_TOLERANCE)), "a template is not of unit norm")

    def _take_users(self, users: pa.RecordBatch) -> None:
        require(users.column("user_id").null_count == 0, "a user has no user_id")
        for name in FACE_ONLY:
            require(users.column(name).null_count == users.num_rows, f"a user has a {name}")
        rows = users.select(["user_id", "template"]).to_pylist()
        self._connection.execute(
            insert(schema.users), [{"collection_key": self._collection.key, **row} for row in rows]
        )
        self._users += users.num_rows

    def _take_faces(self, faces: pa.RecordBatch) -> None:
        for name in ("face_id", "image_id", *BOX, "confidence", "template"):
            require(faces.column(name).null_count == 0, f"a face has no {name}")
        for name in (*BOX, "confidence"):
            require(_all(pc.is_finite(faces.column(name))), f"a face's {name} is not a finite number")
        for name in ("box_width", "box_height"):
            require(_all(pc.greater(faces.column(name), 0.0)), f"a face's {name} is not above 0")
        confidence = faces.column("confidence")
        in_range = pc.and_(pc.greater_equal(confidence, 0.0), pc.less_equal(confidence, 100.0))
        require(_all(in_range), "a face's confidence is not between 0 and 100")
        rows = faces.drop_columns(["kind"]).to_pylist()
        keys = self._user_keys({row["user_id"] for row in rows} - {None})
        for row in rows:
            user_id = row.pop("user_id")
            require(user_id is None or user_id in keys, "a face belongs to a user that is not in the file")
            row["user_key"] = None if user_id is None else keys[user_id]
            row["collection_key"] = self._collection.key
        self._connection.execute(insert(schema.faces), rows)
        self._faces += faces.num_rows

    def _user_keys(self, user_ids: set[str]) -> dict[str, int]:
        users = schema.users
        query = select(users.c.user_id, users.c.key).where(
            users.c.collection_key == self._collection.key, users.c.user_id.in_(user_ids)
        )
        return {row.user_id: row.key for row in self._connection.execute(query)}


def _all(values: Sequence[bool] | pa.Array) -> bool:
    """Whether every value that is there is true."""
    return bool(pc.all(values, min_count=0).as_py())
