"""Sessions: temporary credentials that say what they are for, kept by their holder and nowhere else.

A session token is the session itself, sealed as the secrets of access keys are (AES-256-GCM), with the session's
access key id as associated data. No server keeps anything of it, so any server with the sealing key knows it. What a
session signs with is derived from its token and the secret of the access key it was begun with.
Trust: whoever captures a token learns nothing from it and can sign nothing without that secret; whoever has the
sealing key alone can make tokens, and sign with none of them. A session cannot be ended by itself: it ends when it
expires and when its access key is revoked, which whoever unseals it must look up.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
from dataclasses import asdict, dataclass, field

from countenance.errors import InvalidParameter, Misconfigured
from countenance.storage.keys import ID_RANDOM_BYTES, SECRET_RANDOM_BYTES, SealingKey

# The shape of AWS's own: 20 characters beginning with ASIA.
ID_PREFIX = "ASIA"

# Longest token that is given out and looked at, in characters. AWS's own are up to 4,096 and clients keep them in
# headers and environment variables.
MAX_TOKEN_CHARACTERS = 4096

# How far the clock of the server that issued a session may be ahead of ours, in seconds. More is a clock set back,
# which would let sessions live again that have expired.
MAX_AHEAD_SECONDS = 300.0


class InvalidSession(Exception):
    """The session token is not of this server or not of this access key id, or it was altered."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)


class ExpiredSession(InvalidSession):
    """The session has expired."""


@dataclass(frozen=True, slots=True)
class Session:
    """What the holder of an access key does for a while, in which role and to which end.

    `parent` is the id of the access key it was begun with. None: not stated. Times are UTC seconds since the epoch.
    """

    access_key_id: str
    parent: str
    role: str
    name: str
    purpose: str
    case: str | None = field(repr=False)
    authorization: str | None
    beneficiary: str | None
    issued_at: float
    expires_at: float


def begin(
    *,
    parent: str,
    role: str,
    name: str,
    purpose: str,
    case: str | None,
    authorization: str | None,
    beneficiary: str | None,
    now: float,
    duration_seconds: int,
) -> Session:
    """A new session, with an access key id of its own."""
    return Session(
        access_key_id=ID_PREFIX + base64.b32encode(os.urandom(ID_RANDOM_BYTES)).decode(),
        parent=parent,
        role=role,
        name=name,
        purpose=purpose,
        case=case,
        authorization=authorization,
        beneficiary=beneficiary,
        issued_at=now,
        expires_at=now + duration_seconds,
    )


def seal(session: Session, key: SealingKey) -> str:
    """The session's token: base64 of the sealed session.

    Raises `InvalidParameter` when it would be longer than `MAX_TOKEN_CHARACTERS`.
    """
    content = json.dumps(asdict(session), ensure_ascii=False, separators=(",", ":"))
    token = base64.b64encode(key.seal(content, _sealed_for(session.access_key_id))).decode()
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise InvalidParameter(
            f"The session says more than a session token of {MAX_TOKEN_CHARACTERS} characters holds: shorten the "
            "session name or the values of its tags."
        )
    return token


def unseal(token: str, access_key_id: str, now: float, key: SealingKey) -> Session:
    """The session of a token that came with this access key id. Whether its `parent` still works is not known here.

    Raises `ExpiredSession`, and `InvalidSession` for anything that `seal` did not make with this key for this id.
    """
    if len(token) > MAX_TOKEN_CHARACTERS or not access_key_id.startswith(ID_PREFIX):
        raise InvalidSession
    try:
        sealed = base64.b64decode(token, validate=True)
        session = Session(**json.loads(key.unseal(sealed, _sealed_for(access_key_id))))
    # In this order: not base64, sealed by somebody else or altered, of another version of this software.
    except (binascii.Error, ValueError, Misconfigured, TypeError) as error:
        raise InvalidSession from error
    if now >= session.expires_at:
        raise ExpiredSession
    if session.issued_at > now + MAX_AHEAD_SECONDS:
        raise InvalidSession("The session was begun later than the server's clock says it is.")
    return session


def secret(token: str, parent_secret: str) -> str:
    """What the holder of this token signs with: HMAC-SHA-256 under the secret of the access key it was begun with.

    It stands nowhere, so that the key that seals tokens signs nothing.
    """
    derived = hmac.digest(parent_secret.encode(), b"session " + token.encode(), "sha256")
    return base64.b64encode(derived[:SECRET_RANDOM_BYTES]).decode()


def _sealed_for(access_key_id: str) -> str:
    # No access key's secret, which the same key seals, can be presented as a session, nor the other way round.
    return f"session {access_key_id}"
