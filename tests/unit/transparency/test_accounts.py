"""What the accounts of a ledger come to."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from countenance.ledger.entries import (
    Candidate,
    Deletion,
    KeyChange,
    Model,
    Outcome,
    PolicyChange,
    Review,
    timestamp,
)
from countenance.transparency import authorizations, retention, reviews, uses
from countenance.transparency.accounts import Accounts
from countenance.transparency.irregularities import Irregularity
from countenance.transparency.moratoria import Moratorium
from tests.unit.transparency.ledgers import (
    FORBID,
    MODEL,
    MONTHS,
    MORATORIUM,
    NEXT_POLICY_SET,
    PERMIT,
    POLICY_SET,
    START,
    Story,
    actor,
    beneficiary,
    commitment,
    half_a_year,
    uid,
)


def accounts_of(story: Story) -> Accounts:
    accounts = Accounts()
    for index, entry in enumerate(story.read()):
        accounts.add(index, entry)
    return accounts


def installed(*kinds: str) -> Story:
    story = Story()
    story.install(*(kinds or ("law_enforcement", "child_protection", "operator")))
    return story


def total(counts: dict[tuple[Any, str], int], last: str) -> int:
    return sum(count for key, count in counts.items() if key[-1] == last)


def test_half_a_year_comes_to_the_numbers_it_was_made_of() -> None:
    accounts = accounts_of(half_a_year())
    asked = accounts.uses.asked()
    searches = {key: count for key, count in asked.items() if key[0].is_search}
    assert sum(searches.values()) == MONTHS * 71
    assert total(searches, uses.DENIED) == MONTHS * 15
    assert total(asked, uses.UNFINISHED) == 0
    assert accounts.uses.findings == {
        ("law_enforcement", uses.NOBODY): MONTHS * 3,
        ("law_enforcement", uses.CANDIDATES): MONTHS * 3,
        ("child_protection", uses.NOBODY): MONTHS * 8,
        ("child_protection", uses.CANDIDATES): MONTHS * 6,
        ("child_protection", uses.WITHHELD): MONTHS * 6,
        ("operator", uses.CANDIDATES): MONTHS * 30,
    }
    assert accounts.uses.candidates["child_protection", uses.CANDIDATES_RETURNED] == MONTHS * 12
    assert accounts.uses.candidates["child_protection", uses.CANDIDATES_WITHHELD] == MONTHS * 18
    assert accounts.uses.enrolments["operator", "faces"] == MONTHS * 40
    assert accounts.uses.exports["operator", "faces"] == MONTHS * 7
    assert accounts.uses.denials == {
        ("moratorium-2020/moratorium-2020.police", "law_enforcement"): MONTHS * 12,
        ("moratorium-2020/moratorium-2020.police", "child_protection"): MONTHS * 3,
        ("public-safety/public-safety.floor", "child_protection"): MONTHS * 3,
    }
    assert accounts.reviews.results() == {
        reviews.CONFIRMED: MONTHS * 3,
        reviews.REJECTED: MONTHS,
        reviews.UNDECIDED: MONTHS * 2,
    }
    assert accounts.retention.erasures == {("retention", retention.IN_TIME): 5, ("retention", retention.LATE): 1}
    assert accounts.irregularities == {}


def test_months_purposes_and_legal_bases_are_those_of_the_intents() -> None:
    months = {key.month: 0 for key, _ in accounts_of(half_a_year()).uses.asked()}
    assert sorted(months) == [f"2026-{month:02}" for month in range(1, MONTHS + 1)]
    story = installed()
    story.search("law_enforcement", "missing_child", legal_basis="warrant", beneficiary=beneficiary("oversight"))
    ((asked, result),) = accounts_of(story).uses.asked()
    assert (asked.kind, asked.purpose, asked.basis, asked.made_for, asked.month, result) == (
        "law_enforcement",
        "missing_child",
        "warrant",
        "oversight",
        "2026-01",
        uses.COMPLETED,
    )


def test_entries_added_as_they_come_give_what_all_at_once_give() -> None:
    entries = half_a_year().read()
    whole, pieces = accounts_of(half_a_year()), Accounts()
    for index, entry in enumerate(entries):
        pieces.add(index, entry)
        if index % 500 == 0:
            pieces = pickle.loads(pickle.dumps(pieces))
    assert pieces == whole


@pytest.mark.parametrize("index", [0, 2])
def test_no_entry_is_left_out_or_counted_twice(index: int) -> None:
    accounts, (first, second, *_) = Accounts(), installed().read()
    accounts.add(0, first)
    with pytest.raises(ValueError, match="entry 1 is next"):
        accounts.add(index, second)


def test_what_is_kept_does_not_grow_with_the_number_of_uses() -> None:
    once, often = accounts_of(half_a_year()), accounts_of(half_a_year(times=4))
    assert often.size > 3 * once.size
    # What is waiting for somebody is kept, case by case; everything else is numbers.
    for accounts in (once, often):
        accounts.reviews.undecided.clear()
        accounts.reviews.confirmed.clear()
    assert len(pickle.dumps(often)) < len(pickle.dumps(once)) * 1.05


def test_a_use_that_was_begun_and_not_ended_is_unfinished_until_it_ends() -> None:
    story = installed()
    use = story.intend("operator", "SearchFaces", "photo_library")
    story.decide(use, PERMIT)
    assert total(accounts_of(story).uses.asked(), uses.UNFINISHED) == 1
    story.add(Outcome(use=use, failed="OSError"))
    accounts = accounts_of(story)
    assert total(accounts.uses.asked(), uses.UNFINISHED) == 0
    assert total(accounts.uses.asked(), uses.FAILED) == 1
    assert accounts.uses.open == {}


def test_a_refusal_found_nobody_and_nothing() -> None:
    story = installed()
    use = story.intend("operator", "SearchFacesByImage", "photo_library")
    story.decide(use, PERMIT)
    story.add(Outcome(use=use, refused="InvalidParameterException", candidates=()))
    accounts = accounts_of(story)
    assert total(accounts.uses.asked(), uses.REFUSED) == 1
    assert accounts.uses.findings == {}


def test_candidates_in_several_entries_are_of_one_search() -> None:
    story = installed()
    use = story.intend("operator", "SearchFaces", "photo_library")
    story.decide(use, PERMIT)
    some = tuple(Candidate(commitment=commitment(place), similarity=99.0) for place in range(400))
    story.add(Outcome(use=use, candidates=some, continued=True), Outcome(use=use, candidates=some, continued=True))
    story.add(Outcome(use=use, candidates=some[:7], probes=(commitment("probe"),)))
    accounts = accounts_of(story)
    assert accounts.uses.candidates == {
        ("operator", uses.CANDIDATES_RETURNED): 807,
        ("operator", uses.PROBES): 1,
    }
    assert accounts.irregularities == {}


def test_denials_say_which_policy_or_that_nothing_permits_it() -> None:
    story = installed()
    story.search("operator", "photo_library", denied_by=(FORBID, FORBID))
    story.search("operator", "photo_library", denied_by=())
    use = story.intend("operator", "SearchFaces", "photo_library")
    story.decide(use, effect="deny", errors=1)
    assert accounts_of(story).uses.denials == {
        ("moratorium-2020/moratorium-2020.police", "operator"): 1,
        (uses.NOTHING_PERMITS, "operator"): 1,
        (uses.NOT_EVALUATED, "operator"): 1,
    }


def test_exemptions_are_what_is_allowed_by_or_for_those_who_are_suspended() -> None:
    exemptions = accounts_of(half_a_year()).exemptions
    assert exemptions.decided == {
        ("moratorium-2020", "allowed"): MONTHS * 6,
        ("moratorium-2020", "denied"): MONTHS * 15,
    }
    assert exemptions.purposes == {("moratorium-2020", "missing_child"): MONTHS * 6}
    assert exemptions.kinds == {("moratorium-2020", "law_enforcement"): MONTHS * 6}
    story = installed()
    story.search("child_protection", "missing_child", beneficiary=beneficiary("law_enforcement"))
    story.search("child_protection", "missing_child", beneficiary=beneficiary("oversight"))
    assert accounts_of(story).exemptions.kinds == {("moratorium-2020", "child_protection"): 1}


@pytest.mark.parametrize("action", ["DetectFaces", "ListFaces", "IndexFaces"])
def test_only_face_searches_are_suspended(action: str) -> None:
    story = installed()
    use = story.intend("law_enforcement", action, "photo_library")
    story.decide(use, PERMIT)
    assert accounts_of(story).exemptions.decided == {}


@pytest.mark.parametrize(
    ("said", "at", "in_force"),
    [
        ({}, "2020-06-09T23:59:59.999Z", False),
        ({}, "2020-06-10T00:00:00.000Z", True),
        ({}, "2021-06-09T23:59:59.999Z", True),
        ({}, "2021-06-10T00:00:00.000Z", True),
        ({"at_sunset": "lapse"}, "2021-06-09T23:59:59.999Z", True),
        ({"at_sunset": "lapse"}, "2021-06-10T00:00:00.000Z", False),
        ({"ended": "2020-12-01T00:00:00Z"}, "2020-11-30T23:59:59.999Z", True),
        ({"ended": "2020-12-01T00:00:00Z"}, "2020-12-01T00:00:00.000Z", False),
        ({"start": "2020-06-10T02:00:00+02:00"}, "2020-06-10T00:00:00.000Z", True),
    ],
)
def test_a_moratorium_is_in_force_when_it_says_so(said: dict[str, str], at: str, in_force: bool) -> None:
    moratorium = Moratorium.announced({**MORATORIUM, **said})
    assert moratorium is not None
    assert moratorium.in_force(at) is in_force


def test_a_moratorium_counts_only_while_the_policies_in_force_have_it() -> None:
    story = installed()
    story.add(policies(NEXT_POLICY_SET, moratoria=()))
    story.policy_set = NEXT_POLICY_SET
    story.search("law_enforcement", "criminal_investigation")
    accounts = accounts_of(story)
    assert accounts.exemptions.decided == {}
    assert list(accounts.changes.moratoria) == ["moratorium-2020"]  # still told


def policies(after: str, *, state: str = "approved", **more: Any) -> PolicyChange:
    return PolicyChange.model_validate(
        {"change": uid("y", after), "state": state, "after": after, "packs": {"base": "5" * 64}, **more}
    )


def test_policies_are_in_force_from_their_approval_on() -> None:
    story = installed()
    story.add(
        policies(NEXT_POLICY_SET, state="proposed", proposer=actor("operator")),
        policies("e" * 64, state="rejected"),
        policies(NEXT_POLICY_SET, changes=("base: new",), proposer=actor("operator"), approver=actor("oversight")),
    )
    first, second = accounts_of(story).changes.policies
    assert (first.sha256, first.proposer) == (POLICY_SET, "the installation")
    assert (second.sha256, second.changes, second.proposer, second.approver) == (
        NEXT_POLICY_SET,
        ("base: new",),
        "operator",
        "oversight",
    )


def test_authorizations_are_followed_to_their_end() -> None:
    story = installed()
    for name, states in {
        "waits": ["pending"],
        "lapsed": ["pending"],
        "refused": ["pending", "refused"],
        "withdrawn": ["pending", "revoked"],
        "granted": ["pending", "granted"],
        "expired": ["pending", "granted", "expired"],
        "revoked": ["pending", "granted", "revoked"],
    }.items():
        for state in states:
            until = {"valid_until": timestamp(START + timedelta(seconds=1))} if name == "lapsed" else {}
            story.authorize(name, state, **until)
    accounts = accounts_of(story)
    assert accounts.authorizations.outcomes(accounts.last or "") == dict.fromkeys(
        [("court_order", outcome) for outcome in authorizations.OUTCOMES], 1
    )
    assert sorted(accounts.authorizations.standing) == sorted(uid("a", one) for one in ("waits", "lapsed", "granted"))


@pytest.mark.parametrize(
    ("states", "outcome"),
    [
        (["pending"], authorizations.OWED),
        (["pending", "wait", "overdue"], authorizations.OVERDUE),
        (["pending", "wait"], authorizations.OVERDUE),  # also when nobody has said so
        (["pending", "granted"], authorizations.PAID),
        (["pending", "wait", "overdue", "granted"], authorizations.PAID_LATE),
        (["pending", "wait", "granted"], authorizations.PAID_LATE),
        (["pending", "refused"], authorizations.EMERGENCY_REFUSED),
        (["pending", "revoked"], authorizations.EMERGENCY_ENDED),
        (["pending", "wait", "overdue", "revoked"], authorizations.OVERDUE),
        (["pending", "granted", "expired"], authorizations.PAID),
    ],
)
def test_an_emergency_is_a_debt(states: list[str], outcome: str) -> None:
    story = installed()
    deadline = timestamp(story.now + timedelta(hours=24))
    for state in states:
        if state == "wait":
            story.wait(hours=25)
            story.search("operator", "photo_library")
            continue
        more = {"state": "pending", "overdue": True} if state == "overdue" else {"state": state}
        story.authorize("urgent", basis="emergency", emergency=True, deadline=deadline, **more)
    accounts = accounts_of(story)
    assert accounts.authorizations.debts(accounts.last or "") == {outcome: 1}


@pytest.mark.parametrize(
    ("late_by", "late", "timeliness"),
    [
        (timedelta(0), False, retention.IN_TIME),
        (timedelta(hours=23), False, retention.IN_TIME),
        (timedelta(hours=2), True, retention.LATE),
        (timedelta(hours=25), False, retention.LATE),  # whatever the entry says of itself
    ],
)
def test_an_erasure_is_late_by_its_own_word_or_by_a_day(late_by: timedelta, late: bool, timeliness: str) -> None:
    story = installed()
    story.wait(days=9)
    story.expire(3, late_by=late_by, late=late)
    assert accounts_of(story).retention.erasures == {("retention", timeliness): 1}


def test_what_was_refused_erased_nothing() -> None:
    story = installed()
    use = story.intend("operator", "DeleteFaces", "photo_library")
    story.decide(use, PERMIT)
    story.add(Deletion(use=use, reason="request", faces=9, refused="ResourceNotFoundException"))
    accounts = accounts_of(story)
    assert accounts.retention.erasures == {}
    assert total(accounts.uses.asked(), uses.REFUSED) == 1


def test_an_erasure_that_nobody_asked_for_is_no_use() -> None:
    story = installed()
    story.add(Deletion(reason="refusal", authorization=uid("a", 1), faces=4))
    accounts = accounts_of(story)
    assert accounts.uses.asked() == {}
    assert accounts.retention.erasures == {("refusal", retention.NO_DATE): 1}


def test_faces_whose_time_is_up_are_counted_whether_they_were_erased_or_not() -> None:
    story = installed()
    story.enrol("operator", 4, days=3)
    story.enrol("operator", 5, days=30)
    story.enrol("operator", 6)
    promised = accounts_of(story).retention
    assert promised.due(timestamp(START + timedelta(days=3))) == 0
    assert promised.due(timestamp(START + timedelta(days=4))) == 4
    assert promised.due(timestamp(START + timedelta(days=400))) == 9


def test_a_case_told_twice_is_told_once() -> None:
    story = installed()
    case = uid("r", 1)
    use = story.search("child_protection", "missing_child", candidates=3, review=case)
    story.review(case, use, confirmed=2, rejected=1)
    told = Review(case=case, use=use, reviewer=actor("child_protection"), confirmed=2, state="disclosed")
    story.add(told, told)
    found = accounts_of(story).reviews
    assert found.disclosed == 1
    assert found.candidates() == {reviews.GIVEN: 2, reviews.SOMEBODY_ELSE: 1, reviews.NOT_GIVEN: 0}
    assert found.verdicts == {"confirmed": 4, "rejected": 2}


def test_a_key_change_is_counted_and_the_log_s_own_is_told() -> None:
    story = installed("operator")
    story.add(
        KeyChange(subject="organization", change="declared", organization=uid("o", 1), organization_kind="research"),
        KeyChange(subject="access_key", change="revoked"),
        KeyChange(subject="log_key", change="rotated", old_vkey="old+1+a", new_vkey="new+2+b", signature="c"),
    )
    changes = accounts_of(story).changes
    assert changes.organizations == {("operator", "created"): 1, ("research", "declared"): 1}
    assert changes.keys["access_key", "revoked"] == 1
    assert [(rotation.old, rotation.new) for rotation in changes.rotations] == [("old+1+a", "new+2+b")]


Break = Callable[[Story], None]


def intent_repeated(story: Story) -> None:
    story.intend("operator", "SearchFaces", "photo_library")
    story.entries.append(story.entries[-1])


def decided_without_intent(story: Story) -> None:
    story.decide(uid("u", "never"), PERMIT)


def decided_twice(story: Story) -> None:
    use = story.intend("operator", "SearchFaces", "photo_library")
    story.decide(use, PERMIT)
    story.decide(use, PERMIT)


def other_policies(story: Story) -> None:
    story.policy_set = NEXT_POLICY_SET
    story.search("operator", "photo_library")


def undeclared_kind(story: Story) -> None:
    story.search("research", "photo_library")


def result_without_intent(story: Story) -> None:
    story.add(Outcome(use=uid("u", "never")))


def result_of_a_denied_use(story: Story) -> None:
    use = story.search("operator", "photo_library", denied_by=(FORBID,))
    story.add(Outcome(use=use, candidates=()))


def result_without_decision(story: Story) -> None:
    story.add(Outcome(use=story.intend("operator", "SearchFaces", "photo_library")))


def other_files(story: Story) -> None:
    use = story.intend("operator", "SearchFaces", "photo_library")
    story.decide(use, PERMIT)
    model = Model(face_model_version=MODEL.face_model_version, files=("9" * 64,), calibration=MODEL.calibration)
    story.add(Outcome(use=use, model=model))


def search_after_a_revocation(story: Story) -> None:
    """As by somebody who brings it back in the database; those before it, and those just after it, fit."""
    kind = "law_enforcement"
    story.add(KeyChange(subject="organization", change="created", organization=uid("o", kind), organization_kind=kind))
    story.search(kind, "criminal_investigation")
    story.judge("waived", waived_by="cleo")
    story.search(kind, "criminal_investigation")
    story.tick = timedelta(seconds=10)
    story.judge("revoked")
    story.search(kind, "criminal_investigation")
    story.wait(minutes=1)
    story.search(kind, "criminal_investigation", denied_by=(FORBID,))
    story.search(kind, "missing_child")
    story.search(kind, "criminal_investigation")


def nameless_moratorium(story: Story) -> None:
    story.add(policies(POLICY_SET, moratoria=({"title": "nothing"},)))


def clock_set_back(story: Story) -> None:
    story.now -= timedelta(days=1)
    story.search("operator", "photo_library", denied_by=(FORBID,))
    # The two entries after it are a minute later each, and all three before the one that came first.
    story.entries[-1] = (START + timedelta(days=1), story.entries[-1][1])


@pytest.mark.parametrize(
    ("breaks", "irregularity"),
    [
        (intent_repeated, Irregularity.INTENT_REPEATED),
        (decided_without_intent, Irregularity.DECISION_WITHOUT_INTENT),
        (decided_twice, Irregularity.DECISION_REPEATED),
        (other_policies, Irregularity.DECISION_BY_OTHER_POLICIES),
        (undeclared_kind, Irregularity.KIND_NOT_DECLARED),
        (result_without_intent, Irregularity.RESULT_WITHOUT_INTENT),
        (result_of_a_denied_use, Irregularity.RESULT_WITHOUT_INTENT),
        (result_without_decision, Irregularity.RESULT_WITHOUT_DECISION),
        (other_files, Irregularity.RESULT_OF_OTHER_MODEL),
        (search_after_a_revocation, Irregularity.WITHOUT_QUALIFICATION),
        (nameless_moratorium, Irregularity.UNREADABLE_MORATORIUM),
        (clock_set_back, Irregularity.TIME_RAN_BACKWARDS),
    ],
)
def test_what_must_not_be_in_a_ledger_is_counted(breaks: Break, irregularity: Irregularity) -> None:
    story = installed("operator")
    breaks(story)
    assert accounts_of(story).irregularities == {irregularity: 1}


def test_every_irregularity_is_tried_above() -> None:
    (mark,) = (m for m in test_what_must_not_be_in_a_ledger_is_counted.pytestmark if m.name == "parametrize")  # type: ignore[attr-defined]
    assert {irregularity for _, irregularity in mark.args[1]} == set(Irregularity)


def test_a_use_may_be_decided_by_the_policies_that_were_in_force_when_it_began() -> None:
    """Several servers change over within a moment; a use that began before is no irregularity."""
    story = installed("operator")
    use = story.intend("operator", "SearchFaces", "photo_library")
    story.add(policies(NEXT_POLICY_SET, moratoria=(MORATORIUM,)))
    story.decide(use, PERMIT)  # by the set before
    assert accounts_of(story).irregularities == {}
    other = story.intend("operator", "SearchFaces", "photo_library")
    story.decide(other, PERMIT)  # still by the set before
    assert accounts_of(story).irregularities == {Irregularity.DECISION_BY_OTHER_POLICIES: 1}


def test_a_recognizer_of_older_collections_is_counted_by_name() -> None:
    story = installed("operator")
    use = story.intend("operator", "SearchFaces", "photo_library")
    story.decide(use, PERMIT)
    story.add(Outcome(use=use, candidates=(), model=Model(face_model_version="1.0", files=(), calibration="f" * 64)))
    accounts = accounts_of(story)
    assert accounts.recognizers == {"1.0": 1}
    assert accounts.irregularities == {}


def test_an_empty_ledger_has_accounts_too() -> None:
    accounts = Accounts()
    assert (accounts.first, accounts.last, accounts.size) == (None, None, 0)
    assert accounts.uses.asked() == {}


def test_the_period_is_that_of_the_entries() -> None:
    accounts = accounts_of(installed("operator"))
    assert accounts.first == timestamp(datetime(2026, 1, 1, 8, tzinfo=UTC))
    assert accounts.last == timestamp(datetime(2026, 1, 1, 8, 2, tzinfo=UTC))
