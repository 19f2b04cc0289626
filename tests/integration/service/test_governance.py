"""What a collection holds and what for: said by those who answer for it, and by nobody who would gain from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import pytest

from countenance.errors import AccessDenied, InvalidParameter, ResourceAlreadyExists, ResourceNotFound
from countenance.gallery.collections import Collection, Collections
from countenance.ledger import entries
from countenance.policy.vocabulary import Purpose, Sensitivity
from countenance.service.administration import Administration
from countenance.service.collections import PURPOSES_TAG, SENSITIVITY_TAG, CollectionAdministration
from countenance.vision.analysis import Vision

from .conftest import People
from .doings import VERSION, search, told_by

MISSING = {SENSITIVITY_TAG: "missing_persons"}
ARRESTS = {SENSITIVITY_TAG: "arrest_photos"}


@dataclass(frozen=True)
class Recognizer:
    """All that collections need of the models: which one new collections are bound to."""

    face_model_version: str = VERSION


@pytest.fixture
def collections(administration: Administration) -> CollectionAdministration:
    return CollectionAdministration(
        administration.uses, cast(Vision, Recognizer()), Collections(administration.database)
    )


def there(administration: Administration, name: str) -> Collection:
    return Collections(administration.database).get(name)


def governed(administration: Administration, name: str) -> tuple[str, tuple[str, ...]]:
    """What policies know of it."""
    collection = there(administration, name)
    return collection.sensitivity, collection.purposes


class TestCreating:
    def test_without_a_word_it_holds_anybody_for_any_purpose_and_has_an_owner(
        self, administration: Administration, people: People, collections: CollectionAdministration
    ) -> None:
        for name in (None, "sam", "ann", "liv"):
            size = administration.ledger.size()
            made = collections.create(people(name), f"of-{name}", {"colour": "blue"})
            assert (made.sensitivity, made.purposes) == ("general", ())
            assert made.owner == people(name).principal.organization.uid
            (outcome,) = told_by(administration, size, entries.Outcome)
            assert (outcome.collection, outcome.sensitivity, outcome.purposes) == (made.uid, "general", ())
            assert collections.tags(people(name), f"of-{name}") == {"colour": "blue"}

    @pytest.mark.parametrize("name", [None, "olu"])
    def test_the_operator_and_an_overseer_may_say_what_it_holds(
        self, administration: Administration, people: People, collections: CollectionAdministration, name: str | None
    ) -> None:
        size = administration.ledger.size()
        tags = {**MISSING, PURPOSES_TAG: "missing_child trafficking_victim", "colour": "blue"}
        made = collections.create(people(name), "missing", tags)
        assert governed(administration, "missing") == ("missing_persons", ("missing_child", "trafficking_victim"))
        assert collections.tags(people(name), "missing") == tags
        intents = [entry.action for entry in told_by(administration, size, entries.Intent)]
        assert intents == ["GovernCollection", "CreateCollection", "ListTagsForResource"]
        governing, creating, _ = told_by(administration, size, entries.Outcome)
        assert (governing.sensitivity, governing.purposes) == (creating.sensitivity, creating.purposes)
        assert creating.collection == made.uid

    @pytest.mark.parametrize("name", ["sam", "ann", "liv"])
    @pytest.mark.parametrize("tags", [MISSING, {PURPOSES_TAG: "missing_child"}, {SENSITIVITY_TAG: "general"}])
    def test_nobody_else_may(
        self,
        administration: Administration,
        people: People,
        collections: CollectionAdministration,
        name: str,
        tags: Mapping[str, str],
    ) -> None:
        with pytest.raises(AccessDenied, match="GovernCollection is denied"):
            collections.create(people(name), "gallery", tags)
        assert Collections(administration.database).find("gallery") is None

    def test_one_that_is_there_is_not_governed_by_making_it_again(
        self, administration: Administration, people: People, collections: CollectionAdministration
    ) -> None:
        collections.create(people(), "arrests", ARRESTS)
        with pytest.raises(ResourceAlreadyExists):
            collections.create(people(), "arrests", MISSING)
        assert governed(administration, "arrests") == ("arrest_photos", ())
        assert collections.tags(people(), "arrests") == ARRESTS

    def test_the_next_one_of_its_name_begins_anew(
        self, administration: Administration, people: People, collections: CollectionAdministration
    ) -> None:
        """Or a name that was once cleared would be cleared for whatever comes under it."""
        first = collections.create(people(), "gallery", MISSING)
        collections.delete(people(), "gallery")
        second = collections.create(people("sam"), "gallery", {})
        assert governed(administration, "gallery") == ("general", ())
        assert first.uid != second.uid
        with pytest.raises(AccessDenied, match="moratorium-2020"):
            search(administration, people("sam", Purpose.MISSING_CHILD), "gallery")


class TestLaundering:
    """Who may not search a gallery of arrests must not be able to call it something else."""

    @pytest.fixture(autouse=True)
    def _arrests(self, people: People, collections: CollectionAdministration) -> None:
        collections.create(people(), "arrests", ARRESTS)
        collections.create(people("sam"), "own", {"colour": "blue"})

    @pytest.mark.parametrize("collection", ["arrests", "own"])
    def test_the_police_cannot_tag_their_way_around_the_moratorium(
        self, administration: Administration, people: People, collections: CollectionAdministration, collection: str
    ) -> None:
        before, tags = governed(administration, collection), collections.tags(people(), collection)
        for attempt in (
            MISSING,
            {**MISSING, "colour": "red"},
            {PURPOSES_TAG: "missing_child"},
            {PURPOSES_TAG: ""},
            {SENSITIVITY_TAG: "general"},
        ):
            with pytest.raises(AccessDenied):
                collections.tag(people("sam", Purpose.MISSING_CHILD), collection, attempt)
        for keys in ([SENSITIVITY_TAG], [PURPOSES_TAG], [SENSITIVITY_TAG, PURPOSES_TAG, "colour"]):
            with pytest.raises(AccessDenied):
                collections.untag(people("sam", Purpose.MISSING_CHILD), collection, keys)
        assert governed(administration, collection) == before
        assert collections.tags(people(), collection) == tags
        with pytest.raises(AccessDenied, match="moratorium-2020"):
            search(administration, people("sam", Purpose.MISSING_CHILD), collection)

    def test_nor_can_they_by_a_tag_that_looks_like_one(
        self, administration: Administration, people: People, collections: CollectionAdministration
    ) -> None:
        alike = {
            "Countenance:Sensitivity": "missing_persons",
            "countenance:sensitivity ": "missing_persons",
            "countenance:sensitivity\u200b": "missing_persons",
            "sensitivity": "missing_persons",
        }
        collections.tag(people("sam"), "own", alike)
        assert governed(administration, "own") == ("general", ())
        with pytest.raises(AccessDenied, match="moratorium-2020"):
            search(administration, people("sam", Purpose.MISSING_CHILD), "own")

    def test_nor_with_the_help_of_others(self, people: People, collections: CollectionAdministration) -> None:
        for name in ("ann", "liv"):
            for work in (
                lambda name=name: collections.tag(people(name), "own", MISSING),
                lambda name=name: collections.untag(people(name), "arrests", [SENSITIVITY_TAG]),
            ):
                with pytest.raises(AccessDenied):
                    work()

    def test_an_ordinary_tag_is_their_own_business(
        self, administration: Administration, people: People, collections: CollectionAdministration
    ) -> None:
        collections.tag(people("sam"), "own", {"colour": "red"})
        collections.untag(people("sam"), "own", ["colour", "size"])
        assert collections.tags(people("sam"), "own") == {}
        with pytest.raises(AccessDenied, match="belongs to another organization"):
            collections.tag(people("sam"), "arrests", {"colour": "red"})

    def test_every_attempt_is_in_the_ledger(
        self, administration: Administration, people: People, collections: CollectionAdministration
    ) -> None:
        size = administration.ledger.size()
        for tags in (MISSING, {**MISSING, "colour": "red"}):
            with pytest.raises(AccessDenied):
                collections.tag(people("sam"), "own", tags)
        intents = told_by(administration, size, entries.Intent)
        decisions = told_by(administration, size, entries.Decision)
        assert [(entry.action, decision.effect) for entry, decision in zip(intents, decisions, strict=True)] == [
            ("GovernCollection", "deny"),
            ("TagResource", "allow"),
            ("GovernCollection", "deny"),
        ]
        assert {entry.collection for entry in intents} == {there(administration, "own").uid}
        assert {entry.actor.principal for entry in intents} == {people("sam").principal.uid}


class TestGoverning:
    @pytest.fixture(autouse=True)
    def _gallery(self, people: People, collections: CollectionAdministration) -> None:
        collections.create(people(), "gallery", {})

    @pytest.mark.parametrize("name", [None, "olu"])
    def test_what_is_said_counts_for_the_next_search(
        self, administration: Administration, people: People, collections: CollectionAdministration, name: str | None
    ) -> None:
        sam = people("sam", Purpose.MISSING_CHILD)
        with pytest.raises(AccessDenied, match="moratorium-2020"):
            search(administration, sam, "gallery")
        size = administration.ledger.size()
        collections.tag(people(name), "gallery", MISSING)
        assert not search(administration, sam, "gallery", 1).answered
        outcome, _ = told_by(administration, size, entries.Outcome)
        assert (outcome.collection, outcome.sensitivity, outcome.purposes) == (
            there(administration, "gallery").uid,
            "missing_persons",
            (),
        )
        collections.untag(people(name), "gallery", [SENSITIVITY_TAG])
        with pytest.raises(AccessDenied, match="moratorium-2020"):
            search(administration, sam, "gallery")

    def test_an_overseer_leaves_the_other_tags_of_others_alone(
        self, administration: Administration, people: People, collections: CollectionAdministration
    ) -> None:
        for tags in ({"colour": "red"}, {**MISSING, "colour": "red"}):
            with pytest.raises(AccessDenied, match="belongs to another organization"):
                collections.tag(people("olu"), "gallery", tags)
            with pytest.raises(AccessDenied, match="belongs to another organization"):
                collections.untag(people("olu"), "gallery", list(tags))
        assert governed(administration, "gallery") == ("general", ())
        assert collections.tags(people(), "gallery") == {}

    def test_purposes_keep_others_out_until_they_are_taken_back(
        self, administration: Administration, people: People, collections: CollectionAdministration
    ) -> None:
        collections.tag(people(), "gallery", {PURPOSES_TAG: "missing_child bias_test"})
        assert search(administration, people("ann", Purpose.MISSING_CHILD), "gallery").answered
        assert search(administration, people(None, Purpose.BIAS_TEST), "gallery").answered
        for caller in (people(), people("liv"), people("ann", Purpose.MISSING_PERSON)):
            with pytest.raises(AccessDenied, match="kept for other purposes"):
                search(administration, caller, "gallery")
        collections.untag(people(), "gallery", [PURPOSES_TAG])
        assert search(administration, people("liv"), "gallery").answered

    def test_each_of_the_two_stays_where_the_other_is_said_or_taken_back(
        self, administration: Administration, people: People, collections: CollectionAdministration
    ) -> None:
        collections.tag(people(), "gallery", {SENSITIVITY_TAG: "watchlist"})
        collections.tag(people(), "gallery", {PURPOSES_TAG: "bias_test"})
        assert governed(administration, "gallery") == ("watchlist", ("bias_test",))
        collections.untag(people(), "gallery", [SENSITIVITY_TAG, "colour"])
        assert governed(administration, "gallery") == ("general", ("bias_test",))
        assert collections.tags(people(), "gallery") == {PURPOSES_TAG: "bias_test"}
        collections.untag(people(), "gallery", [PURPOSES_TAG])
        assert governed(administration, "gallery") == ("general", ())

    @pytest.mark.parametrize(
        "tags",
        [
            {SENSITIVITY_TAG: "missing"},
            {SENSITIVITY_TAG: ""},
            {SENSITIVITY_TAG: "missing_persons "},
            {SENSITIVITY_TAG: "MISSING_PERSONS"},
            {PURPOSES_TAG: "missing_child,bias_test"},
            {PURPOSES_TAG: "missing_child fun"},
            {SENSITIVITY_TAG: "watchlist", PURPOSES_TAG: "fun"},
        ],
    )
    def test_words_that_nobody_knows_are_refused_with_those_there_are(
        self,
        administration: Administration,
        people: People,
        collections: CollectionAdministration,
        tags: Mapping[str, str],
    ) -> None:
        with pytest.raises(InvalidParameter, match=r"takes words of a closed list: .*(general|missing_child)"):
            collections.tag(people(), "gallery", tags)
        with pytest.raises(InvalidParameter):
            collections.create(people(), "another", tags)
        assert governed(administration, "gallery") == ("general", ())
        assert collections.tags(people(), "gallery") == {}
        assert Collections(administration.database).find("another") is None

    def test_every_word_of_the_lists_is_one(
        self, administration: Administration, people: People, collections: CollectionAdministration
    ) -> None:
        for word in Sensitivity:
            collections.tag(people(), "gallery", {SENSITIVITY_TAG: word})
            assert governed(administration, "gallery")[0] == word
        collections.tag(people(), "gallery", {PURPOSES_TAG: " ".join(Purpose)})
        assert governed(administration, "gallery")[1] == tuple(Purpose)

    def test_one_that_is_not_there_cannot_be_governed(
        self, administration: Administration, people: People, collections: CollectionAdministration
    ) -> None:
        for work in (
            lambda: collections.tag(people(), "nowhere", MISSING),
            lambda: collections.untag(people(), "nowhere", [SENSITIVITY_TAG]),
        ):
            with pytest.raises(ResourceNotFound, match="nowhere does not exist"):
                work()
        assert administration.ledger.dangling() == []
