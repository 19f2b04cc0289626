"""A witness answers over HTTP whatever is sent to it, and no client can hold it up."""

from __future__ import annotations

import contextlib
import http.client
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from countenance.ledger import witness_server
from countenance.ledger.cosigning import AnotherSize
from countenance.ledger.fetching import Unreachable
from countenance.ledger.merkle import consistency_proof
from countenance.ledger.notes import InvalidKey, Verifier, encoded_base64, parse_signature
from countenance.ledger.witness import MAX_REQUEST_BYTES, Witness, request_body
from countenance.ledger.witness_client import Refused, WitnessClient
from countenance.ledger.witness_records import DATABASE, Records, open_key
from countenance.ledger.witness_server import WitnessServer
from tests.unit.ledger import logs
from tests.unit.ledger.test_published import answer, answering

ENTRIES = logs.log_of(20)


@contextlib.contextmanager
def served(folder: Path, host: str = "127.0.0.1") -> Iterator[WitnessServer]:
    key = open_key(folder, "ngo.example/w")
    records = Records(folder)
    with WitnessServer(host, 0, Witness(key, [logs.KEY.verifier], records, folder)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
    records.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WitnessServer]:
    with served(tmp_path) as server:
        yield server


@pytest.fixture
def client(server: WitnessServer) -> WitnessClient:
    return WitnessClient(url_of(server), server.witness.key.vkey)


def url_of(server: WitnessServer) -> str:
    return f"http://127.0.0.1:{server.server_port}"


def cosign(client: WitnessClient, old: int, new: int) -> str:
    return client.cosign(logs.note_of(ENTRIES[:new]), old, consistency_proof(old, new, logs.reader(ENTRIES)))


