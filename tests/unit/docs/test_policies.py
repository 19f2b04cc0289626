"""docs/policies.md says every word that policies know, and what the packs that ship say of themselves."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

import pytest

from countenance.policy.actions import GROUPS
from countenance.policy.obligations import parse
from countenance.policy.packs import shipped
from countenance.policy.vocabulary import (
    AuthorizationState,
    LegalBasis,
    Offence,
    OrganizationKind,
    Purpose,
    Sensitivity,
)
from countenance.service.collections import PURPOSES_TAG, SENSITIVITY_TAG

DOCUMENT = Path(__file__).parents[3] / "docs" / "policies.md"


def section(title: str) -> str:
    """What stands below a heading, up to the next of its level or a higher one."""
    match = re.search(rf"^(#+) {title}\n(.*?)(?=^##? |^\1 |\Z)", DOCUMENT.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert match is not None, f"there is no heading {title!r}"
    return match[2]


def rows(title: str) -> list[list[str]]:
    """The rows of a section's table, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("Purposes", Purpose),
        ("Kinds of organizations", OrganizationKind),
        ("Legal bases", LegalBasis),
        ("States of an authorization", AuthorizationState),
        ("Sensitivities", Sensitivity),
    ],
)
def test_the_closed_lists_are_those_of_the_code(title: str, words: type[StrEnum]) -> None:
    assert [row[0].strip("`") for row in rows(title)] == list(words)


def test_every_offence_is_named() -> None:
    assert re.findall(r"`([a-z_]+)`", section("Offences")) == list(Offence)


def test_the_groups_of_actions_and_the_tags_that_govern_are_named() -> None:
    assert {f"`{group}`" for group in GROUPS} <= set(re.findall(r"`[a-z]+`", section("The facts")))
    assert [row[0] for row in rows("What a collection says")] == [f"`{SENSITIVITY_TAG}`", f"`{PURPOSES_TAG}`"]


def test_every_kind_of_obligation_is_named() -> None:
    """As policies write it."""
    told = [row[0].strip("`") for row in rows("What a permitted use owes")]
    assert len(told) == len(vars_of_obligations())
    for obligation in told:
        parse(obligation)


def vars_of_obligations() -> list[str]:
    """The kinds there are."""
    from countenance.policy.decisions import Obligations  # noqa: PLC0415 -- beside its one use

    return list(Obligations.__dataclass_fields__)


def test_the_packs_that_ship_are_told_with_their_versions_and_dates() -> None:
    told = {row[0].strip("`"): row for row in rows("The packs that ship")}
    assert set(told) == set(shipped())
    for name, pack in shipped().items():
        _, version, dates, not_claimed = told[name]
        assert version == pack.version, name
        since = {str(date) for date in pack.manifest.effective.values()}
        assert set(re.findall(r"\d{4}-\d\d-\d\d", dates)) == since, name
        assert since or dates == "always", name
        assert not_claimed, name
        assert pack.manifest.not_claimed, name


def test_what_maps_to_a_pack_names_one_that_ships() -> None:
    packs = {word for row in rows("How law maps to control") for word in re.findall(r"`([^`]+)`", row[2])}
    assert packs
    assert packs <= set(shipped())
