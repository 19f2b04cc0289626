"""Logs are read from folders and from web servers that may do anything at all."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from countenance.ledger.fetching import Server, Unreachable
from countenance.ledger.published import Damaged, Missing, PublishedLog
from countenance.ledger.tiles import Tile
from countenance.ledger.verify import Unverified, verify
from tests.unit.ledger import logs


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Any web server."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None:
        pass


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def answering(*answers: bytes, hold: float = 0, drip: float = 0) -> Iterator[str]:
    """A server that answers each connection with the next of these bytes, whatever it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for answer in answers:
                with contextlib.suppress(OSError):
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(65536)
                        if drip:
                            for byte in answer:
                                connection.sendall(bytes([byte]))
                                time.sleep(drip)
                        else:
                            connection.sendall(answer)
                        time.sleep(hold)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        # A thread that still waits for a connection gets one.
        while thread.is_alive():
            with contextlib.suppress(OSError):
                socket.create_connection(listener.getsockname(), timeout=1).close()
            thread.join(0.05)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return logs.publish(tmp_path_factory.mktemp("site") / "public" / "ledger", logs.log_of(600)).parents[1]


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[str]:
    with serving(folder) as url:
        yield url


def test_a_log_behind_a_web_server_is_verified(site: str) -> None:
    for url in (f"{site}/public/ledger", f"{site}/public/ledger/"):
        with PublishedLog.at(url) as log:
            assert log.vkey() == logs.KEY.vkey
            assert verify(log, [logs.KEY.verifier]).checkpoint.size == 600


def test_a_log_that_is_not_there(site: str, tmp_path: Path) -> None:
    with PublishedLog.at(f"{site}/elsewhere") as log, pytest.raises(Missing, match="has no checkpoint"):
        log.checkpoint()
    with pytest.raises(Missing, match="is no folder"):
        PublishedLog.at(str(tmp_path / "none"))
    with pytest.raises(Missing):
        PublishedLog.at(str(tmp_path)).hashes(Tile(0, 0))


def test_partial_tiles_are_looked_for_in_full_ones(tmp_path: Path) -> None:
    content = logs.log_of(256)
    with serving(logs.publish(tmp_path, content)) as url, PublishedLog.at(url) as log:
        assert log.entries(Tile(None, 0, 10)) == content[:10]
        assert len(log.hashes(Tile(0, 0, 10))) == 10
        with pytest.raises(Missing, match=r"tile/0/001\.p/10"):
            log.hashes(Tile(0, 1, 10))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "file:///etc/passwd",
        "http://",
        "http://user:password@example.org/",
        "http://example.org/?a=b",
        "http://example.org/#a",
        "http://example.org:port/",
        "http://[::1/",
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(Unreachable):
        PublishedLog.at(url)


def test_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unreachable, match="does not answer: Connection refused"):
        Server(f"http://127.0.0.1:{port}").get("checkpoint", 100)


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode() + body


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        (b"", "it hung up"),
        (b"garbage\r\n\r\n", "what it sends is no HTTP"),
        (b"\x00" * 70_000, "what it sends is no HTTP"),
        (answer(b"short", "Content-Length: 50"), "it hung up"),
        (answer(b"5\r\nhello\r\n", "Transfer-Encoding: chunked"), "it hung up"),
        (answer(b"zz\r\nhello\r\n", "Transfer-Encoding: chunked"), "it hung up|no HTTP"),
        (answer(b"x" * 200, "Content-Length: 200"), "more than the 100 bytes"),
        (answer(b"x" * 200), "more than the 100 bytes"),
        (answer(gzip.compress(bytes(10_000_000), mtime=0), "Content-Encoding: gzip"), "more than the 100 bytes"),
        (answer(b"not gzip", "Content-Encoding: gzip"), "gzip that is damaged"),
        (answer(gzip.compress(b"hello", mtime=0)[:-9], "Content-Encoding: gzip"), "it hung up"),
        (answer(b"", "Content-Encoding: br"), "the encoding 'br'"),
        (answer(b"", *(f"X-{n}: a" for n in range(500))), "no HTTP"),
    ],
)
def test_answers_that_cannot_be_used(said: bytes, complaint: str) -> None:
    with answering(said) as url, pytest.raises(Unreachable, match=complaint):
        Server(url).get("checkpoint", 100)


