"""Ledgers that are published, and what is asked of them without a network."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from countenance.aws.app import RequestIds
from countenance.ledger.entries import Intent
from countenance.ledger.keys import KeyFile
from countenance.ledger.log import Ledger
from countenance.storage.database import Database
from countenance.storage.ledger_schema import LEDGER
from countenance.web.public import PublicPages
from tests.unit.transparency.ledgers import START, Story

ORIGIN = "faces.example.org/ledger"


@dataclass(frozen=True)
class Answer:
    """What was answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def unpacked(self) -> bytes:
        """The body as it was before it was compressed."""
        return gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body


class Server:
    """A ledger, its published folder, and the pages that everybody may read. Entries set the ledger's clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "ledger"
        self.now: datetime = START
        self._database = Database(f"sqlite:///{folder / 'ledger.sqlite'}", LEDGER)
        self._database.migrate()
        keys = KeyFile(folder / "ledger.key", name=ORIGIN)
        self.ledger = Ledger(self._database, self.folder, keys, clock=lambda: self.now)
        self.pages = PublicPages(self.ledger, self.folder)
        self._app = Starlette(routes=self.pages.routes(), middleware=[Middleware(RequestIds)])

    def play(self, story: Story) -> None:
        """Enter a story, hour by hour."""
        batch: list[Any] = []
        for at, entry in story.entries:
            if batch and (at - self.now).total_seconds() > 3600 and isinstance(entry, Intent):
                self.ledger.append(batch)
                batch = []
            if not batch:
                self.now = at
            batch.append(entry)
        if batch:
            self.ledger.append(batch)

    def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Send a request, as an ASGI server does."""
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        }
        anyio.run(self._app, scope, receive, send)
        start, *rest = sent
        found = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], found, b"".join(message.get("body", b"") for message in rest))

    def close(self) -> None:
        self.ledger.close()
        self._database.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """On an empty ledger."""
    server = Server(tmp_path)
    yield server
    server.close()


@pytest.fixture(scope="module")
def busy_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """After some 600 entries: more than two tiles of them. Only to be read."""
    server = Server(tmp_path_factory.mktemp("busy"))
    server.play(some_weeks())
    yield server
    server.close()


def some_weeks() -> Story:
    """Libraries, a few police and a child protection organization."""
    story = Story()
    story.install("law_enforcement", "child_protection", "operator")
    for week in range(10):
        for _ in range(12):
            story.search("operator", "photo_library", candidates=1)
        for _ in range(6):
            story.search("child_protection", "missing_child", candidates=week % 3)
        story.search("law_enforcement", "criminal_investigation", denied_by=())
        story.wait(days=7)
    return story


@pytest.fixture
def until_told() -> Callable[[Server, str], Answer]:
    """Asks until the report covers the whole ledger: it may rest for a moment after one was made."""

    def ask(server: Server, path: str) -> Answer:
        for _ in range(200):
            answer = server.ask(path)
            if answer.headers.get("etag", "").startswith(f'"{server.ledger.size()}-'):
                return answer
            anyio.run(anyio.sleep, 0.05)
        raise AssertionError("the report never caught up")

    return ask
