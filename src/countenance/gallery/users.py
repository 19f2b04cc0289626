"""The users of a collection: people, each recognised by all the faces associated with them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, Select, delete, insert, select, update

from countenance.errors import ResourceConflict, ResourceNotFound, ServiceQuotaExceeded
from countenance.faces import Template
from countenance.gallery.collections import MAX_USERS, Collection, find_collection
from countenance.gallery.pages import Page
from countenance.gallery.tokens import forget_answers, once
from countenance.storage import schema
from countenance.storage.database import Database
from countenance.storage.salts import destroy, user_subject
from countenance.storage.templates import aggregate, unpack

# Rekognition's limit of faces associated with one user.
MAX_FACES_PER_USER = 100


class UserStatus(StrEnum):
    """Rekognition's states of a user that exist here: associations are complete when the call returns."""

    ACTIVE = "ACTIVE"
    """Recognised by the faces associated with it, all of them."""
    CREATED = "CREATED"
    """Has no face."""


class AssociationFailure(StrEnum):
    """Why a face was not associated or disassociated, in Rekognition's words."""

    FACE_NOT_FOUND = "FACE_NOT_FOUND"
    ASSOCIATED_TO_A_DIFFERENT_USER = "ASSOCIATED_TO_A_DIFFERENT_USER"
    LOW_MATCH_CONFIDENCE = "LOW_MATCH_CONFIDENCE"


@dataclass(frozen=True, slots=True)
class User:
    """A user of a collection. `key` orders them by when they were created."""

    key: int
    user_id: str
    status: UserStatus


@dataclass(frozen=True, slots=True)
class UnchangedFace:
    """A face that was not associated or disassociated, and why.

    `user_id` is the other user who has it; `confidence` (a Similarity, 0 to 100) is given for too poor a match. No
    reason at all means that the user is full: Rekognition has no word for it.
    """

    face_id: str
    user_id: str | None = None
    confidence: float | None = None
    reasons: tuple[AssociationFailure, ...] = ()


@dataclass(frozen=True, slots=True)
class Association:
    """What became of the faces asked to be associated or disassociated, each id once, in the order asked.

    Faces that were so already are in neither list, as in Rekognition.
    """

    changed: tuple[str, ...]
    unchanged: tuple[UnchangedFace, ...]
    status: UserStatus


