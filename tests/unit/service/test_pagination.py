from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countenance.errors import InvalidPaginationToken
from countenance.service.pagination import next_token, position

REQUEST = ["ListFaces", "staff", None, None]


def test_a_listing_without_a_token_starts_at_the_beginning() -> None:
    assert position(REQUEST, None) is None


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_a_token_continues_where_its_page_ended(after: int) -> None:
    token = next_token(REQUEST, after)
    assert position(REQUEST, token) == after
    assert len(token) <= 255  # PaginationToken in Rekognition's model


def test_a_token_does_not_continue_another_request() -> None:
    token = next_token(REQUEST, 7)
    for other in (["ListFaces", "visitors", None, None], ["ListFaces", "staff", "ann", None], ["ListUsers", "staff"]):
        with pytest.raises(InvalidPaginationToken):
            position(other, token)


@given(st.text(max_size=300))
def test_what_was_not_issued_is_refused(token: str) -> None:
    with pytest.raises(InvalidPaginationToken):
        position(REQUEST, token)


@given(st.integers(min_value=0, max_value=2**63 - 1), st.data())
def test_a_changed_token_is_refused_or_means_another_place_of_the_same_listing(after: int, data: st.DataObject) -> None:
    token = next_token(REQUEST, after)
    at = data.draw(st.integers(0, len(token) - 1))
    changed = token[:at] + data.draw(st.characters(min_codepoint=33, max_codepoint=126)) + token[at + 1 :]
    try:
        place = position(REQUEST, changed)
    except InvalidPaginationToken:
        return
    assert place is not None
    assert 0 <= place < 2**63
