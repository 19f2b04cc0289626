"""The faces of a collection: enrolled, listed and deleted by FaceId."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from countenance.errors import InvalidParameter, ResourceConflict, ServiceQuotaExceeded
from countenance.faces import BoundingBox, Template
from countenance.gallery.collections import MAX_FACES, Collection, find_collection
from countenance.gallery.pages import Page
from countenance.storage import schema
from countenance.storage.database import Database
from countenance.storage.salts import destroy, face_subject
from countenance.storage.templates import pack, unpack

# The overlap from which two boxes on the same image are the same face; AWS's own re-indexing sample takes it too.
SAME_FACE_IOU = 0.5

# How far from 1 the norm of a template may be: float32 arithmetic stays well inside, a raw embedding does not.
UNIT_NORM_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class Face:
    """An enrolled face. `key` orders the collection's faces by when they came; the rest is Rekognition's.

    `confidence` is 0 to 100: that the box holds a face. `user_id` is the user the face is associated with.
    """

    key: int
    face_id: str
    image_id: str
    external_image_id: str | None
    bounding_box: BoundingBox
    confidence: float
    face_model_version: str
    user_id: str | None


@dataclass(frozen=True, slots=True)
class NewFace:
    """A face to enrol: where it was seen, how sure the detector is (0 to 100), and what it is recognised by."""

    bounding_box: BoundingBox
    confidence: float
    template: Template


@dataclass(frozen=True, slots=True)
class AdoptedFace:
    """A face that already has its ids, given by another Rekognition endpoint."""

    face_id: str
    image_id: str
    external_image_id: str | None
    face: NewFace


@dataclass(frozen=True, slots=True)
class Kept:
    """On what condition faces are kept: `authorization` is the uid of the one they were enrolled under, with whose
    refusal they go; `until` when they go, in UTC seconds since the epoch. None: no such condition."""

    authorization: str | None
    until: float | None


class DeletionFailure(StrEnum):
    """Why a face was not deleted: Rekognition's UnsuccessfulFaceDeletionReason."""

    ASSOCIATED_TO_AN_EXISTING_USER = "ASSOCIATED_TO_AN_EXISTING_USER"
    FACE_NOT_FOUND = "FACE_NOT_FOUND"


@dataclass(frozen=True, slots=True)
class UndeletedFace:
    """A face that was asked to be deleted and was not."""

    face_id: str
    user_id: str | None
    reason: DeletionFailure


@dataclass(frozen=True, slots=True)
class Deletion:
    """What became of the faces asked to be deleted, each id once, in the order asked."""

    deleted: tuple[str, ...]
    failed: tuple[UndeletedFace, ...]


