"""Moratoria that somebody declares are packs like those that ship."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from countenance.errors import InvalidParameter
from countenance.policy.checks import check
from countenance.policy.declarations import declared
from countenance.policy.engine import PolicyEngine
from countenance.policy.moratoria import AtSunset
from countenance.policy.packs import Pack, shipped
from countenance.policy.requests import RequestFacts
from countenance.policy.vocabulary import OrganizationKind, Purpose, Sensitivity
from tests.unit.policy.asking import POLICE, court_order, investigation, member, missing_child, photo_library

START = datetime(2026, 9, 1, tzinfo=UTC)
SUNSET = datetime(2027, 9, 1, tzinfo=UTC)


def pause(**given: Any) -> Pack:
    """A city's pause on police, but for a missing child among missing persons."""
    facts: dict[str, Any] = {
        "kinds": [OrganizationKind.LAW_ENFORCEMENT],
        "start": START,
        "sunset": SUNSET,
        "exempt_purposes": [Purpose.MISSING_CHILD],
        "exempt_sensitivity": Sensitivity.MISSING_PERSONS,
    }
    return declared("city-pause", "The city's pause", **{**facts, **given})


def allowed(moratorium: Pack, request: RequestFacts) -> bool:
    """Whether the request is allowed, with `base`, at its time."""
    engine = PolicyEngine([shipped()["base"], moratorium])
    return engine.decide(
        request.model_copy(update={"moratoria": engine.moratoria_in_force(request.now)}), explain=False
    ).allowed


def test_it_suspends_whom_it_names_and_spares_what_it_exempts() -> None:
    police = member(POLICE)
    assert not allowed(pause(), investigation())
    assert allowed(pause(), missing_child(principal=police))
    assert not allowed(pause(), missing_child(principal=police, purpose=Purpose.TRAFFICKING_VICTIM))
    assert allowed(pause(), missing_child())
    assert allowed(pause(), photo_library())


def test_it_binds_those_who_act_for_whom_it_names() -> None:
    by_proxy = missing_child(
        beneficiary=POLICE,
        purpose=Purpose.MISSING_PERSON,
        has_case=True,
        authorization=court_order(purpose=Purpose.MISSING_PERSON, holder="o-rescuers", beneficiary=POLICE.id),
    )
    assert not allowed(pause(), by_proxy)
    assert allowed(pause(kinds=[OrganizationKind.RESEARCH], exempt_purposes=[], exempt_sensitivity=None), by_proxy)


@pytest.mark.parametrize(
    ("at_sunset", "time", "expected"),
    [
        (AtSunset.HOLD, START - timedelta(milliseconds=1), True),
        (AtSunset.HOLD, START, False),
        (AtSunset.HOLD, SUNSET, False),
        (AtSunset.LAPSE, SUNSET - timedelta(milliseconds=1), False),
        (AtSunset.LAPSE, SUNSET, True),
    ],
)
def test_it_starts_and_ends_as_declared(at_sunset: AtSunset, time: datetime, expected: bool) -> None:
    officer = member(POLICE, trained_until=SUNSET + timedelta(days=1))
    day = timedelta(days=1)
    order = court_order(issued=START - day, valid_from=START - day, valid_until=SUNSET + day)
    request = investigation(now=time, principal=officer, authorization=order)
    assert allowed(pause(at_sunset=at_sunset), request) is expected


def test_it_can_be_read() -> None:
    files = pause().files
    assert (
        '@message("Matching faces by or for organizations of the kind law_enforcement is suspended by city-pause: '
        "The city's pause. At its sunset it holds until an explicit, logged decision of two people ends it. "
        'What goes on: the purpose missing_child, in a collection of the kind missing_persons.")'
    ) in files["policies.cedar"]
    assert "# The city's pause" in files["README.md"]
    assert "From 2026-09-01 00:00 UTC. At its sunset, 2027-09-01 00:00 UTC, it holds" in files["README.md"]
    assert "it lapses unless it was extended" in pause(at_sunset=AtSunset.LAPSE).files["README.md"]
    assert "DENY/child_protection-for-law_enforcement.json" in files


