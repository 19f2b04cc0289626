"""The sweeper: what is due goes whether anybody asks or not, and the ledger says whether it went in time."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert, select

from countenance.errors import Unaccountable
from countenance.gallery.collections import Collections
from countenance.gallery.faces import Face, Faces, Kept
from countenance.gallery.limits import Limits
from countenance.gallery.users import Users, UserStatus
from countenance.ledger import entries
from countenance.ledger.entries import timestamp
from countenance.ledger.log import Ledger
from countenance.policy.packs import MANIFEST, OBLIGATIONS, POLICIES, Pack
from countenance.policy.vocabulary import LegalBasis, Purpose
from countenance.review.cases import Cases
from countenance.service import retention
from countenance.service.administration import Administration
from countenance.service.erasure import GRACE, Erasure
from countenance.service.retention import Sweeper
from countenance.storage import schema
from countenance.storage.salts import face_subject
from countenance.storage.templates import pack
from tests.integration.simultaneous import at_once

from .conftest import NOON, Clock, People
from .doings import VERSION, asked, changes, deletions, enrol, granted, new_faces, search, two_collections

MOMENT = timedelta(milliseconds=1)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def collections(administration: Administration, people: People) -> Collections:
    return two_collections(administration, people)


def put(administration: Administration, until: datetime | None, number: int = 1, to: str = "portraits") -> list[Face]:
    """Enrol so many faces that may stay until a time."""
    kept = None if until is None else Kept(None, until.timestamp())
    return Faces(administration.database).index(to, str(uuid.uuid4()), None, new_faces(number), kept=kept)


def left(administration: Administration, collection: str = "portraits") -> set[str]:
    return {face.face_id for face in Faces(administration.database).list(collection, None, 100).items}


def ids(faces: Sequence[Face]) -> set[str]:
    return {face.face_id for face in faces}


class TestFaces:
    def test_nothing_goes_before_it_is_due_and_everything_then(
        self, administration: Administration, clock: Clock, collections: Collections
    ) -> None:
        stays, later = put(administration, None), put(administration, NOON + 2 * DAY)
        due = put(administration, NOON + DAY, 3)
        size = administration.ledger.size()
        for clock.now in (NOON, NOON + DAY - MOMENT):
            assert administration.sweeper.sweep() == []
        assert administration.ledger.size() == size
        clock.now = NOON + DAY
        (told,) = administration.sweeper.sweep()
        assert told == entries.Deletion(
            reason="retention",
            collection=collections.get("portraits").uid,
            faces=3,
            due=timestamp(NOON + DAY),
            late=False,
        )
        (entry,) = deletions(administration, size)
        assert entry == told.model_copy(update={"at": timestamp(NOON + DAY)})
        assert left(administration) == ids(stays) | ids(later)
        assert not left(administration) & ids(due)
        assert administration.sweeper.sweep() == []

    @pytest.mark.parametrize(("after", "late"), [(GRACE, False), (GRACE + MOMENT, True), (30 * DAY, True)])
    def test_the_entry_says_when_it_came_too_late(
        self, administration: Administration, clock: Clock, after: timedelta, late: bool
    ) -> None:
        put(administration, NOON + DAY)
        clock.now = NOON + DAY + after
        (told,) = administration.sweeper.sweep()
        assert isinstance(told, entries.Deletion)
        assert (told.late, told.due) == (late, timestamp(NOON + DAY))

    def test_of_several_that_are_due_the_oldest_counts(self, administration: Administration, clock: Clock) -> None:
        put(administration, NOON + DAY)
        put(administration, NOON + 2 * DAY)
        clock.now = NOON + 2 * DAY
        (told,) = administration.sweeper.sweep()
        assert isinstance(told, entries.Deletion)
        assert (told.faces, told.late, told.due) == (2, True, timestamp(NOON + DAY))

    def test_each_collection_has_an_entry(
        self, administration: Administration, clock: Clock, collections: Collections
    ) -> None:
        put(administration, NOON + DAY, 2, "portraits")
        put(administration, NOON + DAY, 1, "missing")
        clock.now = NOON + DAY
        told = {(entry.collection, entry.faces) for entry in administration.sweeper.sweep()}  # type: ignore[attr-defined]
        assert told == {(collections.get("portraits").uid, 2), (collections.get("missing").uid, 1)}
        assert collections.get("portraits").face_count == collections.get("missing").face_count == 0

    def test_users_lose_them_too(self, administration: Administration, clock: Clock) -> None:
        users = Users(administration.database)
        (due,), (stays,) = put(administration, NOON + DAY), put(administration, None)
        users.create("portraits", "anna")
        users.associate("portraits", "anna", [due.face_id], threshold=0, similarity=lambda _: 100)
        users.create("portraits", "bert")
        users.associate("portraits", "bert", [stays.face_id], threshold=0, similarity=lambda _: 100)
        before = users.template("portraits", "bert")
        clock.now = NOON + DAY
        administration.sweeper.sweep()
        assert users.get("portraits", "anna").status is UserStatus.CREATED
        after = users.template("portraits", "bert")
        assert before is not None
        assert after is not None
        assert (before.vector == after.vector).all()

    def test_what_opened_the_ledgers_commitments_to_them_goes_too(
        self, administration: Administration, clock: Clock
    ) -> None:
        (due,), (stays,) = put(administration, NOON + DAY), put(administration, None)
        subjects = [face_subject(due.key), face_subject(stays.key)]
        administration.salts.of(subjects)
        clock.now = NOON + DAY
        administration.sweeper.sweep()
        assert administration.salts.find(subjects).keys() == {subjects[1]}

    def test_what_somebody_deleted_before_is_not_told_again(self, administration: Administration, clock: Clock) -> None:
        (one,), others = put(administration, NOON + DAY), put(administration, NOON + DAY, to="missing")
        assert others
        Faces(administration.database).delete("portraits", [one.face_id])
        Collections(administration.database).delete("missing")
        clock.now = NOON + DAY
        assert administration.sweeper.sweep() == []
        with administration.database.read() as connection:
            assert connection.execute(select(schema.limited_faces)).all() == []

    def test_a_retention_that_policy_demands_is_kept(
        self, administration: Administration, people: People, clock: Clock, collections: Collections
    ) -> None:
        """From the use that enrols, through its entry, to the erasure."""
        rule = 'permit (principal, action == Countenance::Action::"IndexFaces", resource);'
        short = Pack.from_files(
            {
                MANIFEST: 'name = "short"\ntitle = "A week"\nversion = "1"\nrequires = ["base"]\n',
                POLICIES: "",
                OBLIGATIONS: f'@id("week")\n@source("a test")\n@obligation("retention_days:7")\n{rule}\n',
            }
        )
        change = administration.policies.propose(people(), [short])
        administration.policies.approve(people("olu"), change.uid)
        faces, size = enrol(administration, people(), number=2), administration.ledger.size()
        (enrolment,) = [
            entry
            for entry in map(entries.read, administration.ledger.entries(0, size))
            if isinstance(entry, entries.Enrolment)
        ]
        assert enrolment.retain_until == timestamp(NOON + 7 * DAY)
        clock.now = NOON + 7 * DAY - MOMENT
        assert administration.sweeper.sweep() == []
        assert left(administration) == ids(faces)
        clock.now = NOON + 7 * DAY
        administration.sweeper.sweep()
        (told,) = deletions(administration, size)
        assert (told.faces, told.due) == (2, enrolment.retain_until)
        assert left(administration) == set()

    def test_more_than_a_statement_takes_go_at_once(
        self, administration: Administration, clock: Clock, collections: Collections
    ) -> None:
        """PostgreSQL takes 65,535 parameters in one statement, SQLite 32,766 where it was not built for more."""
        number = 40_000 if administration.database.is_sqlite else 70_000
        collection = collections.get("portraits")
        packed = pack(new_faces(1)[0].template.vector)
        same = {
            "collection_key": collection.key,
            "image_id": "image",
            "external_image_id": None,
            "box_left": 0.1,
            "box_top": 0.1,
            "box_width": 0.1,
            "box_height": 0.1,
            "confidence": 99.0,
            "face_model_version": VERSION,
            "template": packed,
            "user_key": None,
        }
        with administration.database.write() as connection:
            connection.execute(insert(schema.faces), [{**same, "face_id": f"face-{n}"} for n in range(number)])
            keys = connection.execute(select(schema.faces.c.key)).scalars().all()
            due = [{"face_key": key, "authorization": None, "due_at": NOON.timestamp()} for key in keys]
            connection.execute(insert(schema.limited_faces), due)
        (told,) = administration.sweeper.sweep()
        assert isinstance(told, entries.Deletion)
        assert told.faces == number
        assert left(administration) == set()


class TestCases:
    def test_withheld_candidates_go_when_they_are_due(
        self, administration: Administration, people: People, clock: Clock
    ) -> None:
        cases = [search(administration, people("sam", Purpose.MISSING_CHILD), "missing", 3).review for _ in range(2)]
        clock.now = NOON + 30 * DAY - MOMENT
        assert administration.sweeper.sweep() == []
        clock.now = NOON + 30 * DAY + GRACE + MOMENT
        due = timestamp(NOON + 30 * DAY)
        assert administration.sweeper.sweep() == [
            entries.Deletion(reason="retention", reviews=1, review=case, due=due, late=True) for case in cases
        ]
        with administration.database.read() as connection:
            for table in (schema.review_cases, schema.review_candidates, schema.review_verdicts):
                assert connection.execute(select(table)).all() == []


class TestAuthorizations:
    def test_the_end_of_one_is_told_once(self, administration: Administration, people: People, clock: Clock) -> None:
        order, size = granted(administration, people), administration.ledger.size()
        clock.now = order.valid_until - MOMENT
        administration.sweeper.sweep()
        clock.now = order.valid_until
        for _ in range(3):
            administration.sweeper.sweep()
        (told,) = changes(administration, size)
        assert (told.authorization, told.state, told.overdue, told.actor) == (order.uid, "expired", False, None)
        assert told.case == changes(administration)[0].case

    def test_an_emergency_that_nobody_approved_is_told_once_and_its_refusal_after_that(
        self, administration: Administration, people: People, clock: Clock
    ) -> None:
        emergency = asked(administration, people("sam"), basis=LegalBasis.EMERGENCY, emergency_hours=48)
        size = administration.ledger.size()
        clock.now = NOON + timedelta(hours=48)
        assert administration.sweeper.sweep() == []
        clock.now += MOMENT
        for _ in range(3):
            administration.sweeper.sweep()
        administration.authorizations.refuse(people("pat"), emergency.uid)
        told = changes(administration, size)
        assert [(entry.state, entry.overdue, entry.emergency) for entry in told] == [
            ("pending", True, True),
            ("refused", False, True),
        ]
        assert told[0].deadline == timestamp(NOON + timedelta(hours=48))

    def test_one_that_was_ended_before_does_not_end_again(
        self, administration: Administration, people: People, clock: Clock
    ) -> None:
        order = granted(administration, people)
        administration.authorizations.revoke(people(), order.uid)
        clock.now = order.valid_until
        assert administration.sweeper.sweep() == []


class TestUnaccountable:
    @pytest.fixture
    def unwritable(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
        """Nothing can be recorded, until this is undone."""

        def refuse(*_: object, **__: object) -> list[int]:
            raise Unaccountable("The ledger cannot be written: no space left on device.")

        with monkeypatch.context() as patch:
            patch.setattr(Ledger, "append", refuse)
            yield patch

    def test_what_was_erased_and_could_not_be_recorded_is_told_later_and_once(
        self, administration: Administration, people: People, clock: Clock, request: pytest.FixtureRequest
    ) -> None:
        order, faces = granted(administration, people), put(administration, NOON + DAY)
        search(administration, people("sam", Purpose.MISSING_CHILD), "missing", 1)
        size = administration.ledger.size()
        clock.now = max(order.valid_until, NOON + 30 * DAY)
        patch = request.getfixturevalue("unwritable")
        for _ in range(3):
            with pytest.raises(Unaccountable, match="no space left"):
                administration.sweeper.sweep()
        assert not left(administration) & ids(faces)
        # Nothing more is erased before that is told.
        put(administration, NOON + DAY)
        with pytest.raises(Unaccountable):
            administration.sweeper.sweep()
        assert len(left(administration)) == 1
        assert administration.ledger.size() == size
        patch.undo()
        administration.sweeper.sweep()
        assert [entry.state for entry in changes(administration, size)] == ["expired"]
        assert [(entry.faces, entry.reviews) for entry in deletions(administration, size)] == [(1, 0), (0, 1), (1, 0)]
        assert left(administration) == set()
        assert administration.sweeper.sweep() == []

    def test_a_clock_that_was_set_back_erases_nothing(self, administration: Administration, clock: Clock) -> None:
        put(administration, NOON - 2 * DAY)
        clock.now = NOON - DAY
        with pytest.raises(Unaccountable, match="clock"):
            administration.sweeper.sweep()
        assert len(left(administration)) == 1
        clock.now = NOON
        administration.sweeper.sweep()
        assert left(administration) == set()

    def test_of_what_went_before_something_failed_there_is_an_entry(
        self, administration: Administration, people: People, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(administration, NOON + DAY)
        search(administration, people("sam", Purpose.MISSING_CHILD), "missing", 1)
        clock.now = NOON + 30 * DAY
        size = administration.ledger.size()

        def fail(*_: object) -> bool:
            raise OSError("the database went away")

        with monkeypatch.context() as patch:
            patch.setattr(Cases, "erase", fail)
            with pytest.raises(OSError, match="went away"):
                administration.sweeper.sweep()
        assert left(administration) == set()
        administration.sweeper.sweep()
        assert [(entry.faces, entry.reviews) for entry in deletions(administration, size)] == [(1, 0), (0, 1)]


class TestServers:
    def test_of_several_on_one_database_each_tells_what_it_did(
        self, administration: Administration, people: People, clock: Clock
    ) -> None:
        for _ in range(5):
            search(administration, people("sam", Purpose.MISSING_CHILD), "missing", 1)
            granted(administration, people)
        put(administration, NOON + DAY, 5)
        size = administration.ledger.size()
        clock.now = NOON + 40 * DAY
        authorizations = administration.authorizations._authorizations
        erasure = Erasure(Limits(administration.database), Cases(administration.database), administration.ledger)
        sweepers = [Sweeper(administration.uses, authorizations, erasure) for _ in range(4)]
        at_once(4, lambda n: sweepers[n].sweep())
        told = deletions(administration, size)
        assert sum(entry.faces for entry in told) == 5
        assert sum(entry.reviews for entry in told) == 5
        assert [entry.state for entry in changes(administration, size)] == ["expired"] * 5

    def test_its_rounds_go_on_when_one_of_them_fails(
        self, administration: Administration, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention, "ROUND_SECONDS", 0.02)
        put(administration, NOON + DAY)
        clock.now = NOON - DAY
        administration.sweeper.start()
        clock.now = NOON + DAY
        deadline = time.monotonic() + 30
        while left(administration) and time.monotonic() < deadline:
            time.sleep(0.02)
        administration.sweeper.close()
        assert left(administration) == set()
        assert len(deletions(administration)) == 1