class Faces:
    """The faces of a database, by collection. Everything here raises ResourceNotFound for an unknown collection."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def index(
        self,
        collection_id: str,
        image_id: str,
        external_image_id: str | None,
        new: Sequence[NewFace],
        *,
        kept: Kept | None = None,
    ) -> list[Face]:
        """Enrols the faces of one image, and gives them back in the same order; those stored now under `kept`.

        A face already enrolled from this image under this ExternalImageId (boxes overlap by more than half) is not
        stored again: it comes back as it is, with its FaceId. A new face takes the FaceId it has in another
        collection of the same face model version, again for the same image and ExternalImageId, or else a random
        one; so a face that was deleted comes back under a new id, unless another collection still knows it.
        Faces of an earlier call that are not among `new` stay.

        Raises InvalidParameter for a template of another version than the collection's, ServiceQuotaExceeded when
        the collection would exceed 20 million faces; then nothing is stored.
        """
        with self._database.write() as connection:
            collection = find_collection(connection, collection_id)
            packed = [_checked(face, collection) for face in new]
            seen = _of_image(connection, collection.face_model_version, image_id, external_image_id)
            here = [row for row in seen if row.collection_key == collection.key]
            elsewhere = [row for row in seen if row.collection_key != collection.key]
            known = _same_faces(new, here)
            unknown = [i for i in range(len(new)) if i not in known]
            borrowed = _same_faces([new[i] for i in unknown], elsewhere)
            taken = {row.face_id for row in here}
            rows = []
            for place, i in enumerate(unknown):
                face_id = borrowed[place].face_id if place in borrowed else None
                if face_id is None or face_id in taken:
                    face_id = str(uuid.uuid4())
                taken.add(face_id)
                face = AdoptedFace(face_id, image_id, external_image_id, new[i])
                rows.append(_values(collection, face, packed[i]))
            keys = insert_faces(connection, collection, rows, kept)
            found = {
                row.key: to_face(row)
                for row in connection.execute(
                    select_faces().where(schema.faces.c.key.in_([*keys, *(row.key for row in known.values())]))
                )
            }
            key_of = {i: row.key for i, row in known.items()} | dict(zip(unknown, keys, strict=True))
            return [found[key_of[i]] for i in range(len(new))]

    def adopt(self, collection_id: str, adopted: Sequence[AdoptedFace], *, kept: Kept | None = None) -> int:
        """Enrols faces under the ids they already have, those stored now under `kept`; the number that is new here.

        A face that is there with the same FaceId and ImageId is left as it is, so a migration that was killed can be
        run again. Raises ResourceConflict when a FaceId belongs to a face of another image, InvalidParameter and
        ServiceQuotaExceeded as `index` does; then nothing is stored.
        """
        with self._database.write() as connection:
            collection = find_collection(connection, collection_id)
            image_of = {
                row.face_id: row.image_id for row in _rows(connection, collection, [face.face_id for face in adopted])
            }
            rows = []
            for face in adopted:
                packed = _checked(face.face, collection)
                if face.face_id not in image_of:
                    image_of[face.face_id] = face.image_id
                    rows.append(_values(collection, face, packed))
                elif image_of[face.face_id] != face.image_id:
                    raise ResourceConflict(
                        f"The face id: {face.face_id} belongs to another image in {collection.collection_id}."
                    )
            return len(insert_faces(connection, collection, rows, kept))

    def list(
        self,
        collection_id: str,
        after: int | None,
        limit: int,
        *,
        user_id: str | None = None,
        face_ids: Sequence[str] | None = None,
    ) -> Page[Face]:
        """Faces whose key comes after `after`, by key, at most `limit`; of that user only, of those ids only."""
        with self._database.read() as connection:
            collection = find_collection(connection, collection_id)
            if face_ids is not None:
                rows = _rows(connection, collection, face_ids)
            elif user_id is not None:
                rows = _rows_of_user(connection, collection, user_id)
            else:
                query = select_faces().where(
                    schema.faces.c.collection_key == collection.key, schema.faces.c.key > (after or 0)
                )
                rows = connection.execute(query.order_by(schema.faces.c.key).limit(limit + 1)).all()
        # A user has 100 faces and a request 4096 ids at most: sooner sifted here than found in a collection's order.
        found = [
            to_face(row)
            for row in sorted(rows, key=lambda row: row.key)
            if row.key > (after or 0) and user_id in {None, row.user_id}
        ]
        return Page.of(found, limit)

    def get(self, collection_id: str, face_ids: Sequence[str]) -> dict[str, Face]:
        """The faces of the collection that have one of these ids, by FaceId."""
        with self._database.read() as connection:
            collection = find_collection(connection, collection_id)
            return {row.face_id: to_face(row) for row in _rows(connection, collection, face_ids)}

    def enrolled_at(self, keys: Sequence[int]) -> float | None:
        """When the first of these faces was enrolled, in UTC seconds since the epoch; None when there is none."""
        changes = schema.changes
        query = select(func.min(changes.c.at)).where(changes.c.face_key.in_(keys))
        with self._database.read() as connection:
            at: float | None = connection.execute(query).scalar_one()
        return at

    def template(self, collection_id: str, face_id: str) -> Template:
        """What an enrolled face is recognised by. Raises InvalidParameter, as SearchFaces does, for an unknown face."""
        with self._database.read() as connection:
            collection = find_collection(connection, collection_id)
            row = connection.execute(
                select(schema.faces.c.template, schema.faces.c.face_model_version).where(
                    schema.faces.c.collection_key == collection.key, schema.faces.c.face_id == face_id
                )
            ).one_or_none()
        if row is None:
            raise InvalidParameter("faceId was not found in the collection.")
        return Template(unpack(row.template), row.face_model_version)

    def delete(self, collection_id: str, face_ids: Iterable[str]) -> Deletion:
        """Deletes faces that are associated with no user; says of each of the others why it was not deleted."""
        asked = list(dict.fromkeys(face_ids))
        with self._database.write(erases=True) as connection:
            collection = find_collection(connection, collection_id)
            rows = {row.face_id: row for row in _rows(connection, collection, asked)}
            failed = []
            for face_id in asked:
                if face_id not in rows:
                    failed.append(UndeletedFace(face_id, None, DeletionFailure.FACE_NOT_FOUND))
                elif (user_id := rows[face_id].user_id) is not None:
                    failed.append(UndeletedFace(face_id, user_id, DeletionFailure.ASSOCIATED_TO_AN_EXISTING_USER))
            kept = {failure.face_id for failure in failed}
            deleted = [face_id for face_id in asked if face_id not in kept]
            keys = [rows[face_id].key for face_id in deleted]
            if keys:
                erase_faces(connection, collection, keys)
        return Deletion(tuple(deleted), tuple(failed))


def erase_faces(connection: Connection, collection: Collection, keys: Sequence[int]) -> None:
    """Deletes faces that no user has, and what would open the ledger's commitments to them; tells followers."""
    connection.execute(delete(schema.faces).where(schema.faces.c.key.in_(keys)))
    connection.execute(delete(schema.limited_faces).where(schema.limited_faces.c.face_key.in_(keys)))
    destroy(connection, map(face_subject, keys))
    note_faces(connection, collection, keys, change_of_count=-len(keys))


def select_faces() -> Select[Any]:
    """Faces with everything `to_face` needs, without their templates."""
    shown = [column for column in schema.faces.c if column.name not in {"template", "user_key"}]
    return select(*shown, schema.users.c.user_id).outerjoin_from(
        schema.faces, schema.users, schema.faces.c.user_key == schema.users.c.key
    )


