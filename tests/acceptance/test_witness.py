"""A witness as an NGO runs it: a small process of its own, that is killed, started again, and lied to."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from countenance.errors import CountenanceError
from countenance.ledger import receipts
from countenance.ledger.checkpoints import read_text, verified
from countenance.ledger.keys import KeyFile
from countenance.ledger.log import Ledger
from countenance.ledger.merkle import consistency_proof
from countenance.ledger.notes import Verifier, parse
from countenance.ledger.published import PublishedLog
from countenance.ledger.verify import verify
from countenance.ledger.witness import MAX_REQUEST_BYTES
from countenance.ledger.witness_client import WitnessClient
from countenance.storage.database import Database
from countenance.storage.ledger_schema import LEDGER
from tests.unit.ledger import logs
from tests.unit.ledger.test_published import serving

COUNTENANCE = Path(sys.executable).with_name("countenance")

# The most memory a witness may ever have had: it is to run on a machine that does little else.
MAX_KIB = 60 * 1024

# What a process that loaded it would have mapped.
HEAVY = re.compile("numpy|openvino|botocore|sqlalchemy|faiss|cv2|psycopg|onnx", re.IGNORECASE)

HANG = 60
ENTRIES = logs.log_of(3000)
FORGED = [ENTRIES[0].replace(b"missing_person", b"photo_library"), *ENTRIES[1:]]


@dataclass(frozen=True)
class Running:
    """A witness that answers."""

    process: subprocess.Popen[str]
    url: str
    vkey: str

    @property
    def client(self) -> WitnessClient:
        """What a log asks it with."""
        return WitnessClient(self.url, self.vkey)

    @property
    def peak_kib(self) -> int:
        """The most memory it has had, from its start."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        match = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        assert match is not None
        return int(match[1])


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [COUNTENANCE, "witness", *arguments],
        env={"PATH": os.environ.get("PATH", os.defpath), "HOME": os.environ.get("HOME", "/")},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


@contextlib.contextmanager
def witness(state: Path, *arguments: str | Path) -> Iterator[Running]:
    process = start("serve", "--state", state, "--log", logs.KEY.vkey, "--listen", "127.0.0.1:0", "--json", *arguments)
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        yield Running(process, said["url"], said["vkey"])
    finally:
        process.kill()
        process.communicate(timeout=HANG)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with witness(tmp_path / "state", "--name", "ngo.example/w") as running:
        yield running


def cosign(client: WitnessClient, old: int, new: int, entries: list[bytes] = ENTRIES) -> None:
    client.cosign(logs.note_of(entries[:new]), old, consistency_proof(old, new, logs.reader(entries[:new])))


