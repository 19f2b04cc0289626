"""Search over a real database: exact, and never behind what was acknowledged."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import delete, func, insert, select, update

from countenance.errors import InvalidParameter, ResourceNotFound
from countenance.faces import BoundingBox, Template
from countenance.gallery import search as search_module
from countenance.gallery.collections import Collection, Collections
from countenance.gallery.faces import Face, Faces, NewFace
from countenance.gallery.projections import CollectionProjection
from countenance.gallery.search import Search
from countenance.gallery.users import Users
from countenance.storage import schema
from countenance.storage.database import Database

VERSION = "sface-1"
DIMENSION = 128
BOX = BoundingBox(0.1, 0.2, 0.3, 0.4)


def _unit(*rows: NDArray[Any]) -> NDArray[np.float32]:
    stacked = np.stack(rows).astype(np.float32)
    unit: NDArray[np.float32] = stacked / np.linalg.norm(stacked, axis=1, keepdims=True)
    return unit


def _people(count: int, seed: int = 1) -> NDArray[np.float32]:
    return _unit(*np.random.default_rng([7, seed]).standard_normal((count, DIMENSION)))


def _like(person: NDArray[np.float32], cosine: float, seed: int = 2) -> NDArray[np.float32]:
    """Another template at this cosine to a person's."""
    noise = np.random.default_rng(seed).standard_normal(DIMENSION)
    noise -= (noise @ person) * person
    (across,) = _unit(noise)
    return (cosine * person + np.sqrt(1 - cosine**2) * across).astype(np.float32)


def _template(vector: NDArray[np.float32], version: str = VERSION) -> Template:
    return Template(vector, version)


class Gallery:
    """A collection with the rooms that change it."""

    def __init__(self, database: Database, name: str = "missing-children") -> None:
        self.database = database
        self.name = name
        self.collections = Collections(database)
        self.faces = Faces(database)
        self.users = Users(database)
        self.collection = self.collections.create(name, VERSION)

    def enrol(self, *vectors: NDArray[np.float32], image: str = "") -> list[Face]:
        """Each vector as a face of an image of its own."""
        enrolled = []
        for number, vector in enumerate(vectors):
            image_id = image or f"{threading.get_ident()}-{number}-{np.abs(vector).sum():.12f}"[:36]
            enrolled += self.faces.index(self.name, image_id, None, [NewFace(BOX, 99.0, _template(vector))])
        return enrolled


@pytest.fixture
def gallery(database: Database) -> Gallery:
    return Gallery(database)


@pytest.fixture
def search(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Search]:
    """Moved on by searches alone: its thread, which would do so whenever it likes, never wakes up."""
    monkeypatch.setattr(search_module, "FOLLOWING_SECONDS", 3600.0)
    search = Search(database)
    yield search
    search.close()


@pytest.fixture
def eager_search(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Search]:
    monkeypatch.setattr(search_module, "FOLLOWING_SECONDS", 0.02)
    search = Search(database)
    yield search
    search.close()


def _ids(found: list[tuple[Face, float]]) -> list[str]:
    return [face.face_id for face, _ in found]


def test_a_face_is_found_by_another_photo_of_the_same_person(gallery: Gallery, search: Search) -> None:
    people = _people(50)
    faces = gallery.enrol(*people)
    found = search.faces(gallery.collection, _template(_like(people[7], 0.8)), 0.6, 10)
    assert [face for face, _ in found] == [faces[7]]
    assert found[0][1] == pytest.approx(0.8, abs=1e-3)


def test_a_stranger_is_not_found(gallery: Gallery, search: Search) -> None:
    gallery.enrol(*_people(50))
    assert search.faces(gallery.collection, _template(_people(1, seed=9)[0]), 0.6, 10) == []


def test_a_collection_without_faces_has_no_match(gallery: Gallery, search: Search) -> None:
    assert search.faces(gallery.collection, _template(_people(1)[0]), 0.0, 10) == []
    assert search.users(gallery.collection, _template(_people(1)[0]), 0.0, 10) == []


def test_matches_come_best_first_and_no_more_than_asked_for(gallery: Gallery, search: Search) -> None:
    (person,) = _people(1)
    cosines = [0.55, 0.95, 0.75, 0.65, 0.85]
    faces = gallery.enrol(*(_like(person, cosine, seed) for seed, cosine in enumerate(cosines)))
    found = search.faces(gallery.collection, _template(person), 0.6, 3)
    assert _ids(found) == [faces[i].face_id for i in (1, 4, 2)]


