"""What a change of the policies changes: the same as asking for everything, before and after."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from countenance.policy import spaces
from countenance.policy.actions import GROUPS
from countenance.policy.decisions import Decision
from countenance.policy.differences import Comparison, compare
from countenance.policy.engine import PolicyEngine
from countenance.policy.obligations import phrases
from countenance.policy.packs import shipped
from countenance.policy.requests import CollectionFacts, OrganizationFacts
from countenance.policy.vocabulary import OrganizationKind, Purpose, Sensitivity
from tests.unit.policy.asking import NOW, court_order, investigation, member, pack

BASE = shipped()["base"]
Change = tuple[str, tuple[str, ...], tuple[str, ...]]


def told(comparison: Comparison) -> dict[frozenset[tuple[str, str]], Change]:
    """Every request that is said to be decided otherwise, by its facts in words; none is said twice."""
    found: dict[frozenset[tuple[str, str]], Change] = {}
    for difference in comparison.differences:
        combinations = list(product(*difference.facts.values()))
        assert len(combinations) == difference.requests
        for words in combinations:
            point = frozenset(zip(difference.facts, words, strict=True))
            assert point not in found
            found[point] = (difference.effect, difference.before, difference.after)
    return found


def change(was: Decision, becomes: Decision) -> Change | None:
    """The same of two decisions, asked one by one."""
    assert not was.errors
    assert not becomes.errors
    if was.allowed and becomes.allowed:
        owed = tuple(phrases(was.obligations)), tuple(phrases(becomes.obligations))
        return None if owed[0] == owed[1] else ("obligations", *owed)
    if becomes.allowed:
        return "allowed", (), tuple(phrases(becomes.obligations))
    return ("denied", (), ()) if was.allowed else None


def core(**facts: Mapping[str, Any]) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    """Every request over kinds, purposes and collections, and `facts` by their words: words and facts."""
    sensitivities = {**{one.value: one for one in Sensitivity}, "no collection": None}
    for kind, purpose, (where, sensitivity), *more in product(
        OrganizationKind, Purpose, sensitivities.items(), *(values.items() for values in facts.values())
    ):
        words = {"kind": kind.value, "purpose": purpose.value, "sensitivity": where}
        words |= {name: word for name, (word, _) in zip(facts, more, strict=True)}
        own = OrganizationFacts(id="o-own", kind=kind)
        given: dict[str, Any] = {
            "principal": member(own),
            "purpose": purpose,
            "has_case": True,
            "collection": None if sensitivity is None else CollectionFacts(sensitivity=sensitivity, owner="o-own"),
            "authorization": court_order(
                purpose=purpose, holder="o-own", beneficiary="o-own", offence="violent_crime", targeted=True
            ),
            "threshold": 99.9,
            "witnesses": 2,
        }
        yield words, {**given, **{name: value for name, (_, value) in zip(facts, more, strict=True)}}


BEFORE = """
@id("live") @source("a test") @message("no")
forbid (principal, action in Countenance::Action::"detect", resource) when { context.real_time }
unless { ["photo_library", "missing_child"].contains(context.purpose) };
"""
AFTER = """
@id("live") @source("a test") @message("no")
forbid (principal, action in Countenance::Action::"detect", resource) when { context.real_time }
unless { context.purpose == "missing_child" || principal.organization.kind == "oversight" };
@id("listed") @source("a test") @message("no")
forbid (principal, action == Countenance::Action::"DetectFaces", resource is Countenance::Collection)
when { ["watchlist", "arrest_photos"].contains(resource.sensitivity) && principal.organization.kind != "operator" };
@id("research") @source("a test")
permit (principal, action == Countenance::Action::"DetectFaces", resource)
when { principal.organization.kind == "law_enforcement" && context.real_time };
"""
OWED = """
@id("owed") @source("a test") @obligation("retention_days:7")
permit (principal, action == Countenance::Action::"DetectFaces", resource)
when { principal.organization.kind == "commercial" && !context.real_time };
"""


REAL_TIME = {"not in real time": False, "in real time": True}


def test_what_is_told_is_what_asking_for_everything_finds() -> None:
    """Allowed, denied, and owing something else: no request more, none less."""
    before, after = (BASE, pack(BEFORE, requires=("base",))), (BASE, pack(AFTER, OWED, requires=("base",)))
    comparison = compare(before, after, NOW)
    was, becomes = PolicyEngine(before), PolicyEngine(after)
    found: dict[frozenset[tuple[str, str]], Change] = {}
    asked = 0
    asking = [(action, *given) for action in GROUPS["detect"] for given in core(real_time=REAL_TIME)]
    for action, words, facts in asking:
        request = investigation(action=action, **facts)
        one = change(was.decide(request, explain=False), becomes.decide(request, explain=False))
        asked += 1
        if one is not None:
            found[frozenset({"action": action, **words}.items())] = one
    assert told(comparison) == found
    assert {effect for effect, *_ in found.values()} == {"allowed", "denied", "obligations"}
    assert comparison.asked == asked


def test_a_moratorium_is_told_as_asking_at_random_finds_it() -> None:
    """At any time, by anybody, for itself and for the police."""
    before, after = (BASE,), (BASE, shipped()["moratorium-2020"])
    comparison = compare(before, after, NOW)
    was, becomes = PolicyEngine(before), PolicyEngine(after)
    expected = told(comparison)
    actions = next(difference.facts["action"] for difference in comparison.differences)
    times = {
        "before 2020-06-10": datetime(2020, 6, 9, 23, 59, 59, 999_000, tzinfo=UTC),
        "from 2020-06-10 to 2021-06-10": datetime(2020, 6, 10, tzinfo=UTC),
        "from 2021-06-10 on": datetime(2021, 6, 10, tzinfo=UTC),
    }
    every = list(core())
    generator = random.Random(2020)
    changed = 0
    for _ in range(600):
        words, facts = generator.choice(every)
        (when, now), action = generator.choice(list(times.items())), generator.choice(actions)
        for_police = generator.random() < 0.5
        authorization = court_order(
            purpose=facts["purpose"],
            holder="o-own",
            beneficiary="o-other" if for_police else "o-own",
            issued=now,
            valid_from=now,
            valid_until=NOW,
        )
        beneficiary = OrganizationFacts(id="o-other", kind=OrganizationKind.LAW_ENFORCEMENT) if for_police else None
        given = {**facts, "authorization": authorization, "beneficiary": beneficiary, "now": now, "action": action}
        decisions = [
            engine.decide(investigation(**given, moratoria=engine.moratoria_in_force(now)), explain=False)
            for engine in (was, becomes)
        ]
        words = {**words, "action": action, "beneficiary": "law_enforcement" if for_police else "itself", "now": when}
        found = change(*decisions)
        changed += found is not None
        assert expected.get(frozenset(words.items())) == found, words
    assert changed > 10


def test_it_is_told_in_words() -> None:
    comparison = compare((BASE,), (BASE, shipped()["moratorium-2020"]), NOW)
    assert comparison.sentences()[0].startswith("Becomes denied: match, by ")
    assert all("(moratorium-2020/police)" in sentence for sentence in comparison.sentences())
    assert all("from 2020-06-10 on" in sentence for sentence in comparison.sentences())
    assert not comparison.policy_by_policy
    back = compare((BASE, shipped()["moratorium-2020"]), (BASE,), NOW)
    assert {difference.effect for difference in back.differences} == {"allowed"}
    assert "confirmation by 2 people" in back.sentences()[0]


def test_nothing_is_told_where_nothing_changes() -> None:
    """Also where a policy is only written in another way."""
    same = compare((BASE,), (BASE,), NOW)
    assert (same.asked, same.differences) == (0, ())
    permit = 'permit (principal, action == Countenance::Action::"DetectFaces", resource)'
    one = f'@id("a") @source("a test") {permit} when {{{{ {{}} }}}};'
    before, after = (pack(one.format(f"context.real_time {test}")) for test in ("== true", "&& true"))
    assert compare((BASE, before), (BASE, after), NOW).differences == ()


def test_a_moratorium_that_is_extended_or_ended_is_a_change_of_time() -> None:
    """Its policies are the same, and what is in force is not."""
    standing = shipped()["moratorium-2020"]
    assert standing.moratorium is not None
    ended = standing.with_moratorium(standing.moratorium.ended_at(NOW))
    comparison = compare((BASE, standing), (BASE, ended), NOW)
    assert comparison.differences
    for difference in comparison.differences:
        assert difference.effect == "allowed"
        assert difference.facts["now"] == ("from 2026-10-01 12:00:00 on",)
        assert difference.policies == ("moratorium-2020/police",)


def test_what_a_moratorium_hides_is_told_for_after_its_end() -> None:
    """A pack for the police changes nothing as long as nothing is permitted to them."""
    before = BASE, shipped()["moratorium-2020"]
    comparison = compare(before, (*before, shipped()["maryland-2-501"]), NOW)
    assert comparison.differences
    for difference in comparison.differences:
        assert difference.facts["ended moratorium-2020"] == ("after moratorium-2020",)
        assert difference.facts["jurisdiction"] == ("US-MD",)


@pytest.mark.parametrize("most", [0, 10**9])
def test_together_or_one_by_one_the_same_requests_are_found(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of policies that do not depend on each other."""
    monkeypatch.setattr(spaces, "MAX_POINTS", most)
    forbid = 'forbid (principal, action in Countenance::Action::"{0}", resource);'
    text = "".join(f'@id("{group}") @source("a test") {forbid.format(group)}' for group in ("detect", "export"))
    comparison = compare((BASE,), (BASE, pack(text, requires=("base",))), NOW)
    assert comparison.policy_by_policy == (most == 0)
    by_action = Counter(word for point in told(comparison) for name, word in point if name == "action")
    # Who may detect faces for what, by base, on any collection or none; who may export a collection, and the operator.
    purposes = {"law_enforcement": 6, "rescue": 2 * 4, "operator": 3, "general": 2 * 2, "research": 4, "oversight": 1}
    assert by_action["DetectFaces"] == sum(purposes.values()) * (len(Sensitivity) + 1)
    assert by_action["ExportCollection"] == 8 * len(Purpose) * len(Sensitivity) + len(Purpose)


