"""Withheld candidates: several people look, none sees what another said, and only what all confirmed is told."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta

import pytest

from countenance.errors import AccessDenied, InvalidParameter, ResourceConflict, ResourceNotFound
from countenance.ledger import entries
from countenance.policy.vocabulary import OrganizationKind, Purpose
from countenance.review.cases import Candidate, Case
from countenance.service.administration import Administration
from tests.integration.simultaneous import outcomes

from .conftest import NOON, Clock, People
from .doings import everything, search, told_by, two_collections

UNKNOWN = "r-" + "0" * 32
MOMENT = timedelta(milliseconds=1)

NONE = frozenset[int]()
FIRST, SECOND, BOTH = frozenset({0}), frozenset({1}), frozenset({0, 1})


@pytest.fixture(autouse=True)
def _collections(administration: Administration, people: People) -> None:
    two_collections(administration, people)


@pytest.fixture
def case(administration: Administration, people: People) -> str:
    """Two candidates of a search that Sam made for a missing child, which two people must confirm."""
    found = search(administration, people("sam", Purpose.MISSING_CHILD), "missing", 2)
    assert found.review is not None
    return found.review


def judge(administration: Administration, people: People, case: str, **said: frozenset[int]) -> str:
    """What these people say, one after the other; where the case stands then."""
    state = ""
    for name, confirmed in said.items():
        state = administration.reviews.judge(people(name), case, confirmed).state
    return state


class TestLooking:
    def test_a_reviewer_sees_the_candidates_and_never_what_others_said(
        self, administration: Administration, people: People, case: str
    ) -> None:
        before = administration.reviews.candidates(people("kim"), case)
        judge(administration, people, case, pat=FIRST)
        shown, candidates = administration.reviews.candidates(people("kim"), case)
        assert candidates == before[1]
        assert [(one.place, one.similarity) for one in candidates] == [(0, 99.5), (1, 98.5)]
        assert candidates[0].subject == {"FaceId": "face-0", "ExternalImageId": "anna"}
        # The one thing that is different: how many have looked.
        assert (before[0].judged, shown.judged) == (0, 1)
        assert {field.name for field in fields(Candidate)} == {"place", "similarity", "subject"}
        assert not {"confirmed", "rejected", "verdicts"} & {field.name for field in fields(Case)}

    def test_nor_does_whoever_has_already_looked(
        self, administration: Administration, people: People, case: str
    ) -> None:
        judge(administration, people, case, pat=FIRST)
        _, candidates = administration.reviews.candidates(people("pat"), case)
        assert [one.place for one in candidates] == [0, 1]

    def test_whoever_searched_does_not_see_what_is_withheld(
        self, administration: Administration, people: People, case: str
    ) -> None:
        """It would not be withheld from anybody."""
        for purpose in (Purpose.MISSING_CHILD, Purpose.PHOTO_LIBRARY):
            with pytest.raises(AccessDenied, match="another person must"):
                administration.reviews.candidates(people("sam", purpose), case)
        judge(administration, people, case, pat=FIRST)
        with pytest.raises(AccessDenied, match="another person must"):
            administration.reviews.candidates(people("sam"), case)

    def test_other_organizations_do_not_even_know_of_it(
        self, administration: Administration, people: People, case: str
    ) -> None:
        for name in ("liv", "ann"):
            with pytest.raises(AccessDenied, match="belongs to another organization"):
                administration.reviews.candidates(people(name), case)
            with pytest.raises(AccessDenied, match="belongs to another organization"):
                administration.reviews.judge(people(name), case, NONE)
            assert administration.reviews.list(people(name)) == []
        for name in ("sam", "pat", "olu", None):
            assert [one.uid for one in administration.reviews.list(people(name))] == [case]
        assert administration.reviews.candidates(people("olu"), case)[0].judged == 0

    def test_a_case_that_there_is_not_is_named(self, administration: Administration, people: People) -> None:
        size = administration.ledger.size()
        for uid in (UNKNOWN, "whatever", ""):
            with pytest.raises(ResourceNotFound, match=f"no review case {uid}"):
                administration.reviews.candidates(people("pat"), uid)
            with pytest.raises(ResourceNotFound):
                administration.reviews.judge(people("pat"), uid, NONE)
            with pytest.raises(ResourceNotFound):
                administration.reviews.disclose(people("pat"), uid)
        outcomes = told_by(administration, size, entries.Outcome)
        assert [entry.refused for entry in outcomes] == ["ResourceNotFoundException"] * 9
        assert administration.ledger.dangling() == []


class TestJudging:
    def test_two_people_confirm_what_counts(self, administration: Administration, people: People, case: str) -> None:
        assert judge(administration, people, case, pat=BOTH) == "open"
        assert judge(administration, people, case, kim=FIRST) == "confirmed"

    def test_where_they_agree_on_nobody_it_is_nobody(
        self, administration: Administration, people: People, case: str
    ) -> None:
        assert judge(administration, people, case, pat=FIRST, kim=SECOND) == "rejected"

    def test_whoever_searched_is_none_of_them(self, administration: Administration, people: People, case: str) -> None:
        with pytest.raises(AccessDenied, match="Whoever searched cannot review"):
            judge(administration, people, case, sam=BOTH)
        assert judge(administration, people, case, pat=BOTH) == "open"

    def test_nobody_counts_twice(self, administration: Administration, people: People, case: str) -> None:
        judge(administration, people, case, pat=BOTH)
        for confirmed in (BOTH, NONE):
            with pytest.raises(AccessDenied, match="You have reviewed this case already"):
                judge(administration, people, case, pat=confirmed)
        assert administration.reviews.list(people())[0].judged == 1

    def test_nor_in_eight_windows_at_once(self, administration: Administration, people: People, case: str) -> None:
        pat = people("pat")
        seen = outcomes(8, lambda _: administration.reviews.judge(pat, case, BOTH).state, AccessDenied)
        assert seen.count("open") == 1
        assert sum("already" in str(one) for one in seen) == 7

    def test_when_more_look_at_once_than_must_the_others_are_told_that_it_is_over(
        self, administration: Administration, people: People, case: str
    ) -> None:
        callers = [people(name) for name in ("pat", "kim", "olu")]
        seen = outcomes(3, lambda n: administration.reviews.judge(callers[n], case, FIRST).state, ResourceConflict)
        assert (seen.count("open"), seen.count("confirmed")) == (1, 1)
        assert sum("nothing is left to review" in str(one) for one in seen) == 1

    def test_a_decided_case_stays_decided(self, administration: Administration, people: People, case: str) -> None:
        judge(administration, people, case, pat=NONE, kim=NONE)
        with pytest.raises(ResourceConflict, match="is rejected: nothing is left to review"):
            judge(administration, people, case, olu=BOTH)

    def test_only_candidates_that_there_are_can_be_confirmed(
        self, administration: Administration, people: People, case: str
    ) -> None:
        for places in ({2}, {0, 2}, {-1}):
            with pytest.raises(InvalidParameter, match="The case has candidates 0 to 1"):
                judge(administration, people, case, pat=frozenset(places))
        assert administration.reviews.list(people())[0].judged == 0

    def test_whoever_is_not_trained_does_not_look(
        self, administration: Administration, people: People, case: str, clock: Clock
    ) -> None:
        until = clock.now + timedelta(hours=1)
        administration.organizations.change_principal(people(), "pat", trained_until=until)
        pat = people("pat")
        clock.now = until - MOMENT
        administration.reviews.candidates(pat, case)
        clock.now = until
        for work in (
            lambda: administration.reviews.candidates(pat, case),
            lambda: administration.reviews.judge(pat, case, BOTH),
            lambda: administration.reviews.disclose(pat, case),
        ):
            with pytest.raises(AccessDenied, match="Your training is missing or has ended"):
                work()
        # Nor does the operator, whom nobody trains.
        with pytest.raises(AccessDenied, match="Your training is missing"):
            administration.reviews.candidates(people(), case)
        assert administration.reviews.list(people("kim"))[0].judged == 0


class TestDisclosure:
    def test_whoever_searched_is_told_what_all_confirmed_and_nothing_else(
        self, administration: Administration, people: People, case: str
    ) -> None:
        judge(administration, people, case, pat=BOTH, kim=SECOND)
        shown, found = administration.reviews.disclose(people("sam"), case)
        assert shown.state == "disclosed"
        assert [(one.place, one.subject["FaceId"]) for one in found] == [(1, "face-1")]
        again = administration.reviews.disclose(people("pat"), case)
        assert again == (shown, found)

    def test_of_a_rejected_case_nothing_is_told_and_nothing_is_counted(
        self, administration: Administration, people: People, case: str
    ) -> None:
        judge(administration, people, case, pat=FIRST, kim=SECOND)
        size = administration.ledger.size()
        for _ in range(3):
            shown, found = administration.reviews.disclose(people("sam"), case)
            assert (shown.state, found) == ("rejected", [])
        assert told_by(administration, size, entries.Review) == []
        assert [entry.review for entry in told_by(administration, size, entries.Outcome)] == [case] * 3

    def test_while_somebody_must_still_look_nothing_is_told(
        self, administration: Administration, people: People, case: str
    ) -> None:
        with pytest.raises(ResourceConflict, match="still needs the review of 2 more"):
            administration.reviews.disclose(people("sam"), case)
        judge(administration, people, case, pat=BOTH)
        with pytest.raises(ResourceConflict, match="still needs the review of 1 more"):
            administration.reviews.disclose(people("sam"), case)

    def test_no_other_organization_is_told(self, administration: Administration, people: People, case: str) -> None:
        administration.organizations.create(people(), "county", OrganizationKind.LAW_ENFORCEMENT)
        administration.organizations.create_principal(
            people(), "cal", "county", trained_until=NOON + timedelta(days=365)
        )
        judge(administration, people, case, pat=BOTH, kim=BOTH)
        for name in ("cal", "ann", "liv", "olu"):
            with pytest.raises(AccessDenied, match="belongs to another organization"):
                administration.reviews.disclose(people(name), case)
        assert administration.reviews.list(people())[0].state == "confirmed"

    def test_a_search_on_behalf_of_the_police_belongs_to_whoever_made_it(
        self, administration: Administration, people: People
    ) -> None:
        ann = people("ann", Purpose.MISSING_CHILD, beneficiary="police")
        case = str(search(administration, ann, "missing", 1).review)
        assert [one.uid for one in administration.reviews.list(people("pat"))] == []
        judge(administration, people, case, ben=FIRST, olu=FIRST)
        with pytest.raises(AccessDenied, match="belongs to another organization"):
            administration.reviews.disclose(people("pat"), case)
        assert len(administration.reviews.disclose(ann, case)[1]) == 1


class TestEntries:
    def test_every_step_says_who_looked_and_how_it_came_out(
        self, administration: Administration, people: People
    ) -> None:
        size = administration.ledger.size()
        case = str(search(administration, people("sam", Purpose.MISSING_CHILD), "missing", 2).review)
        judge(administration, people, case, pat=BOTH, kim=SECOND)
        administration.reviews.disclose(people("sam"), case)
        told = told_by(administration, size, entries.Review)
        assert [(entry.state, entry.confirmed, entry.rejected, entry.agreed) for entry in told] == [
            ("open", 0, 0, None),
            ("open", 0, 0, None),
            ("open", 2, 0, None),
            ("confirmed", 1, 1, 1),
            ("disclosed", 1, 0, None),
        ]
        (search_intent, *_) = told_by(administration, size, entries.Intent)
        assert {(entry.case, entry.use) for entry in told} == {(case, search_intent.use)}
        reviewers = [entry.reviewer and entry.reviewer.principal for entry in told]
        pat, kim, sam = (people(name).principal.uid for name in ("pat", "kim", "sam"))
        assert reviewers == [None, pat, None, kim, sam]
        closing = told_by(administration, size, entries.Outcome)
        assert [entry.review for entry in closing] == [case] * 4
        assert [entry.withheld for entry in closing] == [True, False, False, False]

    def test_the_second_reviewer_cannot_read_the_first_ones_verdict_in_the_ledger(
        self, administration: Administration, people: People, case: str
    ) -> None:
        """Blind means blind: until the case is decided nobody learns there what anybody found."""
        size = administration.ledger.size()
        judge(administration, people, case, pat=BOTH)
        (told,) = told_by(administration, size, entries.Review)
        assert (told.confirmed, told.rejected, told.agreed) == (0, 0, None)

    def test_looking_is_an_entry_too(self, administration: Administration, people: People, case: str) -> None:
        size = administration.ledger.size()
        administration.reviews.candidates(people("pat"), case)
        intent, outcome = told_by(administration, size, entries.Intent, entries.Outcome)
        assert (intent.action, intent.actor.principal) == ("ReviewCandidates", people("pat").principal.uid)
        assert outcome.review == case

    def test_who_was_found_is_nowhere_in_the_ledger(
        self, administration: Administration, people: People, case: str
    ) -> None:
        judge(administration, people, case, pat=BOTH, kim=BOTH)
        administration.reviews.disclose(people("sam"), case)
        kept = everything(administration)
        assert case.encode() in kept
        assert [name for name in (b"face-0", b"face-1", b"ExternalImageId") if name in kept] == []


class TestRetention:
    def test_a_case_goes_when_its_time_is_up(
        self, administration: Administration, people: People, case: str, clock: Clock
    ) -> None:
        due = NOON + timedelta(days=30)
        assert administration.reviews.list(people())[0].due == due
        judge(administration, people, case, pat=FIRST, kim=FIRST)
        clock.now = due - MOMENT
        assert administration.sweeper.sweep() == []
        administration.reviews.disclose(people("sam"), case)
        clock.now = due
        (told,) = administration.sweeper.sweep()
        assert told == entries.Deletion(reason="retention", reviews=1, review=case, due="2026-12-24T12:00:00.000Z")
        with pytest.raises(ResourceNotFound):
            administration.reviews.disclose(people("sam"), case)
        assert administration.reviews.list(people()) == []