def test_of_equal_faces_the_oldest_comes_first(gallery: Gallery, search: Search) -> None:
    (person,) = _people(1)
    faces = [*gallery.enrol(person, image="a"), *gallery.enrol(person, image="b"), *gallery.enrol(person, image="c")]
    found = search.faces(gallery.collection, _template(person), 0.9, 2)
    assert _ids(found) == [faces[0].face_id, faces[1].face_id]


def test_the_face_searched_for_is_left_out(gallery: Gallery, search: Search) -> None:
    (person,) = _people(1)
    mine, other = gallery.enrol(person, _like(person, 0.9))
    found = search.faces(gallery.collection, _template(person), 0.6, 1, exclude=mine.face_id)
    assert _ids(found) == [other.face_id]


def test_faces_of_other_collections_are_not_found(gallery: Gallery, search: Search, database: Database) -> None:
    (person,) = _people(1)
    gallery.enrol(person)
    elsewhere = Gallery(database, "criminal-investigation")
    assert search.faces(elsewhere.collection, _template(person), 0.0, 10) == []
    (there,) = elsewhere.enrol(_like(person, 0.9))
    assert _ids(search.faces(elsewhere.collection, _template(person), 0.5, 10)) == [there.face_id]


def test_a_probe_of_another_face_model_is_refused(gallery: Gallery, search: Search) -> None:
    (person,) = _people(1)
    gallery.enrol(person)
    with pytest.raises(InvalidParameter, match=r"sface-1.*dlib-1 cannot be compared"):
        search.faces(gallery.collection, _template(person, "dlib-1"), 0.0, 10)


def test_a_stored_template_of_another_face_model_is_never_compared(gallery: Gallery, search: Search) -> None:
    (person,) = _people(1)
    gallery.enrol(person)
    with gallery.database.write() as connection:
        connection.execute(update(schema.faces).values(face_model_version="dlib-1"))
    assert search.faces(gallery.collection, _template(person), 0.0, 10) == []


def test_every_acknowledged_change_is_seen_by_every_process(gallery: Gallery, database_url: str) -> None:
    """Two server processes on one database: what one has answered, the other's next search respects."""
    other_database = Database(database_url)
    here, there = Search(gallery.database), Search(other_database)
    try:
        people = _people(12)
        for person in people:
            (face,) = gallery.enrol(person)
            for search in (here, there):
                assert _ids(search.faces(gallery.collection, _template(person), 0.9, 5)) == [face.face_id]
            gallery.faces.delete(gallery.name, [face.face_id])
            for search in (there, here):
                assert search.faces(gallery.collection, _template(person), 0.9, 5) == []
    finally:
        here.close()
        there.close()
        other_database.close()


def test_a_user_is_found_by_all_of_their_faces(gallery: Gallery, search: Search) -> None:
    (person, stranger) = _people(2)
    faces = gallery.enrol(_like(person, 0.75, 1), _like(person, 0.75, 2), stranger)
    for name in ("ada", "empty"):
        gallery.users.create(gallery.name, name)
    assert search.users(gallery.collection, _template(person), -1.0, 5) == []
    ids = [face.face_id for face in faces[:2]]
    gallery.users.associate(gallery.name, "ada", ids, threshold=0, similarity=lambda cosine: 100.0)
    ((user, cosine),) = search.users(gallery.collection, _template(person), 0.5, 5)
    assert user == gallery.users.get(gallery.name, "ada")
    assert cosine > 0.8  # nearer than either face
    gallery.users.disassociate(gallery.name, "ada", ids[:1])
    ((_, cosine),) = search.users(gallery.collection, _template(person), 0.5, 5)
    assert cosine == pytest.approx(0.75, abs=1e-3)
    assert search.users(gallery.collection, _template(person), 0.5, 5, exclude="ada") == []
    gallery.users.delete(gallery.name, "ada")
    assert search.users(gallery.collection, _template(person), 0.5, 5) == []
    assert len(search.faces(gallery.collection, _template(person), 0.5, 5)) == 2


def test_a_deleted_collection_is_gone_and_its_name_starts_empty(gallery: Gallery, search: Search) -> None:
    (person,) = _people(1)
    gallery.enrol(person)
    assert search.faces(gallery.collection, _template(person), 0.9, 5)
    gallery.collections.delete(gallery.name)
    with pytest.raises(ResourceNotFound):
        search.faces(gallery.collection, _template(person), 0.9, 5)
    again = gallery.collections.create(gallery.name, VERSION)
    assert search.faces(again, _template(person), 0.9, 5) == []


