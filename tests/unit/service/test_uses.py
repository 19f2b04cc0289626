from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from countenance.errors import ResourceNotFound
from countenance.service.callers import Caller
from countenance.service.uses import Action, use

CALLER = Caller("AKIAEXAMPLE", "ann", "agency")


def test_a_use_is_recorded_with_who_what_and_outcome() -> None:
    with capture_logs() as logs, use(CALLER, Action.SEARCH_FACES, "staff", threshold=99.0) as outcome:
        outcome.state(matches=2)
    (entry,) = logs
    assert entry.pop("ms") >= 0
    assert entry == {
        "event": "SearchFaces",
        "log_level": "info",
        "principal": "ann",
        "organization": "agency",
        "access_key_id": "AKIAEXAMPLE",
        "collection": "staff",
        "threshold": 99.0,
        "matches": 2,
    }


def test_a_refusal_is_recorded_and_still_raised() -> None:
    with capture_logs() as logs, pytest.raises(ResourceNotFound), use(CALLER, Action.LIST_FACES, "staff"):
        raise ResourceNotFound("The collection id: staff does not exist")
    assert logs[0]["refused"] == "ResourceNotFoundException"


def test_a_failure_is_recorded_by_its_kind_without_its_words() -> None:
    with capture_logs() as logs, pytest.raises(ValueError, match="a name"), use(CALLER, Action.DETECT_FACES):
        raise ValueError("a name, perhaps")
    assert logs[0]["failed"] == "ValueError"
    assert "a name" not in str(logs)
