"""What actions are called in the report."""

from __future__ import annotations

import pytest

from countenance.policy.actions import GROUPS
from countenance.service.actions import MATCHES, Action
from countenance.transparency.families import FAMILIES, OTHER, SEARCHES, family


def test_families_are_the_groups_that_policies_decide_by() -> None:
    groups = {group: actions for group, actions in GROUPS.items() if group != "search"}  # a part of `match`
    assert {group: actions for group, (_, actions) in FAMILIES.items()} == groups


@pytest.mark.parametrize("action", Action)
def test_every_action_has_a_family_and_what_matches_is_a_face_search(action: Action) -> None:
    assert family(action) != OTHER
    assert (family(action) == SEARCHES) == (action in MATCHES)


def test_an_action_of_a_later_version_is_counted_all_the_same() -> None:
    assert family("WatchEverybody") == OTHER