def _within_seconds(condition: Callable[[], bool]) -> bool:
    """Whether it comes true; patient enough for a machine that has other things to do."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_an_erased_face_leaves_memory_without_a_search(gallery: Gallery, eager_search: Search) -> None:
    people = _people(3)
    faces = gallery.enrol(*people)
    assert eager_search.faces(gallery.collection, _template(people[0]), 0.9, 5)
    index = eager_search._projections[gallery.collection.key].faces.index
    assert index is not None
    gallery.faces.delete(gallery.name, [faces[0].face_id])
    assert _within_seconds(lambda: len(index) == 2)


def test_a_deleted_collection_leaves_memory_without_a_search(gallery: Gallery, eager_search: Search) -> None:
    gallery.enrol(*_people(3))
    eager_search.faces(gallery.collection, _template(_people(1)[0]), 0.9, 5)
    (projection,) = eager_search._projections.values()
    watched = weakref.ref(projection)
    del projection
    gallery.collections.delete(gallery.name)
    assert _within_seconds(lambda: watched() is None)


def test_everything_can_be_loaded_before_the_first_search(
    gallery: Gallery, search: Search, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = _people(2)
    elsewhere = Gallery(database, "photo-library")
    gallery.enrol(people[0])
    (face,) = elsewhere.enrol(people[1])
    search.load()
    monkeypatch.setattr(CollectionProjection, "load", None)  # from here on, loading anything would fail
    assert _ids(search.faces(elsewhere.collection, _template(people[1]), 0.9, 5)) == [face.face_id]
    assert search.faces(gallery.collection, _template(people[1]), 0.9, 5) == []


def test_the_index_is_rebuilt_when_changes_it_needs_were_pruned(gallery: Gallery, search: Search) -> None:
    people = _people(5)
    first = gallery.enrol(people[0])
    assert search.faces(gallery.collection, _template(people[0]), 0.9, 5)
    later = gallery.enrol(*people[1:])
    gallery.faces.delete(gallery.name, [first[0].face_id])
    with gallery.database.write() as connection:
        newest = connection.execute(select(func.max(schema.changes.c.seq))).scalar_one()
        connection.execute(delete(schema.changes).where(schema.changes.c.seq < newest))
    assert search.faces(gallery.collection, _template(people[0]), 0.9, 5) == []
    assert _ids(search.faces(gallery.collection, _template(people[3]), 0.9, 5)) == [later[2].face_id]


def test_the_index_is_rebuilt_when_all_changes_were_pruned(gallery: Gallery, search: Search) -> None:
    people = _people(2)
    gallery.enrol(people[0])
    assert search.faces(gallery.collection, _template(people[0]), 0.9, 5)
    (face,) = gallery.enrol(people[1])
    with gallery.database.write() as connection:
        connection.execute(delete(schema.changes))
    assert _ids(search.faces(gallery.collection, _template(people[1]), 0.9, 5)) == [face.face_id]


def test_a_failure_half_way_leaves_nothing_wrong(gallery: Gallery, search: Search) -> None:
    """A damaged template fails the search that meets it; once it is repaired, answers are right again."""
    people = _people(4)
    faces = gallery.enrol(*people[:2])
    assert search.faces(gallery.collection, _template(people[0]), 0.9, 5)
    more = gallery.enrol(*people[2:])
    gallery.faces.delete(gallery.name, [faces[0].face_id])
    good = select(schema.faces.c.template).where(schema.faces.c.key == more[1].key)
    with gallery.database.write() as connection:
        template = connection.execute(good).scalar_one()
        damaged = update(schema.faces).where(schema.faces.c.key == more[1].key).values(template=b"\xff" * 256)
        connection.execute(damaged)
    with pytest.raises(ValueError, match="unit norm"):
        search.faces(gallery.collection, _template(people[0]), 0.9, 5)
    with gallery.database.write() as connection:
        connection.execute(update(schema.faces).where(schema.faces.c.key == more[1].key).values(template=template))
    assert search.faces(gallery.collection, _template(people[0]), 0.9, 5) == []
    assert _ids(search.faces(gallery.collection, _template(people[3]), 0.9, 5)) == [more[1].face_id]


def test_a_face_erased_behind_the_back_of_the_index_is_not_answered(gallery: Gallery, search: Search) -> None:
    """The answer is read from the database, so even an index that is wrong cannot resurrect a face."""
    (person,) = _people(1)
    faces = gallery.enrol(person, _like(person, 0.9))
    assert len(search.faces(gallery.collection, _template(person), 0.5, 5)) == 2
    with gallery.database.write() as connection:
        connection.execute(delete(schema.faces).where(schema.faces.c.key == faces[0].key))
    assert _ids(search.faces(gallery.collection, _template(person), 0.5, 5)) == [faces[1].face_id]


def test_answers_are_right_and_full_while_faces_come_and_go(gallery: Gallery, search: Search) -> None:
    """Those who stay are found in every search; those who left before it began, in none."""
    people = _people(26)
    staying, passing = people[:20], people[20:]
    stay = gallery.enrol(*staying)
    done = threading.Event()
    gone: set[str] = set()

    def come_and_go() -> None:
        for person in passing:
            (face,) = gallery.enrol(person)
            gallery.faces.delete(gallery.name, [face.face_id])
            gone.add(face.face_id)

    def look(number: int) -> None:
        while not done.is_set():
            left = set(gone)
            found = search.faces(gallery.collection, _template(staying[number]), -1.0, 20)
            assert found[0][0] == stay[number]
            assert len(found) == 20
            assert left.isdisjoint(_ids(found))

    with ThreadPoolExecutor(4) as pool:
        looking = [pool.submit(look, number) for number in range(2)]
        try:
            pool.submit(come_and_go).result()
        finally:
            done.set()
        for one in looking:
            one.result()


def test_a_larger_collection_is_answered_as_a_plain_comparison_would(gallery: Gallery, search: Search) -> None:
    """Enough faces for coded segments, a bulk change while in memory, and the same answer from a fresh index."""
    collection = gallery.collection
    people = _people(18_000)
    _insert(gallery, people[:12_000])
    search.faces(collection, _template(people[0]), 0.9, 5)
    _insert(gallery, people[12_000:])
    with gallery.database.write() as connection:
        keys = connection.execute(select(schema.faces.c.key).order_by(schema.faces.c.key)).scalars().all()
        dropped = keys[3_000:5_000]
        connection.execute(delete(schema.faces).where(schema.faces.c.key.between(dropped[0], dropped[-1])))
        noted = [{"collection_key": collection.key, "face_key": key, "at": 0.0} for key in dropped]
        connection.execute(insert(schema.changes), noted)
    rows = people.astype(np.float16).astype(np.float32)
    rows[3_000:5_000] = 0
    fresh = Search(gallery.database)
    try:
        for number in (3, 12_001, 17_999):
            probe = _like(people[number], 0.6)
            scores = rows @ probe
            scores[3_000:5_000] = -9
            best = [keys[i] for i in np.argsort(-scores)[:25]]
            found = search.faces(collection, _template(probe), 0.1, 25)
            assert [face.key for face, _ in found] == best
            assert fresh.faces(collection, _template(probe), 0.1, 25) == found
    finally:
        fresh.close()


def _insert(gallery: Gallery, vectors: NDArray[np.float32]) -> None:
    """Many faces at once, as an import does."""
    offset = int(np.abs(vectors).sum() * 1000)
    packed = vectors.astype("<f2")
    with gallery.database.write() as connection:
        rows = [
            {
                "collection_key": gallery.collection.key,
                "face_id": f"{offset}-{number}",
                "image_id": "i",
                "box_left": 0.0,
                "box_top": 0.0,
                "box_width": 1.0,
                "box_height": 1.0,
                "confidence": 99.0,
                "face_model_version": VERSION,
                "template": template.tobytes(),
            }
            for number, template in enumerate(packed)
        ]
        keys = connection.execute(insert(schema.faces).returning(schema.faces.c.key), rows).scalars().all()
        noted = [{"collection_key": gallery.collection.key, "face_key": key, "at": 0.0} for key in keys]
        connection.execute(insert(schema.changes), noted)


def test_a_collection_that_never_was_is_not_found(search: Search) -> None:
    ghost = Collection(1, "ghost", VERSION, 0.0, 0, 0, "c-" + "0" * 32, "general", (), None)
    with pytest.raises(ResourceNotFound, match="ghost"):
        search.faces(ghost, _template(_people(1)[0]), 0.0, 1)