def test_progress_is_told() -> None:
    seen: list[tuple[int, int]] = []
    report: Callable[[int, int], None] = lambda done, of: seen.append((done, of))  # noqa: E731
    compare((BASE,), (BASE, shipped()["moratorium-2020"]), NOW, report)
    assert seen[0] == (1, seen[-1][1])
    assert seen[-1][0] == seen[-1][1]


def test_what_is_owed_instead_is_told() -> None:
    """In one sentence a group, which is JSON as well."""
    comparison = compare((BASE,), (BASE, shipped()["home-camera-footage"]), NOW)
    owed = next(one for one in comparison.differences if one.effect == "obligations")
    assert owed.sentence.startswith("Owes at most 50 candidates and deletion after 30 days instead of nothing: search")
    assert json.loads(json.dumps(asdict(comparison)))["asked"] == comparison.asked


def test_a_permit_that_another_gives_already_changes_nothing() -> None:
    """It is compared all the same."""
    permit = 'permit (principal, action == Countenance::Action::"ListPolicies", resource)'
    operators = f'@id("a") @source("a test") {permit} when {{ principal.organization.kind == "operator" }};'
    comparison = compare((BASE,), (BASE, pack(operators)), NOW)
    assert comparison.asked == 9 * len(Purpose) * (len(Sensitivity) + 1)
    assert comparison.differences == ()


def test_a_rule_about_face_models_is_told_by_what_they_are() -> None:
    """One that a named person lets serve, one that nobody has judged, and one that is judged at a higher threshold."""
    rule = (
        '@id("{0}") @source("a test") @message("no") '
        'forbid (principal, action in Countenance::Action::"search", resource) '
        'when {{ principal.organization.kind == "research" && {1} }};'
    )
    waived = rule.format("waived", "context has qualification && context.qualification.waived")
    (told,) = compare((BASE,), (BASE, pack(waived)), NOW).differences
    assert told.facts["qualification"] == ("a face model by a waiver",)
    assert "with a face model by a waiver" in told.sentence
    both = "context has qualification && context has threshold"
    higher = f"{both} && context.threshold.lessThan(context.qualification.threshold)"
    (told,) = compare((BASE,), (BASE, pack(rule.format("higher", higher))), NOW).differences
    assert told.facts["qualification"] == ("a face model qualified for a higher threshold",)
    (told,) = compare((BASE,), (BASE, pack(rule.format("none", "!(context has qualification)"))), NOW).differences
    assert told.facts["qualification"] == ("an unqualified face model",)
