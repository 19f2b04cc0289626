"""HTTP to other machines, which may be slow, silent, endless or hostile: every answer is bounded in size and in time.

Redirections are followed on the same host only, so that a URL somebody trusts says who answers. TLS is verified by the
system's certificates.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote, unquote, urljoin, urlsplit

from countenance import __version__
from countenance.errors import CountenanceError

# From the connection to the last byte of an answer: a full bundle of 256 long entries has 16 MiB.
EXCHANGE_SECONDS = 60.0
CONNECT_SECONDS = 10.0
MAX_REDIRECTIONS = 3
# The page that says why there is no answer may be longer than the answer.
MAX_OTHER_BYTES = 65_536

_REDIRECTIONS = frozenset({301, 302, 303, 307, 308})
_PORTS = {"http": http.client.HTTP_PORT, "https": http.client.HTTPS_PORT}
_CHUNK = 65_536


class Unreachable(CountenanceError):
    """The other machine does not answer, or not in a way that can be used."""

    code = "Unreachable"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said. `content` is complete, and uncompressed."""

    status: int
    content_type: str
    content: bytes


class Server:
    """One server, and the path below which all that is asked of it lies. Keeps one connection; for one thread."""

    def __init__(self, url: str, *, seconds: float = EXCHANGE_SECONDS) -> None:
        """Raises Unreachable when the URL is none of http or https with a host, or carries more than a path."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise Unreachable(f"{url} is no URL.") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Unreachable(f"{url} is no URL of http or https with a host.")
        if parts.username is not None or parts.query or parts.fragment:
            raise Unreachable("The URL may have no user, no query and no fragment.")
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._scheme, self._host, self._port = parts.scheme, parts.hostname, port
        # What is percent-encoded stays so.
        self._prefix = quote(unquote(parts.path.rstrip("/")))
        self._seconds = seconds
        self._connection: http.client.HTTPConnection | None = None

    def get(self, path: str, limit: int) -> Answer:
        """What lies at the path. Raises Unreachable when it is longer than `limit` bytes, or does not come."""
        target = f"{self._prefix}/{quote(path)}"
        for _ in range(MAX_REDIRECTIONS + 1):
            answer, location = self._exchange("GET", target, None, limit)
            if answer.status not in _REDIRECTIONS:
                return answer
            target = self._followed(target, location)
        raise Unreachable(f"{self.url} redirects too often.")

    def post(self, path: str, body: bytes, limit: int, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to a body, sent once and never to another place than this."""
        return self._exchange("POST", f"{self._prefix}/{quote(path)}", body, limit, headers)[0]

    def close(self) -> None:
        """Ends the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(
        self, method: str, target: str, body: bytes | None, limit: int, more: Mapping[str, str] | None = None
    ) -> tuple[Answer, str]:
        # A server may have ended a connection that was kept; what was never answered on one is asked again on another.
        again = self._connection is not None and method == "GET"
        headers = {"User-Agent": f"countenance/{__version__}", "Accept-Encoding": "gzip"}
        if body is not None:
            headers |= {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body))} | dict(
                more or {}
            )
        try:
            return self._exchange_once(method, target, body, headers, limit)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if again and isinstance(error, http.client.RemoteDisconnected | ConnectionError):
                return self._exchange(method, target, body, limit)
            raise Unreachable(f"{self.url} does not answer: {_reason(error)}.") from error
        except BaseException:
            # What is half read must not be taken for the next answer.
            self.close()
            raise

    def _exchange_once(
        self, method: str, target: str, body: bytes | None, headers: Mapping[str, str], limit: int
    ) -> tuple[Answer, str]:
        connection = self._connected()
        with _deadline(connection, self._seconds):
            connection.request(method, target, body=body, headers=dict(headers))
            with closing(connection.getresponse()) as response:
                bound = limit if response.status == HTTPStatus.OK else max(limit, MAX_OTHER_BYTES)
                content = b"".join(self._read(response, bound))
        location = response.headers.get("Location", "")
        if response.will_close:
            self.close()
        return Answer(response.status, response.headers.get_content_type(), content), location

    def _read(self, response: http.client.HTTPResponse, limit: int) -> Iterator[bytes]:
        encoding = response.headers.get("Content-Encoding", "identity").lower()
        if encoding not in ("identity", "gzip"):
            raise Unreachable(f"{self.url} answers in the encoding {encoding!r}, which nobody asked for.")
        decoder = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
        left = limit
        while chunk := response.read1(_CHUNK):
            if decoder:
                try:
                    chunk = decoder.decompress(chunk, left + 1)
                except zlib.error as error:
                    raise Unreachable(f"{self.url} answers in gzip that is damaged.") from error
            left -= len(chunk)
            if left < 0:
                raise Unreachable(f"{self.url} answers with more than the {limit:,} bytes expected.")
            yield chunk
        if response.length or (decoder and not decoder.eof):
            raise http.client.IncompleteRead(b"")

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is None:
            if self._scheme == "https":
                context = ssl.create_default_context()
                self._connection = http.client.HTTPSConnection(
                    self._host, self._port, timeout=CONNECT_SECONDS, context=context
                )
            else:
                self._connection = http.client.HTTPConnection(self._host, self._port, timeout=CONNECT_SECONDS)
            self._connection.connect()
            self._connection.sock.settimeout(self._seconds)
        return self._connection

    def _followed(self, target: str, location: str) -> str:
        origin = self.url.removesuffix(urlsplit(self.url).path)
        elsewhere = Unreachable(f"{self.url} redirects to another server, which is not followed.")
        try:
            there = urljoin(origin + target, location)
        except ValueError as error:
            raise elsewhere from error
        if not location or _origin(there) != _origin(origin):
            raise elsewhere
        return quote(unquote(urlsplit(there).path))


def _origin(url: str) -> tuple[str, str | None, int | None]:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return "", None, None


@contextmanager
def _deadline(connection: http.client.HTTPConnection, seconds: float) -> Iterator[None]:
    # A socket's own timeout begins anew with every byte that comes.
    def hang_up() -> None:
        with suppress(OSError, AttributeError):
            connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it takes too long"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid ({error.verify_message})"
    if isinstance(
        error, http.client.IncompleteRead | http.client.RemoteDisconnected | ConnectionResetError | BrokenPipeError
    ):
        return "it hung up"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "what it sends is no HTTP"
