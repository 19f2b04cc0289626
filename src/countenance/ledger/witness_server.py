"""A witness over HTTP (c2sp.org/tlog-witness), small enough for a machine that does little else.

    POST /add-checkpoint         cosigns
    GET  /vkey                   the witness's verifier key
    GET  /checkpoint/<origin>    the newest checkpoint it has cosigned of a log, for whoever wants to compare

Anybody may ask; everything is bounded: bodies, headers, the time a request takes to arrive, and how many are worked on.
"""

from __future__ import annotations

import io
import logging
import socket
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from countenance.errors import CountenanceError
from countenance.ledger.witness import MAX_REQUEST_BYTES, NotCosigned, Witness
from countenance.ledger.witness_records import Record

# From the first byte of a request to its last; a log sends some 1,000 at once.
REQUEST_SECONDS = 10.0
# A connection that is kept is a thread that waits.
IDLE_SECONDS = 30.0
# Each has a thread; beyond them connections are closed at once. Few of them are worked on at a time, as each takes
# memory for a request and what is parsed of it.
MAX_CONNECTIONS = 16
MAX_WORKING = 2

TEXT = "text/plain; charset=utf-8"
SIZE = "text/x.tlog.size"

_log = logging.getLogger(__name__)


class WitnessServer(ThreadingHTTPServer):
    """Serves a witness on an address; port 0 takes a free one."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, witness: Witness) -> None:
        self.witness = witness
        self.working = threading.BoundedSemaphore(MAX_WORKING)
        self._places = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Gives a connection a thread, or ends it when there are too many."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._places.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answers what comes on a connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def server_bind(self) -> None:
        """Binds the address, without asking a name server what it is called."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """What a client does to its connection is nobody's fault here."""
        _log.info("a connection broke", extra={"fields": {"client": str(client_address[0])}}, exc_info=True)


class _BeforeDeadline(io.RawIOBase):
    """Reads from a socket until a deadline, however often a byte arrives."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.deadline = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


class _Handler(BaseHTTPRequestHandler):
    server: WitnessServer
    protocol_version = "HTTP/1.1"
    # What begins with garbage is answered like any other request, and not as in 1991.
    default_request_version = "HTTP/1.0"
    server_version = "countenance"
    sys_version = ""
    error_message_format = "%(message)s\n"
    error_content_type = TEXT
    # An answer's few bytes must not wait for the acknowledgement of others.
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self._input = _BeforeDeadline(self.connection)
        self.rfile.close()
        self.rfile = io.BufferedReader(self._input)

    def handle_one_request(self) -> None:
        self._input.deadline = time.monotonic() + IDLE_SECONDS
        try:
            # The first byte may take its time; from then on the rest may not.
            if not self.rfile.peek(1):  # type: ignore[attr-defined]
                self.close_connection = True
                return
        except (OSError, ValueError):
            self.close_connection = True
            return
        self._input.deadline = time.monotonic() + REQUEST_SECONDS
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def do_POST(self) -> None:
        body = self._body()
        if body is None:
            return
        if self.path != "/add-checkpoint":
            self._answer(HTTPStatus.NOT_FOUND, "There is nothing to post to but /add-checkpoint.\n")
            return
        try:
            with self.server.working:
                cosignature = self.server.witness.add_checkpoint(body)
            self._answer(HTTPStatus.OK, cosignature)
        except NotCosigned as refusal:
            if refusal.size is not None:
                self._answer(refusal.status, f"{refusal.size}\n", SIZE)
            else:
                self._answer(refusal.status, f"{refusal.message}\n")
            _log.warning("not cosigned", extra={"fields": {"status": refusal.status, "why": refusal.message}})
        except (CountenanceError, OSError) as error:
            self._fail(error)

    def do_GET(self) -> None:
        if self.path == "/vkey":
            self._answer(HTTPStatus.OK, f"{self.server.witness.key.vkey}\n")
            return
        try:
            record = self._record()
        except CountenanceError as error:
            self._fail(error)
            return
        if record is None:
            self._answer(HTTPStatus.NOT_FOUND, "There is nothing here.\n")
        else:
            self._answer(HTTPStatus.OK, str(record.note))

    def _record(self) -> Record | None:
        if not self.path.startswith("/checkpoint/"):
            return None
        return self.server.witness.newest(unquote(self.path.removeprefix("/checkpoint/")))

    def _fail(self, error: Exception) -> None:
        _log.error("not cosigned", extra={"fields": {"why": str(error)}})
        self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, "The witness cannot record what it cosigns.\n")

    def _body(self) -> bytes | None:
        """The body, whole; None when it was refused."""
        length = self.headers.get_all("Content-Length", [])
        if self.headers.get("Transfer-Encoding") is not None or len(length) != 1:
            refusal = HTTPStatus.LENGTH_REQUIRED, "Say how long the body is, by Content-Length."
        elif not (length[0].isascii() and length[0].isdigit()):
            refusal = HTTPStatus.BAD_REQUEST, "The Content-Length is no number."
        elif len(length[0]) > 10 or int(length[0]) > MAX_REQUEST_BYTES:
            refusal = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A request has at most {MAX_REQUEST_BYTES:,} bytes."
        else:
            body = self.rfile.read(int(length[0]))
            if len(body) == int(length[0]):
                return body
            self.close_connection = True
            return None
        # What follows on the connection is the body that was not read.
        self.close_connection = True
        self._answer(refusal[0], f"{refusal[1]}\n")
        return None

    def _answer(self, status: int, text: str, content_type: str = TEXT) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        _log.info("request", extra={"fields": {"client": self.client_address[0], "line": format % arguments}})