def test_it_stays_small_whatever_is_thrown_at_it(running: Running) -> None:
    """Ordinary work; then the largest bodies from more clients than it has places for, garbage, and slow ones."""
    for size in range(50):
        cosign(running.client, size, size + 1)
    note = logs.note_of(ENTRIES[:50])
    large = b"old 50\n\n" + note.encode() + (note.rpartition("\n\n")[2] * 2000).encode()
    head = b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: %d\r\n\r\n"

    def attack(number: int) -> None:
        port = int(running.url.rpartition(":")[2])
        for _ in range(10):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                body = large[:MAX_REQUEST_BYTES] if number % 2 else os.urandom(MAX_REQUEST_BYTES)
                connection.sendall(head % len(body) + body)
                connection.recv(65536)
                connection.sendall(head % MAX_REQUEST_BYTES + body[: MAX_REQUEST_BYTES // 2])

    attackers = [threading.Thread(target=attack, args=(number,)) for number in range(60)]
    for attacker in attackers:
        attacker.start()
    for attacker in attackers:
        attacker.join()
    deadline = time.monotonic() + HANG
    while True:
        try:
            cosign(running.client, 50, 51)
            break
        except CountenanceError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert running.peak_kib < MAX_KIB


def test_it_loads_nothing_that_recognizes_faces(running: Running) -> None:
    loaded = Path(f"/proc/{running.process.pid}/maps").read_text()
    assert HEAVY.findall(loaded) == []


def test_killed_at_any_moment_it_remembers_what_it_has_cosigned(tmp_path: Path) -> None:
    """Whatever was answered is never taken back: no other history is cosigned afterwards."""
    state = tmp_path / "state"
    size = 0
    for moment in (0.005, 0.02, 0.05, 0.1, 0.2):
        with witness(state, *(["--name", "ngo.example/w"] if not state.exists() else [])) as running:
            timer = threading.Timer(moment, running.process.kill)
            timer.start()
            with contextlib.suppress(CountenanceError):
                while True:
                    cosign(running.client, size, size + 1)
                    size += 1
            timer.join()
        with witness(state) as running:
            forged = logs.note_of(FORGED[: size + 5])
            proof = consistency_proof(size, size + 5, logs.reader(FORGED[: size + 5]))
            if size:
                with pytest.raises(CountenanceError):
                    running.client.cosign(forged, size, proof)
            # The last one it was killed at may have been recorded without being answered.
            try:
                cosign(running.client, size, size + 1)
            except CountenanceError:
                cosign(running.client, size + 1, size + 2)
                size += 1
            size += 1
    assert size > 5


def test_it_ends_when_it_is_told_to(tmp_path: Path) -> None:
    for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 0)):
        with witness(tmp_path, "--name", "ngo.example/w") as running:
            running.process.send_signal(number)
            assert running.process.wait(HANG) == status


def test_two_witnesses_see_a_split_view(tmp_path: Path) -> None:
    """A log that shows one history to each finds a cosignature of one of them only for either."""
    with (
        witness(tmp_path / "a", "--name", "a.example") as first,
        witness(tmp_path / "b", "--name", "b.example") as second,
    ):
        cosign(first.client, 0, 10)
        cosign(second.client, 0, 10, FORGED)
        for client, entries in ((first.client, FORGED), (second.client, ENTRIES)):
            with pytest.raises(CountenanceError):
                cosign(client, 10, 10, entries)
            with pytest.raises(CountenanceError):
                cosign(client, 10, 20, entries)


def test_a_ledger_gets_its_checkpoints_cosigned(running: Running, tmp_path: Path) -> None:
    """The server's own ledger asks by itself, and hands the cosignatures on to whoever verifies it."""
    database = Database(f"sqlite:///{tmp_path / 'ledger.sqlite'}", LEDGER)
    database.migrate()
    keys = KeyFile(tmp_path / "ledger.key", name=logs.ORIGIN)
    # The witness was told of a key before the ledger was begun, as an operator would.
    (tmp_path / "ledger.key").write_text(f"{logs.KEY.skey}\n")
    (tmp_path / "ledger.key").chmod(0o600)
    ledger = Ledger(database, tmp_path / "ledger", keys, witnesses=[running.client])
    try:
        ledger.append([logs.intent(1), logs.decision(1)], opens=logs.uid("u", 1))
        index = ledger.append([logs.outcome(1)], closes=logs.uid("u", 1))[-1]
        published = PublishedLog.at(str(tmp_path / "ledger"))
        deadline = time.monotonic() + HANG
        cosigner = [running.client.verifier]
        size = 0
        while size <= index:
            assert time.monotonic() < deadline
            time.sleep(0.2)
            # Until then there is no checkpoint, or it is not cosigned yet.
            with contextlib.suppress(CountenanceError):
                size = verify(published, [logs.KEY.verifier], cosigner).checkpoint.size
        assert [name for name, _ in ledger.witnessed()] == ["ngo.example/w"]
        receipt = receipts.read_receipt(ledger.receipt(index))
        signed = receipts.verify(receipt, [logs.KEY.verifier], cosigner, entry=ledger.entry(index))
        assert [signature.name for signature in signed.cosignatures] == ["ngo.example/w"]
    finally:
        ledger.close()
        database.close()


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COUNTENANCE, "witness", "run", *arguments], capture_output=True, text=True, timeout=HANG, check=False
    )