EXEMPTIONS = [
    ((), None),
    ((Purpose.MISSING_CHILD, Purpose.TRAFFICKING_VICTIM), Sensitivity.MISSING_PERSONS),
    ((Purpose.PHOTO_LIBRARY,), None),
    ((Purpose.CRIMINAL_INVESTIGATION, Purpose.BIAS_TEST), Sensitivity.GENERAL),
]


@pytest.mark.parametrize("kind", [kind for kind in OrganizationKind if kind is not OrganizationKind.UNDECLARED])
@pytest.mark.parametrize(("purposes", "sensitivity"), EXEMPTIONS)
@pytest.mark.parametrize("at_sunset", AtSunset)
def test_its_examples_hold_it(
    kind: OrganizationKind, purposes: tuple[Purpose, ...], sensitivity: Sensitivity | None, at_sunset: AtSunset
) -> None:
    """Whatever is declared: it passes the check of every pack."""
    moratorium = pause(kinds=[kind], exempt_purposes=purposes, exempt_sensitivity=sensitivity, at_sunset=at_sunset)
    report = check(moratorium, shipped())
    assert report.problems == ()
    assert report.deny >= 1
    assert report.allow >= 1


def test_several_kinds_can_be_bound() -> None:
    everybody = [kind for kind in OrganizationKind if kind is not OrganizationKind.UNDECLARED]
    moratorium = pause(kinds=everybody, exempt_purposes=[], exempt_sensitivity=None)
    assert check(moratorium, shipped()).passed
    assert not allowed(moratorium, photo_library())


@pytest.mark.parametrize(
    "title", ['A "quoted" pause \\ and more', "Päuse für Köln: é 漢", "a; b -- '); drop", '@id("x")', "{x} | y"]
)
def test_a_title_is_words(title: str) -> None:
    """Whatever is in it, it becomes no policy, no TOML and no table."""
    moratorium = declared("named", title, kinds=[OrganizationKind.COMMERCIAL], start=START, sunset=SUNSET)
    assert moratorium.manifest.title == title
    assert len(moratorium.policies) == 1
    assert title in moratorium.policies[0].reference.message
    assert check(moratorium, shipped()).passed


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"kinds": []}, "names the kinds"),
        ({"kinds": [OrganizationKind.UNDECLARED]}, "undeclared do nothing anyway"),
        ({"exempt_purposes": []}, "An exemption names its purposes"),
        ({"sunset": START}, "must come after its start"),
        (
            {"kinds": [OrganizationKind.OVERSIGHT], "exempt_purposes": list(Purpose), "exempt_sensitivity": None},
            "leaves nothing suspended",
        ),
    ],
)
def test_a_moratorium_on_nothing_is_refused(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidParameter, match=complaint):
        pause(**given)


@pytest.mark.parametrize("name", ["", "base", "Two Words", "../x", "moratorium-2020", "x" * 65, "a\n"])
def test_a_name_that_no_pack_can_have_is_refused(name: str) -> None:
    with pytest.raises(InvalidParameter, match="name"):
        declared(name, "A pause", kinds=[OrganizationKind.COMMERCIAL], start=START, sunset=SUNSET)


@pytest.mark.parametrize("title", ["", " ", "two\nlines", "bell\x07"])
def test_a_title_of_more_than_a_line_is_refused(title: str) -> None:
    with pytest.raises(InvalidParameter, match="line of text"):
        declared("named", title, kinds=[OrganizationKind.COMMERCIAL], start=START, sunset=SUNSET)


def test_it_is_extended_and_ended_like_any_other() -> None:
    moratorium = pause()
    assert moratorium.moratorium is not None
    ended = moratorium.with_moratorium(moratorium.moratorium.ended_at(START + timedelta(days=1)))
    assert allowed(ended, investigation())