class Users:
    """The users of a database, by collection. Everything here raises ResourceNotFound for an unknown collection.

    `token` is Rekognition's ClientRequestToken: the same request sent again with it is answered as the first time and
    does nothing; with other parameters it raises IdempotentParameterMismatch.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, collection_id: str, user_id: str, *, token: str | None = None) -> None:
        """A user without faces. Raises ResourceConflict when there is one, ServiceQuotaExceeded at 10 million."""

        def work() -> None:
            if _row(connection, collection, user_id) is not None:
                raise ResourceConflict(f"A User with the same Id already exists: {user_id}")
            if collection.user_count >= MAX_USERS:
                raise ServiceQuotaExceeded(
                    f"The collection {collection.collection_id} is full: it holds {MAX_USERS} users."
                )
            statement = insert(schema.users).values(collection_key=collection.key, user_id=user_id)
            key = connection.execute(statement.returning(schema.users.c.key)).scalar_one()
            _note(connection, collection, key)
            _count(connection, collection, 1)

        parameters = {"collection": collection_id, "user": user_id}
        with self._database.write() as connection:
            collection = find_collection(connection, collection_id)
            once(connection, token, "CreateUser", parameters, work, collection_key=collection.key)

    def delete(self, collection_id: str, user_id: str, *, token: str | None = None) -> None:
        """Deletes a user; their faces stay, associated with nobody. Raises ResourceNotFound for an unknown user."""

        def work() -> None:
            user = _known(connection, collection, user_id)
            connection.execute(update(schema.faces).where(schema.faces.c.user_key == user.key).values(user_key=None))
            connection.execute(delete(schema.users).where(schema.users.c.key == user.key))
            destroy(connection, [user_subject(user.key)])
            forget_answers(connection, collection.key)
            _note(connection, collection, user.key)
            _count(connection, collection, -1)

        parameters = {"collection": collection_id, "user": user_id}
        with self._database.write(erases=True) as connection:
            collection = find_collection(connection, collection_id)
            once(connection, token, "DeleteUser", parameters, work, collection_key=collection.key)

    def list(self, collection_id: str, after: int | None, limit: int) -> Page[User]:
        """Users whose key comes after `after`, by key, at most `limit`."""
        with self._database.read() as connection:
            collection = find_collection(connection, collection_id)
            users = schema.users
            query = (
                select(users.c.key, users.c.user_id, users.c.template.is_not(None).label("active"))
                .where(users.c.collection_key == collection.key, users.c.key > (after or 0))
                .order_by(users.c.key)
                .limit(limit + 1)
            )
            found = [User(row.key, row.user_id, _status(row.active)) for row in connection.execute(query)]
        return Page.of(found, limit)

    def get(self, collection_id: str, user_id: str) -> User:
        """Raises ResourceNotFound for an unknown user."""
        with self._database.read() as connection:
            row = _known(connection, find_collection(connection, collection_id), user_id)
        return User(row.key, row.user_id, _status(row.template is not None))

    def template(self, collection_id: str, user_id: str) -> Template | None:
        """What the user is recognised by; None while no face is associated. Raises ResourceNotFound."""
        with self._database.read() as connection:
            collection = find_collection(connection, collection_id)
            packed = _known(connection, collection, user_id).template
        return None if packed is None else Template(unpack(packed), collection.face_model_version)

    def associate(
        self,
        collection_id: str,
        user_id: str,
        face_ids: Iterable[str],
        *,
        threshold: float,
        similarity: Callable[[float], float],
        token: str | None = None,
    ) -> Association:
        """Associates faces with a user who is then recognised by all of them.

        When the user has a face already, each new one must match: `similarity` of the cosine between its template
        and the user's, as it was before this call, must reach `threshold`; both are 0 to 100. A user has at most 100
        faces: those that no longer fit are left unchanged without a reason, and when the user was full before,
        ServiceQuotaExceeded is raised. Raises ResourceNotFound for an unknown user.
        """
        asked = list(dict.fromkeys(face_ids))

        def work() -> dict[str, Any]:
            user = _known(connection, collection, user_id)
            rows = _faces(connection, collection, asked)
            own = None if user.template is None else _unit(user.template)
            welcome: list[str] = []
            unchanged: list[UnchangedFace] = []
            for face_id in asked:
                row = rows.get(face_id)
                if row is None:
                    unchanged.append(UnchangedFace(face_id, reasons=(AssociationFailure.FACE_NOT_FOUND,)))
                elif row.user_key == user.key:
                    continue
                elif row.user_key is not None:
                    reasons = (AssociationFailure.ASSOCIATED_TO_A_DIFFERENT_USER,)
                    unchanged.append(UnchangedFace(face_id, user_id=row.user_id, reasons=reasons))
                elif own is not None and (match := similarity(float(own @ _unit(row.template)))) < threshold:
                    reasons = (AssociationFailure.LOW_MATCH_CONFIDENCE,)
                    unchanged.append(UnchangedFace(face_id, confidence=match, reasons=reasons))
                else:
                    welcome.append(face_id)
            room = MAX_FACES_PER_USER - len(_templates(connection, user.key))
            if welcome and not room:
                raise ServiceQuotaExceeded(
                    f"The user {user_id} has {MAX_FACES_PER_USER} faces, the most a user may have: "
                    "disassociate some before associating others."
                )
            unchanged.extend(UnchangedFace(face_id) for face_id in welcome[room:])
            keys = [rows[face_id].key for face_id in welcome[:room]]
            status = _move(connection, collection, user, keys, user.key)
            return asdict(Association(tuple(welcome[:room]), tuple(unchanged), status))

        parameters = {"collection": collection_id, "user": user_id, "faces": asked, "threshold": threshold}
        with self._database.write() as connection:
            collection = find_collection(connection, collection_id)
            answer = once(connection, token, "AssociateFaces", parameters, work, collection_key=collection.key)
            return _from_answer(answer)

    def disassociate(
        self, collection_id: str, user_id: str, face_ids: Iterable[str], *, token: str | None = None
    ) -> Association:
        """Takes faces from a user, who is then recognised by the remaining ones. The faces stay in the collection.

        Raises ResourceNotFound for an unknown user.
        """
        asked = list(dict.fromkeys(face_ids))

        def work() -> dict[str, Any]:
            user = _known(connection, collection, user_id)
            rows = _faces(connection, collection, asked)
            leaving: list[str] = []
            unchanged: list[UnchangedFace] = []
            for face_id in asked:
                row = rows.get(face_id)
                if row is None:
                    unchanged.append(UnchangedFace(face_id, reasons=(AssociationFailure.FACE_NOT_FOUND,)))
                elif row.user_key == user.key:
                    leaving.append(face_id)
                elif row.user_key is not None:
                    reasons = (AssociationFailure.ASSOCIATED_TO_A_DIFFERENT_USER,)
                    unchanged.append(UnchangedFace(face_id, user_id=row.user_id, reasons=reasons))
            status = _move(connection, collection, user, [rows[face_id].key for face_id in leaving], None)
            return asdict(Association(tuple(leaving), tuple(unchanged), status))

        parameters = {"collection": collection_id, "user": user_id, "faces": asked}
        with self._database.write(erases=True) as connection:
            collection = find_collection(connection, collection_id)
            answer = once(connection, token, "DisassociateFaces", parameters, work, collection_key=collection.key)
            return _from_answer(answer)


def take_from_users(connection: Connection, collection: Collection, users: Mapping[int, int]) -> None:
    """Takes faces that are to be deleted from whoever has them: `users` has the key of each one's user by its own."""
    held: dict[int, list[int]] = {}
    for face_key, user_key in users.items():
        held.setdefault(user_key, []).append(face_key)
    for user_key, face_keys in held.items():
        user = connection.execute(select(schema.users).where(schema.users.c.key == user_key)).one()
        _move(connection, collection, user, face_keys, None)