def test_compressed_answers_are_read() -> None:
    with answering(answer(gzip.compress(b"x" * 100), "Content-Encoding: gzip")) as url:
        assert Server(url).get("checkpoint", 100).content == b"x" * 100


def test_an_answer_that_drips_for_ever_ends_at_the_deadline() -> None:
    """A socket's timeout alone would begin anew with every byte."""
    for said in (answer(b"x" * 1000, "Content-Length: 1000"), b"H" * 1000):
        with answering(said, drip=0.05) as url:
            start = time.monotonic()
            with pytest.raises(Unreachable):
                Server(url, seconds=0.4).get("checkpoint", 2000)
            assert time.monotonic() - start < 2


def test_a_silent_server_ends_at_the_deadline() -> None:
    with answering(b"", hold=1.5) as url, pytest.raises(Unreachable, match=r"takes too long|hung up"):
        Server(url, seconds=0.3).get("checkpoint", 100)


def test_redirections_stay_on_the_server(site: str) -> None:
    """SimpleHTTPRequestHandler redirects folders to themselves with a slash."""
    with closing(Server(site)) as server:
        assert server.get("public", 100_000).status == 200


@pytest.mark.parametrize("location", ["http://127.0.0.1:1/", "https://127.0.0.1/", "//example.org/", "http://[", ""])
def test_redirections_elsewhere_are_refused(location: str) -> None:
    said = answer(b"", f"Location: {location}", "Content-Length: 0", status="302 Found")
    complaint = "another server, which is not followed"
    with answering(said) as url, closing(Server(url)) as server, pytest.raises(Unreachable, match=complaint):
        server.get("checkpoint", 100)


def test_redirections_end() -> None:
    said = answer(b"", "Location: /again", "Content-Length: 0", "Connection: close", status="302 Found")
    with answering(*[said] * 4) as url, pytest.raises(Unreachable, match="redirects too often"):
        Server(url).get("checkpoint", 100)


def test_what_is_posted_is_sent_once_and_nowhere_else() -> None:
    said = answer(b"", "Location: /again", "Content-Length: 0", status="307 Temporary Redirect")
    with answering(said) as url, closing(Server(url)) as server:
        assert server.post("add-checkpoint", b"body", 100).status == 307


def test_a_kept_connection_that_the_server_ended_is_made_anew() -> None:
    ok = answer(b"ok", "Content-Length: 2")
    with answering(ok, ok) as url, closing(Server(url)) as server:
        assert server.get("a", 10).content == b"ok"
        time.sleep(0.1)
        assert server.get("b", 10).content == b"ok"


@pytest.mark.parametrize("status", ["500 Oops", "403 Forbidden", "204 No Content"])
def test_a_status_that_is_no_answer(status: str) -> None:
    complaint = f"answers {status[:3]} when asked for checkpoint"
    with (
        answering(answer(b"", "Content-Length: 0", status=status)) as url,
        PublishedLog.at(url) as log,
        pytest.raises(Unreachable, match=complaint),
    ):
        log.checkpoint()


def test_a_site_that_changes_a_tile_is_found_out(tmp_path: Path) -> None:
    logs.publish(tmp_path, logs.log_of(600))
    logs.flip(tmp_path / "tile/0/001", 100)
    complaint = "the tile tile/0/001 was altered"
    with serving(tmp_path) as url, PublishedLog.at(url) as log, pytest.raises(Unverified, match=complaint):
        verify(log, [logs.KEY.verifier])


def test_a_verifier_key_that_is_a_gigabyte(tmp_path: Path) -> None:
    (tmp_path / "log.vkey").write_bytes(bytes(2_000))
    with pytest.raises(Damaged, match="longer than it may be"):
        PublishedLog.at(str(tmp_path)).vkey()


def test_proofs_are_made_of_tiles(site: str) -> None:
    expected = logs.reader(logs.log_of(600))
    with PublishedLog.at(f"{site}/public/ledger") as log:
        read = log.subtrees(600)
        for level, index in ((0, 599), (3, 20), (8, 1), (9, 0), (5, 16)):
            assert read(level, index) == expected(level, index)
