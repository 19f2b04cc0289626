"""What was found in a video: faces by time, and whom of a collection they are like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, Select, func, insert, select

from countenance.gallery.faces import Face, select_faces, to_face
from countenance.storage import schema
from countenance.storage.database import Database
from countenance.vision.details import FaceDetail

# Databases take some thousand parameters in one statement.
AT_ONCE = 500

_DETAIL: TypeAdapter[FaceDetail] = TypeAdapter(FaceDetail)


@dataclass(frozen=True, slots=True)
class SeenFace:
    """A face at a time of the video, in milliseconds; `person` numbers who it is of, where faces are tracked."""

    timestamp_ms: int
    detail: FaceDetail
    person: int | None = None


@dataclass(frozen=True, slots=True)
class MatchedFace:
    """An enrolled face (its key) that a person of the video is like; `similarity` 0 to 100."""

    person: int
    face_key: int
    similarity: float


class Results:
    """The results of the jobs of a database. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def faces(self, job_key: int, start: int, limit: int, *, by_person: bool = False) -> list[SeenFace]:
        """Up to `limit` faces from the one numbered `start` on: by time, or by person and then by time."""
        faces = schema.video_faces
        order = (faces.c.person, faces.c.place) if by_person else (faces.c.place,)
        query: Select[Any] = select(faces).where(faces.c.job_key == job_key).order_by(*order).offset(start).limit(limit)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [SeenFace(row.timestamp_ms, _DETAIL.validate_json(row.detail), row.person) for row in rows]

    def matches(self, job_key: int) -> list[MatchedFace]:
        """All matches, the best of each person first."""
        matches = schema.video_matches
        query = (
            select(matches.c.person, matches.c.face_key, matches.c.similarity)
            .where(matches.c.job_key == job_key)
            .order_by(matches.c.person, matches.c.similarity.desc(), matches.c.face_key)
        )
        with self._database.read() as connection:
            return [MatchedFace(*row) for row in connection.execute(query)]

    def enrolled(self, keys: Sequence[int]) -> Mapping[int, Face]:
        """Those of these faces that are still enrolled, by key: keys are never used twice."""
        found: dict[int, Face] = {}
        with self._database.read() as connection:
            for start in range(0, len(keys), AT_ONCE):
                own = schema.faces.c.key.in_(keys[start : start + AT_ONCE])
                found |= {row.key: to_face(row) for row in connection.execute(select_faces().where(own))}
        return found


def keep(connection: Connection, job_key: int, seen: Sequence[SeenFace]) -> None:
    """Adds faces to a job's results, within the transaction that says how far it is."""
    if not seen:
        return
    first = number_of_faces(connection, job_key)
    rows = [
        {
            "job_key": job_key,
            "place": first + number,
            "timestamp_ms": face.timestamp_ms,
            "person": face.person,
            "detail": _DETAIL.dump_json(face.detail, exclude_none=True).decode(),
        }
        for number, face in enumerate(seen)
    ]
    connection.execute(insert(schema.video_faces), rows)


def number_of_faces(connection: Connection, job_key: int) -> int:
    """How many there are in a job's results."""
    faces = schema.video_faces
    number: int = connection.execute(
        select(func.count()).select_from(faces).where(faces.c.job_key == job_key)
    ).scalar_one()
    return number
