"""Deletion is real: no byte of a deleted template is left in what the database keeps on disk."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from sqlalchemy import select

from countenance.gallery.faces import Face
from countenance.storage import schema
from countenance.storage.database import Database
from countenance.storage.templates import SQLITE_PAGE_BYTES

from .conftest import VERSION, Gallery

IMAGE = "11111111-2222-5333-8444-555555555555"

# Enough of a template to know it by: four of its values in a row.
PIECE = np.dtype("<u8")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "countenance.sqlite"


@pytest.fixture
def gallery(path: Path) -> Iterator[Gallery]:
    database = Database(f"sqlite:///{path}")
    database.migrate()
    gallery = Gallery(database)
    gallery.collections.create("staff", VERSION)
    yield gallery
    database.close()


def _left(path: Path, templates: list[bytes]) -> list[bytes]:
    """Which of the templates can be found, whole or in pieces, in the database's files."""
    return _within(b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*")), templates)


def _within(kept: bytes, templates: list[bytes]) -> list[bytes]:
    pieces = np.array([np.frombuffer(template, PIECE) for template in templates])
    found = np.zeros(pieces.shape, bool)
    for shift in range(PIECE.itemsize):
        whole = (len(kept) - shift) // PIECE.itemsize
        found |= np.isin(pieces, np.frombuffer(kept, PIECE, count=whole, offset=shift))
    return [template for template, any_piece in zip(templates, found.any(axis=1), strict=True) if any_piece]


def _templates(gallery: Gallery, table: schema.Table) -> dict[str, bytes]:
    name = table.c.face_id if table is schema.faces else table.c.user_id
    with gallery.database.read() as connection:
        rows = connection.execute(select(name, table.c.template)).all()
    return {row[0]: row[1] for row in rows if row[1] is not None}


def test_the_scan_finds_what_is_there(gallery: Gallery, path: Path) -> None:
    gallery.enrol("staff")
    templates = list(_templates(gallery, schema.faces).values())
    assert _left(path, templates) == templates


def test_no_template_is_on_a_page_from_which_rows_move(gallery: Gallery, path: Path) -> None:
    """Pages of the tree begin with their kind, 13 for rows of tables; pages of long values with a page number."""
    ann = gallery.person()
    faces = gallery.enrol("staff", *[ann] * 60)
    gallery.users.create("staff", "ann")
    gallery.associate("staff", "ann", *faces)
    templates = [*_templates(gallery, schema.faces).values(), *_templates(gallery, schema.users).values()]
    gallery.database.close()
    whole = path.read_bytes()
    pages = [whole[start : start + SQLITE_PAGE_BYTES] for start in range(0, len(whole), SQLITE_PAGE_BYTES)]
    rows = b"".join(page for page in pages if page[0] == 13)
    assert faces[0].face_id.encode() in rows
    assert _within(rows, templates) == []
    assert _within(whole, templates) == templates


def test_a_deleted_face_is_in_no_file(gallery: Gallery, path: Path) -> None:
    gone, kept = gallery.enrol("staff", gallery.person(), gallery.person())
    templates = _templates(gallery, schema.faces)
    gallery.faces.delete("staff", [gone.face_id])
    assert _left(path, [templates[gone.face_id]]) == []
    assert _left(path, [templates[kept.face_id]]) == [templates[kept.face_id]]


def test_nor_is_any_of_thousands_that_came_and_went_in_any_order(gallery: Gallery, path: Path) -> None:
    order = random.Random(5)
    living: list[Face] = []
    templates: dict[str, bytes] = {}
    for _ in range(30):
        new = [gallery.face(left=0.3 * number) for number in range(100)]
        living += gallery.faces.index("staff", str(uuid.uuid4()), None, new)
        templates |= _templates(gallery, schema.faces)
        order.shuffle(living)
        gone = [living.pop().face_id for _ in range(order.randrange(len(living)))]
        gallery.faces.delete("staff", gone)
    ids = {face.face_id for face in living}
    assert len(ids) > 10
    assert _left(path, [template for face_id, template in templates.items() if face_id not in ids]) == []
    assert len(_left(path, [template for face_id, template in templates.items() if face_id in ids])) == len(ids)


def test_a_deleted_collection_is_in_no_file(gallery: Gallery, path: Path) -> None:
    faces = gallery.enrol("staff", *[gallery.person() for _ in range(50)])
    gallery.users.create("staff", "ann")
    gallery.associate("staff", "ann", *faces)
    templates = [*_templates(gallery, schema.faces).values(), *_templates(gallery, schema.users).values()]
    gallery.collections.delete("staff")
    assert _left(path, templates) == []


def test_what_a_user_was_recognised_by_goes_with_the_user_or_the_face(gallery: Gallery, path: Path) -> None:
    ann = gallery.person()
    one, two = gallery.enrol("staff", ann, ann)
    gallery.users.create("staff", "ann")
    gallery.associate("staff", "ann", one)
    of_one = _templates(gallery, schema.users)["ann"]
    gallery.associate("staff", "ann", two)
    of_both = _templates(gallery, schema.users)["ann"]
    gallery.users.disassociate("staff", "ann", [one.face_id])
    gallery.faces.delete("staff", [one.face_id])
    assert _left(path, [of_one, of_both]) == []
    of_two = _templates(gallery, schema.users)["ann"]
    gallery.faces.delete("staff", [two.face_id])
    gallery.users.delete("staff", "ann")
    assert [face.face_id for face in gallery.faces.list("staff", None, 10).items] == [two.face_id]
    gallery.faces.delete("staff", [two.face_id])
    assert _left(path, [of_two]) == []


def test_on_postgresql_the_documented_rewrite_leaves_nothing_in_the_tables(postgresql: Any) -> None:
    database = Database(postgresql.empty_database())
    database.migrate()
    gallery = Gallery(database)
    gallery.collections.create("staff", VERSION)
    new = [gallery.face(left=0.3 * number) for number in range(100)]
    faces = gallery.faces.index("staff", IMAGE, None, new)
    templates = _templates(gallery, schema.faces)
    gone = [face.face_id for face in faces[::2]]
    gallery.faces.delete("staff", gone)
    assert _templates(gallery, schema.faces).keys() == templates.keys() - set(gone)
    database.close()
    with psycopg.connect(postgresql.address(), autocommit=True) as operator:
        before = operator.execute("SELECT pg_relation_filepath('faces')").fetchone()
        operator.execute("VACUUM (FULL) faces, users")
        operator.execute("CHECKPOINT")
        after = operator.execute("SELECT pg_relation_filepath('faces')").fetchone()
    tables = b"".join(path.read_bytes() for name in (*before, *after) if (path := postgresql.data / name).exists())
    assert len(_within(tables, [templates[face.face_id] for face in faces[1::2]])) == 50
    assert _within(tables, [templates[face_id] for face_id in gone]) == []


def test_deletion_is_real_while_others_read_and_write(gallery: Gallery, path: Path) -> None:
    faces = gallery.enrol("staff", *[gallery.person() for _ in range(60)])
    templates = _templates(gallery, schema.faces)
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            gallery.faces.list("staff", None, 50)

    def write() -> None:
        while not done.is_set():
            gallery.enrol("staff")

    others = [threading.Thread(target=work) for work in (read, read, write)]
    for other in others:
        other.start()
    try:
        for face in faces:
            gallery.faces.delete("staff", [face.face_id])
    finally:
        done.set()
        for other in others:
            other.join()
    deadline = time.monotonic() + 30
    while _left(path, list(templates.values())) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _left(path, list(templates.values())) == []
