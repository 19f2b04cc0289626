"""SigV4, with botocore as the oracle: what it signs is accepted, and nothing else is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from countenance.aws.errors import (
    IncompleteSignatureException,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
    Refusal,
)
from countenance.aws.signature import TIMESTAMP, Claim, Scope, read_claim

REGION = "eu-west-1"
REKOGNITION = Scope(REGION)
KEY = "AKIAEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
BODY = b'{"CollectionId":"missing-persons"}'
SKEW = 300

visible = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=40)


@dataclass(frozen=True)
class Sent:
    """A request as it stands on the wire."""

    headers: dict[str, str]
    body: bytes = BODY

    @property
    def signed_at(self) -> datetime:
        return datetime.strptime(self.headers["x-amz-date"], TIMESTAMP).replace(tzinfo=UTC)

    def having(self, **changed: str | None) -> Sent:
        """With headers changed or, by None, taken away."""
        headers = {**self.headers, **{name.replace("_", "-"): value for name, value in changed.items() if value}}
        return replace(
            self, headers={n: v for n, v in headers.items() if changed.get(n.replace("-", "_"), "") is not None}
        )

    def authorization(self, old: str, new: str) -> Sent:
        """With a part of the Authorization header replaced."""
        assert old in self.headers["authorization"]
        return self.having(authorization=self.headers["authorization"].replace(old, new))


def signed(
    body: bytes = BODY, *, key: str = KEY, secret: str = SECRET, region: str = REGION, service: str = "rekognition",
    token: str | None = None, **more: str,
) -> Sent:  # fmt: skip
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "RekognitionService.DescribeCollection",
        "Host": "localhost:8750",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    request = AWSRequest(method="POST", url="http://localhost:8750/", headers=headers, data=body)
    SigV4Auth(Credentials(key, secret, token), service, region).add_auth(request)
    return Sent({name.lower(): str(value) for name, value in request.headers.items()}, body)


def claim(sent: Sent, now: datetime | None = None, scope: Scope = REKOGNITION) -> Claim:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in sent.headers.items()]
    return read_claim(raw, scope=scope, now=now or sent.signed_at, skew_seconds=SKEW)


def verify(sent: Sent, secret: str = SECRET) -> None:
    claim(sent).verify(secret, sent.body)


def test_what_botocore_signs_is_accepted() -> None:
    verify(signed())
    assert claim(signed()).access_key_id == KEY


@given(body=st.binary(max_size=2000), secret=visible, agent=visible)
def test_any_body_secret_and_header_that_botocore_signs_is_accepted(body: bytes, secret: str, agent: str) -> None:
    verify(signed(body, secret=secret, X_Amz_User_Agent=agent), secret)


@given(body=st.binary(min_size=1, max_size=200), data=st.data())
def test_one_changed_byte_of_the_body_is_refused(body: bytes, data: st.DataObject) -> None:
    sent = signed(body)
    place = data.draw(st.integers(0, len(body) - 1))
    flip = data.draw(st.integers(1, 255))
    tampered = bytes([*body[:place], body[place] ^ flip, *body[place + 1 :]])
    with pytest.raises(InvalidSignatureException, match="signature we calculated does not match"):
        verify(replace(sent, body=tampered))


@given(headers=st.dictionaries(st.text(max_size=20), st.text(max_size=60), max_size=6), authorization=st.text())
def test_no_header_is_too_strange_to_be_refused(headers: dict[str, str], authorization: str) -> None:
    raw = [(name.encode(), value.encode()) for name, value in {**headers, "authorization": authorization}.items()]
    with pytest.raises(Refusal):
        read_claim(raw, scope=REKOGNITION, now=datetime.now(UTC), skew_seconds=SKEW)


def test_the_wrong_secret_is_refused() -> None:
    with pytest.raises(InvalidSignatureException):
        verify(signed(secret="another"))


@pytest.mark.parametrize(
    "changed",
    [
        {"x_amz_target": "RekognitionService.DeleteCollection"},
        {"content_type": "application/x-amz-json-1.0"},
        {"host": "elsewhere:8750"},
    ],
)
def test_a_changed_signed_header_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(InvalidSignatureException):
        verify(signed().having(**changed))


def test_white_space_within_a_signed_header_does_not_matter() -> None:
    sent = signed(X_Amz_User_Agent="one two")
    verify(sent.having(x_amz_user_agent="one    two"))


def test_the_payload_hash_header_is_checked_when_it_is_there() -> None:
    sent = signed(X_Amz_Content_SHA256="UNSIGNED-PAYLOAD")
    with pytest.raises(InvalidSignatureException, match="x-amz-content-sha256"):
        verify(sent)


@pytest.mark.parametrize("seconds", [-SKEW, 0, SKEW])
def test_clocks_may_differ_by_the_skew(seconds: int) -> None:
    sent = signed()
    claim(sent, now=sent.signed_at + timedelta(seconds=seconds)).verify(SECRET, BODY)


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(SKEW + 1, "Signature expired"), (-SKEW - 1, "Signature not yet current")]
)
def test_clocks_may_not_differ_by_more(seconds: int, verdict: str) -> None:
    sent = signed()
    with pytest.raises(InvalidSignatureException, match=verdict):
        claim(sent, now=sent.signed_at + timedelta(seconds=seconds))


def test_another_region_is_refused_with_the_name_of_ours() -> None:
    with pytest.raises(InvalidSignatureException, match=r"valid region: 'eu-west-1'"):
        claim(signed(region="us-east-1"))


def test_another_service_is_refused() -> None:
    with pytest.raises(InvalidSignatureException, match=r"correct service: 'rekognition'"):
        claim(signed(service="s3"))


def test_what_is_signed_for_one_service_is_good_for_no_other() -> None:
    sts = Scope(REGION, "sts")
    claim(signed(service="sts"), scope=sts).verify(SECRET, BODY)
    with pytest.raises(InvalidSignatureException, match=r"correct service: 'sts'"):
        claim(signed(service="rekognition"), scope=sts)


def test_a_scope_of_another_day_is_refused() -> None:
    sent = signed()
    today = sent.headers["x-amz-date"][:8]
    with pytest.raises(InvalidSignatureException, match="Date in Credential scope does not match"):
        claim(sent.authorization(f"/{today}/", "/20010101/"))


def test_a_session_token_is_told_and_shown_to_nobody_else() -> None:
    sent = signed(token="a-token")
    verify(sent)
    assert claim(sent).session_token == "a-token"
    assert "a-token" not in repr(claim(sent))
    assert claim(signed()).session_token is None


def test_a_session_token_must_be_signed() -> None:
    with pytest.raises(InvalidSignatureException, match="must be signed: x-amz-security-token"):
        claim(signed().having(x_amz_security_token="a-token"))
    with pytest.raises(InvalidSignatureException, match="must be signed: x-amz-security-token"):
        claim(signed(token="a-token").authorization(";x-amz-security-token", ""))


def test_another_session_token_than_was_signed_is_refused() -> None:
    with pytest.raises(InvalidSignatureException):
        verify(signed(token="a-token").having(x_amz_security_token="b-token"))


def test_a_request_without_authorization_is_refused() -> None:
    with pytest.raises(MissingAuthenticationTokenException):
        claim(signed().having(authorization=None))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", "Unsupported algorithm"),
        ("Credential=", "Credentials=", "requires 'Credential'"),
        ("SignedHeaders=", "Headers=", "requires 'SignedHeaders'"),
        ("Signature=", "Signature=0", "64 lower-case hex"),
        ("/aws4_request", "", "5 slash-delimited"),
        ("/aws4_request", "/aws3_request", "5 slash-delimited"),
        ("content-type;host", "host;content-type", "sorted"),
        ("content-type;host", "content-type;Host", "lower-case"),
        ("Signature=", "Signature=00,Signature=", "once each"),
        (", SignedHeaders", " SignedHeaders", "requires 'SignedHeaders'"),
    ],
)
def test_a_malformed_authorization_is_refused_with_its_fault(old: str, new: str, complaint: str) -> None:
    with pytest.raises(IncompleteSignatureException, match=complaint):
        claim(signed().authorization(old, new))


@pytest.mark.parametrize("unsigned", ["host;", ";x-amz-date", ";x-amz-target"])
def test_host_date_and_every_amz_header_must_be_signed(unsigned: str) -> None:
    with pytest.raises(InvalidSignatureException, match=f"must be signed: {unsigned.strip(';')}"):
        claim(signed().authorization(unsigned, ""))


def test_an_amz_header_added_on_the_way_is_refused() -> None:
    with pytest.raises(InvalidSignatureException, match="must be signed: x-amz-extra"):
        claim(signed().having(x_amz_extra="1"))


def test_a_signed_header_that_is_absent_is_refused() -> None:
    with pytest.raises(InvalidSignatureException, match="absent: content-type"):
        claim(signed().having(content_type=None))


def test_a_header_given_twice_is_refused() -> None:
    sent = signed()
    raw = [(name.encode(), value.encode()) for name, value in sent.headers.items()]
    twice = [*raw, (b"x-amz-target", b"RekognitionService.DeleteCollection")]
    with pytest.raises(IncompleteSignatureException, match="more than once"):
        read_claim(twice, scope=REKOGNITION, now=sent.signed_at, skew_seconds=SKEW)


@pytest.mark.parametrize("date", ["20150830", "20150830T123600", "2015-08-30T12:36:00Z", "20151330T123600Z", "x"])
def test_a_date_in_another_format_is_refused(date: str) -> None:
    with pytest.raises(IncompleteSignatureException, match="ISO-8601"):
        claim(signed().having(x_amz_date=date), now=datetime.now(UTC))


@pytest.mark.parametrize("key", ["no/such", "a b", "ключ", ""])
def test_an_access_key_id_that_cannot_be_one_is_refused(key: str) -> None:
    with pytest.raises(Refusal):
        claim(signed().authorization(f"Credential={KEY}/", f"Credential={key}/".encode().decode("latin-1")))
