"""A server that a test has say anything."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from countenance.fairness.testing.door import Door, Reply

PHOTOS = [b"one", b"other"]
RECEIPT = {"x-countenance-receipt": "7"}


def right() -> dict[str, Any]:
    """An answer to `PHOTOS` and one pair as it should be."""
    return {
        "Model": {"FaceModelVersion": "1.0", "Files": ["d" * 64], "Calibration": "e" * 64},
        "Photos": [{"SHA256": hashlib.sha256(photo).hexdigest(), "Faces": 1} for photo in PHOTOS],
        "Pairs": [{"Left": 0, "Right": 1, "Cosine": 0.25, "Similarity": 70.5}],
        "Nonce": "f" * 32,
    }


def wrong(change: Callable[[dict[str, Any]], object]) -> bytes:
    answer = right()
    change(answer)
    return json.dumps(answer).encode()


@dataclass
class Scripted:
    """A server that says what a test has it say, one answer after the other, the last one again and again."""

    url: str = ""
    answers: list[tuple[int, bytes, dict[str, str]]] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)

    def test(self) -> Reply:
        with closing(Door(self.url)) as door:
            return door.test(PHOTOS, [(0, 1)])


@contextmanager
def serving() -> Iterator[Scripted]:
    """A server on a free port."""
    scripted = Scripted()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            scripted.requests.append({name.lower(): value for name, value in self.headers.items()})
            answers = scripted.answers
            status, content, headers = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        scripted.url = f"http://127.0.0.1:{http.server_port}"
        yield scripted
        http.shutdown()
        thread.join()


def refusal(code: str, message: str) -> bytes:
    return json.dumps({"__type": code, "Code": code, "Message": message}).encode()