def said(server: WitnessServer, *parts: bytes, pause: float = 0) -> bytes:
    """All that the server says to these bytes until it hangs up."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
        for part in parts:
            with contextlib.suppress(OSError):
                connection.sendall(part)
            time.sleep(pause)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        received = b""
        with contextlib.suppress(ConnectionError):
            while chunk := connection.recv(65536):
                received += chunk
        return received


def test_a_log_gets_its_cosignatures(client: WitnessClient) -> None:
    for old, new in ((0, 5), (5, 5), (5, 20)):
        line = cosign(client, old, new)
        assert line.endswith("\n")
        assert parse_signature(line[:-1]).name == client.name == "ngo.example/w"


def test_a_log_learns_which_size_the_witness_knows(client: WitnessClient) -> None:
    cosign(client, 0, 5)
    with pytest.raises(AnotherSize) as refusal:
        cosign(client, 0, 20)
    assert refusal.value.size == 5
    cosign(client, 5, 20)


def test_a_log_learns_why_it_is_not_cosigned(client: WitnessClient) -> None:
    cosign(client, 0, 5)
    with pytest.raises(Refused, match="answers 422: The tree of 20 entries does not begin with the tree of 5"):
        client.cosign(logs.note_of(ENTRIES), 5, [bytes(32)])
    with pytest.raises(Refused, match="answers 400: A checkpoint has the lines"):
        client.cosign("garbage\n\n" + logs.note_of(ENTRIES).partition("\n\n")[2], 5, [])


def test_a_witness_may_be_known_by_an_ordinary_key(server: WitnessServer) -> None:
    ordinary = Verifier("ngo.example/w", server.witness.key.verifier.public_key).vkey
    cosign(WitnessClient(url_of(server), ordinary), 0, 5)


def test_the_answer_of_another_key_is_none(server: WitnessServer) -> None:
    other = WitnessClient(url_of(server), Verifier("ngo.example/w", logs.KEY.verifier.public_key).vkey)
    with pytest.raises(Refused, match="without a cosignature of its key"):
        cosign(other, 0, 5)


@pytest.mark.parametrize(
    ("answered", "complaint"),
    [
        (answer(b"", "Content-Length: 0"), "without a cosignature of its key"),
        (answer(b"\xff\x00\n" * 100, "Content-Length: 300"), "without a cosignature of its key"),
        (answer(b"x" * 100_000, "Content-Length: 100000"), "more than the 65,536 bytes"),
        (answer(b"", "Content-Length: 0", status="500 Oops"), "answers 500: it gives no reason"),
        (answer(b"\x1b[2J", "Content-Length: 4", status="403 Forbidden"), "answers 403: it gives no reason"),
        (answer(b"5\n", "Content-Length: 2", status="409 Conflict"), "answers 409: 5"),
        (
            answer(b"five\n", "Content-Length: 5", "Content-Type: text/x.tlog.size", status="409 Conflict"),
            "does not say which size",
        ),
        (answer(b"", "Location: /", "Content-Length: 0", status="307 Temporary Redirect"), "answers 307"),
        (b"", "does not answer: it hung up"),
    ],
)
def test_a_witness_that_misbehaves(tmp_path: Path, answered: bytes, complaint: str) -> None:
    vkey = open_key(tmp_path, "ngo.example/w").vkey
    with answering(answered) as url, pytest.raises((Refused, Unreachable), match=complaint):
        cosign(WitnessClient(url, vkey), 0, 5)


def test_a_witness_that_is_silent(tmp_path: Path) -> None:
    vkey = open_key(tmp_path, "ngo.example/w").vkey
    with answering(b"", hold=1) as url, pytest.raises(Unreachable):
        WitnessClient(url, vkey, seconds=0.2).cosign(logs.note_of(ENTRIES), 0, [])


def test_a_witness_must_be_known_by_a_key_and_a_url() -> None:
    with pytest.raises(InvalidKey):
        WitnessClient("http://127.0.0.1/", "garbage")
    with pytest.raises(Unreachable):
        WitnessClient("garbage", logs.KEY.vkey)


def test_what_it_has_cosigned_can_be_compared(server: WitnessServer, client: WitnessClient) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
    with contextlib.closing(connection):
        for path, status in (("/checkpoint/example.org/log", 404), ("/checkpoint/", 404), ("/", 404), ("/vkey", 200)):
            connection.request("GET", path)
            response = connection.getresponse()
            assert (response.status, response.headers["Content-Type"]) == (status, "text/plain; charset=utf-8")
            content = response.read().decode()
        assert content == f"{server.witness.key.vkey}\n"
        cosign(client, 0, 5)
        for path in ("/checkpoint/example.org/log", "/checkpoint/example.org%2Flog"):
            connection.request("GET", path)
            assert connection.getresponse().read().decode().startswith(logs.note_of(ENTRIES[:5]))


def test_connections_are_kept(server: WitnessServer) -> None:
    body = b"garbage"
    one = b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 7\r\n\r\n" + body
    assert said(server, one + one, one).count(b"HTTP/1.1 400") == 3


def head(*headers: str, line: str = "POST /add-checkpoint HTTP/1.1") -> bytes:
    return "\r\n".join([line, "Host: w", *headers, "", ""]).encode()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x00\x01\x02\r\n\r\n", b""),
        (b"GET\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"505"),
        (b"G" * 70_000, b"414"),
        (b"BREW / HTTP/1.1\r\n\r\n", b"501"),
        (head(line="HEAD /vkey HTTP/1.1"), b"501"),
        (head("X: " + "a" * 70_000), b"431"),
        (head(*(f"X{n}: a" for n in range(200))), b"431"),
        (head(), b"411"),
        (head("Transfer-Encoding: chunked"), b"411"),
        (head("Transfer-Encoding: chunked", "Content-Length: 3"), b"411"),
        (head("Content-Length: 3", "Content-Length: 4"), b"411"),
        (head("Content-Length: -3"), b"400"),
        (head("Content-Length: +3"), b"400"),
        (head("Content-Length: ٣"), b"400"),
        (head("Content-Length: " + "9" * 6000), b"413"),
        (head(f"Content-Length: {MAX_REQUEST_BYTES + 1}"), b"413"),
        (head("Content-Length: 3", line="POST /other HTTP/1.1") + b"abc", b"404"),
        (head("Content-Length: 3") + b"abc", b"400"),
    ],
)
def test_requests_that_are_none(server: WitnessServer, request_: bytes, status: bytes) -> None:
    answered = said(server, request_)
    assert answered.startswith(b"HTTP/1.1 " + status) if status else b"HTTP/1.1 2" not in answered
    assert b"Traceback" not in answered
    assert said(server, b"GET /vkey HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(data=st.binary(max_size=200))
def test_any_bytes_leave_it_running(server: WitnessServer, data: bytes) -> None:
    said(server, data)
    said(server, b"POST /add-checkpoint HTTP/1.1\r\n" + data)
    assert said(server, b"GET /vkey HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "parts",
    [
        [b"POST /add"],
        [head("Content-Length: 100")],
        [head("Content-Length: 100"), *[b"x"] * 60],
        [bytes([byte]) for byte in head("Content-Length: 3")],
        [],
    ],
)
def test_slow_clients_are_hung_up_on(
    server: WitnessServer, monkeypatch: pytest.MonkeyPatch, parts: list[bytes]
) -> None:
    """However often they send a byte."""
    monkeypatch.setattr(witness_server, "REQUEST_SECONDS", 0.4)
    monkeypatch.setattr(witness_server, "IDLE_SECONDS", 0.4)
    start = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
        for part in parts:
            with contextlib.suppress(OSError):
                connection.sendall(part)
            if len(parts) > 1:
                time.sleep(0.02)
        with contextlib.suppress(ConnectionError):
            assert connection.recv(65536) == b""
    assert time.monotonic() - start < 3


def test_more_connections_than_it_has_places_are_closed_at_once(
    server: WitnessServer, client: WitnessClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And when others have gone there is a place again."""
    with contextlib.ExitStack() as stack:
        for _ in range(witness_server.MAX_CONNECTIONS):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.server_port), timeout=10))
        time.sleep(0.3)
        start = time.monotonic()
        with pytest.raises(Unreachable):
            cosign(client, 0, 5)
        assert time.monotonic() - start < 2
    deadline = time.monotonic() + 10
    while True:
        try:
            cosign(client, 0, 5)
            break
        except Unreachable:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_what_cannot_be_recorded_is_not_cosigned(server: WitnessServer, client: WitnessClient, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / DATABASE)) as connection:
        connection.execute("drop table checkpoints")
    with pytest.raises(Refused, match="answers 500: The witness cannot record"):
        cosign(client, 0, 5)
    assert said(server, b"GET /checkpoint/example.org/log HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 500")


def test_ipv6(tmp_path: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with served(tmp_path, "::1") as server:
        client = WitnessClient(f"http://[::1]:{server.server_port}", server.witness.key.vkey)
        cosign(client, 0, 5)


def test_proof_lines_are_base64() -> None:
    """As the specification's example has them."""
    body = request_body(20852014, [b"\x01" * 32], "note")
    assert body == f"old 20852014\n{encoded_base64(bytes([1]) * 32)}\n\nnote".encode()
