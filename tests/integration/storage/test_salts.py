"""Salts: one for each subject, until it is destroyed, and then none for ever."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from countenance.faces import BoundingBox, Template
from countenance.gallery.collections import Collections
from countenance.gallery.faces import Faces, NewFace
from countenance.gallery.users import Users
from countenance.storage import schema
from countenance.storage.database import Database
from countenance.storage.salts import (
    AT_ONCE,
    DESTROYED,
    SALT_BYTES,
    Salts,
    case_subject,
    commitment,
    destroy,
    face_subject,
    user_subject,
)
from tests.integration.simultaneous import at_once


@pytest.fixture
def salts(database: Database) -> Salts:
    return Salts(database)


def forget(database: Database, *subjects: str) -> None:
    with database.write(erases=True) as connection:
        destroy(connection, subjects)


class TestSalts:
    def test_a_subject_has_one_which_stays_the_same(self, salts: Salts, database: Database) -> None:
        made = salts.of(["face:1", "face:2", "user:1"])
        assert list(made) == ["face:1", "face:2", "user:1"]
        assert {len(salt) for salt in made.values()} == {SALT_BYTES}
        assert len(set(made.values())) == 3
        assert Salts(database).of(["user:1", "face:3", "face:1"]).items() >= {
            ("user:1", made["user:1"]),
            ("face:1", made["face:1"]),
        }

    def test_looking_makes_none(self, salts: Salts) -> None:
        assert salts.find(["face:1"]) == {}
        made = salts.of(["face:1"])
        assert salts.find(["face:1", "face:2"]) == made
        assert salts.find([]) == salts.of([]) == {}

    def test_a_subject_that_is_named_twice_has_one(self, salts: Salts, database: Database) -> None:
        assert salts.of(["face:1"] * 3).keys() == {"face:1"}
        with database.read() as connection:
            assert len(connection.execute(select(schema.salts)).all()) == 1

    def test_many_at_once_are_given_the_same(self, database: Database) -> None:
        subjects = [f"face:{number}" for number in range(20)]
        orders = [subjects[place:] + subjects[:place] for place in range(8)]
        seen = at_once(8, lambda n: dict(Salts(database).of(orders[n])))
        assert all(one == seen[0] for one in seen)
        assert Salts(database).find(subjects) == seen[0]
        with database.read() as connection:
            assert len(connection.execute(select(schema.salts)).all()) == 20

    def test_more_than_a_statement_takes(self, salts: Salts, database: Database) -> None:
        subjects = [f"face:{number}" for number in range(2 * AT_ONCE + 1)]
        made = salts.of(subjects)
        assert len(set(made.values())) == len(subjects)
        assert salts.find(subjects) == made
        forget(database, *subjects[1:])
        assert salts.find(subjects) == {"face:0": made["face:0"]}


class TestDestruction:
    def test_what_is_destroyed_is_not_given_nor_made_again(self, salts: Salts, database: Database) -> None:
        made = salts.of(["face:1", "face:2"])
        forget(database, "face:1")
        forget(database, "face:1")
        for given in (salts.of(["face:1", "face:2"]), salts.find(["face:1", "face:2"])):
            assert given == {"face:2": made["face:2"]}
        with database.read() as connection:
            rows = {row.subject: row.salt for row in connection.execute(select(schema.salts))}
        assert rows == {"face:1": DESTROYED, "face:2": made["face:2"]}

    def test_nor_by_somebody_who_asks_at_the_same_moment(self, salts: Salts, database: Database) -> None:
        made = salts.of(["face:1"])["face:1"]

        def work(place: int) -> object:
            return forget(database, "face:1") if place == 0 else Salts(database).of(["face:1"]).get("face:1")

        assert set(at_once(8, work)) <= {None, made}
        assert salts.of(["face:1"]) == {}

    def test_it_stays_where_what_it_is_of_stays(self, salts: Salts, database: Database) -> None:
        """One transaction: both go or neither."""
        made = salts.of(["face:1"])

        def fail() -> None:
            with database.write(erases=True) as connection:
                destroy(connection, ["face:1"])
                raise OSError("the disk is full")

        with pytest.raises(OSError, match="disk"):
            fail()
        assert salts.find(["face:1"]) == made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "countenance.sqlite"


@pytest.fixture
def sqlite(path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{path}")
    database.migrate()
    yield database
    database.close()


def left(path: Path, secrets: dict[str, bytes]) -> list[str]:
    """Whose salts can be found, whole or by half, in the database's files."""
    kept = b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))
    return [subject for subject, salt in secrets.items() if salt[:8] in kept or salt[8:] in kept]


