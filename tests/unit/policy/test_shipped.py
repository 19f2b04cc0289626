"""The packs that ship: their examples, and that the examples hold every policy."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from countenance.policy.checks import check
from countenance.policy.engine import PolicyEngine
from countenance.policy.examples import Example, examples_of
from countenance.policy.packs import Pack, shipped, with_required
from countenance.policy.readmes import readme

EXPECTED = {
    "base",
    "detroit-2024",
    "eu-ai-act",
    "home-camera-footage",
    "maryland-2-501",
    "moratorium-2020",
    "public-safety",
    "washington-rcw-43.386",
}


@pytest.fixture(scope="module")
def engines() -> dict[str, PolicyEngine]:
    """Each pack with those it requires."""
    return {name: PolicyEngine(with_required([pack], shipped())) for name, pack in shipped().items()}


def test_these_packs_ship() -> None:
    assert set(shipped()) == EXPECTED
    assert next(iter(shipped())) == "base"


@pytest.mark.parametrize(
    ("pack", "example"),
    [(pack, example) for pack in shipped().values() for example in examples_of(pack)],
    ids=lambda value: value.path if isinstance(value, Example) else value.name,
)
def test_an_example_comes_out_as_it_says(pack: Pack, example: Example, engines: dict[str, PolicyEngine]) -> None:
    assert example.problem(engines[pack.name]) is None
    assert example.request.description


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_every_policy_is_noticed_when_it_is_gone(name: str) -> None:
    report = check(shipped()[name], shipped())
    assert report.problems == ()
    assert report.mutants == report.permits + report.forbids + report.obligations
    assert report.allow >= 4
    assert report.deny >= 3


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_pack_says_what_it_claims_and_what_not(name: str) -> None:
    manifest = shipped()[name].manifest
    assert manifest.claims
    assert manifest.not_claimed
    assert manifest.sources
    assert manifest.requires == (() if name == "base" else ("base",))


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_readme_is_fresh(name: str) -> None:
    """`python -m countenance.policy.readmes` writes it."""
    assert shipped()[name].files["README.md"] == readme(shipped()[name])


def test_all_packs_hold_together() -> None:
    """Together they forbid more, and fail nowhere."""
    together = PolicyEngine(list(shipped().values()))
    for pack in shipped().values():
        for example in examples_of(pack):
            decision = together.decide(example.asked(together), explain=False)
            assert decision.errors == 0
            if example.effect == "DENY":
                assert not decision.allowed, example.path


def test_only_one_pack_that_ships_is_a_moratorium_and_it_holds() -> None:
    (moratorium,) = [pack.moratorium for pack in shipped().values() if pack.moratorium is not None]
    assert moratorium.name == "moratorium-2020"
    assert moratorium.held(datetime(2026, 10, 1, tzinfo=UTC))
