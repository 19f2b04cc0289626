"""What whoever was denied is told would change it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from countenance.policy import counterfactuals
from countenance.policy.decisions import Decision
from countenance.policy.engine import PolicyEngine
from countenance.policy.examples import examples_of
from countenance.policy.packs import shipped
from countenance.policy.requests import (
    CollectionFacts,
    OrganizationFacts,
    PrincipalFacts,
    QualificationFacts,
    RequestFacts,
)
from countenance.policy.vocabulary import AuthorizationState, LegalBasis, OrganizationKind, Purpose, Sensitivity
from tests.unit.policy.asking import (
    ARREST_PHOTOS,
    DAY,
    NOW,
    OPERATOR,
    POLICE,
    court_order,
    engine,
    investigation,
    member,
    missing_child,
    pack,
    photo_library,
)

ANOTHER_USE = "the purpose must be missing_child or trafficking_victim, against a collection kept for missing persons"
AUTHORIZATION = "needs an authorization of kind court_order, warrant, statutory_duty or emergency"
QUALIFICATION = "the face model must be qualified for criminal_investigation"
MORATORIUM = "the moratorium moratorium-2020 must be ended by a logged decision"


def test_police_without_an_authorization_at_a_low_threshold_are_told_both() -> None:
    """What is honest comes before another use."""
    deciding = engine("base", "public-safety")
    denied = deciding.decide(investigation(authorization=None, has_case=False, threshold=80.0))
    assert denied.unlock == (f"{AUTHORIZATION}; the threshold must be at least 99", ANOTHER_USE)


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"has_case": False}, "needs a case"),
        ({"authorization": None, "has_case": False}, AUTHORIZATION),
        ({"authorization": court_order(valid_until=NOW)}, AUTHORIZATION),
        ({"authorization": court_order(state=AuthorizationState.PENDING)}, "the authorization must be granted"),
        (
            {"principal": member(POLICE, trained_until=NOW - DAY)},
            "the training must be renewed (it counted until 2026-09-30)",
        ),
        ({"principal": PrincipalFacts(organization=POLICE)}, "needs training"),
        ({"principal": member(POLICE, debts=1)}, "the overdue emergency must be approved or refused"),
        ({"principal": member(POLICE, suspended=True)}, "the suspension must be lifted"),
        ({"moratoria": frozenset({"moratorium-2020"})}, MORATORIUM),
        ({"qualification": None}, QUALIFICATION),
        ({"qualification": QualificationFacts(threshold=99, valid_until=NOW)}, QUALIFICATION),
        (
            {"qualification": QualificationFacts(threshold=99.5, valid_until=NOW + DAY)},
            "the threshold must be at least 99.5",
        ),
        (
            {"collection": CollectionFacts(purposes=frozenset({Purpose.RESEARCH}))},
            "the collection must be opened for criminal_investigation by the operator or an oversight organization",
        ),
        (
            {"real_time": True, "authorization": court_order(basis=LegalBasis.STATUTORY_DUTY)},
            "it must not be in real time",
        ),
        (
            {"collection": CollectionFacts(sensitivity=Sensitivity.HOME_CAMERA_FOOTAGE)},
            "needs a grant of the footage's owner that covers this search",
        ),
    ],
)
def test_one_thing_that_is_missing_is_told(facts: dict[str, Any], sentence: str) -> None:
    deciding = engine("base", "moratorium-2020", "public-safety", "home-camera-footage")
    request = investigation(**facts)
    assert sentence in deciding.decide(request).unlock


def test_everything_that_is_missing_is_told_together() -> None:
    """Of a key that is nothing but a key."""
    deciding = engine("base", "moratorium-2020", "public-safety")
    bare = investigation(
        principal=PrincipalFacts(organization=POLICE),
        authorization=None,
        has_case=False,
        qualification=None,
        threshold=80.0,
        moratoria=frozenset({"moratorium-2020"}),
    )
    assert deciding.decide(bare).unlock[0] == (
        f"{AUTHORIZATION}; needs training; the threshold must be at least 99; {QUALIFICATION}; {MORATORIUM}"
    )


def test_what_helps_only_after_something_else_is_found() -> None:
    """Without an authorization, no offence can be named; with one alone, none is."""
    deciding = engine("base", "detroit-2024")
    detroit = OrganizationFacts(id=POLICE.id, kind=POLICE.kind, jurisdiction="US-MI-Detroit")
    denied = deciding.decide(investigation(principal=member(detroit), authorization=None, has_case=False))
    assert denied.unlock == (
        f"{AUTHORIZATION}; the authorization must be about an offence of kind violent_crime or home_invasion",
    )


def test_the_lowest_threshold_that_would_do_is_told() -> None:
    """Out of those that policies speak of."""
    rule = (
        '@id("{0}") @source("a test") @message("no") forbid (principal, action, resource) when {{ '
        'context has threshold && context.threshold.lessThan(decimal("{1}")) && {2} }};'
    )
    text = rule.format("a", "95.0", "true") + rule.format("b", "99.5", "context.real_time")
    deciding = engine("base", pack(text, requires=("base",)))
    assert deciding.decide(photo_library()).unlock == ("the threshold must be at least 95",)
    assert "the threshold must be at least 99.5" in deciding.decide(photo_library(real_time=True)).unlock


def test_an_authorization_that_is_in_the_way_is_to_be_left_out() -> None:
    stale = court_order(purpose=Purpose.MISSING_CHILD, holder="o-rescuers", beneficiary="o-rescuers", valid_until=NOW)
    assert (
        "it must be done without this authorization" in engine("base").decide(missing_child(authorization=stale)).unlock
    )


def test_another_beneficiary_is_the_last_resort() -> None:
    undeclared = OrganizationFacts(id="o-someone", kind=OrganizationKind.UNDECLARED)
    assert engine("base").decide(photo_library(beneficiary=undeclared)).unlock == (
        "it must not be on behalf of another organization",
    )
    suspended = OrganizationFacts(id="o-someone", suspended=True)
    assert engine("base").decide(photo_library(beneficiary=suspended)).unlock == ("the suspension must be lifted",)


def test_nothing_is_told_where_nothing_honest_would_help() -> None:
    """Another kind of organization is never offered, and no purpose but for a collection that is kept for it."""
    for denied in (
        photo_library(purpose=Purpose.CRIMINAL_INVESTIGATION, principal=member(OPERATOR)),
        photo_library(action="SubjectAccess"),
        photo_library(principal=member(OrganizationFacts(kind=OrganizationKind.COMMERCIAL)), action="CreatePrincipal"),
    ):
        decision = engine("base", "moratorium-2020").decide(denied)
        assert not decision.allowed
        assert decision.unlock == ()


def test_no_example_is_told_to_become_another_organization() -> None:
    together = PolicyEngine(list(shipped().values()))
    kinds = "|".join(OrganizationKind)
    for one in shipped().values():
        for example in examples_of(one):
            decision = together.decide(example.asked(together))
            assert len(decision.unlock) <= 3
            for sentence in decision.unlock:
                assert not re.search(kinds, sentence.removesuffix("by the operator or an oversight organization"))
                assert "{" not in sentence


def test_questions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However hopeless it is."""
    together = PolicyEngine(list(shipped().values()))
    asked: list[RequestFacts] = []
    decide = together._decide

    def counted(request: RequestFacts) -> Decision:
        asked.append(request)
        return decide(request)

    monkeypatch.setattr(together, "_decide", counted)
    for one in shipped().values():
        for example in examples_of(one):
            asked.clear()
            together.decide(example.asked(together))
            assert len(asked) <= counterfactuals.MAX_QUESTIONS + 2


def test_whoever_wants_only_the_decision_gets_it_alone() -> None:
    decision = engine("base").decide(investigation(authorization=None), explain=False)
    assert (decision.allowed, decision.unlock) == (False, ())


def test_a_search_among_arrest_photos_is_told_where_it_belongs() -> None:
    request = missing_child(principal=member(POLICE), collection=ARREST_PHOTOS)
    assert ANOTHER_USE in engine("base", "moratorium-2020").decide(request).unlock