class TestFiles:
    def test_a_destroyed_salt_is_in_no_file(self, sqlite: Database, path: Path) -> None:
        """Also after rows were put between others, and pages were full and split."""
        salts, made = Salts(sqlite), {}
        gone: list[str] = []
        for part in range(10):
            subjects = [f"face:{part + 10 * number}" for number in range(100)]
            made |= salts.of(subjects)
            assert left(path, made) == [subject for subject in made if subject not in gone]
            going = subjects[part % 3 :: 3]
            forget(sqlite, *going)
            gone += going
        assert left(path, made) == [subject for subject in made if subject not in gone]
        assert len(gone) > 300
        sqlite.close()
        assert left(path, {subject: made[subject] for subject in gone}) == []

    def test_it_goes_with_the_face_the_user_and_the_collection(self, sqlite: Database, path: Path) -> None:
        salts, faces, users, collections = Salts(sqlite), Faces(sqlite), Users(sqlite), Collections(sqlite)
        collections.create("staff", "1.0")
        collections.create("guests", "1.0")
        random = np.random.default_rng(4)

        def enrol(collection: str) -> tuple[str, str]:
            vector = random.normal(size=128)
            template = Template((vector / np.linalg.norm(vector)).astype(np.float32), "1.0")
            new = [NewFace(BoundingBox(0.1, 0.1, 0.1, 0.1), 99.0, template)]
            (face,) = faces.index(collection, str(uuid.uuid4()), None, new)
            return face.face_id, face_subject(face.key)

        (one, of_one), (_, of_two), (_, of_guest) = enrol("staff"), enrol("staff"), enrol("guests")
        for collection in ("staff", "guests"):
            users.create(collection, "anna")
        keys = {
            name: users.list(name, None, 10).items[0].key  # each has one
            for name in ("staff", "guests")
        }
        of_anna, of_guest_anna = (user_subject(keys[name]) for name in ("staff", "guests"))
        made = dict(salts.of([of_one, of_two, of_guest, of_anna, of_guest_anna]))
        assert left(path, made) == list(made)
        faces.delete("staff", [one])
        assert left(path, made) == [of_two, of_guest, of_anna, of_guest_anna]
        users.delete("staff", "anna")
        assert left(path, made) == [of_two, of_guest, of_guest_anna]
        collections.delete("guests")
        assert left(path, made) == [of_two]
        assert list(salts.of(list(made))) == [of_two]


class TestCommitments:
    def test_it_is_an_hmac_of_its_parts_and_where_they_end(self) -> None:
        salt = bytes(range(16))
        message = b"\0\0\0\4case\0\0\0\7k\xc3\xb6ln 1"
        assert commitment(salt, "case", "köln 1") == hmac.new(salt, message, hashlib.sha256).hexdigest()
        assert commitment(salt, "ab", "c") != commitment(salt, "a", "bc")
        assert commitment(salt, "a") != commitment(salt, "a", "")
        assert commitment(salt, "a") != commitment(bytes(16), "a")

    def test_a_case_is_kept_under_nothing_that_names_it(self) -> None:
        subject = case_subject("o-" + "1" * 32, "DOE, JANE")
        assert "JANE" not in subject
        assert hashlib.sha256(b"DOE, JANE").hexdigest() not in subject
        assert subject != case_subject("o-" + "2" * 32, "DOE, JANE")
        assert len(case_subject("o-" + "1" * 32, "x" * 100_000)) <= 160
