"""The APIs of Rekognition and STS over HTTP: `POST /`, signed with Signature Version 4; `GET /healthz`.

`POST /fairness/pairs`, for independent tests, is signed and answered alike.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

import structlog
from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from countenance.aws.errors import (
    ExpiredTokenException,
    MethodNotAllowed,
    NotFound,
    Refusal,
    UnrecognizedClientException,
    error_response,
    failure_trace,
    is_for_clients,
)
from countenance.aws.intake import Intake, discard
from countenance.aws.pairs import PairTesting
from countenance.aws.protocols import WireProtocol, media_type
from countenance.aws.rekognition import Rekognition
from countenance.aws.replays import UsedSignatures
from countenance.aws.signature import Claim, read_claim
from countenance.aws.signature import Scope as CredentialScope
from countenance.aws.sts.protocol import CONTENT_TYPE as FORM
from countenance.aws.sts.protocol import SecurityTokenService
from countenance.errors import CountenanceError, Unaccountable
from countenance.service.application import Application
from countenance.service.sessions import Signer
from countenance.service.uses import Answer, released
from countenance.settings import Settings
from countenance.storage.sessions import ExpiredSession, InvalidSession

REQUEST_ID = "x-amzn-RequestId"
# The ledger's entry of what was answered, the case of the review that matches are withheld for, and the Similarity
# that was applied where a threshold had to be raised.
RECEIPT = "x-countenance-receipt"
REVIEW = "x-countenance-review"
THRESHOLD = "x-countenance-threshold"

# Calls carried out at once that work on no photo: they wait for the database, not for the processor.
LIGHT_CALLS = 32

# How long a browser may remember what CORS allows, in seconds: the most that browsers honour.
PREFLIGHT_SECONDS = 86_400

# Longest part of a header that is logged.
MAX_LOGGED = 64

log = structlog.get_logger("countenance.aws")


class Edge:
    """Takes a request from the wire to its use case and back. Decides nothing but who is asking."""

    def __init__(self, application: Application, settings: Settings) -> None:
        self._application = application
        self._settings = settings
        self._rekognition, self._sts, self._testing = Rekognition(), SecurityTokenService(), PairTesting()
        self._intake = Intake(settings)
        self._used_signatures = UsedSignatures(settings.clock_skew_seconds)
        # Photos are worked on by as many threads as there are workers; what is quick never waits behind them.
        self._workers = CapacityLimiter(settings.workers)
        self._light = CapacityLimiter(LIGHT_CALLS)

    async def serve(self, request: Request) -> Response:
        """`POST /`."""
        return await self._serve(request, self._sts if media_type(request) == FORM else self._rekognition)

    async def serve_pairs(self, request: Request) -> Response:
        """`POST /fairness/pairs`."""
        return await self._serve(request, self._testing)

    async def _serve(self, request: Request, protocol: WireProtocol) -> Response:
        request.state.answer = Answer()  # of a use that was never begun
        try:
            return await self._answer(request, protocol)
        except ClientDisconnect:
            return Response(status_code=499)  # for the books: nobody is there to read it
        except Exception as error:  # noqa: BLE001 -- the edge: whatever went wrong, the client gets a modelled answer
            _record(error, request, protocol)
            await discard(request.stream())
            response = protocol.error_response(error, request.state.request_id)
            response.headers.update(answer_headers(request.state.answer))
            return response

    async def health(self, _: Request) -> Response:
        """`GET /healthz`: 200 once requests can be served, 503 while they cannot, and why; how old cosignatures are."""
        health = await to_thread.run_sync(self._application.health, limiter=self._light)
        told: dict[str, object] = {"status": "ok" if health.obstacle is None else "unavailable"}
        if health.obstacle is not None:
            told["reason"] = health.obstacle
        if health.witnesses:
            told["witnesses"] = [{"name": name, "seconds_ago": round(age)} for name, age in health.witnesses]
        return JSONResponse(told, status_code=200 if health.obstacle is None else 503)

    async def _answer(self, request: Request, protocol: WireProtocol) -> Response:
        arrived = datetime.now(UTC)
        undertaking = protocol.begin(request)
        claim = read_claim(
            request.headers.raw,
            scope=CredentialScope(self._settings.region, protocol.service),
            now=arrived,
            skew_seconds=self._settings.clock_skew_seconds,
            path=protocol.path,
        )
        expected_bytes = self._intake.expected_bytes(request, undertaking.too_large, undertaking.max_bytes)
        signer = await to_thread.run_sync(self._signer, claim, limiter=self._light)
        limiter = self._workers if undertaking.recognises else self._light
        with self._intake.room(expected_bytes):
            body = await self._intake.read(request, expected_bytes, undertaking.too_large)

            def carry_out() -> bytes:
                claim.verify(signer.secret, body)
                self._used_signatures.use(claim.signature, arrived)
                with released() as answer:
                    request.state.answer = answer
                    return undertaking.carry_out(self._application, signer.caller, body)

            content = await to_thread.run_sync(carry_out, limiter=limiter)
        return Response(content, media_type=protocol.media_type, headers=answer_headers(request.state.answer))

    def _signer(self, claim: Claim) -> Signer:
        """Who must have signed, and with which secret."""
        try:
            signer = self._application.sessions.authenticate(claim.access_key_id, claim.session_token)
        except ExpiredSession as error:
            raise ExpiredTokenException from error
        except InvalidSession as error:
            raise UnrecognizedClientException from error
        if signer is None:
            raise UnrecognizedClientException
        return signer


def create_app(application: Application, settings: Settings, *, routes: Sequence[BaseRoute] = ()) -> Starlette:
    """The ASGI app that serves `application`, which stays the caller's to close; `routes` are others' beside its own.

    What it is asked for elsewhere is refused as Rekognition would.
    """
    edge = Edge(application, settings)
    return Starlette(
        routes=[
            Route(Rekognition.path, edge.serve, methods=["POST"]),
            Route(PairTesting.path, edge.serve_pairs, methods=["POST"]),
            Route("/healthz", edge.health, methods=["GET"]),
            *routes,
        ],
        middleware=[
            Middleware(RequestIds),
            # The SDK for JavaScript calls from web pages. Whoever calls must sign, and no cookie means anything here,
            # so any origin may: this is what Amazon's own endpoint allows.
            Middleware(
                CORSMiddleware,
                allow_origins=["*"],
                allow_methods=["POST"],
                allow_headers=["*"],
                expose_headers=[REQUEST_ID, "x-amzn-ErrorType", RECEIPT, REVIEW, THRESHOLD],
                max_age=PREFLIGHT_SECONDS,
            ),
        ],
        exception_handlers={404: _not_found, 405: _method_not_allowed},
    )


class RequestIds:
    """Gives every request an id: in its answer, in the log lines that it causes, in `request.state.request_id`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = str(uuid.uuid4())
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._app(scope, receive, send_with_id)


def answer_headers(answer: Answer) -> dict[str, str]:
    """What an answer carries beside itself, a denial too."""
    headers = {}
    if answer.receipt is not None:
        headers[RECEIPT] = str(answer.receipt)
    if answer.review is not None:
        headers[REVIEW] = answer.review
    if answer.threshold is not None:
        headers[THRESHOLD] = f"{answer.threshold:g}"
    return headers


def _record(error: Exception, request: Request, protocol: WireProtocol) -> None:
    """Log what went wrong. A refused use is in the log of uses too; here are also those that never became a use."""
    entry = log.bind(
        service=protocol.service,
        path=protocol.path,
        operation=request.headers.get("x-amz-target", "")[:MAX_LOGGED],
        client=request.client and request.client.host,
    )
    if isinstance(error, Refusal | CountenanceError) and is_for_clients(error) and not isinstance(error, Unaccountable):
        entry.info("refused", code=error.code)
    else:
        entry.error("failed", trace=failure_trace(error))


async def _not_found(request: Request, _: Exception) -> Response:
    return error_response(NotFound(), request.state.request_id)


async def _method_not_allowed(request: Request, _: Exception) -> Response:
    return error_response(MethodNotAllowed(), request.state.request_id)
