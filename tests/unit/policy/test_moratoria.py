"""When a moratorium is in force: to the millisecond."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from countenance.errors import InvalidParameter
from countenance.policy.moratoria import AtSunset, Moratorium
from countenance.policy.packs import shipped

START = datetime(2020, 6, 10, tzinfo=UTC)
SUNSET = datetime(2021, 6, 10, tzinfo=UTC)
LATER = datetime(2022, 6, 10, tzinfo=UTC)
ENDED = datetime(2020, 12, 24, 18, tzinfo=UTC)
MS = timedelta(milliseconds=1)

HOLDS = Moratorium("pause", "A pause", START, SUNSET, AtSunset.HOLD)
LAPSES = Moratorium("pause", "A pause", START, SUNSET, AtSunset.LAPSE)


@pytest.mark.parametrize(
    ("moratorium", "time", "in_force"),
    [
        (HOLDS, START - MS, False),
        (HOLDS, START, True),
        (HOLDS, START + MS, True),
        (HOLDS, SUNSET - MS, True),
        (HOLDS, SUNSET, True),
        (HOLDS, SUNSET + MS, True),
        (HOLDS, SUNSET + timedelta(days=36_500), True),
        (LAPSES, START - MS, False),
        (LAPSES, START, True),
        (LAPSES, SUNSET - MS, True),
        (LAPSES, SUNSET, False),
        (LAPSES, SUNSET + MS, False),
        (LAPSES.extended(LATER), SUNSET, True),
        (LAPSES.extended(LATER), LATER - MS, True),
        (LAPSES.extended(LATER), LATER, False),
        (HOLDS.ended_at(ENDED), ENDED - MS, True),
        (HOLDS.ended_at(ENDED), ENDED, False),
        (HOLDS.ended_at(ENDED), ENDED + MS, False),
        (HOLDS.ended_at(LATER), SUNSET, True),
        (HOLDS.ended_at(LATER), LATER, False),
        (HOLDS.ended_at(START), START, False),
    ],
)
def test_it_is_in_force_from_its_start_until_its_end(moratorium: Moratorium, time: datetime, in_force: bool) -> None:
    assert moratorium.in_force(time) is in_force


def test_one_that_holds_is_told_from_one_that_runs() -> None:
    """It is in force only because nobody has decided."""
    assert [HOLDS.held(time) for time in (SUNSET - MS, SUNSET)] == [False, True]
    assert not HOLDS.extended(LATER).held(SUNSET)
    assert not HOLDS.ended_at(ENDED).held(LATER)
    assert not LAPSES.held(SUNSET)


def test_it_cannot_be_extended_backwards_or_after_its_end() -> None:
    for sunset in (SUNSET, SUNSET - MS):
        with pytest.raises(InvalidParameter, match="after its sunset"):
            HOLDS.extended(sunset)
    with pytest.raises(InvalidParameter, match="declare a new one"):
        HOLDS.ended_at(ENDED).extended(LATER)


def test_it_ends_once_and_not_before_it_starts() -> None:
    with pytest.raises(InvalidParameter, match="was ended before"):
        HOLDS.ended_at(ENDED).ended_at(LATER)
    with pytest.raises(InvalidParameter, match="ends after its start"):
        HOLDS.ended_at(START - MS)
    with pytest.raises(InvalidParameter, match="must come after its start"):
        Moratorium("pause", "A pause", START, START, AtSunset.HOLD)


@pytest.mark.parametrize(
    "moratorium",
    [
        HOLDS,
        LAPSES.extended(LATER),
        HOLDS.ended_at(ENDED + MS),
        Moratorium("a", 'A "pause"\\n', START, SUNSET, AtSunset.HOLD),
    ],
)
def test_it_is_read_as_it_was_written(moratorium: Moratorium) -> None:
    assert Moratorium.from_toml(moratorium.name, moratorium.text()) == moratorium


def test_amazons_is_written_as_it_is_kept() -> None:
    pack = shipped()["moratorium-2020"]
    assert pack.moratorium is not None
    assert pack.files["moratorium.toml"] == pack.moratorium.text()
    extended = pack.with_moratorium(pack.moratorium.extended(LATER))
    assert extended.moratorium == pack.moratorium.extended(LATER)
    assert extended.sha256 != pack.sha256


def test_it_is_told_without_what_it_has_not() -> None:
    assert HOLDS.ended_at(ENDED).facts() == {
        "name": "pause",
        "title": "A pause",
        "start": "2020-06-10T00:00:00Z",
        "sunset": "2021-06-10T00:00:00Z",
        "ended": "2020-12-24T18:00:00Z",
        "at_sunset": "hold",
        "scope": "",
        "exemptions": "",
    }
    assert "ended" not in HOLDS.facts()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("start =", "no TOML"),
        ('title = "x"\nstart = 2020-06-10\nsunset = 2021-06-10T00:00:00Z\nat_sunset = "hold"', "start"),
        ('title = "x"\nstart = 2020-06-10T00:00:00Z\nat_sunset = "hold"', "sunset"),
        ('title = "x"\nstart = 2020-06-10T00:00:00Z\nsunset = 2021-06-10T00:00:00Z\nat_sunset = "maybe"', "at_sunset"),
        ('title = "x"\nstart = 2020-06-10T00:00:00\nsunset = 2021-06-10T00:00:00Z\nat_sunset = "hold"', "start"),
    ],
)
def test_what_is_no_moratorium_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(InvalidParameter, match=complaint):
        Moratorium.from_toml("pause", text)
