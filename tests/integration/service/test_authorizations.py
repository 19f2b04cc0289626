"""Asking for an authorization, deciding on it, and what a refusal takes with it."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, select

from countenance.errors import AccessDenied, InvalidParameter, ResourceConflict, ResourceNotFound
from countenance.gallery.collections import Collections
from countenance.gallery.faces import Face, Faces, NewFace
from countenance.gallery.users import Users, UserStatus
from countenance.ledger import entries
from countenance.policy.authorizations import Authorization
from countenance.policy.vocabulary import LegalBasis, OrganizationKind, Purpose
from countenance.service.actions import Action
from countenance.service.administration import Administration
from countenance.service.callers import Caller
from countenance.storage import schema
from countenance.storage.salts import commitment, face_subject

from .conftest import NOON, Clock, People, ledger_of
from .doings import (
    asked,
    changes,
    deletions,
    enrol,
    everything,
    granted,
    new_faces,
    search,
    told_by,
    two_collections,
)

MOMENT = timedelta(milliseconds=1)
CASE = "DOE, JANE (born 2015) 2026-117"


@pytest.fixture(autouse=True)
def collections(administration: Administration, people: People) -> Collections:
    return two_collections(administration, people)


def urgent(administration: Administration, people: People, by: str = "sam", **others: Any) -> Authorization:
    """An emergency about a missing child."""
    usual = {"purpose": Purpose.MISSING_CHILD, "basis": LegalBasis.EMERGENCY, "emergency_hours": 24}
    return asked(administration, people(by), **usual | others)


class TestEntries:
    def test_each_step_says_who_and_what_and_nothing_of_the_case(
        self, administration: Administration, people: People, collections: Collections
    ) -> None:
        size = administration.ledger.size()
        order = asked(
            administration, people("sam"), case_reference=CASE, approvals_needed=2, collections=["missing", "portraits"]
        )
        for name in ("pat", "olu"):
            administration.authorizations.approve(people(name), order.uid)
        administration.authorizations.revoke(people(), order.uid)
        told = changes(administration, size)
        assert [entry.state for entry in told] == ["pending", "pending", "granted", "revoked"]
        actors = [people(name).principal.uid for name in ("sam", "pat", "olu", None)]
        assert [entry.actor and entry.actor.principal for entry in told] == actors
        police = people("sam").principal.organization
        for entry in told:
            assert (entry.authorization, entry.organization) == (order.uid, police.uid)
            assert (entry.basis, entry.purpose, entry.emergency) == ("court_order", "criminal_investigation", False)
            assert entry.collections == (collections.get("missing").uid, collections.get("portraits").uid)
            assert (entry.valid_from, entry.valid_until) == ("2026-11-24T12:00:00.000Z", "2026-12-24T12:00:00.000Z")
            assert (entry.deadline, entry.overdue, entry.beneficiary) == (None, False, None)
        assert len({entry.case for entry in told}) == 1
        assert told[0].case is not None
        # The entry that closes each use names the authorization that it was about.
        closing = [entry.granted for entry in told_by(administration, size, entries.Outcome)]
        assert closing == [order.uid] * 4

    def test_a_use_under_it_names_it_and_the_same_case(self, administration: Administration, people: People) -> None:
        order = granted(
            administration,
            people,
            "ann",
            purpose=Purpose.MISSING_CHILD,
            basis=LegalBasis.MISSING_PERSON_ORDER,
            case_reference=CASE,
        )
        size = administration.ledger.size()
        search(administration, people("ann", Purpose.MISSING_CHILD, authorization=order.uid))
        (intent,) = told_by(administration, size, entries.Intent)
        assert (intent.authorization, intent.legal_basis) == (order.uid, "missing_person_order")
        assert intent.case == changes(administration)[-1].case

    def test_the_same_reference_of_another_organization_is_another_case(
        self, administration: Administration, people: People
    ) -> None:
        size = administration.ledger.size()
        asked(administration, people("sam"), case_reference=CASE)
        asked(administration, people("sam"), case_reference=CASE)
        asked(administration, people("sam"), case_reference=CASE + "a")
        asked(administration, people("ann"), case_reference=CASE)
        first, again, other, elsewhere = (entry.case for entry in changes(administration, size))
        assert first == again
        assert len({first, other, elsewhere}) == 3

    def test_for_whom_it_is_is_told_where_it_is_somebody_else(
        self, administration: Administration, people: People
    ) -> None:
        size = administration.ledger.size()
        asked(administration, people("ann"), purpose=Purpose.MISSING_CHILD, beneficiary="police")
        (entry,) = changes(administration, size)
        police = people("sam").principal.organization
        assert entry.beneficiary == entries.Beneficiary(
            organization=police.uid, organization_kind=OrganizationKind.LAW_ENFORCEMENT
        )

    def test_what_was_not_granted_leaves_no_change(self, administration: Administration, people: People) -> None:
        order, size = asked(administration, people("sam")), administration.ledger.size()
        with pytest.raises(AccessDenied, match="cannot decide on it"):
            administration.authorizations.approve(people("sam"), order.uid)
        with pytest.raises(AccessDenied, match="cannot decide on it"):
            administration.authorizations.refuse(people("sam"), order.uid)
        for name in ("ann", "liv"):
            with pytest.raises(AccessDenied, match="No policy permits it"):
                administration.authorizations.approve(people(name), order.uid)
        with pytest.raises(ResourceNotFound):
            administration.authorizations.approve(people("pat"), "a-" + "0" * 32)
        with pytest.raises(ResourceNotFound):
            administration.authorizations.approve(people("pat"), "whatever")
        assert changes(administration, size) == []
        refusals = [entry.refused for entry in told_by(administration, size, entries.Outcome)]
        assert refusals == ["AccessDeniedException"] * 2 + ["ResourceNotFoundException"] * 2

    def test_no_case_reference_is_anywhere_in_the_ledger(
        self, administration: Administration, people: People, settings: Any
    ) -> None:
        """Not in clear, not encoded, not under a hash that somebody could try names against."""
        order = granted(administration, people, case_reference=CASE)
        refused = asked(administration, people("sam"), case_reference=CASE, collections=["missing"])
        administration.authorizations.refuse(people("pat"), refused.uid)
        sam = people("sam", Purpose.CRIMINAL_INVESTIGATION, authorization=order.uid)
        with pytest.raises(AccessDenied):
            search(administration, sam)
        enrol(administration, sam)
        with pytest.raises(AccessDenied):
            search(administration, people("sam", Purpose.CRIMINAL_INVESTIGATION, case=CASE))
        clear = CASE.encode()
        secrets = [clear, b"DOE, JANE", b"2026-117", clear.hex().encode(), base64.b64encode(clear)[:-4]]
        for digest in (hashlib.sha256(clear), hashlib.sha1(clear), hashlib.md5(clear)):
            secrets += [digest.digest(), digest.hexdigest().encode()]
        kept = everything(administration)
        assert order.uid.encode() in kept
        assert [secret for secret in secrets if secret in kept] == []
        files = [path.read_bytes() for path in settings.data.glob("ledger.sqlite*")]
        assert [secret for secret in secrets if any(secret in file for file in files)] == []


class TestAsking:
    @pytest.mark.parametrize("hours", [1, 23, 25, 72, 0, -24])
    def test_an_emergency_has_one_of_two_deadlines(
        self, administration: Administration, people: People, hours: int
    ) -> None:
        with pytest.raises(InvalidParameter, match="within 24 or 48 hours"):
            urgent(administration, people, emergency_hours=hours)
        assert changes(administration) == []

    def test_an_emergency_without_a_deadline_and_a_deadline_without_one_are_neither(
        self, administration: Administration, people: People
    ) -> None:
        for wrong in ({"basis": LegalBasis.EMERGENCY}, {"emergency_hours": 24}):
            with pytest.raises(InvalidParameter, match="An emergency has a deadline"):
                asked(administration, people("sam"), **wrong)
        assert changes(administration) == []

    def test_it_is_for_collections_and_organizations_that_there_are(
        self, administration: Administration, people: People
    ) -> None:
        with pytest.raises(ResourceNotFound, match="The collection id: nowhere does not exist"):
            asked(administration, people("sam"), collections=["portraits", "nowhere"])
        with pytest.raises(ResourceNotFound, match="no organization named nobody"):
            asked(administration, people("sam"), beneficiary="nobody")
        assert administration.authorizations.list(people()) == []

    def test_another_department_decides_on_nothing_of_ours(
        self, administration: Administration, people: People
    ) -> None:
        """Two departments cannot approve each other, nor refuse what the other one found."""
        operator = people()
        administration.organizations.create(operator, "sheriff", OrganizationKind.LAW_ENFORCEMENT)
        trained = NOON + timedelta(days=365)
        administration.organizations.create_principal(operator, "dee", "sheriff", trained_until=trained)
        asked = urgent(administration, people)
        decisions = administration.authorizations
        for decide in (decisions.approve, decisions.refuse, decisions.revoke):
            with pytest.raises(AccessDenied, match="another organization's"):
                decide(people("dee"), asked.uid)
        assert decisions.approve(operator, asked.uid).state == "granted"

    def test_who_may_not_ask_is_not_answered(self, administration: Administration, people: People) -> None:
        administration.organizations.change_principal(people(), "sam", suspended=True)
        with pytest.raises(AccessDenied, match="You have been suspended"):
            asked(administration, people("sam"))
        assert administration.authorizations.list(people()) == []

    def test_whose_case_it_is_is_nobody_elses_business(self, administration: Administration, people: People) -> None:
        """The list names cases in clear: it is for those who hold them, and those who are asked to decide."""
        administration.organizations.create(people(), "county", OrganizationKind.LAW_ENFORCEMENT)
        administration.organizations.create_principal(people(), "cal", "county", trained_until=NOON)
        own = asked(administration, people("sam"), case_reference=CASE).uid
        other = asked(administration, people("ann"), purpose=Purpose.MISSING_CHILD, beneficiary="police").uid
        seen = {
            name: [one.uid for one in administration.authorizations.list(people(name))]
            for name in (None, "olu", "pat", "ann", "liv", "cal")
        }
        both = [own, other]
        assert seen == {None: both, "olu": both, "pat": both, "ann": [other], "liv": [], "cal": []}

    def test_it_is_for_the_collection_and_not_for_a_later_one_of_its_name(
        self, administration: Administration, people: People, collections: Collections
    ) -> None:
        order = granted(administration, people, "ann", purpose=Purpose.MISSING_CHILD, collections=["portraits"])
        ann = people("ann", Purpose.MISSING_CHILD, authorization=order.uid)
        assert search(administration, ann).answered
        with pytest.raises(AccessDenied, match=r"other collections|this one"):
            search(administration, ann, "missing")
        collections.delete("portraits")
        collections.create("portraits", "1.0")
        with pytest.raises(AccessDenied):
            search(administration, ann)


class TestUses:
    def test_it_permits_from_the_approval_to_the_end_of_its_time(
        self, administration: Administration, people: People, clock: Clock
    ) -> None:
        order = asked(administration, people("ann"), purpose=Purpose.MISSING_CHILD)
        ann = people("ann", Purpose.MISSING_CHILD, authorization=order.uid)
        with pytest.raises(AccessDenied, match="The authorization is not granted"):
            search(administration, ann)
        administration.authorizations.approve(people(), order.uid)
        clock.now = order.valid_until - MOMENT
        assert search(administration, ann).answered
        clock.now = order.valid_until
        with pytest.raises(AccessDenied, match="The authorization has expired"):
            search(administration, ann)

    def test_one_that_begins_later_permits_nothing_before(
        self, administration: Administration, people: People, clock: Clock
    ) -> None:
        begins = clock.now + timedelta(days=1)
        order = granted(administration, people, "ann", purpose=Purpose.MISSING_CHILD, valid_from=begins)
        assert order.valid_until == begins + timedelta(days=30)
        ann = people("ann", Purpose.MISSING_CHILD, authorization=order.uid)
        clock.now = begins - MOMENT
        with pytest.raises(AccessDenied, match="not valid yet"):
            search(administration, ann)
        clock.now = begins
        assert search(administration, ann).answered

    @pytest.mark.parametrize("end", ["refuse", "revoke"])
    def test_one_that_was_ended_permits_nothing(self, administration: Administration, people: People, end: str) -> None:
        order = asked(administration, people("ann"), purpose=Purpose.MISSING_CHILD)
        getattr(administration.authorizations, end)(people(), order.uid)
        with pytest.raises(AccessDenied, match="The authorization is not granted"):
            search(administration, people("ann", Purpose.MISSING_CHILD, authorization=order.uid))

    @pytest.mark.parametrize(
        ("caller", "reason"),
        [
            (("ben", Purpose.MISSING_CHILD), None),
            (("ann", Purpose.MISSING_PERSON), "for another purpose"),
            (("liv", Purpose.PHOTO_LIBRARY), "for another"),
        ],
    )
    def test_it_is_for_the_organization_that_asked_and_the_purpose_that_was_asked_for(
        self, administration: Administration, people: People, caller: tuple[str, Purpose], reason: str | None
    ) -> None:
        order = granted(administration, people, "ann", purpose=Purpose.MISSING_CHILD)
        acting = people(*caller, authorization=order.uid)
        if reason is None:
            assert search(administration, acting).answered
            return
        with pytest.raises(AccessDenied, match=reason):
            search(administration, acting)

    def test_a_denied_use_takes_none_of_those_there_are(self, administration: Administration, people: People) -> None:
        order = granted(administration, people, "ann", purpose=Purpose.MISSING_CHILD, max_uses=1)
        for purpose in (Purpose.MISSING_PERSON, Purpose.PHOTO_LIBRARY):
            with pytest.raises(AccessDenied):
                search(administration, people("ann", purpose, authorization=order.uid))
        ann = people("ann", Purpose.MISSING_CHILD, authorization=order.uid)
        enrol(administration, ann)
        assert search(administration, ann).answered
        with pytest.raises(AccessDenied, match="no uses left"):
            search(administration, ann)
        (left,) = administration.authorizations.list(people())
        assert left.uses == 1


class TestEmergencies:
    def test_it_is_usable_at_once_and_blocks_its_owner_from_the_moment_after_its_deadline(
        self, administration: Administration, people: People, clock: Clock
    ) -> None:
        emergency = urgent(administration, people)
        sam = people("sam", Purpose.MISSING_CHILD, authorization=emergency.uid)
        without = people("sam", Purpose.MISSING_CHILD)
        assert emergency.deadline == clock.now + timedelta(hours=24)
        for now in (clock.now, emergency.deadline):
            clock.now = now
            assert search(administration, sam, "missing").answered
            assert search(administration, without, "missing").answered
        clock.now += MOMENT
        for caller in (sam, without):
            with pytest.raises(AccessDenied, match="An emergency of yours was not approved by its deadline"):
                search(administration, caller, "missing")
        # Nobody else has that debt, and nobody else has the emergency any more.
        assert search(administration, people("pat", Purpose.MISSING_CHILD), "missing").answered
        with pytest.raises(AccessDenied, match="The emergency was not approved by its deadline"):
            search(administration, people("pat", Purpose.MISSING_CHILD, authorization=emergency.uid), "missing")

    @pytest.mark.parametrize("decide", ["approve", "refuse"])
    def test_somebody_elses_decision_lets_its_owner_go_on(
        self, administration: Administration, people: People, clock: Clock, decide: str
    ) -> None:
        emergency, sam = urgent(administration, people), people("sam", Purpose.MISSING_CHILD)
        clock.passes(hours=30)
        with pytest.raises(AccessDenied, match="An emergency of yours"):
            search(administration, sam, "missing")
        with pytest.raises(AccessDenied, match="cannot decide on it"):
            getattr(administration.authorizations, decide)(sam, emergency.uid)
        getattr(administration.authorizations, decide)(people("pat"), emergency.uid)
        assert search(administration, sam, "missing").answered

    def test_its_owner_cannot_take_it_back_and_keep_what_it_brought(
        self, administration: Administration, people: People, clock: Clock
    ) -> None:
        emergency = urgent(administration, people)
        sam = people("sam", Purpose.MISSING_CHILD, authorization=emergency.uid)
        enrol(administration, sam)
        clock.passes(hours=30)
        for name in ("sam", "pat", None):
            with pytest.raises(ResourceConflict, match="another person must approve or refuse it"):
                administration.authorizations.revoke(people(name), emergency.uid)
        with pytest.raises(AccessDenied, match="An emergency of yours"):
            search(administration, people("sam", Purpose.MISSING_CHILD), "missing")

    def test_an_approval_that_comes_after_all_its_time_is_told_as_one(
        self, administration: Administration, people: People, clock: Clock
    ) -> None:
        emergency = urgent(administration, people, valid_until=clock.now + timedelta(hours=1))
        clock.passes(hours=30)
        size = administration.ledger.size()
        administration.authorizations.approve(people("pat"), emergency.uid)
        administration.sweeper.sweep()
        assert [(entry.state, entry.overdue) for entry in changes(administration, size)] == [
            ("granted", False),
            ("expired", False),
        ]


@pytest.fixture
def under(administration: Administration, people: People) -> Caller:
    """Sam, who acts under an emergency of his."""
    return people("sam", Purpose.MISSING_CHILD, authorization=urgent(administration, people).uid)


def templates(administration: Administration, table: Table, names: list[str]) -> list[bytes]:
    """What the database has of these faces or users."""
    name = table.c.face_id if table is schema.faces else table.c.user_id
    with administration.database.read() as connection:
        return list(connection.execute(select(table.c.template).where(name.in_(names))).scalars())


def in_files(path: Path, secrets: list[bytes]) -> list[bytes]:
    """Which of these are in the SQLite database or its write-ahead log, whole or in part."""
    kept = b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))
    return [secret for secret in secrets if any(secret[at : at + 16] in kept for at in range(0, len(secret), 16))]


class TestRefusal:
    def refuse(self, administration: Administration, people: People, under: Caller) -> list[entries.Deletion]:
        """Pat refuses what Sam asked for; what that erased, as the ledger has it."""
        assert under.authorization is not None
        size = administration.ledger.size()
        administration.authorizations.refuse(people("pat"), under.authorization)
        told = deletions(administration, size)
        assert all(entry.reason == "refusal" and entry.authorization == under.authorization for entry in told)
        assert all((entry.due, entry.late, entry.use) == (None, False, None) for entry in told)
        order = [entry.kind for entry in ledger_of(administration)[size:]]
        assert order == ["intent", "decision", "authorization_change", *["deletion"] * len(told), "outcome"]
        return told

    def faces(self, administration: Administration, collection: str) -> set[str]:
        return {face.face_id for face in Faces(administration.database).list(collection, None, 100).items}

    def test_the_faces_that_were_enrolled_under_it_are_gone_and_no_others(
        self, administration: Administration, people: People, under: Caller, collections: Collections
    ) -> None:
        before = enrol(administration, people(), number=2)
        gone = [*enrol(administration, under, number=3), *enrol(administration, under, "missing", 1)]
        other = urgent(administration, people, "pat")
        kept = enrol(administration, people("pat", Purpose.MISSING_CHILD, authorization=other.uid), number=2)
        told = self.refuse(administration, people, under)
        assert {(entry.collection, entry.faces) for entry in told} == {
            (collections.get("portraits").uid, 3),
            (collections.get("missing").uid, 1),
        }
        left = self.faces(administration, "portraits") | self.faces(administration, "missing")
        assert left == {face.face_id for face in [*before, *kept]}
        assert not left & {face.face_id for face in gone}
        assert (collections.get("portraits").face_count, collections.get("missing").face_count) == (4, 0)

    def test_users_lose_them_and_are_recognised_by_what_is_left(
        self, administration: Administration, people: People, under: Caller
    ) -> None:
        users = Users(administration.database)
        (own,), (gone,), (only,) = (
            enrol(administration, people()),
            enrol(administration, under),
            enrol(administration, under),
        )
        for user_id, faces in (("anna", [own, gone]), ("bert", [only])):
            users.create("portraits", user_id)
            ids = [face.face_id for face in faces]
            users.associate("portraits", user_id, ids, threshold=0, similarity=lambda _: 100)
        (of_both,) = templates(administration, schema.users, ["anna"])
        (told,) = self.refuse(administration, people, under)
        assert told.faces == 2
        (of_one,) = templates(administration, schema.users, ["anna"])
        (face,) = templates(administration, schema.faces, [own.face_id])
        assert of_one == face != of_both
        assert users.get("portraits", "anna").status is UserStatus.ACTIVE
        assert users.get("portraits", "bert").status is UserStatus.CREATED
        assert users.template("portraits", "bert") is None

    def test_of_the_templates_no_byte_is_left_in_any_file(
        self, administration: Administration, people: People, under: Caller, settings: Any
    ) -> None:
        (own,) = enrol(administration, people())
        gone = enrol(administration, under, number=5)
        users = Users(administration.database)
        users.create("portraits", "anna")
        ids = [face.face_id for face in [own, *gone]]
        users.associate("portraits", "anna", ids, threshold=0, similarity=lambda _: 100)
        secrets = templates(administration, schema.faces, [face.face_id for face in gone])
        secrets += templates(administration, schema.users, ["anna"])
        subjects = [face_subject(face.key) for face in gone]
        secrets += administration.salts.of(subjects).values()
        assert len(secrets) == 11
        path = settings.data / "countenance.sqlite"
        assert in_files(path, secrets) == (secrets if administration.database.is_sqlite else [])
        self.refuse(administration, people, under)
        assert in_files(path, secrets) == []
        assert administration.salts.find(subjects) == {}
        assert templates(administration, schema.faces, [face.face_id for face in gone]) == []
        remaining = templates(administration, schema.faces, [own.face_id])
        assert in_files(path, remaining) == (remaining if administration.database.is_sqlite else [])

    def test_what_was_withheld_is_gone_too(self, administration: Administration, people: People, under: Caller) -> None:
        cases = [search(administration, under, "missing", 2).review for _ in range(2)]
        kept = search(administration, people("sam", Purpose.MISSING_CHILD), "missing", 1).review
        told = self.refuse(administration, people, under)
        assert [(entry.reviews, entry.review, entry.faces, entry.collection) for entry in told] == [
            (1, case, 0, None) for case in cases
        ]
        for case in cases:
            with pytest.raises(ResourceNotFound, match="no review case"):
                administration.reviews.candidates(people("pat"), str(case))
        assert [case.uid for case in administration.reviews.list(people())] == [kept]
        with administration.database.read() as connection:
            assert len(connection.execute(select(schema.review_candidates)).all()) == 1

    def test_also_what_was_confirmed_and_told(
        self, administration: Administration, people: People, under: Caller
    ) -> None:
        case = str(search(administration, under, "missing", 1).review)
        for name in ("pat", "kim"):
            administration.reviews.judge(people(name), case, frozenset({0}))
        administration.reviews.disclose(people("sam"), case)
        (told,) = self.refuse(administration, people, under)
        assert told.reviews == 1
        with pytest.raises(ResourceNotFound):
            administration.reviews.disclose(people("sam"), case)
        with administration.database.read() as connection:
            for table in (schema.review_cases, schema.review_candidates, schema.review_verdicts):
                assert connection.execute(select(table)).all() == []

    def test_which_photos_were_looked_at_cannot_be_confirmed_any_more(
        self, administration: Administration, people: People, under: Caller
    ) -> None:
        """The commitments stay in the ledger, which still verifies; what opens them is in no file."""
        with administration.uses.use(under, Action.SEARCH_FACES, "missing", threshold=80.0, limit=10) as use:
            use.record.probe("ab" * 32)
            use.disclose([])
        outcome = ledger_of(administration)[-1]
        assert isinstance(outcome, entries.Outcome)
        salts = administration.ledger.salts([use.record.use])
        assert commitment(salts[use.record.use], "probe", "ab" * 32) == outcome.probes[0]
        (told,) = self.refuse(administration, people, under)
        assert told.commitments == 1
        assert administration.ledger.salts([use.record.use]) == {}
        assert in_files(administration.settings.data / "ledger.sqlite", list(salts.values())) == []

    def test_where_nothing_was_made_nothing_is_said_to_be_erased(
        self, administration: Administration, people: People, under: Caller
    ) -> None:
        assert self.refuse(administration, people, under) == []

    def test_what_was_enrolled_again_without_it_goes_all_the_same(
        self, administration: Administration, people: People, under: Caller
    ) -> None:
        """Sending the same photo once more must not make it lawful."""
        (face,) = enrol(administration, under)
        with administration.database.read() as connection:
            row = connection.execute(select(schema.faces)).one()
        assert row.face_id == face.face_id
        again = self._index_again(administration, people("sam", Purpose.MISSING_CHILD), face)
        assert [one.face_id for one in again] == [face.face_id]
        (told,) = self.refuse(administration, people, under)
        assert told.faces == 1
        assert self.faces(administration, "portraits") == set()

    def _index_again(self, administration: Administration, caller: Caller, face: Face) -> list[Face]:
        faces = Faces(administration.database)
        template = faces.template("portraits", face.face_id)
        with administration.uses.use(caller, Action.INDEX_FACES, "portraits") as use:
            new = [NewFace(face.bounding_box, face.confidence, template)]
            again = faces.index("portraits", face.image_id, None, new, kept=use.kept_until(caller.authorization))
            use.enrolled(len(again))
            return again

    def test_an_approval_keeps_everything(self, administration: Administration, people: People, under: Caller) -> None:
        (face,) = enrol(administration, under)
        case = str(search(administration, under, "missing", 1).review)
        size = administration.ledger.size()
        administration.authorizations.approve(people("pat"), str(under.authorization))
        with pytest.raises(ResourceConflict):
            administration.authorizations.refuse(people("kim"), str(under.authorization))
        administration.sweeper.sweep()
        assert deletions(administration, size) == []
        assert self.faces(administration, "portraits") == {face.face_id}
        assert administration.reviews.candidates(people("pat"), case)[0].uid == case

    def test_what_a_use_leaves_that_was_under_way_is_swept(
        self, administration: Administration, people: People, under: Caller
    ) -> None:
        """It was allowed before the refusal and stored after it."""
        with administration.uses.use(under, Action.INDEX_FACES, "portraits") as use:
            administration.authorizations.refuse(people("pat"), str(under.authorization))
            Faces(administration.database).index(
                "portraits", "image", None, new_faces(2), kept=use.kept_until(under.authorization)
            )
            use.enrolled(2)
        size = administration.ledger.size()
        administration.sweeper.sweep()
        (told,) = deletions(administration, size)
        assert (told.reason, told.authorization, told.faces) == ("refusal", under.authorization, 2)
        assert self.faces(administration, "portraits") == set()
        assert administration.sweeper.sweep() == []
