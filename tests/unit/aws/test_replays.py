"""A signature is good for one use, and for its twin within the same second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from countenance.aws.errors import InvalidSignatureException, ThrottlingException
from countenance.aws.replays import TWIN_SECONDS, UsedSignatures

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
SKEW = 300
ONE, TWO, THREE = (f"{n:064x}" for n in (1, 2, 3))


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_two_calls_signed_in_the_same_second_are_both_accepted() -> None:
    used = UsedSignatures(SKEW)
    used.use(ONE, NOON)
    used.use(ONE, later(0.2))
    used.use(ONE, later(TWIN_SECONDS))


@pytest.mark.parametrize("seconds", [TWIN_SECONDS + 0.1, 60, SKEW, 2 * SKEW])
def test_a_signature_seen_again_later_is_a_replay(seconds: float) -> None:
    used = UsedSignatures(SKEW)
    used.use(ONE, NOON)
    with pytest.raises(InvalidSignatureException, match="used before"):
        used.use(ONE, later(seconds))


def test_a_twin_does_not_prolong_what_is_accepted() -> None:
    used = UsedSignatures(SKEW)
    used.use(ONE, NOON)
    used.use(ONE, later(TWIN_SECONDS - 1))
    with pytest.raises(InvalidSignatureException):
        used.use(ONE, later(TWIN_SECONDS + 1))


def test_a_full_memory_refuses_new_signatures_rather_than_forget_one() -> None:
    used = UsedSignatures(SKEW, max_remembered=2)
    used.use(ONE, NOON)
    used.use(TWO, later(1))
    with pytest.raises(ThrottlingException):
        used.use(THREE, later(2))
    with pytest.raises(InvalidSignatureException):
        used.use(ONE, later(30))


def test_memory_is_freed_when_no_clock_could_accept_the_signature_any_more() -> None:
    used = UsedSignatures(SKEW, max_remembered=1)
    used.use(ONE, NOON)
    used.use(TWO, later(2 * SKEW + 1))
