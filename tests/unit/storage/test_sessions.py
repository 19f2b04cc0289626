"""Sessions, whose holders keep them: nothing but what was given out is taken back."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countenance.errors import InvalidParameter
from countenance.storage.keys import KEY_BYTES, SealingKey
from countenance.storage.sessions import (
    MAX_AHEAD_SECONDS,
    MAX_TOKEN_CHARACTERS,
    ExpiredSession,
    InvalidSession,
    begin,
    seal,
    secret,
    unseal,
)

NOW = 1_800_000_000.0
HOUR = 3600
KEY = SealingKey(os.urandom(KEY_BYTES))

SESSION = begin(
    parent="AKIAEXAMPLE",
    role="examiner",
    name="night-shift",
    purpose="missing_child",
    case="NCMEC 2026/117",
    authorization=None,
    beneficiary="o-" + "0" * 32,
    now=NOW,
    duration_seconds=HOUR,
)

text = st.text(max_size=64)


def refused(token: str, access_key_id: str = SESSION.access_key_id, now: float = NOW, key: SealingKey = KEY) -> None:
    with pytest.raises(InvalidSession) as refusal:
        unseal(token, access_key_id, now, key)
    assert not isinstance(refusal.value, ExpiredSession)


def test_a_session_comes_back_as_it_was_begun() -> None:
    assert unseal(seal(SESSION, KEY), SESSION.access_key_id, NOW, KEY) == SESSION


@given(name=text, case=st.none() | text, authorization=st.none() | text)
def test_any_words_come_back(name: str, case: str | None, authorization: str | None) -> None:
    session = replace(SESSION, name=name, case=case, authorization=authorization)
    assert unseal(seal(session, KEY), session.access_key_id, NOW, KEY) == session


def test_ids_and_secrets_have_the_shape_of_awss_own() -> None:
    assert SESSION.access_key_id.startswith("ASIA")
    assert len(SESSION.access_key_id) == 20
    assert len(secret(seal(SESSION, KEY), "parent's")) == 40


def test_what_signs_comes_of_the_token_and_the_access_keys_secret_and_needs_both() -> None:
    token = seal(SESSION, KEY)
    assert secret(token, "parent's") == secret(token, "parent's")
    assert secret(token, "parent's") != secret(token, "another's")
    assert secret(token, "parent's") != secret(seal(SESSION, KEY), "parent's")


def test_no_two_sessions_share_an_id() -> None:
    begun = [
        begin(
            parent="AKIAEXAMPLE", role="r", name="n", purpose="p", case=None, authorization=None, beneficiary=None,
            now=NOW, duration_seconds=HOUR,
        )
        for _ in range(50)
    ]  # fmt: skip
    assert len({session.access_key_id for session in begun}) == 50


def test_a_token_shows_nothing_of_what_is_in_it() -> None:
    content = base64.b64decode(seal(SESSION, KEY))
    for word in (SESSION.access_key_id, "examiner", "night-shift", "missing_child", "NCMEC"):
        assert word.encode() not in content
    assert "NCMEC" not in repr(SESSION)


@pytest.mark.parametrize("seconds", [0, 1, HOUR - 1])
def test_it_lasts_as_long_as_it_was_begun_for(seconds: int) -> None:
    unseal(seal(SESSION, KEY), SESSION.access_key_id, NOW + seconds, KEY)


@pytest.mark.parametrize("seconds", [HOUR, HOUR + 1, 10 * HOUR])
def test_afterwards_it_has_expired(seconds: int) -> None:
    with pytest.raises(ExpiredSession):
        unseal(seal(SESSION, KEY), SESSION.access_key_id, NOW + seconds, KEY)


def test_a_clock_set_back_revives_no_session() -> None:
    token = seal(SESSION, KEY)
    unseal(token, SESSION.access_key_id, NOW - MAX_AHEAD_SECONDS, KEY)
    refused(token, now=NOW - MAX_AHEAD_SECONDS - 1)


@given(data=st.data())
def test_one_changed_byte_ends_it(data: st.DataObject) -> None:
    sealed = base64.b64decode(seal(SESSION, KEY))
    place = data.draw(st.integers(0, len(sealed) - 1))
    flip = data.draw(st.integers(1, 255))
    refused(base64.b64encode(bytes([*sealed[:place], sealed[place] ^ flip, *sealed[place + 1 :]])).decode())


@given(token=st.text(max_size=200) | st.binary(max_size=200).map(lambda sealed: base64.b64encode(sealed).decode()))
def test_nothing_else_is_a_token(token: str) -> None:
    refused(token)


@pytest.mark.parametrize(
    "other",
    ["ASIAOTHER", "AKIAEXAMPLE", "", SESSION.access_key_id.lower()],
    ids=["another session's", "the parent key's", "none", "in small letters"],
)
def test_it_is_of_one_access_key_id(other: str) -> None:
    refused(seal(SESSION, KEY), access_key_id=other)


def test_it_is_of_the_servers_that_share_a_key() -> None:
    refused(seal(SESSION, KEY), key=SealingKey(os.urandom(KEY_BYTES)))


def test_the_sealed_secret_of_an_access_key_is_no_session() -> None:
    """Whoever reads the database finds secrets sealed with the same key, and may even have had one made to measure."""
    content = json.dumps({"access_key_id": SESSION.access_key_id, "secret": "x"})
    refused(base64.b64encode(KEY.seal(content, SESSION.access_key_id)).decode())


def test_a_session_of_another_version_is_refused() -> None:
    sealed = KEY.seal(json.dumps({"access_key_id": SESSION.access_key_id}), f"session {SESSION.access_key_id}")
    refused(base64.b64encode(sealed).decode())
    refused(base64.b64encode(KEY.seal("[]", f"session {SESSION.access_key_id}")).decode())


def test_a_token_has_at_most_four_kilobytes() -> None:
    longest = replace(SESSION, name="n" * 64, case="\U0001f50d" * 256)
    assert len(seal(longest, KEY)) <= MAX_TOKEN_CHARACTERS
    with pytest.raises(InvalidParameter, match="shorten the session name or the values of its tags"):
        seal(replace(SESSION, case="x" * MAX_TOKEN_CHARACTERS), KEY)


def test_more_than_that_is_not_even_looked_at() -> None:
    refused("A" * (MAX_TOKEN_CHARACTERS + 4))
