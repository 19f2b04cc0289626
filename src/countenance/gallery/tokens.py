"""Requests that may be sent twice and are carried out once: Rekognition's ClientRequestToken."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from countenance.errors import IdempotentParameterMismatch
from countenance.storage import schema

# Rekognition keeps the tokens of video jobs for seven days; for the others no time is documented.
TOKEN_LIFETIME_SECONDS = 7 * 24 * 3600


def once(
    connection: Connection,
    token: str | None,
    operation: str,
    parameters: Mapping[str, Any],
    work: Callable[[], Any],
    *,
    collection_key: int,
) -> Any:
    """What `work()` answers, a JSON value; or, when this token was used before, what it answered then.

    The answer is kept in the transaction of the work: both are committed or neither is. A `work` that raises uses up
    no token. Without a token the work is simply done. Raises IdempotentParameterMismatch when the token came with
    other parameters; only a digest of these is kept. `collection_key` is the collection the work is on: the token is
    forgotten with it.
    """
    if token is None:
        return work()
    tokens = schema.request_tokens
    now = time.time()
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    connection.execute(delete(tokens).where(tokens.c.expires_at <= now))
    used = connection.execute(
        select(tokens.c.parameters, tokens.c.answer).where(tokens.c.token == token, tokens.c.operation == operation)
    ).one_or_none()
    if used is None:
        answer = work()
        connection.execute(
            insert(tokens).values(
                token=token,
                operation=operation,
                collection_key=collection_key,
                parameters=digest,
                answer=json.dumps(answer),
                expires_at=now + TOKEN_LIFETIME_SECONDS,
            )
        )
        return answer
    if used.parameters != digest:
        raise IdempotentParameterMismatch(f"The ClientRequestToken: {token} you have supplied is already in use.")
    return json.loads(used.answer)


def forget_answers(connection: Connection, collection_key: int) -> None:
    """Forgets the requests on a collection whose answers may name one of its users, who is being deleted.

    One of these sent again is carried out again; what was associated already is then left as it is.
    """
    tokens = schema.request_tokens
    connection.execute(
        delete(tokens).where(tokens.c.collection_key == collection_key, tokens.c.answer != json.dumps(None))
    )