def _row(connection: Connection, collection: Collection, user_id: str) -> Row[Any] | None:
    return connection.execute(
        select(schema.users).where(schema.users.c.collection_key == collection.key, schema.users.c.user_id == user_id)
    ).one_or_none()


def _known(connection: Connection, collection: Collection, user_id: str) -> Row[Any]:
    row = _row(connection, collection, user_id)
    if row is None:
        raise ResourceNotFound(f"The user id: {user_id} does not exist in the collection {collection.collection_id}")
    return row


def _status(active: bool) -> UserStatus:
    return UserStatus.ACTIVE if active else UserStatus.CREATED


def _faces(connection: Connection, collection: Collection, face_ids: Sequence[str]) -> dict[str, Row[Any]]:
    faces, users = schema.faces, schema.users
    query: Select[Any] = (
        select(faces.c.key, faces.c.face_id, faces.c.user_key, faces.c.template, users.c.user_id)
        .outerjoin_from(faces, users, faces.c.user_key == users.c.key)
        .where(faces.c.collection_key == collection.key, faces.c.face_id.in_(face_ids))
    )
    return {row.face_id: row for row in connection.execute(query)}


def _templates(connection: Connection, user_key: int) -> Sequence[bytes]:
    """The stored templates of a user's faces, oldest face first, so that their aggregate is always the same."""
    faces = schema.faces
    query = select(faces.c.template).where(faces.c.user_key == user_key).order_by(faces.c.key)
    return connection.execute(query).scalars().all()


def _move(
    connection: Connection, collection: Collection, user: Row[Any], face_keys: Sequence[int], to: int | None
) -> UserStatus:
    """Gives faces to the user or takes them away, and aggregates the user's template anew."""
    if not face_keys:
        return _status(user.template is not None)
    connection.execute(update(schema.faces).where(schema.faces.c.key.in_(face_keys)).values(user_key=to))
    templates = _templates(connection, user.key)
    template = aggregate(templates) if templates else None
    connection.execute(update(schema.users).where(schema.users.c.key == user.key).values(template=template))
    _note(connection, collection, user.key)
    return _status(bool(templates))


def _note(connection: Connection, collection: Collection, user_key: int) -> None:
    """Tells followers of `changes` that the user was put or dropped."""
    connection.execute(insert(schema.changes).values(collection_key=collection.key, user_key=user_key, at=time.time()))


def _count(connection: Connection, collection: Collection, change: int) -> None:
    connection.execute(
        update(schema.collections)
        .where(schema.collections.c.key == collection.key)
        .values(user_count=schema.collections.c.user_count + change)
    )


def _unit(packed: bytes) -> NDArray[np.float64]:
    vector = unpack(packed).astype(np.float64)
    return vector / np.linalg.norm(vector)


def _from_answer(answer: dict[str, Any]) -> Association:
    return Association(
        changed=tuple(answer["changed"]),
        unchanged=tuple(
            UnchangedFace(
                face_id=face["face_id"],
                user_id=face["user_id"],
                confidence=face["confidence"],
                reasons=tuple(AssociationFailure(reason) for reason in face["reasons"]),
            )
            for face in answer["unchanged"]
        ),
        status=UserStatus(answer["status"]),
    )
