"""Collections and their tags."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import select, update

from countenance.errors import ResourceAlreadyExists, ResourceNotFound, ServiceQuotaExceeded
from countenance.storage import schema

from .conftest import VERSION, Gallery


def test_a_new_collection_is_empty_and_bound_to_its_version(gallery: Gallery) -> None:
    before = time.time()
    created = gallery.collections.create("visitors", "model-2", {"team": "desk"})
    assert gallery.collections.get("visitors") == created
    assert (created.face_model_version, created.face_count, created.user_count) == ("model-2", 0, 0)
    assert before <= created.created_at <= time.time()
    assert gallery.collections.tags("visitors") == {"team": "desk"}


def test_an_id_can_be_taken_once(gallery: Gallery) -> None:
    with pytest.raises(ResourceAlreadyExists, match=r"^The collection id: staff already exists$"):
        gallery.collections.create("staff", VERSION)


def test_ids_are_case_sensitive(gallery: Gallery) -> None:
    gallery.collections.create("Staff", VERSION)
    gallery.collections.delete("Staff")
    assert gallery.collections.get("staff").collection_id == "staff"


def test_an_unknown_collection_is_named_whatever_is_asked_of_it(gallery: Gallery) -> None:
    for ask in (
        lambda: gallery.collections.get("nobody"),
        lambda: gallery.collections.delete("nobody"),
        lambda: gallery.collections.tags("nobody"),
        lambda: gallery.collections.tag("nobody", {"a": "b"}),
        lambda: gallery.collections.untag("nobody", ["a"]),
        lambda: gallery.faces.index("nobody", "image", None, [gallery.face()]),
        lambda: gallery.faces.adopt("nobody", []),
        lambda: gallery.faces.list("nobody", None, 10),
        lambda: gallery.faces.get("nobody", ["face"]),
        lambda: gallery.faces.template("nobody", "face"),
        lambda: gallery.faces.delete("nobody", ["face"]),
        lambda: gallery.users.create("nobody", "ann"),
        lambda: gallery.users.delete("nobody", "ann"),
        lambda: gallery.users.get("nobody", "ann"),
        lambda: gallery.users.template("nobody", "ann"),
        lambda: gallery.users.list("nobody", None, 10),
        lambda: gallery.associate("nobody", "ann"),
        lambda: gallery.users.disassociate("nobody", "ann", ["face"]),
    ):
        with pytest.raises(ResourceNotFound, match=r"^The collection id: nobody does not exist$"):
            ask()


def test_counts_follow_every_change(gallery: Gallery) -> None:
    ann = gallery.person()
    faces = gallery.enrol("staff", ann, ann, ann)
    gallery.users.create("staff", "ann")
    gallery.users.create("staff", "bob")
    assert (gallery.collections.get("staff").face_count, gallery.collections.get("staff").user_count) == (3, 2)
    gallery.faces.delete("staff", [faces[0].face_id, faces[0].face_id])
    gallery.users.delete("staff", "bob")
    assert (gallery.collections.get("staff").face_count, gallery.collections.get("staff").user_count) == (2, 1)


def test_a_deleted_collection_takes_everything_with_it(gallery: Gallery) -> None:
    (face,) = gallery.enrol("staff")
    gallery.users.create("staff", "ann")
    gallery.associate("staff", "ann", face)
    gallery.collections.tag("staff", {"a": "b"})
    gallery.collections.delete("staff")
    with gallery.database.read() as connection:
        for table in (schema.collections, schema.faces, schema.users, schema.tags):
            assert connection.execute(select(table)).all() == []
    gallery.collections.create("staff", VERSION)
    assert gallery.faces.list("staff", None, 10).items == ()
    assert gallery.collections.tags("staff") == {}


def test_listing_by_pages_gives_each_collection_once(gallery: Gallery) -> None:
    for number in range(7):
        gallery.collections.create(f"c{number}", VERSION)
    listed, after, pages = [], None, 0
    while True:
        page = gallery.collections.list(after, 3)
        listed += [collection.collection_id for collection in page.items]
        pages += 1
        if page.after is None:
            break
        after = page.after
    assert listed == ["staff", *(f"c{number}" for number in range(7))]
    assert pages == 3
    assert gallery.collections.list(after, 8).after is None


def test_tags_are_set_replaced_and_removed(gallery: Gallery) -> None:
    gallery.collections.tag("staff", {"a": "1", "b": "2"})
    gallery.collections.tag("staff", {"b": "3", "c": ""})
    gallery.collections.untag("staff", ["a", "never there"])
    assert gallery.collections.tags("staff") == {"b": "3", "c": ""}


def test_a_collection_has_at_most_200_tags(gallery: Gallery) -> None:
    gallery.collections.tag("staff", {f"k{number}": "" for number in range(199)})
    gallery.collections.tag("staff", {"k0": "again", "k199": ""})
    with pytest.raises(ServiceQuotaExceeded, match="200 tags"):
        gallery.collections.tag("staff", {"k0": "lost", "k200": ""})
    assert gallery.collections.tags("staff")["k0"] == "again"
    with pytest.raises(ServiceQuotaExceeded):
        gallery.collections.create("other", VERSION, {f"k{number}": "" for number in range(201)})
    with pytest.raises(ResourceNotFound):
        gallery.collections.get("other")


def test_a_full_collection_takes_no_more(gallery: Gallery) -> None:
    with gallery.database.write() as connection:
        connection.execute(update(schema.collections).values(face_count=19_999_999, user_count=10_000_000))
    with pytest.raises(ServiceQuotaExceeded, match="20000000 faces"):
        gallery.faces.index("staff", "image", None, [gallery.face(left=0.1), gallery.face(left=0.5)])
    assert gallery.faces.list("staff", None, 10).items == ()
    gallery.faces.index("staff", "image", None, [gallery.face()])
    with pytest.raises(ServiceQuotaExceeded, match="10000000 users"):
        gallery.users.create("staff", "ann")


def test_followers_are_told_of_every_put_and_drop(gallery: Gallery) -> None:
    ann = gallery.person()
    one, two = gallery.enrol("staff", ann, ann)
    gallery.users.create("staff", "ann")
    gallery.associate("staff", "ann", one)
    gallery.users.disassociate("staff", "ann", [one.face_id])
    gallery.users.delete("staff", "ann")
    gallery.faces.delete("staff", [one.face_id, two.face_id])
    key = gallery.collections.get("staff").key
    gallery.collections.delete("staff")
    with gallery.database.read() as connection:
        changes = connection.execute(select(schema.changes).order_by(schema.changes.c.seq)).all()
    user = next(change.user_key for change in changes if change.user_key is not None)
    assert [(change.collection_key, change.face_key, change.user_key) for change in changes] == [
        (key, one.key, None),
        (key, two.key, None),
        (key, None, user),  # created
        (key, None, user),  # associated
        (key, None, user),  # disassociated
        (key, None, user),  # deleted
        (key, one.key, None),
        (key, two.key, None),
        (key, None, None),  # the collection
    ]
