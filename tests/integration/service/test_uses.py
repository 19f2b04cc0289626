"""Decided before the work, recorded before the answer: on real databases, through the real gate and ledger."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from structlog.testing import capture_logs

from countenance.errors import AccessDenied, ResourceNotFound, Unaccountable
from countenance.gallery.collections import Collections, Governance
from countenance.ledger import entries
from countenance.ledger.log import Ledger
from countenance.policy.vocabulary import LegalBasis, Purpose
from countenance.service.actions import Action
from countenance.service.administration import Administration
from countenance.service.records import CANDIDATES_PER_ENTRY, Candidate
from countenance.service.uses import released
from countenance.storage.salts import commitment, face_subject
from tests.integration.service.conftest import People, ledger_of

VERSION = "1.0"


@pytest.fixture(autouse=True)
def gallery(administration: Administration) -> Collections:
    """Two collections: one of anything, one kept for missing persons."""
    collections = Collections(administration.database)
    collections.create("portraits", VERSION)
    collections.create("missing", VERSION, governance=Governance("missing_persons"))
    return collections


def since(administration: Administration, size: int) -> list[entries.AnyEntry]:
    return ledger_of(administration)[size:]


def face(number: int, similarity: float = 99.0) -> Candidate:
    return Candidate(similarity, f"face-{number}", face_subject(number), {"FaceId": f"face-{number}"})


class TestOrder:
    def test_intent_and_decision_are_in_the_ledger_before_the_work_and_the_outcome_before_the_answer(
        self, administration: Administration, people: People
    ) -> None:
        before = administration.ledger.size()
        with released() as answer:
            with administration.uses.use(people(), Action.SEARCH_FACES, "portraits", threshold=90.0, limit=10) as use:
                intent, decision = since(administration, before)
                assert isinstance(intent, entries.Intent)
                assert isinstance(decision, entries.Decision)
                assert (intent.action, intent.purpose, intent.threshold) == ("SearchFaces", "photo_library", 90.0)
                assert decision.effect == "allow"
                assert [use for use, _, _ in administration.ledger.dangling()] == [intent.use]
                use.disclose([])
            outcome = since(administration, before)[2]
        assert isinstance(outcome, entries.Outcome)
        assert outcome.candidates == ()
        assert {intent.use, decision.use, outcome.use} == {intent.use}
        assert answer.receipt == before + 2
        assert administration.ledger.dangling() == []

    def test_a_denial_names_its_policies_and_what_would_change_it_and_is_recorded(
        self, administration: Administration, people: People
    ) -> None:
        before = administration.ledger.size()
        ran = False
        sam = people("sam", Purpose.CRIMINAL_INVESTIGATION)
        with (
            released() as answer,
            pytest.raises(AccessDenied, match=r"moratorium-2020: police.*What would change it"),
            administration.uses.use(sam, Action.SEARCH_FACES, "portraits", threshold=99.0, limit=10),
        ):
            ran = True
        assert not ran
        intent, decision = since(administration, before)
        assert isinstance(intent, entries.Intent)
        assert isinstance(decision, entries.Decision)
        assert decision.effect == "deny"
        assert ("moratorium-2020", "police") in [(policy.pack, policy.id) for policy in decision.policies]
        assert decision.unlock
        assert answer.receipt == before + 1
        # A denial is the end of a use: nothing of it dangles.
        assert administration.ledger.dangling() == []

    def test_a_refusal_is_recorded_and_still_raised(self, administration: Administration, people: People) -> None:
        before = administration.ledger.size()
        with (
            pytest.raises(ResourceNotFound),
            administration.uses.use(people(), Action.SEARCH_FACES, "nowhere", threshold=90.0, limit=1) as use,
        ):
            assert use.collection is None
        outcome = since(administration, before)[-1]
        assert isinstance(outcome, entries.Outcome)
        assert outcome.refused == "ResourceNotFoundException"

    def test_a_failure_is_recorded_by_its_kind_without_its_words(
        self, administration: Administration, people: People
    ) -> None:
        with (
            capture_logs() as logs,
            pytest.raises(ValueError, match="a name"),
            administration.uses.use(people(), Action.DETECT_FACES),
        ):
            raise ValueError("a name, perhaps")
        outcome = ledger_of(administration)[-1]
        assert isinstance(outcome, entries.Outcome)
        assert outcome.failed == "ValueError"
        assert "a name" not in str(logs)
        assert "a name" not in str(list(administration.ledger.entries(0, administration.ledger.size())))


class TestUnaccountable:
    @pytest.fixture
    def unwritable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """From here on nothing can be recorded."""

        def refuse(*_: object, **__: object) -> list[int]:
            raise Unaccountable("The ledger cannot be written: no space left on device.")

        monkeypatch.setattr(Ledger, "append", refuse)

    def test_what_cannot_be_announced_is_not_done(
        self, administration: Administration, people: People, request: pytest.FixtureRequest
    ) -> None:
        caller, ran = people(), False
        request.getfixturevalue("unwritable")
        with pytest.raises(Unaccountable, match="no space"), administration.uses.use(caller, Action.DETECT_FACES):
            ran = True
        assert not ran

    def test_what_cannot_be_recorded_is_not_answered(
        self, administration: Administration, people: People, request: pytest.FixtureRequest
    ) -> None:
        def search() -> str:
            with administration.uses.use(people(), Action.SEARCH_FACES, "portraits", threshold=90.0, limit=1) as use:
                use.disclose([])
                request.getfixturevalue("unwritable")
                return "the answer"

        with pytest.raises(Unaccountable, match="no space"):
            search()
        # What was begun and never recorded is there for everybody to see.
        assert len(administration.ledger.dangling()) == 1


class TestObligations:
    def test_a_case_withholds_candidates_and_a_null_result_is_answered(
        self, administration: Administration, people: People
    ) -> None:
        sam = people("sam", Purpose.MISSING_CHILD)
        with (
            released() as answer,
            administration.uses.use(sam, Action.SEARCH_FACES, "missing", threshold=90.0, limit=100) as use,
        ):
            assert use.disclose([face(1), face(2, 91.0)]) is False
        assert answer.review is not None
        review, outcome = ledger_of(administration)[-2:]
        assert isinstance(review, entries.Review)
        assert isinstance(outcome, entries.Outcome)
        assert (outcome.withheld, outcome.review, review.case) == (True, answer.review, answer.review)
        # A score is as good as a name to whoever can repeat the search: it is not told while they are withheld.
        assert [candidate.similarity for candidate in outcome.candidates or ()] == [None, None]
        case, candidates = administration.reviews.candidates(people("pat"), answer.review)
        assert case.required == 2
        assert [dict(candidate.subject) for candidate in candidates] == [{"FaceId": "face-1"}, {"FaceId": "face-2"}]
        with (
            released() as nothing,
            administration.uses.use(sam, Action.SEARCH_FACES, "missing", threshold=90.0, limit=100) as use,
        ):
            assert use.disclose([]) is True
        assert nothing.review is None

    def test_candidates_are_capped_and_associations_that_cannot_be_withheld_denied(
        self, administration: Administration, people: People
    ) -> None:
        sam = people("sam", Purpose.MISSING_CHILD)
        with administration.uses.use(sam, Action.SEARCH_FACES, "missing", threshold=90.0, limit=4096) as use:
            assert use.limit == 50
            use.disclose([])
        with (
            pytest.raises(AccessDenied, match="cannot keep back"),
            administration.uses.use(sam, Action.ASSOCIATE_FACES, "missing", threshold=90.0),
        ):
            pass

    def test_an_authorization_that_is_not_known_opens_nothing(
        self, administration: Administration, people: People
    ) -> None:
        caller = people(None, Purpose.PHOTO_LIBRARY, authorization="a-" + "0" * 32)
        with pytest.raises(AccessDenied, match="not known"), administration.uses.use(caller, Action.DETECT_FACES):
            pass

    def test_an_authorization_serves_the_case_it_was_given_for_and_no_other(
        self, administration: Administration, people: People
    ) -> None:
        asked = administration.authorizations.request(
            people("ann"),
            purpose=Purpose.MISSING_CHILD,
            basis=LegalBasis.MISSING_PERSON_ORDER,
            case_reference="2026-117",
        )
        administration.authorizations.approve(people(), asked.uid)
        for case, allowed in (("2026-117", True), ("2026-118", False)):
            ann = people("ann", Purpose.MISSING_CHILD, authorization=asked.uid, case=case)
            with (
                nullcontext() if allowed else pytest.raises(AccessDenied, match="the case must be the one"),
                administration.uses.use(ann, Action.SEARCH_FACES, "portraits", threshold=80.0, limit=10) as use,
            ):
                use.disclose([])

    def test_an_authorization_permits_as_many_searches_as_it_says(
        self, administration: Administration, people: People
    ) -> None:
        asked = administration.authorizations.request(
            people("ann"),
            purpose=Purpose.MISSING_CHILD,
            basis=LegalBasis.MISSING_PERSON_ORDER,
            case_reference="2026-117",
            max_uses=1,
        )
        administration.authorizations.approve(people(), asked.uid)
        ann = people("ann", Purpose.MISSING_CHILD, authorization=asked.uid)
        with administration.uses.use(ann, Action.SEARCH_FACES, "portraits", threshold=80.0, limit=10) as use:
            use.disclose([])
        with (
            pytest.raises(AccessDenied, match="no uses left"),
            administration.uses.use(ann, Action.SEARCH_FACES, "portraits", threshold=80.0, limit=10),
        ):
            pass


class TestCommitments:
    def test_a_candidate_is_opened_by_its_salt_and_by_nothing_else(
        self, administration: Administration, people: People
    ) -> None:
        with administration.uses.use(people(), Action.SEARCH_FACES, "portraits", threshold=90.0, limit=10) as use:
            use.disclose([face(7)])
        outcome = ledger_of(administration)[-1]
        assert isinstance(outcome, entries.Outcome)
        (candidate,) = outcome.candidates or ()
        salt = administration.salts.find([face_subject(7)])[face_subject(7)]
        assert candidate.commitment == commitment(salt, "candidate", outcome.use, "face-7")
        assert candidate.commitment != commitment(bytes(16), "candidate", outcome.use, "face-7")

    def test_the_same_face_cannot_be_followed_from_search_to_search(
        self, administration: Administration, people: People
    ) -> None:
        seen = set()
        for _ in range(3):
            with administration.uses.use(people(), Action.SEARCH_FACES, "portraits", threshold=90.0, limit=10) as use:
                use.disclose([face(7)])
            outcome = ledger_of(administration)[-1]
            assert isinstance(outcome, entries.Outcome)
            seen |= {candidate.commitment for candidate in outcome.candidates or ()}
        assert len(seen) == 3

    def test_more_candidates_than_an_entry_holds_come_in_several(
        self, administration: Administration, people: People
    ) -> None:
        before, many = administration.ledger.size(), CANDIDATES_PER_ENTRY + 1
        with (
            released() as answer,
            administration.uses.use(people(), Action.SEARCH_FACES, "portraits", threshold=0.0, limit=4096) as use,
        ):
            use.disclose([face(number) for number in range(many)])
        _, _, first, last = since(administration, before)
        assert isinstance(first, entries.Outcome)
        assert isinstance(last, entries.Outcome)
        assert (first.continued, last.continued) == (True, False)
        assert len(first.candidates or ()) + len(last.candidates or ()) == many
        assert answer.receipt == before + 3
        assert administration.ledger.dangling() == []

    def test_a_case_reference_is_committed_to_and_never_written(
        self, administration: Administration, people: People
    ) -> None:
        ann = people("ann", Purpose.MISSING_CHILD, case="DOE, JANE 2026-117")
        with administration.uses.use(ann, Action.SEARCH_FACES, "portraits", threshold=80.0, limit=10) as use:
            use.disclose([])
        leaves = b"".join(administration.ledger.entries(0, administration.ledger.size()))
        assert b"DOE" not in leaves
        assert b"2026-117" not in leaves
        intent = ledger_of(administration)[-3]
        assert isinstance(intent, entries.Intent)
        assert intent.case is not None
