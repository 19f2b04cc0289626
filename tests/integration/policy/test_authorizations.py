"""Authorizations: who asks does not decide, what is urgent is owed for, and everything ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from countenance.errors import AccessDenied, CountenanceError, InvalidParameter, ResourceConflict, ResourceNotFound
from countenance.policy.authorizations import Authorization, Authorizations, Terms
from countenance.policy.vocabulary import AuthorizationState, LegalBasis, Offence, Purpose
from countenance.storage.database import Database
from countenance.storage.principals import Principal
from tests.integration.simultaneous import at_once, outcomes

from .conftest import DAY, MOMENT, NOON, Party

PENDING, GRANTED = AuthorizationState.PENDING, AuthorizationState.GRANTED
REFUSED, EXPIRED, REVOKED = AuthorizationState.REFUSED, AuthorizationState.EXPIRED, AuthorizationState.REVOKED

UNKNOWN = "a-" + "0" * 32

Asking = Callable[..., Authorization]


@pytest.fixture
def authorizations(database: Database) -> Authorizations:
    return Authorizations(database)


def terms(party: Party, **others: Any) -> Terms:
    """A court order for thirty days, or what is said instead."""
    usual: dict[str, Any] = {
        "purpose": Purpose.CRIMINAL_INVESTIGATION,
        "basis": LegalBasis.COURT_ORDER,
        "case_reference": "2026-117",
        "valid_from": NOON,
        "valid_until": NOON + 30 * DAY,
        "beneficiary": party["sam"].organization,
    }
    return Terms(**usual | others)


def urgent(hours: int = 24) -> dict[str, Any]:
    return {"basis": LegalBasis.EMERGENCY, "deadline": NOON + timedelta(hours=hours)}


@pytest.fixture
def asked(authorizations: Authorizations, party: Party) -> Asking:
    """What Sam of the police asks for at noon."""

    def ask(by: str = "sam", **others: Any) -> Authorization:
        return authorizations.request(party[by], terms(party, **others), NOON)

    return ask


class TestAsking:
    def test_what_is_asked_for_is_pending_and_kept_as_it_was_asked(
        self, authorizations: Authorizations, party: Party
    ) -> None:
        collections = ("c-" + "1" * 32, "c-" + "2" * 32)
        asked = authorizations.request(
            party["ann"],
            terms(
                party,
                purpose=Purpose.MISSING_CHILD,
                basis=LegalBasis.MISSING_PERSON_ORDER,
                case_reference="Fräulein Ünder, Az. 7/26 — \N{CHILD}",
                valid_from=NOON + DAY,
                valid_until=NOON + 2 * DAY + MOMENT,
                offence=Offence.HUMAN_TRAFFICKING,
                targeted=True,
                collections=collections,
                approvals_needed=2,
                max_uses=7,
            ),
            NOON,
        )
        assert asked == authorizations.get(asked.uid, NOON)
        assert (asked.state, asked.approvals, asked.uses, asked.overdue) == (PENDING, 0, 0, False)
        assert (asked.requester, asked.organization) == (party["ann"].uid, party["ann"].organization.uid)
        assert (asked.beneficiary, asked.beneficiary_kind) == (party["sam"].organization.uid, "law_enforcement")
        assert asked.case_reference == "Fräulein Ünder, Az. 7/26 — \N{CHILD}"
        facts = asked.facts
        assert (facts.holder, facts.beneficiary) == (asked.organization, asked.beneficiary)
        assert (facts.issued, facts.valid_from, facts.valid_until) == (NOON, NOON + DAY, NOON + 2 * DAY + MOMENT)
        assert (facts.offence, facts.targeted, facts.collections) == ("human_trafficking", True, frozenset(collections))
        assert (facts.deadline, facts.approvals, facts.uses_left) == (None, 0, 7)

    def test_all_are_listed_oldest_first(self, authorizations: Authorizations, asked: Asking) -> None:
        uids = [asked(by=name).uid for name in ("sam", "ann", "pat")]
        assert [one.uid for one in authorizations.list(NOON)] == uids
        assert len(set(uids)) == 3

    @pytest.mark.parametrize(
        ("others", "sentence"),
        [
            ({"valid_until": NOON}, "must end after it begins"),
            ({"valid_until": NOON - MOMENT}, "must end after it begins"),
            ({"basis": LegalBasis.EMERGENCY}, "An emergency has a deadline"),
            ({"deadline": NOON + DAY}, "nothing else has one"),
            ({"approvals_needed": 0}, "at least one approval"),
            ({"approvals_needed": -1}, "at least one approval"),
            ({"approvals_needed": 2**40}, "at most"),
            ({"max_uses": 0}, "at least one use"),
            ({"max_uses": -1}, "at least one use"),
            ({"max_uses": 2**40}, "at most"),
            ({"case_reference": ""}, "A case reference is a line of text"),
            ({"case_reference": " \t"}, "A case reference is a line of text"),
            ({"case_reference": "1\n2"}, "A case reference is a line of text"),
            ({"case_reference": "1\x00"}, "A case reference is a line of text"),
            ({"case_reference": "x" * 256}, "at most 255 characters"),
        ],
    )
    def test_terms_that_make_no_sense_are_refused(
        self, authorizations: Authorizations, asked: Asking, others: dict[str, Any], sentence: str
    ) -> None:
        with pytest.raises(InvalidParameter, match=sentence):
            asked(**others)
        assert authorizations.list(NOON) == []

    def test_one_that_there_is_not_cannot_be_read_or_decided_on(
        self, authorizations: Authorizations, party: Party
    ) -> None:
        assert authorizations.find(UNKNOWN, NOON) is None
        assert not authorizations.take(UNKNOWN)
        for work in (
            lambda: authorizations.get(UNKNOWN, NOON),
            lambda: authorizations.decide(UNKNOWN, party["pat"], NOON, approved=True),
            lambda: authorizations.revoke(UNKNOWN, NOON),
        ):
            with pytest.raises(ResourceNotFound, match=f"no authorization {UNKNOWN}"):
                work()


class TestDeciding:
    def test_one_other_person_grants(self, authorizations: Authorizations, party: Party, asked: Asking) -> None:
        granted = authorizations.decide(asked().uid, party["pat"], NOON, approved=True)
        assert (granted.state, granted.approvals) == (GRANTED, 1)
        assert granted == authorizations.get(granted.uid, NOON)

    @pytest.mark.parametrize("approved", [True, False])
    def test_whoever_asked_decides_nothing(
        self, authorizations: Authorizations, party: Party, asked: Asking, approved: bool
    ) -> None:
        uid = asked().uid
        with pytest.raises(AccessDenied, match="another person must"):
            authorizations.decide(uid, party["sam"], NOON, approved=approved)
        assert authorizations.get(uid, NOON).state is PENDING
        assert authorizations.get(uid, NOON).approvals == 0

    def test_it_takes_as_many_different_people_as_it_says(
        self, authorizations: Authorizations, party: Party, asked: Asking
    ) -> None:
        uid = asked(approvals_needed=3).uid
        for count, name in enumerate(("pat", "kim"), start=1):
            still = authorizations.decide(uid, party[name], NOON, approved=True)
            assert (still.state, still.approvals) == (PENDING, count)
            with pytest.raises(AccessDenied, match="You have approved this authorization already"):
                authorizations.decide(uid, party[name], NOON, approved=True)
        assert authorizations.get(uid, NOON).approvals == 2
        assert authorizations.decide(uid, party["olu"], NOON, approved=True).state is GRANTED

    def test_one_refusal_ends_it_whoever_has_approved_before(
        self, authorizations: Authorizations, party: Party, asked: Asking
    ) -> None:
        uid = asked(approvals_needed=2).uid
        authorizations.decide(uid, party["pat"], NOON, approved=True)
        refused = authorizations.decide(uid, party["kim"], NOON, approved=False)
        assert (refused.state, refused.approvals) == (REFUSED, 1)
        for approved in (True, False):
            with pytest.raises(ResourceConflict, match="is refused and cannot be decided on any more"):
                authorizations.decide(uid, party["olu"], NOON, approved=approved)
        assert authorizations.get(uid, NOON + 60 * DAY).state is REFUSED

    def test_who_approved_cannot_refuse_as_well(
        self, authorizations: Authorizations, party: Party, asked: Asking
    ) -> None:
        uid = asked(approvals_needed=2).uid
        authorizations.decide(uid, party["pat"], NOON, approved=True)
        with pytest.raises(AccessDenied, match="already"):
            authorizations.decide(uid, party["pat"], NOON, approved=False)
        assert authorizations.get(uid, NOON).state is PENDING

    @pytest.mark.parametrize("approved", [True, False])
    def test_what_was_granted_is_not_refused_afterwards(
        self, authorizations: Authorizations, party: Party, asked: Asking, approved: bool
    ) -> None:
        uid = asked().uid
        authorizations.decide(uid, party["pat"], NOON, approved=True)
        with pytest.raises(ResourceConflict, match="is granted and cannot be decided on"):
            authorizations.decide(uid, party["kim"], NOON, approved=approved)
        assert authorizations.get(uid, NOON).state is GRANTED

    def test_it_ends_when_it_is_revoked_and_stays_so(
        self, authorizations: Authorizations, party: Party, asked: Asking
    ) -> None:
        taken_back, ended = asked().uid, asked().uid
        authorizations.decide(ended, party["pat"], NOON, approved=True)
        for uid in (taken_back, ended):
            assert authorizations.revoke(uid, NOON).state is REVOKED
            with pytest.raises(ResourceConflict, match="is revoked already"):
                authorizations.revoke(uid, NOON)
            with pytest.raises(ResourceConflict, match="is revoked and cannot be decided on"):
                authorizations.decide(uid, party["kim"], NOON, approved=True)
            assert authorizations.get(uid, NOON + 60 * DAY).state is REVOKED

    def test_of_many_that_decide_at_once_the_first_refusal_or_the_last_approval_counts(
        self, authorizations: Authorizations, party: Party, asked: Asking
    ) -> None:
        uid = asked(approvals_needed=4).uid
        people = party.more(8)
        seen = outcomes(8, lambda n: authorizations.decide(uid, people[n], NOON, approved=True).state, ResourceConflict)
        assert seen.count(PENDING) == 3
        assert seen.count(GRANTED) == 1
        assert authorizations.get(uid, NOON).approvals == 4
        torn = asked().uid
        outcomes(8, lambda n: authorizations.decide(torn, people[n], NOON, approved=bool(n % 2)), ResourceConflict)
        left = authorizations.get(torn, NOON)
        assert (left.state, left.approvals) in {(GRANTED, 1), (REFUSED, 0)}

    def test_one_person_in_eight_windows_approves_once(
        self, authorizations: Authorizations, party: Party, asked: Asking
    ) -> None:
        uid = asked(approvals_needed=2).uid
        seen = outcomes(8, lambda _: authorizations.decide(uid, party["pat"], NOON, approved=True).state, AccessDenied)
        assert seen.count(PENDING) == 1
        assert authorizations.get(uid, NOON).approvals == 1


class TestTime:
    def test_it_expires_at_the_end_of_its_time_and_that_is_told_once(
        self, authorizations: Authorizations, party: Party, asked: Asking
    ) -> None:
        uid, end = asked().uid, NOON + 30 * DAY
        authorizations.decide(uid, party["pat"], NOON, approved=True)
        assert authorizations.get(uid, end - MOMENT).state is GRANTED
        assert authorizations.fall_due(end - MOMENT) == []
        for now in (end, end + MOMENT):
            assert authorizations.get(uid, now).state is EXPIRED
        assert [(one.uid, one.state) for one in authorizations.fall_due(end)] == [(uid, EXPIRED)]
        assert authorizations.fall_due(end + MOMENT) == []
        with pytest.raises(ResourceConflict, match="is expired already"):
            authorizations.revoke(uid, end)
        with pytest.raises(ResourceConflict, match="is expired and cannot be decided on"):
            authorizations.decide(uid, party["kim"], end, approved=False)

    def test_expired_counts_at_once_and_not_when_somebody_sweeps(
        self, authorizations: Authorizations, party: Party, asked: Asking
    ) -> None:
        uid, end = asked().uid, NOON + 30 * DAY
        authorizations.decide(uid, party["pat"], NOON, approved=True)
        with pytest.raises(ResourceConflict, match="expired"):
            authorizations.revoke(uid, end)
        assert authorizations.list(end)[0].state is EXPIRED

    def test_what_nobody_decided_on_does_not_expire_and_permits_nothing(
        self, authorizations: Authorizations, asked: Asking
    ) -> None:
        uid = asked().uid
        assert authorizations.fall_due(NOON + 31 * DAY) == []
        assert authorizations.get(uid, NOON + 31 * DAY).state is PENDING

    def test_each_of_many_is_told_to_one_of_several_servers(
        self, database: Database, authorizations: Authorizations, party: Party, asked: Asking
    ) -> None:
        granted = [asked().uid for _ in range(10)]
        for uid in granted:
            authorizations.decide(uid, party["pat"], NOON, approved=True)
        owed = [asked(**urgent()).uid for _ in range(10)]
        servers = [Authorizations(database) for _ in range(4)]
        told = at_once(4, lambda n: servers[n].fall_due(NOON + 30 * DAY))
        seen = [(one.uid, one.state) for some in told for one in some]
        assert sorted(seen) == sorted([(uid, EXPIRED) for uid in granted] + [(uid, PENDING) for uid in owed])


class TestEmergencies:
    @pytest.mark.parametrize("hours", [24, 48])
    def test_it_is_a_debt_from_the_moment_after_its_deadline(
        self, authorizations: Authorizations, party: Party, asked: Asking, hours: int
    ) -> None:
        uid, deadline = asked(**urgent(hours)).uid, NOON + timedelta(hours=hours)
        facts = authorizations.get(uid, NOON).facts
        assert (facts.state, facts.deadline) == (PENDING, deadline)
        for now, debts in ((deadline - MOMENT, 0), (deadline, 0), (deadline + MOMENT, 1)):
            assert authorizations.debts(party["sam"], now) == debts
            assert authorizations.debts(party["pat"], now) == 0
        assert authorizations.fall_due(deadline) == []
        (told,) = authorizations.fall_due(deadline + MOMENT)
        assert (told.uid, told.state, told.overdue) == (uid, PENDING, True)
        assert authorizations.fall_due(deadline + DAY) == []

    @pytest.mark.parametrize(("approved", "state"), [(True, GRANTED), (False, REFUSED)])
    def test_somebody_elses_decision_pays_it_however_late(
        self, authorizations: Authorizations, party: Party, asked: Asking, approved: bool, state: AuthorizationState
    ) -> None:
        uid, late = asked(**urgent()).uid, NOON + 3 * DAY
        with pytest.raises(AccessDenied):
            authorizations.decide(uid, party["sam"], late, approved=approved)
        assert authorizations.debts(party["sam"], late) == 1
        assert authorizations.decide(uid, party["pat"], late, approved=approved).state is state
        assert authorizations.debts(party["sam"], late) == 0
        assert authorizations.fall_due(late) == []

    def test_part_of_the_approvals_pays_nothing(
        self, authorizations: Authorizations, party: Party, asked: Asking
    ) -> None:
        uid, late = asked(**urgent(), approvals_needed=2).uid, NOON + 2 * DAY
        authorizations.decide(uid, party["pat"], late, approved=True)
        assert authorizations.debts(party["sam"], late) == 1

    @pytest.mark.parametrize("now", [NOON, NOON + 3 * DAY])
    def test_nobody_gets_rid_of_it_by_taking_it_back(
        self, authorizations: Authorizations, party: Party, asked: Asking, now: datetime
    ) -> None:
        uid = asked(**urgent()).uid
        with pytest.raises(ResourceConflict, match="another person must approve or refuse it"):
            authorizations.revoke(uid, now)
        assert authorizations.get(uid, now).state is PENDING
        authorizations.decide(uid, party["pat"], now, approved=True)
        assert authorizations.revoke(uid, now).state is REVOKED

    def test_an_approval_after_its_own_end_still_counts_as_one(
        self, authorizations: Authorizations, party: Party, asked: Asking
    ) -> None:
        """Or nobody could see that the debt was paid."""
        uid, late = asked(**urgent(), valid_until=NOON + DAY / 2).uid, NOON + DAY / 2 + MOMENT
        approved = authorizations.decide(uid, party["pat"], late, approved=True)
        assert (approved.state, approved.approvals) == (GRANTED, 1)
        assert authorizations.get(uid, late).state is EXPIRED
        assert [(one.uid, one.state) for one in authorizations.fall_due(late)] == [(uid, EXPIRED)]
        assert authorizations.fall_due(late) == []

    def test_each_one_is_a_debt_of_its_own(self, authorizations: Authorizations, party: Party, asked: Asking) -> None:
        first, _ = asked(**urgent()).uid, asked(**urgent()).uid
        late = NOON + 2 * DAY
        assert authorizations.debts(party["sam"], late) == 2
        authorizations.decide(first, party["pat"], late, approved=False)
        assert authorizations.debts(party["sam"], late) == 1


class TestUses:
    def test_no_more_are_taken_than_there_are_whoever_asks_at_once(
        self, authorizations: Authorizations, asked: Asking
    ) -> None:
        uid = asked(max_uses=20).uid
        taken = at_once(8, lambda _: [authorizations.take(uid) for _ in range(5)])
        assert sum(map(sum, taken)) == 20
        assert not authorizations.take(uid)
        left = authorizations.get(uid, NOON)
        assert (left.uses, left.facts.uses_left) == (20, 0)

    def test_any_number_is_taken_where_there_is_no_limit(self, authorizations: Authorizations, asked: Asking) -> None:
        uid = asked().uid
        assert all(authorizations.take(uid) for _ in range(5))
        assert authorizations.get(uid, NOON).facts.uses_left is None


@dataclass
class Expected:
    """An authorization as somebody would keep it on paper."""

    requester: str
    needed: int
    valid_until: datetime
    deadline: datetime | None
    max_uses: int | None
    decided: AuthorizationState = PENDING
    approvers: set[str] = field(default_factory=set)
    uses: int = 0
    told_expired: bool = False
    told_overdue: bool = False

    def state(self, now: datetime) -> AuthorizationState:
        return EXPIRED if self.decided is GRANTED and now >= self.valid_until else self.decided

    def owed(self, now: datetime) -> bool:
        return self.decided is PENDING and self.deadline is not None and now > self.deadline


NAMES = ("sam", "pat", "kim", "ann", "olu")
AGES = st.sampled_from([timedelta(hours=1), DAY, 2 * DAY])


class Paper(RuleBasedStateMachine):
    """Whatever people do in whatever order, the database says what the paper says."""

    asked = Bundle("asked")

    def __init__(self, database: Database, party: Party) -> None:
        super().__init__()
        self.authorizations = Authorizations(database)
        self.party = party
        self.now = NOON
        self.paper: dict[str, Expected] = {}

    def who(self, name: str) -> Principal:
        return self.party[name]

    @rule(
        target=asked,
        by=st.sampled_from(NAMES),
        needed=st.integers(1, 3),
        lasts=AGES,
        hours=st.sampled_from([None, 24, 48]),
        max_uses=st.sampled_from([None, 1, 3]),
    )
    def ask(self, by: str, needed: int, lasts: timedelta, hours: int | None, max_uses: int | None) -> str:
        deadline = None if hours is None else self.now + timedelta(hours=hours)
        basis = LegalBasis.WARRANT if hours is None else LegalBasis.EMERGENCY
        wanted = terms(
            self.party,
            basis=basis,
            valid_from=self.now,
            valid_until=self.now + lasts,
            deadline=deadline,
            approvals_needed=needed,
            max_uses=max_uses,
        )
        uid = self.authorizations.request(self.who(by), wanted, self.now).uid
        self.paper[uid] = Expected(by, needed, self.now + lasts, deadline, max_uses)
        return uid

    @rule(uid=asked, by=st.sampled_from(NAMES), approved=st.sampled_from([True, True, True, False]))
    def decide(self, uid: str, by: str, approved: bool) -> None:
        expected = self.paper[uid]
        refusal: type[CountenanceError] | None = None
        if by == expected.requester:
            refusal = AccessDenied
        elif expected.decided is not PENDING:
            refusal = ResourceConflict
        elif by in expected.approvers:
            refusal = AccessDenied
        if refusal is not None:
            with pytest.raises(refusal):
                self.authorizations.decide(uid, self.who(by), self.now, approved=approved)
            return
        if approved:
            expected.approvers.add(by)
            if len(expected.approvers) >= expected.needed:
                expected.decided = GRANTED
        else:
            expected.decided = REFUSED
        assert self.authorizations.decide(uid, self.who(by), self.now, approved=approved).state is expected.decided

    @rule(uid=asked)
    def revoke(self, uid: str) -> None:
        expected = self.paper[uid]
        owes = expected.decided is PENDING and expected.deadline is not None
        if expected.state(self.now) not in {PENDING, GRANTED} or owes:
            with pytest.raises(ResourceConflict):
                self.authorizations.revoke(uid, self.now)
        else:
            expected.decided = REVOKED
            assert self.authorizations.revoke(uid, self.now).state is REVOKED

    @rule(uid=asked)
    def use(self, uid: str) -> None:
        expected = self.paper[uid]
        left = expected.max_uses is None or expected.uses < expected.max_uses
        assert self.authorizations.take(uid) is left
        expected.uses += left

    @rule()
    def sweep(self) -> None:
        # Of earlier runs there may be some that have expired since.
        told = {(one.uid, one.state) for one in self.authorizations.fall_due(self.now) if one.uid in self.paper}
        due: set[tuple[str, AuthorizationState]] = set()
        for uid, expected in self.paper.items():
            if expected.state(self.now) is EXPIRED and not expected.told_expired:
                expected.told_expired = True
                due.add((uid, EXPIRED))
            if expected.owed(self.now) and not expected.told_overdue:
                expected.told_overdue = True
                due.add((uid, PENDING))
        assert told == due

    @rule(passes=st.sampled_from([timedelta(hours=1), DAY]))
    def time_passes(self, passes: timedelta) -> None:
        self.now += passes

    @rule(uid=asked, which=st.sampled_from(["valid_until", "deadline"]), off=st.sampled_from([-1, 0, 1]))
    def time_comes_close(self, uid: str, which: str, off: int) -> None:
        """To the moment before an end, to the end, to the moment after it."""
        moment = getattr(self.paper[uid], which)
        if moment is not None:
            self.now = max(self.now, moment + off * MOMENT)

    @invariant()
    def the_database_says_the_same(self) -> None:
        found = {one.uid: one for one in self.authorizations.list(self.now) if one.uid in self.paper}
        assert found.keys() == self.paper.keys()
        for uid, expected in self.paper.items():
            one = found[uid]
            assert (one.state, one.approvals, one.uses) == (
                expected.state(self.now),
                len(expected.approvers),
                expected.uses,
            )
            assert one.overdue is expected.told_overdue
        for name in NAMES:
            owed = [one for one in self.paper.values() if one.requester == name and one.owed(self.now)]
            assert self.authorizations.debts(self.who(name), self.now) == len(owed)

    def teardown(self) -> None:
        # The next run begins at noon again, with everybody out of debt.
        for uid, expected in self.paper.items():
            if expected.decided is PENDING:
                decider = next(name for name in NAMES if name not in {expected.requester, *expected.approvers})
                self.authorizations.decide(uid, self.who(decider), self.now, approved=False)


def test_whatever_people_do_in_whatever_order(database: Database, party: Party) -> None:
    run_state_machine_as_test(
        lambda: Paper(database, party),
        settings=settings(
            max_examples=15,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
