"""Many at once, and writers that are killed."""

from __future__ import annotations

import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import select

from countenance.errors import ResourceConflict, ResourceNotFound
from countenance.gallery.exchange import export_collection
from countenance.gallery.faces import AdoptedFace
from countenance.storage import schema
from countenance.storage.database import Database

from .conftest import VERSION, Gallery

T = TypeVar("T")

IMAGE = "11111111-2222-5333-8444-555555555555"


def _at_once(number: int, work: Callable[[int], T]) -> list[T]:
    """What `work(0)` to `work(number - 1)` give when all begin at the same moment."""
    start = threading.Barrier(number)

    def one(place: int) -> T:
        start.wait()
        return work(place)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(one, range(number)))


def test_one_photo_indexed_by_many_at_once_has_each_face_once(gallery: Gallery) -> None:
    new = [gallery.face(left=0.1), gallery.face(left=0.5)]
    answers = _at_once(8, lambda _: gallery.faces.index("staff", IMAGE, None, new))
    assert all(faces == answers[0] for faces in answers)
    assert gallery.collections.get("staff").face_count == 2


def test_a_user_is_created_by_one_of_many(gallery: Gallery) -> None:
    def create(_: int) -> bool:
        try:
            gallery.users.create("staff", "ann")
        except ResourceConflict:
            return False
        return True

    assert sorted(_at_once(8, create)) == [False] * 7 + [True]
    assert gallery.collections.get("staff").user_count == 1


def test_a_request_sent_by_many_at_once_is_carried_out_once(gallery: Gallery) -> None:
    (face,) = gallery.enrol("staff")
    gallery.users.create("staff", "ann")
    answers = _at_once(8, lambda _: gallery.associate("staff", "ann", face, token="t"))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0].changed == (face.face_id,)


def test_a_face_goes_to_one_of_many_users(gallery: Gallery) -> None:
    (face,) = gallery.enrol("staff")
    for number in range(6):
        gallery.users.create("staff", f"u{number}")
    answers = _at_once(6, lambda number: gallery.associate("staff", f"u{number}", face))
    assert sorted(len(answer.changed) for answer in answers) == [0] * 5 + [1]
    (winner,) = [number for number, answer in enumerate(answers) if answer.changed]
    assert gallery.faces.get("staff", [face.face_id])[face.face_id].user_id == f"u{winner}"


def test_counts_are_right_after_many_enrolled_and_deleted(gallery: Gallery) -> None:
    def come_and_go(_: int) -> None:
        for _ in range(5):
            (gone,) = gallery.faces.index("staff", str(uuid.uuid4()), None, [face])
            gallery.faces.index("staff", str(uuid.uuid4()), None, [face])
            gallery.faces.delete("staff", [gone.face_id])

    face = gallery.face()
    _at_once(6, come_and_go)
    assert gallery.collections.get("staff").face_count == 30
    assert len(gallery.faces.list("staff", None, 1000).items) == 30


def test_a_listing_under_change_has_every_face_that_lived_through_it(gallery: Gallery) -> None:
    lasting = gallery.enrol("staff", *[gallery.person() for _ in range(30)])
    face = gallery.face()
    done = threading.Event()

    def come_and_go() -> None:
        while not done.is_set():
            (gone,) = gallery.faces.index("staff", str(uuid.uuid4()), None, [face])
            gallery.faces.delete("staff", [gone.face_id])

    other = threading.Thread(target=come_and_go)
    other.start()
    try:
        for _ in range(10):
            listed: list[str] = []
            after: int | None = None
            while True:
                page = gallery.faces.list("staff", after, 4)
                listed += [face.face_id for face in page.items]
                if page.after is None:
                    break
                after = page.after
            assert len(set(listed)) == len(listed)
            assert {face.face_id for face in lasting} <= set(listed)
    finally:
        done.set()
        other.join()


def _written_then_killed(program: str, *arguments: object, after_lines: int) -> list[str]:
    """Runs a program that writes and says so, kills it in the middle, and gives what it had said."""
    with subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.PIPE, text=True, bufsize=1
    ) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline().strip() for _ in range(after_lines)]
        writer.kill()
        said += [line.strip() for line in writer.stdout if line.endswith("\n")]
    assert all(said), "the writer ended before it was killed"
    return said


ENROL = """
import sys, uuid
import numpy as np
from countenance.faces import BoundingBox, Template
from countenance.gallery.faces import Faces, NewFace
from countenance.gallery.users import Users
from countenance.storage.database import Database

database = Database(sys.argv[1])
faces, users = Faces(database), Users(database)
vector = np.zeros(128, np.float32)
vector[0] = 1
new = [NewFace(BoundingBox(0.3 * place, 0.1, 0.2, 0.2), 99.0, Template(vector, "model-1")) for place in range(3)]
while True:
    image_id = str(uuid.uuid4())
    enrolled = faces.index("staff", image_id, None, new)
    users.create("staff", image_id)
    users.associate("staff", image_id, [face.face_id for face in enrolled], threshold=0, similarity=lambda _: 100.0)
    print(image_id, flush=True)
"""


def test_what_was_acknowledged_outlives_a_kill_and_nothing_is_half_written(gallery: Gallery, database_url: str) -> None:
    for round_number in range(2):
        acknowledged = _written_then_killed(ENROL, database_url, after_lines=5 + 7 * round_number)
        again = Database(database_url)
        again.migrate()
        survivors = Gallery(again)
        faces = survivors.faces.list("staff", None, 10_000).items
        users = {user.user_id for user in survivors.users.list("staff", None, 10_000).items}
        of_image: dict[str, list[str | None]] = {}
        for face in faces:
            of_image.setdefault(face.image_id, []).append(face.user_id)
        for image_id in acknowledged:
            assert of_image[image_id] == [image_id] * 3
            assert image_id in users
        for image_id, holders in of_image.items():
            assert holders in ([image_id] * 3, [None] * 3)
        counts = survivors.collections.get("staff")
        assert (counts.face_count, counts.user_count) == (len(faces), len(users))
        with again.read() as connection:
            changed = set(connection.execute(select(schema.changes.c.face_key)).scalars()) - {None}
        assert changed == {face.key for face in faces}
        again.close()


IMPORT = """
import sys, time
from pathlib import Path
from countenance.gallery import exchange
from countenance.storage.database import Database

class Slow(exchange._Import):
    def take(self, batch):
        super().take(batch)
        print("a batch is in", flush=True)
        time.sleep(600 if self._faces > 4000 else 0)

exchange._Import = Slow
exchange.import_collection(Database(sys.argv[1]), Path(sys.argv[2]), dimensions={"model-1": 128}, collection_id="copy")
"""


def test_an_import_that_is_killed_leaves_nothing(gallery: Gallery, database_url: str, tmp_path: Path) -> None:
    new = gallery.face()
    gallery.faces.adopt("staff", [AdoptedFace(str(uuid.uuid4()), IMAGE, None, new) for _ in range(6_000)])
    export_collection(gallery.database, "staff", tmp_path / "staff.parquet")
    _written_then_killed(IMPORT, database_url, tmp_path / "staff.parquet", after_lines=2)
    again = Database(database_url)
    again.migrate()
    survivors = Gallery(again)
    with pytest.raises(ResourceNotFound):
        survivors.collections.get("copy")
    with again.read() as connection:
        assert len(connection.execute(select(schema.faces.c.key)).all()) == 6_000
    assert survivors.collections.create("copy", VERSION).face_count == 0
    again.close()
