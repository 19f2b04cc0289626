"""The groups of actions are those of the schema."""

from __future__ import annotations

import cedarpy
import pytest

from countenance.policy.actions import ACTIONS, GROUPS, names_of
from countenance.policy.entities import cedar_request, entities_of
from countenance.policy.schema import schema
from countenance.service.actions import Action
from tests.unit.policy.asking import photo_library


@pytest.mark.parametrize("group", GROUPS)
def test_cedar_knows_the_same_groups(group: str) -> None:
    policy = f'permit (principal, action in Countenance::Action::"{group}", resource);'
    allowed = []
    for action in ACTIONS:
        request = photo_library(action=action)
        answer = cedarpy.is_authorized(cedar_request(request), policy, entities_of(request), schema=schema())
        assert answer.diagnostics.errors == []
        allowed += [action] if answer.allowed else []
    assert set(allowed) == set(GROUPS[group]) == {action for action in ACTIONS if group in names_of(action)}


def test_whatever_can_be_done_can_be_asked_for() -> None:
    """An action that no policy knew could never be permitted."""
    assert {action.value for action in Action} == set(ACTIONS)
