"""What everybody may read, without a key: the ledger as c2sp.org/tlog-tiles lays it out, receipts, and the report.

    GET /ledger/checkpoint              the newest signed checkpoint
    GET /ledger/log.vkey                the key it is signed by
    GET /ledger/tile/...                tiles and bundles of entries
    GET /ledger/receipt/{index}         a receipt (c2sp.org/tlog-proof) that anyone can check offline
    GET /ledger/entry.schema.json       what stands in an entry
    GET /transparency[.json|.csv]       the report

Nothing here writes, asks who is asking, or can be switched off. What one request may cost is bounded: a file of known
size is read, or one report at a time is made for all.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import structlog
from anyio import CapacityLimiter, to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from countenance.aws.app import MAX_LOGGED
from countenance.aws.errors import error_response, failure_trace
from countenance.errors import ResourceNotFound, Unaccountable
from countenance.ledger.log import Ledger
from countenance.ledger.receipts import SUFFIX
from countenance.ledger.tiles import Tile, TileFolder
from countenance.transparency.schemas import entry_schema
from countenance.web.pages import style_hash
from countenance.web.publication import Edition, Publication

# Files read, or receipts made, at once: everybody else's requests never wait for more than these.
READERS = 4

# A tile never changes once it is published, nor does a partial one; a year is what caches take for ever.
IMMUTABLE = "public, max-age=31536000, immutable"
# To be asked for again each time; what has not changed is not sent again.
REVALIDATED = "no-cache"
# The schema changes with the software alone.
SCHEMA_SECONDS = 3600

RETRY_SECONDS = 5

TEXT = "text/plain; charset=utf-8"
BYTES = "application/octet-stream"

# What a page or file from here may do in a browser: nothing, but for the one style sheet of the report.
_NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

Handler = Callable[[Request], Awaitable[Response]]

log = structlog.get_logger("countenance.web")

_INDEX = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_COMPRESSION_LEVEL = 6


class PublicPages:
    """Answers what everybody may ask."""

    def __init__(self, ledger: Ledger, folder: Path) -> None:
        """`folder` is the one that the ledger is published in."""
        self._ledger = ledger
        self._tiles = TileFolder(folder)
        self._publication = Publication(ledger)
        self._readers = CapacityLimiter(READERS)
        self._reporters = CapacityLimiter(1)
        self._schema = entry_schema().encode()

    def routes(self) -> Sequence[BaseRoute]:
        """Where they are answered; each answers HEAD too."""
        handlers = {
            "/ledger/checkpoint": self.checkpoint,
            "/ledger/log.vkey": self.vkey,
            "/ledger/tile/{path:path}": self.tile,
            "/ledger/receipt/{index}": self.receipt,
            "/ledger/entry.schema.json": self.schema,
            "/transparency": self.html,
            "/transparency.json": self.json,
            "/transparency.csv": self.csv,
        }
        return [Route(path, _guarded(handler)) for path, handler in handlers.items()]

    async def checkpoint(self, _: Request) -> Response:
        """`GET /ledger/checkpoint`: covers everything that is committed, where that can be published."""
        note = await to_thread.run_sync(self._checkpoint, limiter=self._readers)
        return _answer(note, TEXT, cache=REVALIDATED)

    async def vkey(self, _: Request) -> Response:
        """`GET /ledger/log.vkey`."""
        return _answer(f"{self._ledger.vkey}\n".encode(), TEXT, cache=REVALIDATED)

    async def tile(self, request: Request) -> Response:
        """`GET /ledger/tile/...`: files of the published folder, and of those only tiles and bundles."""
        tile = Tile.parse(f"tile/{request.path_params['path']}")
        content = None if tile is None else await to_thread.run_sync(self._tiles.read, tile, limiter=self._readers)
        if tile is None or content is None:
            raise HTTPException(404)
        if tile.level is not None:
            return _answer(content, BYTES, cache=IMMUTABLE)
        # Entries compress well; the specification asks for it.
        headers = {"Vary": "Accept-Encoding"}
        if _takes_gzip(request):
            content = await to_thread.run_sync(_compressed, content, limiter=self._readers)
            headers["Content-Encoding"] = "gzip"
        return _answer(content, BYTES, cache=IMMUTABLE, headers=headers)

    async def receipt(self, request: Request) -> Response:
        """`GET /ledger/receipt/{index}`."""
        index = request.path_params["index"]
        if not _INDEX.fullmatch(index):
            raise HTTPException(404)
        try:
            receipt = await to_thread.run_sync(self._ledger.receipt, int(index), limiter=self._readers)
        except ResourceNotFound as error:
            raise HTTPException(404) from error
        name = f'attachment; filename="{index}{SUFFIX}"'
        return _answer(receipt.encode(), TEXT, cache=REVALIDATED, headers={"Content-Disposition": name})

    async def schema(self, _: Request) -> Response:
        """`GET /ledger/entry.schema.json`."""
        return _answer(self._schema, "application/schema+json", cache=f"public, max-age={SCHEMA_SECONDS}")

    async def html(self, request: Request) -> Response:
        """`GET /transparency`."""
        return await self._report(request, "text/html; charset=utf-8", lambda edition: edition.html)

    async def json(self, request: Request) -> Response:
        """`GET /transparency.json`."""
        return await self._report(request, "application/json", lambda edition: edition.json)

    async def csv(self, request: Request) -> Response:
        """`GET /transparency.csv`."""
        return await self._report(request, "text/csv; charset=utf-8; header=present", lambda edition: edition.csv)

    async def _report(self, request: Request, media_type: str, form: Callable[[Edition], str]) -> Response:
        def make() -> tuple[str, bytes]:
            edition = self._publication.edition()
            return f'"{edition.checkpoint.size}-{edition.checkpoint.root.hex()}"', form(edition).encode()

        tag, content = await to_thread.run_sync(make, limiter=self._reporters)
        if request.headers.get("if-none-match") == tag:
            return _answer(b"", media_type, cache=REVALIDATED, status=304, headers={"ETag": tag})
        return _answer(content, media_type, cache=REVALIDATED, headers={"ETag": tag})

    def _checkpoint(self) -> bytes:
        try:
            self._ledger.publish()
        except Unaccountable:
            # What was published before is still what it was, and others may want to see just that.
            note = self._tiles.read_note()
            if note is None:
                raise
            return note
        return self._tiles.read_note() or b""


def _answer(
    content: bytes, media_type: str, *, cache: str, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    style = f"; style-src '{style_hash()}'" if media_type.startswith("text/html") else ""
    own = {
        "Cache-Control": cache,
        "Content-Security-Policy": f"{_NOTHING}{style}",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(content, status_code=status, headers={"Content-Type": media_type, **own, **(headers or {})})


def _guarded(handler: Handler) -> Handler:
    """The handler, whose failures are told as those of the rest of the server are."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except HTTPException:
            raise
        except Unaccountable as error:
            log.error("unavailable", path=request.url.path[:MAX_LOGGED], reason=error.message)
            return _unavailable(error)
        except Exception as error:  # noqa: BLE001 -- the edge: whatever went wrong, nobody is told more than an id
            log.error("failed", path=request.url.path[:MAX_LOGGED], trace=failure_trace(error))
            return error_response(error, request.state.request_id)

    return answer


def _unavailable(error: Unaccountable) -> Response:
    headers = {"Retry-After": str(RETRY_SECONDS), "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    return PlainTextResponse(f"{error.message}\n", status_code=503, headers=headers)


def _takes_gzip(request: Request) -> bool:
    for choice in request.headers.get("accept-encoding", "").lower().split(","):
        coding, _, parameters = choice.partition(";")
        if coding.strip() == "gzip":
            quality = parameters.strip().removeprefix("q=") or "1"
            return any(digit in quality for digit in "123456789")
    return False


def _compressed(content: bytes) -> bytes:
    return gzip.compress(content, _COMPRESSION_LEVEL, mtime=0)