def to_face(row: Row[Any]) -> Face:
    """The face of a row of `select_faces`."""
    return Face(
        key=row.key,
        face_id=row.face_id,
        image_id=row.image_id,
        external_image_id=row.external_image_id,
        bounding_box=BoundingBox(row.box_left, row.box_top, row.box_width, row.box_height),
        confidence=row.confidence,
        face_model_version=row.face_model_version,
        user_id=row.user_id,
    )


def insert_faces(
    connection: Connection, collection: Collection, rows: Sequence[dict[str, Any]], kept: Kept | None = None
) -> list[int]:
    """Stores rows of the table `faces` and says so in `changes`; their keys, ascending as the rows come.

    Raises ServiceQuotaExceeded when the collection would exceed 20 million faces.
    """
    if not rows:
        return []
    if collection.face_count + len(rows) > MAX_FACES:
        raise ServiceQuotaExceeded(f"The collection {collection.collection_id} is full: it holds {MAX_FACES} faces.")
    statement = insert(schema.faces).returning(schema.faces.c.key, sort_by_parameter_order=True)
    keys = list(connection.execute(statement, rows).scalars())
    note_faces(connection, collection, keys, change_of_count=len(keys))
    if kept is not None:
        limits = {"authorization": kept.authorization, "due_at": kept.until}
        connection.execute(insert(schema.limited_faces), [{"face_key": key, **limits} for key in keys])
    return keys


def note_faces(connection: Connection, collection: Collection, keys: Sequence[int], *, change_of_count: int) -> None:
    """Tells followers of `changes` that these faces were put or dropped, and keeps the collection's count."""
    now = time.time()
    connection.execute(
        insert(schema.changes), [{"collection_key": collection.key, "face_key": key, "at": now} for key in keys]
    )
    connection.execute(
        update(schema.collections)
        .where(schema.collections.c.key == collection.key)
        .values(face_count=schema.collections.c.face_count + change_of_count)
    )


def _rows(connection: Connection, collection: Collection, face_ids: Sequence[str]) -> Sequence[Row[Any]]:
    return connection.execute(
        select_faces().where(
            schema.faces.c.collection_key == collection.key, schema.faces.c.face_id.in_(list(face_ids))
        )
    ).all()


def _rows_of_user(connection: Connection, collection: Collection, user_id: str) -> Sequence[Row[Any]]:
    user = select(schema.users.c.key).where(
        schema.users.c.collection_key == collection.key, schema.users.c.user_id == user_id
    )
    return connection.execute(select_faces().where(schema.faces.c.user_key == user.scalar_subquery())).all()


def _of_image(
    connection: Connection, face_model_version: str, image_id: str, external_image_id: str | None
) -> Sequence[Row[Any]]:
    """Faces enrolled from an image under an ExternalImageId, in whichever collection, oldest first."""
    return connection.execute(
        select_faces()
        .where(
            schema.faces.c.image_id == image_id,
            schema.faces.c.external_image_id.is_not_distinct_from(external_image_id),
            schema.faces.c.face_model_version == face_model_version,
        )
        .order_by(schema.faces.c.key)
    ).all()


def _same_faces(new: Sequence[NewFace], rows: Sequence[Row[Any]]) -> dict[int, Row[Any]]:
    """For places in `new`, the row of the same face: best overlaps first, each row and each place at most once."""
    overlaps = [
        (overlap, i, j)
        for i, face in enumerate(new)
        for j, row in enumerate(rows)
        if (overlap := face.bounding_box.iou(to_face(row).bounding_box)) > SAME_FACE_IOU
    ]
    same: dict[int, Row[Any]] = {}
    used: set[int] = set()
    for _, i, j in sorted(overlaps, key=lambda one: (-one[0], one[1], one[2])):
        if i not in same and j not in used:
            same[i] = rows[j]
            used.add(j)
    return same


def _checked(face: NewFace, collection: Collection) -> bytes:
    """The template's bytes at rest, when it belongs into the collection."""
    template = face.template
    if template.face_model_version != collection.face_model_version:
        raise InvalidParameter(
            f"The collection {collection.collection_id} holds templates of {collection.face_model_version}; "
            f"one of {template.face_model_version} cannot be compared with them."
        )
    norm = float(np.linalg.norm(template.vector))
    if not abs(norm - 1.0) <= UNIT_NORM_TOLERANCE:  # so that NaN is refused as well
        raise InvalidParameter("A template must be a vector of unit norm.")
    return pack(template.vector)


def _values(collection: Collection, identified: AdoptedFace, packed: bytes) -> dict[str, Any]:
    face = identified.face
    return {
        "collection_key": collection.key,
        "face_id": identified.face_id,
        "image_id": identified.image_id,
        "external_image_id": identified.external_image_id,
        "box_left": face.bounding_box.left,
        "box_top": face.bounding_box.top,
        "box_width": face.bounding_box.width,
        "box_height": face.bounding_box.height,
        "confidence": face.confidence,
        "face_model_version": collection.face_model_version,
        "template": packed,
        "user_key": None,
    }
