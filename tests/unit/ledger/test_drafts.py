"""Entries written before their time is known."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countenance.ledger import entries
from countenance.ledger.drafts import Draft
from countenance.ledger.entries import MAX_ENTRY_BYTES, Deletion, Entry, KeyChange, PolicyChange

from . import logs

A_TIME = st.integers(0, 2**42).map(lambda milliseconds: datetime.fromtimestamp(milliseconds / 1000, UTC))


@pytest.mark.parametrize(
    "entry",
    [
        logs.intent(1),
        logs.decision(1),
        logs.outcome(1),
        Deletion(reason="retention"),
        KeyChange(subject="log_key", change="rotated", actor=logs.ACTOR),
        PolicyChange(
            change=logs.uid("y", 1),
            state="proposed",
            after="0" * 64,
            packs={"base": "0" * 64},
            moratoria=({"at": "2026-01-01", "ends": {"at": None}},),
            changes=('a sentence with "at":"0000-00-00T00:00:00.000Z" in it', "Größe, €, 😀, \x00"),
        ),
        # Members on one side of the time only.
        Entry(),
    ],
    ids=lambda entry: type(entry).__name__,
)
@given(at=A_TIME)
def test_a_draft_becomes_the_entry_at_its_time(entry: Entry, at: datetime) -> None:
    assert Draft(entry).leaf(entries.timestamp(at)) == entries.written(entry, at)


def test_a_time_that_an_entry_came_with_is_not_the_ledgers() -> None:
    entry = Deletion(reason="request", at="2001-01-01T00:00:00.000Z")
    assert b"2001" not in Draft(entry).leaf("2026-11-02T12:00:00.000Z")


def test_an_entry_that_just_fits_is_taken_and_a_longer_one_is_not() -> None:
    def sized(length: int) -> Entry:
        return logs.intent(1).model_copy(update={"software": "x" * length})

    fixed = len(entries.written(sized(0), logs.NOON))
    largest = Draft(sized(MAX_ENTRY_BYTES - fixed)).leaf(entries.timestamp(logs.NOON))
    assert len(largest) == MAX_ENTRY_BYTES
    with pytest.raises(ValueError, match="at most 65,535 bytes, not 65,536"):
        Draft(sized(MAX_ENTRY_BYTES - fixed + 1))


def test_what_json_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match=r"."):
        Draft(logs.intent(1).model_copy(update={"threshold": float("nan")}))
