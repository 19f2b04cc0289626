"""AWS Signature Version 4, verified.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

A request is read in two steps, so that no body is kept for somebody without a key: `read_claim` judges the headers
alone, `Claim.verify` then judges the body. Only the Authorization header is taken: presigned URLs, which make a
bearer token of a request, are refused, and so is a payload that the signature does not cover.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from countenance.aws.errors import (
    IncompleteSignatureException,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
    UnrecognizedClientException,
)
from countenance.aws.model import SERVICE

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
TIMESTAMP = "%Y%m%dT%H%M%SZ"
# Headers that must be signed; every x-amz-* header that is present must be too, as the specification asks.
ALWAYS_SIGNED = frozenset({"host", "x-amz-date"})
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()

_ACCESS_KEY_ID = re.compile(r"[A-Za-z0-9_]{1,128}", re.ASCII)
_TIMESTAMP = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_HEADER_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a signature is for: the region of this server, and one service of it."""

    region: str
    service: str = SERVICE

    def of(self, day: str) -> str:
        """The credential scope of one day, YYYYMMDD."""
        return f"{day}/{self.region}/{self.service}/{TERMINATOR}"


@dataclass(frozen=True, slots=True)
class Claim:
    """What the headers of a request claim: who signed it, when, and how. Not yet verified."""

    access_key_id: str
    signed_at: datetime
    signature: str
    path: str
    scope: Scope
    canonical_headers: bytes = field(repr=False)
    signed_headers: str
    declared_payload: str | None
    session_token: str | None = field(repr=False)

    def verify(self, secret: str, body: bytes) -> None:
        """Raise `InvalidSignatureException` unless `secret` signed these headers and this body."""
        payload = hashlib.sha256(body).hexdigest()
        if self.declared_payload is not None and not hmac.compare_digest(self.declared_payload, payload):
            raise InvalidSignatureException("The x-amz-content-sha256 header is not the SHA-256 of the body.")
        canonical = b"\n".join(
            [b"POST", self.path.encode(), b"", self.canonical_headers, self.signed_headers.encode(), payload.encode()]
        )
        timestamp = self.signed_at.strftime(TIMESTAMP)
        to_sign = "\n".join([ALGORITHM, timestamp, self.scope.of(timestamp[:8]), hashlib.sha256(canonical).hexdigest()])
        signature = hmac.new(signing_key(secret, timestamp[:8], self.scope), to_sign.encode(), hashlib.sha256)
        if not hmac.compare_digest(signature.hexdigest(), self.signature):
            raise InvalidSignatureException


def signing_key(secret: str, day: str, scope: Scope) -> bytes:
    """The key that one secret gives for one day, region and service."""
    key = f"AWS4{secret}".encode()
    for part in (day, scope.region, scope.service, TERMINATOR):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def read_claim(
    headers: Sequence[tuple[bytes, bytes]], *, scope: Scope, now: datetime, skew_seconds: int, path: str = "/"
) -> Claim:
    """What the raw headers of a request (names in lower case) claim, once everything but the signature is in order.

    `path` is where it was sent, which the signature covers too; it needs no percent-encoding.

    Raises `MissingAuthenticationTokenException`, `IncompleteSignatureException`, `InvalidSignatureException` (scope or
    clock) and `UnrecognizedClientException`.
    """
    fields = _single(headers)
    authorization = fields.get("authorization")
    if authorization is None:
        raise MissingAuthenticationTokenException
    parameters = _parameters(authorization)
    access_key_id, day, region, service = _credential(parameters["Credential"])
    if not _ACCESS_KEY_ID.fullmatch(access_key_id):
        raise UnrecognizedClientException
    signed_headers = _signed_headers(parameters["SignedHeaders"], fields)
    if not _SHA256.fullmatch(parameters["Signature"]):
        raise IncompleteSignatureException("The Signature of the Authorization header is not 64 lower-case hex digits.")
    signed_at = _timestamp(fields["x-amz-date"])
    _check_scope(day, region, service, scope, fields["x-amz-date"])
    _check_clock(signed_at, now, skew_seconds)
    return Claim(
        access_key_id=access_key_id,
        signed_at=signed_at,
        signature=parameters["Signature"],
        path=path,
        scope=scope,
        canonical_headers=_canonical(headers, signed_headers),
        signed_headers=";".join(signed_headers),
        declared_payload=fields.get("x-amz-content-sha256"),
        session_token=fields.get("x-amz-security-token"),
    )


