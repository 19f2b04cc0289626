"""A pack that is not fit to be put in force, and what is said about it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from countenance.errors import InvalidParameter
from countenance.policy.checks import check
from countenance.policy.examples import examples_of, request_of
from countenance.policy.packs import Pack, shipped
from tests.unit.policy.asking import pack

NIGHT = (
    '@id("real-time") @source("a test") @message("Not in real time.") '
    "forbid (principal, action, resource) when { context.real_time };"
)
ASKED = {
    "action": "SearchFaces",
    "now": "2026-10-01T12:00:00Z",
    "principal": {"organization": {"kind": "operator"}},
    "real_time": True,
}


def with_examples(policies: str, obligations: str | None = None, **examples: dict[str, Any]) -> Pack:
    """A pack on top of `base` with examples: `DENY_one` is DENY/one.json."""
    bare = pack(policies, obligations, requires=("base",))
    files = {f"{name.replace('_', '/', 1)}.json": json.dumps(request) for name, request in examples.items()}
    return Pack.from_files({**bare.files, **files})


def problems(checked: Pack) -> tuple[str, ...]:
    return check(checked, shipped()).problems


def test_a_pack_that_says_only_what_its_examples_hold_passes() -> None:
    denied = {**ASKED, "expect": {"policies": ["extra/real-time"]}}
    report = check(with_examples(NIGHT, DENY_night=denied), shipped())
    assert report.passed
    assert (report.permits, report.forbids, report.deny, report.allow, report.mutants) == (0, 1, 1, 0, 1)


def test_a_forbid_that_no_example_needs_is_named() -> None:
    """Its example is denied by `base` as well: nothing would notice."""
    undeclared = {**ASKED, "principal": {"organization": {"kind": "undeclared"}}}
    expect = {"policies": ["base/undeclared", "base/undeclared.beneficiary", "extra/real-time"]}
    assert problems(with_examples(NIGHT, DENY_night={**undeclared, "expect": expect})) == (
        "No example notices when the policy extra/real-time is left out.",
    )
    assert problems(with_examples(NIGHT)) == ("No example notices when the policy extra/real-time is left out.",)


def test_an_obligation_that_no_example_expects_is_named() -> None:
    owed = '@id("owed") @source("a test") @obligation("human_review:1") permit (principal, action, resource);'
    allowed = {**ASKED, "real_time": False, "expect": {"policies": ["base/operator"]}}
    assert problems(with_examples("", owed, ALLOW_day=allowed)) == (
        "extra/ALLOW/day.json owes {'human_review': 1}, and expects nothing.",
        "No example notices when the policy extra/owed is left out.",
    )
    expects = {**allowed, "expect": {"policies": ["base/operator"], "obligations": {"human_review": 1}}}
    assert problems(with_examples("", owed, ALLOW_day=expects)) == ()


@pytest.mark.parametrize(
    ("example", "problem"),
    [
        ({"ALLOW_one": {**ASKED, "expect": {"policies": []}}}, "extra/ALLOW/one.json is denied by extra/real-time."),
        (
            {"DENY_one": {**ASKED, "real_time": False, "expect": {"policies": []}}},
            "extra/DENY/one.json is allowed by base/operator.",
        ),
        (
            {"DENY_one": {**ASKED, "expect": {"policies": ["extra/night"]}}},
            "extra/DENY/one.json is determined by extra/real-time, and expects extra/night.",
        ),
        (
            {"DENY_one": {**ASKED, "expect": {"policies": ["extra/real-time"], "unlock": []}}},
            "extra/DENY/one.json is unlocked by ['it must not be in real time'], and expects [].",
        ),
        ({"DENY_one": {**ASKED, "action": "Guess", "expect": {"policies": []}}}, "could not be decided: 1 errors."),
        ({"DENY_one": {**ASKED}}, "extra/DENY/one.json, expect: all of it"),
        ({"DENY_one": {**ASKED, "purpose": "fishing", "expect": {"policies": []}}}, "extra/DENY/one.json: purpose"),
        ({"DENY_one": {**ASKED, "reason": "because", "expect": {"policies": []}}}, "extra/DENY/one.json: reason"),
    ],
)
def test_an_example_that_comes_out_otherwise_is_named(example: dict[str, Any], problem: str) -> None:
    assert any(problem in one for one in problems(with_examples(NIGHT, **example)))


@pytest.mark.parametrize(
    ("condition", "of", "word"),
    [
        ('context.purpose == "missing_kid"', "purpose", "missing_kid"),
        ('["photo_library", "selfies"].contains(context.purpose)', "purpose", "selfies"),
        ('principal.organization.kind != "police"', "kind", "police"),
        ('context.beneficiary.kind == "police"', "kind", "police"),
        ('context has authorization && context.authorization.state == "approved"', "state", "approved"),
        ('context has authorization && context.authorization.basis == "hunch"', "basis", "hunch"),
        (
            "context has authorization && context.authorization has offence "
            '&& ["theft"].contains(context.authorization.offence)',
            "offence",
            "theft",
        ),
        ('resource is Countenance::Collection && resource.sensitivity == "secret"', "sensitivity", "secret"),
        ('resource is Countenance::Collection && resource.purposes.contains("selfies")', "purposes", "selfies"),
        ('resource is Countenance::Collection && resource.purposes.containsAny(["selfies"])', "purposes", "selfies"),
    ],
)
def test_a_word_that_there_is_not_is_named(condition: str, of: str, word: str) -> None:
    """To Cedar it is a string like any other, and the forbid would never hold."""
    text = NIGHT.replace("context.real_time", condition)
    assert f"The policy extra/real-time speaks of the {of} {word!r}, which there is none of." in problems(pack(text))


def test_words_that_there_are_pass() -> None:
    text = NIGHT.replace("context.real_time", '["photo_library", "research"].contains(context.purpose)')
    assert not any("speaks of" in problem for problem in problems(pack(text)))


def test_a_policy_says_where_it_comes_from_and_what_to_do() -> None:
    silent = '@id("a") forbid (principal, action, resource) when { context.real_time };'
    found = problems(pack(silent))
    assert "The policy extra/a has no @source: name the law or the rule it implements." in found
    assert "The policy extra/a has no @message: say to whoever is denied what to do." in found


def test_an_obligation_that_nobody_can_meet_is_named() -> None:
    owed = '@id("owed") @source("a test") @obligation("notify:everybody") permit (principal, action, resource);'
    assert any(
        problem.startswith("The policy extra/owed: The obligation 'notify:everybody'")
        for problem in problems(pack("", owed))
    )


def test_a_pack_that_requires_what_there_is_not_is_told_so() -> None:
    assert problems(pack(NIGHT, requires=("gone",))) == (
        "The policy pack extra requires gone, which there is none of.",
    )


def test_an_example_leaves_moratoria_to_the_packs_unless_it_names_them() -> None:
    _, _, by_packs = request_of(json.dumps(ASKED), "one")
    _, _, named = request_of(json.dumps({**ASKED, "moratoria": []}), "one")
    assert (by_packs, named) == (True, False)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, "null"])
def test_what_is_no_request_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="one"):
        request_of(text, "one")
    with pytest.raises(InvalidParameter, match=r"extra/ALLOW/one\.json"):
        examples_of(Pack.from_files({**pack(NIGHT).files, "ALLOW/one.json": text}))