def test_a_log_is_watched_without_being_asked(tmp_path: Path) -> None:
    """Over the network, from time to time; then it forks."""
    state, log = tmp_path / "state", tmp_path / "log"
    common = ("--state", state, "--key", logs.KEY.vkey, "--once")
    with serving(tmp_path) as url:
        logs.publish(log, ENTRIES[:1000])
        first = run(f"{url}/log", *common, "--name", "ngo.example/w")
        assert (first.returncode, first.stderr) == (0, "")
        assert "Cosigned example.org/log at 1,000 entries." in first.stdout
        logs.publish(log, ENTRIES[:2000])
        again = run(f"{url}/log", *common, "--json")
        assert json.loads(again.stdout)["size"] == 2000

        note = (state / "cosigned/example.org%2Flog").read_text()
        key = Verifier.from_vkey((state / "witness.vkey").read_text().strip())
        assert len(verified(note, [logs.KEY.verifier], [key]).cosignatures) == 1

        logs.publish(log, FORGED[:2500])
        forked = run(f"{url}/log", *common)
    assert forked.returncode == 1
    assert "example.org/log is forked: its checkpoint of 2500 entries contradicts the one of 2000" in forked.stderr
    assert "Traceback" not in forked.stderr
    (evidence,) = (state / "evidence").iterdir()
    sizes = {
        name: read_text(parse((evidence / f"{name}.checkpoint").read_text()).text).size for name in ("before", "after")
    }
    assert sizes == {"before": 2000, "after": 2500}
    assert (state / "cosigned/example.org%2Flog").read_text() == note


def test_a_log_that_is_away_for_a_while_is_waited_for(tmp_path: Path) -> None:
    log = logs.publish(tmp_path / "log", ENTRIES[:10])
    process = start(
        "run", log, "--state", tmp_path / "state", "--name", "w", "--key", logs.KEY.vkey, "--every", "1", "--json"
    )
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["size"] == 10
        (log / "checkpoint").unlink()
        time.sleep(1.5)
        logs.publish(log, ENTRIES[:20])
        assert json.loads(process.stdout.readline())["size"] == 20
        process.send_signal(signal.SIGINT)
        assert process.wait(HANG) == 130
    finally:
        process.kill()
        process.communicate()


def test_what_is_wrong_with_the_command_line_is_said(tmp_path: Path) -> None:
    for arguments, status, sentence in (
        ((tmp_path, "--state", tmp_path / "s", "--key", logs.KEY.vkey, "--once"), 1, "needs a name"),
        ((tmp_path / "none", "--state", tmp_path / "s", "--key", logs.KEY.vkey), 1, "is no folder"),
        ((tmp_path, "--state", tmp_path / "s", "--key", "garbage"), 2, "neither a verifier key nor a file"),
        ((tmp_path, "--state", tmp_path / "s", "--key", "a+b+c"), 2, "has the form name+hash+key"),
        ((tmp_path, "--state", tmp_path / "s"), 2, "--key"),
    ):
        done = run(*arguments)
        assert (done.returncode, done.stdout) == (status, "")
        assert sentence in re.sub(r"\s+", " ", done.stderr.replace("│", ""))
        assert "Traceback" not in done.stderr


def test_an_address_that_is_taken_is_said(running: Running, tmp_path: Path) -> None:
    taken = running.url.removeprefix("http://")
    done = subprocess.run(
        [
            COUNTENANCE,
            "witness",
            "serve",
            "--state",
            tmp_path,
            "--name",
            "b",
            "--log",
            logs.KEY.vkey,
            "--listen",
            taken,
        ],
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip() == "countenance: Address already in use."


def test_the_help_of_the_whole_program_names_it() -> None:
    done = subprocess.run([COUNTENANCE, "--help"], capture_output=True, text=True, timeout=HANG, check=False)
    assert re.search(r"witness\s+Watch over ledgers of others", done.stdout)