def _single(headers: Sequence[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """Headers by name. One that comes twice is refused: what is signed and what is read must be the same."""
    fields: dict[str, str] = {}
    for raw_name, value in headers:
        name = raw_name.decode("latin-1")
        if name in fields:
            raise IncompleteSignatureException("A header is given more than once.")
        fields[name] = value.decode("latin-1").strip()
    return fields


def _parameters(authorization: str) -> Mapping[str, str]:
    algorithm, _, rest = authorization.partition(" ")
    if algorithm != ALGORITHM:
        raise IncompleteSignatureException(f"Unsupported algorithm: the Authorization header must use {ALGORITHM}.")
    parameters: dict[str, str] = {}
    for part in rest.split(","):
        name, separator, value = part.strip().partition("=")
        if not separator or name in parameters:
            raise IncompleteSignatureException(
                "The Authorization header must list Credential, SignedHeaders and Signature once each, "
                "as name=value, with commas between."
            )
        parameters[name] = value
    missing = [name for name in ("Credential", "SignedHeaders", "Signature") if not parameters.get(name)]
    if missing:
        raise IncompleteSignatureException(
            " ".join(f"Authorization header requires '{name}' parameter." for name in missing)
        )
    return parameters


def _credential(credential: str) -> tuple[str, str, str, str]:
    parts = credential.split("/")
    if len(parts) != 5 or parts[4] != TERMINATOR:
        raise IncompleteSignatureException(
            f"Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/{TERMINATOR}."
        )
    return parts[0], parts[1], parts[2], parts[3]


def _signed_headers(listed: str, fields: Mapping[str, str]) -> list[str]:
    names = listed.split(";")
    if names != sorted(set(names)) or not all(map(_HEADER_NAME.fullmatch, names)):
        raise IncompleteSignatureException("SignedHeaders must be lower-case names, sorted, once each.")
    owed = ALWAYS_SIGNED | {name for name in fields if name.startswith("x-amz-")}
    unsigned = sorted(owed - set(names))
    if unsigned:
        raise InvalidSignatureException(f"These headers must be signed: {', '.join(unsigned)[:256]}.")
    absent = sorted(set(names) - set(fields))
    if absent:
        raise InvalidSignatureException(f"These headers are signed but absent: {', '.join(absent)[:256]}.")
    return names


def _timestamp(value: str) -> datetime:
    try:
        if not _TIMESTAMP.fullmatch(value):
            raise ValueError(value)
        return datetime.strptime(value, TIMESTAMP).replace(tzinfo=UTC)
    except ValueError as error:
        raise IncompleteSignatureException("X-Amz-Date must be in ISO-8601 'basic format'.") from error


def _check_scope(day: str, region: str, service: str, scope: Scope, timestamp: str) -> None:
    complaints = []
    if region != scope.region:
        complaints.append(f"Credential should be scoped to a valid region: '{scope.region}'.")
    if service != scope.service:
        complaints.append(f"Credential should be scoped to correct service: '{scope.service}'.")
    if day != timestamp[:8]:
        complaints.append(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{day[:8]}' != '{timestamp[:8]}', from '{timestamp}'."
        )
    if complaints:
        raise InvalidSignatureException(" ".join(complaints))


def _check_clock(signed_at: datetime, now: datetime, skew_seconds: int) -> None:
    late = (now - signed_at).total_seconds()
    if abs(late) <= skew_seconds:
        return
    verdict = "expired" if late > 0 else "not yet current"
    relation = "earlier" if late > 0 else "later"
    raise InvalidSignatureException(
        f"Signature {verdict}: {signed_at:{TIMESTAMP}} is {relation} than allowed: "
        f"the server's clock says {now:{TIMESTAMP}} and may differ by {skew_seconds} seconds."
    )


def _canonical(headers: Sequence[tuple[bytes, bytes]], names: Sequence[str]) -> bytes:
    """The signed headers as they were signed: values trimmed, inner white space made single spaces."""
    values = {name.decode("latin-1"): b" ".join(value.split()) for name, value in headers}
    return b"".join(name.encode("latin-1") + b":" + values[name] + b"\n" for name in names)
