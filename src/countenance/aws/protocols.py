"""What the AWS protocols have in common that this server speaks, so that one edge serves them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from starlette.requests import Request
from starlette.responses import Response

from countenance.service.application import Application
from countenance.service.callers import Caller

CarryOut = Callable[[Application, Caller, bytes], bytes]


@dataclass(frozen=True, slots=True)
class Undertaking:
    """What the head of a request asks for.

    `carry_out` takes the body once its sender is known, and gives the content of the answer. `recognises`: whether a
    photo is worked on, which takes a worker. A body of more than `max_bytes` (None: than any request may have) is
    answered with `too_large`.
    """

    carry_out: CarryOut
    too_large: type[Exception]
    recognises: bool = False
    max_bytes: int | None = None


class WireProtocol(Protocol):
    """How the requests of one AWS service are read, and its answers and errors written."""

    service: ClassVar[str]
    """The service that requests must be signed for."""
    path: ClassVar[str]
    """Where requests are sent, which their signatures cover."""
    media_type: ClassVar[str]
    """The Content-Type of answers."""

    def begin(self, request: Request) -> Undertaking:
        """Read the head of a request. Raises `Refusal` for one that cannot be understood."""

    def error_response(self, error: Exception, request_id: str) -> Response:
        """The answer that tells a client of any `error`."""


def media_type(request: Request) -> str:
    """The Content-Type of a request, in lower case and without parameters; empty when it has none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
