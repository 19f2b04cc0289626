"""What Cedar is told of a request."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from countenance.policy.entities import cedar_request, jurisdictions_of, time_text
from countenance.policy.requests import RequestFacts
from tests.unit.policy.asking import NOW, engine, investigation, member, names, photo_library


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (datetime(2026, 10, 1, 12, 0, 0, 123_999, tzinfo=UTC), "2026-10-01T12:00:00.123Z"),
        (datetime(2026, 10, 1, 12, tzinfo=timezone(timedelta(hours=2))), "2026-10-01T10:00:00.000Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000Z"),
        (datetime.max.replace(tzinfo=UTC), "9999-12-31T23:59:59.999Z"),
    ],
)
def test_times_are_written_as_cedar_reads_them(time: datetime, text: str) -> None:
    """It knows no `+02:00`, and no more than milliseconds."""
    assert time_text(time) == text
    assert engine("base").decide(photo_library(now=time)).allowed


def test_a_time_means_the_same_in_every_zone() -> None:
    """Training that ends at noon in Paris has ended at ten in London."""
    paris = timezone(timedelta(hours=2))
    ends = datetime(2026, 10, 1, 14, tzinfo=paris)
    investigator = member(investigation().principal.organization, trained_until=ends)
    late = engine("base").decide(investigation(principal=investigator, now=NOW))
    early = engine("base").decide(investigation(principal=investigator, now=NOW - timedelta(milliseconds=1)))
    assert (names(late), early.allowed) == ({"base/untrained"}, True)


@pytest.mark.parametrize("time", ["2026-06-30T23:59:60Z", "2026-10-01T12:00:00", "yesterday"])
def test_a_leap_second_and_a_time_without_a_zone_are_refused(time: str) -> None:
    with pytest.raises(ValidationError):
        RequestFacts.model_validate({"action": "SearchFaces", "now": time})


@pytest.mark.parametrize(
    ("threshold", "text"),
    [
        (99.0, "99.0000"),
        (98.99999, "98.9999"),
        (99.99, "99.9900"),
        (80, "80.0000"),
        (0.1 + 0.2, "0.3000"),
        (1e-9, "0.0000"),
    ],
)
def test_thresholds_are_rounded_down(threshold: float, text: str) -> None:
    """98.99999 is not 99."""
    context = json.loads(cedar_request(photo_library(threshold=threshold))["context"])
    assert context["threshold"]["__extn"] == {"fn": "decimal", "arg": text}


@pytest.mark.parametrize(
    ("declared", "around"),
    [
        ("", []),
        ("US-MI-Detroit", ["US", "US-MI", "US-MI-DETROIT"]),
        ("us-wa", ["US", "US-WA"]),
        ("DE-BE", ["DE", "DE-BE", "EU"]),
        ("FR", ["FR", "EU"]),
        ("CH", ["CH"]),
        ("EU", ["EU"]),
        (" US - MI ", ["US", "US-MI"]),
        ("USA", ["USA"]),
    ],
)
def test_an_organization_is_in_all_that_is_around_it(declared: str, around: list[str]) -> None:
    """In capitals: nobody leaves a state by writing it small."""
    assert jurisdictions_of(declared) == around
