"""Collections in one file, out and in again."""

from __future__ import annotations

import json
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from countenance.errors import InvalidParameter, ResourceAlreadyExists, ResourceNotFound
from countenance.gallery import collection_file, exchange
from countenance.gallery.collection_file import COLUMNS, read_header
from countenance.gallery.collections import Collection
from countenance.gallery.exchange import export_collection, import_collection
from countenance.storage import schema
from countenance.storage.database import Database

from .conftest import DIMENSION, VERSION, Gallery

HERE = {VERSION: DIMENSION, "model-2": 512}

Rows = list[dict[str, Any]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "staff.parquet"


@pytest.fixture
def staff(gallery: Gallery) -> Collection:
    return _fill(gallery)


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    """A gallery that stands through the module, for files that must change nothing."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('standing') / 'countenance.sqlite'}")
    database.migrate()
    gallery = Gallery(database)
    gallery.collections.create("staff", VERSION)
    _fill(gallery)
    yield gallery
    database.close()


@pytest.fixture(scope="module")
def export(standing: Gallery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "staff.parquet"
    export_collection(standing.database, "staff", path)
    return path


@pytest.fixture
def copied(export: Path, file: Path) -> Path:
    """The file of a good export, to be spoilt."""
    return Path(shutil.copy(export, file))


def _fill(gallery: Gallery) -> Collection:
    """A collection with everything that one can hold, and gaps where something was deleted."""
    ann, bob = gallery.person(), gallery.person()
    gallery.collections.tag("staff", {"team": "desk", "Büro": "Zürich 1"})
    faces = gallery.enrol("staff", ann, ann, bob, external_image_id="badge:2024-a_b.jpg")
    faces += gallery.faces.index("staff", str(uuid.uuid4()), None, [gallery.face(left=-0.05), gallery.face(left=0.93)])
    for user_id in ("ann", "gone", "nobody-yet", "bob"):
        gallery.users.create("staff", user_id)
    gallery.associate("staff", "ann", faces[1], faces[0])
    gallery.associate("staff", "bob", faces[2])
    gallery.users.delete("staff", "gone")
    gallery.faces.delete("staff", [faces[3].face_id])
    return gallery.collections.get("staff")


def _everything(gallery: Gallery, collection_id: str) -> dict[str, Any]:
    """All that a collection holds, except keys."""
    collection = gallery.collections.get(collection_id)
    faces = gallery.faces.list(collection_id, None, 10_000).items
    users = gallery.users.list(collection_id, None, 10_000).items

    def vector(template: Any) -> list[float] | None:
        return None if template is None else template.vector.tolist()

    return {
        "collection": (collection.face_model_version, collection.created_at),
        "counts": (collection.face_count, collection.user_count),
        "tags": gallery.collections.tags(collection_id),
        "faces": [
            (
                (face.face_id, face.image_id, face.external_image_id, face.user_id),
                (face.bounding_box, face.confidence, face.face_model_version),
                vector(gallery.faces.template(collection_id, face.face_id)),
            )
            for face in faces
        ],
        "users": [
            (user.user_id, user.status, vector(gallery.users.template(collection_id, user.user_id))) for user in users
        ],
    }


def _rewrite(file: Path, change: Callable[[Rows], Rows], header: dict[str, Any] | None = None, **more: Any) -> None:
    """Makes another file of a good one, as somebody might who writes such files."""
    table = pq.read_table(file)
    metadata = json.loads(pq.read_metadata(file).metadata[b"countenance"]) | (header or {})
    rows = change(table.to_pylist())
    metadata |= {
        "users": metadata["users"] if header and "users" in header else sum(row["kind"] == "user" for row in rows),
        "faces": metadata["faces"] if header and "faces" in header else sum(row["kind"] != "user" for row in rows),
    }
    with pq.ParquetWriter(file, more.get("columns", COLUMNS), store_schema=False) as writer:
        writer.add_key_value_metadata({"countenance": json.dumps(metadata)})
        writer.write_table(pa.Table.from_pylist(rows, schema=more.get("columns", COLUMNS)))


class TestThereAndBack:
    def test_nothing_is_lost_and_nothing_is_added(self, gallery: Gallery, staff: Collection, file: Path) -> None:
        before = _everything(gallery, "staff")
        assert export_collection(gallery.database, "staff", file) == staff
        assert _everything(gallery, "staff") == before
        gallery.collections.delete("staff")
        imported = import_collection(gallery.database, file, dimensions=HERE)
        assert imported.collection_id == "staff"
        assert (imported.face_count, imported.user_count) == (4, 3)
        assert _everything(gallery, "staff") == before

    def test_the_second_export_is_the_first_to_the_byte(self, gallery: Gallery, staff: Collection, file: Path) -> None:
        export_collection(gallery.database, "staff", file)
        gallery.collections.delete("staff")
        import_collection(gallery.database, file, dimensions=HERE)
        again = file.with_name("again.parquet")
        export_collection(gallery.database, "staff", again)
        assert again.read_bytes() == file.read_bytes()

    def test_into_the_other_kind_of_database(
        self, gallery: Gallery, staff: Collection, file: Path, tmp_path: Path
    ) -> None:
        export_collection(gallery.database, "staff", file)
        other = Database(f"sqlite:///{tmp_path / 'other.sqlite'}")
        other.migrate()
        import_collection(other, file, dimensions=HERE)
        assert _everything(Gallery(other), "staff") == _everything(gallery, "staff")
        other.close()

    def test_under_another_name_beside_the_first(self, gallery: Gallery, staff: Collection, file: Path) -> None:
        export_collection(gallery.database, "staff", file)
        import_collection(gallery.database, file, dimensions=HERE, collection_id="copy")
        assert _everything(gallery, "copy") == _everything(gallery, "staff")

    def test_what_was_imported_goes_on_living(self, gallery: Gallery, staff: Collection, file: Path) -> None:
        export_collection(gallery.database, "staff", file)
        gallery.collections.delete("staff")
        import_collection(gallery.database, file, dimensions=HERE)
        held = gallery.faces.list("staff", None, 10, user_id="bob").items
        gallery.users.disassociate("staff", "bob", [face.face_id for face in held])
        gallery.faces.delete("staff", [face.face_id for face in held])
        gallery.enrol("staff")
        assert gallery.collections.get("staff").face_count == 4

    def test_followers_are_told_of_every_user_and_face(self, gallery: Gallery, staff: Collection, file: Path) -> None:
        export_collection(gallery.database, "staff", file)
        copy = import_collection(gallery.database, file, dimensions=HERE, collection_id="copy")
        with gallery.database.read() as connection:
            changes = connection.execute(
                select(schema.changes).where(schema.changes.c.collection_key == copy.key)
            ).all()
        users = [user.key for user in gallery.users.list("copy", None, 10).items]
        faces = [face.key for face in gallery.faces.list("copy", None, 10).items]
        assert [change.user_key for change in changes if change.user_key is not None] == users
        assert [change.face_key for change in changes if change.face_key is not None] == faces

    def test_an_empty_collection(self, gallery: Gallery, file: Path) -> None:
        export_collection(gallery.database, "staff", file)
        import_collection(gallery.database, file, dimensions=HERE, collection_id="copy")
        assert _everything(gallery, "copy") == _everything(gallery, "staff")

    def test_more_rows_than_are_held_in_memory(
        self, gallery: Gallery, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(exchange, "ROWS_PER_GROUP", 7)
        monkeypatch.setattr(collection_file, "ROWS_PER_INSERT", 5)
        ann = gallery.person()
        faces = gallery.enrol("staff", *[ann] * 40)
        for number in range(13):
            gallery.users.create("staff", f"u{number}")
            gallery.associate("staff", f"u{number}", *faces[3 * number : 3 * number + 3])
        export_collection(gallery.database, "staff", file)
        assert pq.read_metadata(file).num_row_groups > 6
        import_collection(gallery.database, file, dimensions=HERE, collection_id="copy")
        assert _everything(gallery, "copy") == _everything(gallery, "staff")

    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        people=st.lists(st.integers(0, 3), max_size=12),
        held=st.sets(st.integers(0, 11)),
        tags=st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=5), max_size=3),
    )
    def test_any_collection(
        self, gallery: Gallery, tmp_path: Path, people: list[int], held: set[int], tags: dict[str, str]
    ) -> None:
        tags = {key.replace("\0", ""): value.replace("\0", "") for key, value in tags.items() if key.strip("\0")}
        name, folder = f"any-{uuid.uuid4()}", tmp_path / str(uuid.uuid4())
        folder.mkdir()
        gallery.collections.create(name, VERSION, tags)
        directions = [gallery.person() for _ in range(4)]
        for number in range(4):
            gallery.users.create(name, f"u{number}")
        for place, number in enumerate(people):
            (face,) = gallery.enrol(name, directions[number], external_image_id=f"p:{number}" if number else None)
            if place in held:
                gallery.associate(name, f"u{number}", face)
        before = _everything(gallery, name)
        export_collection(gallery.database, name, folder / "one")
        gallery.collections.delete(name)
        import_collection(gallery.database, folder / "one", dimensions=HERE)
        assert _everything(gallery, name) == before
        export_collection(gallery.database, name, folder / "two")
        assert (folder / "one").read_bytes() == (folder / "two").read_bytes()


class TestExport:
    def test_the_file_is_readable_by_its_owner_only(self, gallery: Gallery, file: Path) -> None:
        export_collection(gallery.database, "staff", file)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

    def test_no_file_is_overwritten(self, gallery: Gallery, file: Path) -> None:
        file.write_text("mine")
        with pytest.raises(ResourceAlreadyExists, match=r"staff\.parquet already exists"):
            export_collection(gallery.database, "staff", file)
        assert file.read_text() == "mine"

    def test_an_unknown_collection_makes_no_file(self, gallery: Gallery, file: Path) -> None:
        with pytest.raises(ResourceNotFound):
            export_collection(gallery.database, "nobody", file)
        assert not file.exists()

    def test_what_fails_half_way_leaves_no_file(
        self, gallery: Gallery, staff: Collection, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def no_space(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(exchange.os, "fsync", no_space)
        with pytest.raises(OSError, match="No space left"):
            export_collection(gallery.database, "staff", file)
        assert not file.exists()

    def test_the_header_can_be_read_before_anything_is_imported(
        self, gallery: Gallery, staff: Collection, file: Path
    ) -> None:
        export_collection(gallery.database, "staff", file)
        header = read_header(file)
        assert (header.collection_id, header.face_model_version, header.users, header.faces) == ("staff", VERSION, 3, 4)
        assert header.created_at == staff.created_at
        assert header.tags == {"team": "desk", "Büro": "Zürich 1"}

    def test_templates_are_what_the_documentation_says(self, gallery: Gallery, staff: Collection, file: Path) -> None:
        export_collection(gallery.database, "staff", file)
        faces = [row for row in pq.read_table(file).to_pylist() if row["kind"] == "face"]
        for row in faces:
            np.testing.assert_array_equal(
                np.frombuffer(row["template"], "<f2").astype("float32"),
                gallery.faces.template("staff", row["face_id"]).vector,
            )


def _each(**values: Any) -> Callable[[Rows], Rows]:
    """Sets values in the rows of faces."""
    return lambda rows: [row | values if row["kind"] == "face" else row for row in rows]


def _user(**values: Any) -> Callable[[Rows], Rows]:
    return lambda rows: [row | values if row["kind"] == "user" else row for row in rows]


def _vector(*values: float) -> bytes:
    return np.array([*values, *[0.0] * (DIMENSION - len(values))], "<f2").tobytes()


class TestImport:
    def test_a_collection_is_never_overwritten_nor_merged_into(
        self, gallery: Gallery, staff: Collection, file: Path
    ) -> None:
        export_collection(gallery.database, "staff", file)
        before = _everything(gallery, "staff")
        with pytest.raises(ResourceAlreadyExists, match="The collection id: staff already exists"):
            import_collection(gallery.database, file, dimensions=HERE)
        assert _everything(gallery, "staff") == before

    def test_templates_that_cannot_be_searched_here_are_refused(
        self, gallery: Gallery, staff: Collection, file: Path
    ) -> None:
        export_collection(gallery.database, "staff", file)
        with pytest.raises(InvalidParameter, match="made by model-1, which is not installed here; installed: model-2"):
            import_collection(gallery.database, file, dimensions={"model-2": DIMENSION}, collection_id="copy")
        with pytest.raises(InvalidParameter, match="not 64 values"):
            import_collection(gallery.database, file, dimensions={VERSION: 64}, collection_id="copy")

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            (_each(face_id="11111111-2222-5333-8444-555555555555"), "same face or the same user twice"),
            (lambda rows: [rows[0], *rows], "same face or the same user twice"),
            (lambda rows: rows[::-1], "a user comes after a face"),
            (_each(kind="person"), "neither of a user nor of a face"),
            (_each(face_id="11111111-2222-5333-8444-55555555555G"), "impossible face_id"),
            (_each(face_id="11111111-2222-5333-8444-555555555555\n"), "impossible face_id"),
            (_each(image_id="x"), "impossible image_id"),
            (_each(external_image_id="a b"), "impossible external_image_id"),
            (_each(external_image_id=""), "impossible external_image_id"),
            (_user(user_id="a/b"), "impossible user_id"),
            (_user(user_id=None), "a user has no user_id"),
            (_user(confidence=1.0), "a user has a confidence"),
            (_each(user_id="eve"), "a user that is not in the file"),
            (_each(user_id=None), "a template and no face"),
            (_user(template=None), "faces and no template"),
            (_each(face_id=None), "a face has no face_id"),
            (_each(template=None), "a face has no template"),
            (_each(box_left=None), "a face has no box_left"),
            (_each(box_left=float("nan")), "box_left is not a finite number"),
            (_each(box_top=float("inf")), "box_top is not a finite number"),
            (_each(box_width=0.0), "box_width is not above 0"),
            (_each(confidence=100.5), "not between 0 and 100"),
            (_each(confidence=-1.0), "not between 0 and 100"),
            (_each(face_model_version="model-2"), "version is not model-1"),
            (_each(face_model_version=None), "version is not model-1"),
            (_each(template=b"\x00\x3c"), "not 128 values"),
            (_each(template=_vector()), "not of unit norm"),
            (_each(template=_vector(1.0, 1.0)), "not of unit norm"),
            (_each(template=_vector(float("nan"))), "not of unit norm"),
            (_user(template=_vector(2.0)), "not of unit norm"),
        ],
    )
    def test_a_file_that_contradicts_itself_is_refused_and_nothing_is_left(
        self, standing: Gallery, copied: Path, change: Callable[[Rows], Rows], sentence: str
    ) -> None:
        _rewrite(copied, change)
        self._refused(standing, copied, sentence)

    @pytest.mark.parametrize(
        ("header", "sentence"),
        [
            ({"format": 2}, "a format other than 1"),
            ({"faces": 5}, "7 rows of 8"),
            ({"users": 4, "faces": 3}, "3 users of 4"),
            ({"users": -1, "faces": 8}, "header are not as they should be"),
            ({"faces": "4"}, "header are not as they should be"),
            ({"collection_id": "a/b"}, "header are not as they should be"),
            ({"created_at": float("nan")}, "header are not as they should be"),
            ({"face_model_version": ""}, "header are not as they should be"),
            ({"tags": {"": "empty"}}, "header are not as they should be"),
            ({"tags": {str(number): "" for number in range(201)}}, "header are not as they should be"),
            ({"surprise": 1}, "header are not as they should be"),
        ],
    )
    def test_a_header_that_is_wrong_is_refused(
        self, standing: Gallery, copied: Path, header: dict[str, Any], sentence: str
    ) -> None:
        _rewrite(copied, lambda rows: rows, header)
        self._refused(standing, copied, sentence)

    def test_a_user_of_more_than_100_faces_is_refused(self, gallery: Gallery, file: Path) -> None:
        (face,) = gallery.enrol("staff")
        gallery.users.create("staff", "ann")
        gallery.associate("staff", "ann", face)
        export_collection(gallery.database, "staff", file)
        _rewrite(file, lambda rows: [rows[0], *(rows[1] | {"face_id": str(uuid.uuid4())} for _ in range(101))])
        self._refused(gallery, file, "more than 100 faces")

    def test_other_columns_are_refused(self, standing: Gallery, copied: Path) -> None:
        _rewrite(copied, lambda rows: rows, columns=COLUMNS.append(pa.field("name", pa.string())))
        self._refused(standing, copied, "columns are not those of an export")

    def test_other_parquet_is_refused(self, standing: Gallery, file: Path) -> None:
        pq.write_table(pa.table({"a": [1]}), file)
        self._refused(standing, file, "was not made by an export")

    @pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" * 100, b"{}", bytes(1000)])
    def test_what_is_not_parquet_is_refused(self, standing: Gallery, file: Path, content: bytes) -> None:
        file.write_bytes(content)
        self._refused(standing, file, "not a collection file")

    def test_a_file_that_is_not_there_is_named(self, standing: Gallery, file: Path) -> None:
        self._refused(standing, file, r"staff\.parquet cannot be read: No such file")

    @pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
    def test_a_file_that_was_cut_off_is_refused(self, standing: Gallery, copied: Path, share: float) -> None:
        whole = copied.read_bytes()
        copied.write_bytes(whole[: int(len(whole) * share)])
        self._refused(standing, copied, "cannot be read as Parquet")

    @settings(max_examples=60, deadline=None)
    @given(place=st.floats(0, 0.999), bit=st.integers(0, 7))
    def test_a_bit_that_flipped_is_noticed_or_does_not_matter(
        self, standing: Gallery, export: Path, place: float, bit: int
    ) -> None:
        content = bytearray(export.read_bytes())
        content[int(place * len(content))] ^= 1 << bit
        bad = export.with_name("bad.parquet")
        bad.write_bytes(content)
        name = f"copy-{uuid.uuid4()}"
        try:
            import_collection(standing.database, bad, dimensions=HERE, collection_id=name)
        except InvalidParameter:
            with pytest.raises(ResourceNotFound):
                standing.collections.get(name)
        else:
            before, after = _everything(standing, "staff"), _everything(standing, name)
            assert (after["faces"], after["users"]) == (before["faces"], before["users"])
            standing.collections.delete(name)

    def _refused(self, gallery: Gallery, file: Path, sentence: str) -> None:
        with gallery.database.read() as connection:
            before = [connection.execute(select(table)).all() for table in schema.metadata.sorted_tables]
        with pytest.raises(InvalidParameter, match=sentence):
            import_collection(gallery.database, file, dimensions=HERE, collection_id="copy")
        with gallery.database.read() as connection:
            assert [connection.execute(select(table)).all() for table in schema.metadata.sorted_tables] == before
