"""Anyone checks a ledger with nothing but its files, its key and this command: no data folder, no face models."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from countenance.ledger.notes import CosignerKey, LogKey, Note, parse
from countenance.ledger.receipts import read_receipt
from tests.acceptance.cli.conftest import Shell
from tests.unit.ledger import logs
from tests.unit.ledger.test_published import serving

WITNESS = CosignerKey("ngo.example/w", b"\x02" * 32)
ENTRIES = logs.log_of(1000)
HANG = 60


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Somebody's own machine: nothing is installed there, and nothing may be."""
    home = tmp_path / "home"
    home.mkdir()
    return Shell(home, tmp_path / "no models")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return logs.publish(tmp_path_factory.mktemp("published") / "ledger", ENTRIES)


@pytest.fixture
def log(published: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(published, tmp_path / "log"))


def test_a_ledger_is_verified(shell: Shell, published: Path) -> None:
    for key in (logs.KEY.vkey, published / "log.vkey"):
        done = shell.run("ledger", "verify", published, "--key", key)
        assert done.returncode == 0, done.stderr
        assert "Verified: the 1,000 entries of example.org/log, from 2026-11-02T12:00:00.000Z" in done.stdout
        assert f"signed by {logs.KEY.vkey}" in done.stdout
        assert "Uses without an end: 1, the first u-0000000000000000000000000000014d, entry 999" in done.stdout
        assert "trusts the publisher" not in done.stderr
    assert list(shell.home.iterdir()) == []


def test_a_ledger_is_verified_over_the_network(shell: Shell, published: Path) -> None:
    with serving(published.parent) as url:
        answer = shell.json("ledger", "verify", f"{url}/ledger", "--key", logs.KEY.vkey)
    assert (answer["verified"], answer["origin"], answer["size"]) == (True, "example.org/log", 1000)
    assert answer["kinds"] == {"intent": 334, "decision": 333, "outcome": 333}
    assert [use["index"] for use in answer["dangling"]] == [999]


def test_without_a_key_it_is_said_whom_this_trusts(shell: Shell, published: Path) -> None:
    done = shell.run("ledger", "verify", published)
    assert done.returncode == 0
    assert f"this trusts the publisher: {published} says its key is {logs.KEY.vkey}" in done.stderr


def test_the_first_bad_entry_is_named(shell: Shell, log: Path) -> None:
    logs.flip(log / "tile/entries/002", 40_000)
    done = shell.run("ledger", "verify", log, "--key", logs.KEY.vkey)
    assert done.returncode == 1
    said = done.stderr.strip().splitlines()[-1]
    assert said.startswith("countenance: The first bad entry is 6")
    assert said.endswith("it was altered after it was logged, in tile/entries/002.")
    assert "Traceback" not in done.stderr
    answer = json.loads(shell.run("ledger", "verify", log, "--key", logs.KEY.vkey, "--json").stdout)
    assert (answer["verified"], answer["file"]) == (False, "tile/entries/002")
    assert str(answer["index"]) in said


def change(path: str, content: bytes) -> Callable[[Path], None]:
    return lambda log: logs.put(log, path, content)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda log: logs.flip(log / "tile/0/001", 0), "the tile tile/0/001 was altered"),
        (lambda log: logs.flip(log / "checkpoint", 30), "not valid"),
        (lambda log: (log / "checkpoint").unlink(), "has no checkpoint"),
        (lambda log: (log / "tile/0/003.p/232").unlink(), "has no tile/0/003.p/232"),
        (change("checkpoint", b"\xff\x00garbage"), "not UTF-8"),
        (change("checkpoint", b""), "no lines of signatures"),
        (change("tile/1/000.p/3", b"short"), "has 5 bytes instead of 96"),
        (change("tile/entries/000", b"\x00"), "does not hold exactly the 256 entries"),
    ],
)
def test_whatever_is_spoilt_is_said_in_a_sentence(
    shell: Shell, log: Path, spoil: Callable[[Path], None], complaint: str
) -> None:
    spoil(log)
    done = shell.run("ledger", "verify", log, "--key", logs.KEY.vkey)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    answer = json.loads(shell.run("ledger", "verify", log, "--key", logs.KEY.vkey, "--json").stdout)
    assert answer["verified"] is False
    assert complaint in answer["message"]


def test_another_log_behind_the_same_address_is_refused(shell: Shell, log: Path) -> None:
    logs.publish(log, ENTRIES, LogKey(logs.ORIGIN, b"\x09" * 32))
    assert shell.run("ledger", "verify", log).returncode == 0, "the publisher hands over its own key with its own log"
    assert "not signed by" in shell.run("ledger", "verify", log, "--key", logs.KEY.vkey).stderr


def test_a_witness_that_is_demanded_must_have_cosigned(shell: Shell, log: Path) -> None:
    command = ("ledger", "verify", log, "--key", logs.KEY.vkey, "--witness", WITNESS.vkey)
    assert "not cosigned by the witness ngo.example/w" in shell.run(*command).stderr
    note = parse((log / "checkpoint").read_text())
    (log / "checkpoint").write_text(str(Note(note.text, (*note.signatures, WITNESS.cosign(note.text, 1_790_000_000)))))
    assert "Cosigned by ngo.example/w at 2026-09-21 14:13:20 UTC." in shell.run(*command).stdout
    assert shell.json(*command)["cosigned"] == {"ngo.example/w": 1_790_000_000}


def test_a_receipt_is_made_handed_on_and_verified(shell: Shell, published: Path) -> None:
    """By somebody who then has neither a network nor the log."""
    done = shell.run("ledger", "prove", "700", "--ledger", published, "--key", logs.KEY.vkey)
    assert done.returncode == 0, done.stderr
    assert "Verified: this is entry 700 of example.org/log" in done.stdout
    assert '"kind": "decision"' in done.stdout
    receipt = shell.home / "700.tlog-proof"
    assert read_receipt(receipt.read_bytes()).extra == ENTRIES[700]

    answer = shell.json("ledger", "verify", receipt, "--key", logs.KEY.vkey)
    assert (answer["verified"], answer["index"], answer["entry"]) == (True, 700, json.loads(ENTRIES[700]))
    assert "give it with --key" in shell.refused("ledger", "verify", receipt)


def test_the_own_ledger_is_in_the_data_folder(shell: Shell, published: Path) -> None:
    shutil.copytree(published, shell.data / "ledger")
    answer = shell.json("ledger", "prove", "0", "--key", logs.KEY.vkey, "--out", "mine")
    assert answer["entry"]["kind"] == "intent"
    assert (shell.home / "mine").exists()
    assert [path.name for path in shell.data.iterdir()] == ["ledger"], "and only read"


def test_a_receipt_that_was_altered_proves_nothing(shell: Shell, published: Path) -> None:
    shell.run("ledger", "prove", "700", "--ledger", published, "--key", logs.KEY.vkey)
    receipt = shell.home / "700.tlog-proof"
    whole = receipt.read_text()
    for spoilt, complaint in (
        (whole.replace("index 700", "index 701"), "does not show that this entry is entry 701"),
        (whole.replace("extra ey", "extra eY"), "does not show that this entry is entry 700"),
        (whole.replace("\n1000\n", "\n1001\n"), "not valid"),
        (whole[:50], "begins with the line c2sp.org/tlog-proof@v1 and ends with a checkpoint"),
        ("", "begins with the line"),
    ):
        receipt.write_text(spoilt)
        assert complaint in shell.refused("ledger", "verify", receipt, "--key", logs.KEY.vkey)


def test_a_receipt_without_its_entry_is_verified_beside_it(shell: Shell, published: Path) -> None:
    shell.run("ledger", "prove", "3", "--ledger", published, "--key", logs.KEY.vkey)
    receipt, entry = shell.home / "3.tlog-proof", shell.home / "entry.json"
    lines = receipt.read_text().split("\n")
    receipt.write_text("\n".join([lines[0], *lines[2:]]))
    entry.write_bytes(ENTRIES[3])
    command = ("ledger", "verify", receipt, "--key", logs.KEY.vkey)
    assert "does not carry its entry" in shell.refused(*command)
    assert shell.json(*command, "--entry", entry)["index"] == 3
    entry.write_bytes(ENTRIES[4])
    assert "does not show" in shell.refused(*command, "--entry", entry)


def test_what_is_not_published_has_no_receipt_yet(shell: Shell, published: Path, tmp_path: Path) -> None:
    said = shell.refused("ledger", "prove", "1000", "--ledger", published, "--key", logs.KEY.vkey)
    assert said.endswith("has published 1,000 entries, and none of number 1000 yet.")
    assert "is no folder" in shell.refused("ledger", "prove", "0", "--key", logs.KEY.vkey)
    shell.refused("ledger", "prove", "-1", "--ledger", published, status=2)
    assert "publishes no verifier key" in shell.refused("ledger", "verify", tmp_path)


@pytest.fixture
def follower(shell: Shell, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    logs.publish(tmp_path / "log", ENTRIES[:300])
    process = shell.start("ledger", "follow", tmp_path / "log", "--key", logs.KEY.vkey, "--every", "0.2", "--json")
    assert process.stderr is not None
    assert "Following example.org/log from entry 300." in process.stderr.readline()
    yield process
    process.kill()
    process.communicate(timeout=HANG)


def told(process: subprocess.Popen[str]) -> tuple[int, object]:
    assert process.stdout is not None
    line = json.loads(process.stdout.readline())
    return line["index"], line["entry"]


def test_entries_are_printed_as_they_come(follower: subprocess.Popen[str], tmp_path: Path) -> None:
    for size in (301, 303):
        logs.publish(tmp_path / "log", ENTRIES[:size])
        while (last := told(follower))[0] < size - 1:
            pass
        assert last == (size - 1, json.loads(ENTRIES[size - 1]))
    follower.send_signal(signal.SIGINT)
    assert follower.wait(HANG) == 130


def test_a_log_that_is_gone_is_waited_for(follower: subprocess.Popen[str], tmp_path: Path) -> None:
    assert follower.stderr is not None
    shutil.rmtree(tmp_path / "log")
    assert "has no checkpoint" in follower.stderr.readline()
    time.sleep(0.5)
    logs.publish(tmp_path / "log", ENTRIES[:301])
    assert told(follower)[0] == 300


def test_a_fork_ends_following_with_both_checkpoints(follower: subprocess.Popen[str], tmp_path: Path) -> None:
    before = (tmp_path / "log/checkpoint").read_text()
    forged = [ENTRIES[0].replace(b"missing_person", b"photo_library"), *ENTRIES[1:]]
    shutil.rmtree(tmp_path / "log")
    logs.publish(tmp_path / "log", forged[:400])
    _, said = follower.communicate(timeout=HANG)
    assert follower.returncode == 1
    assert before in said
    assert logs.note_of(forged[:400]) in said
    assert "countenance: example.org/log is forked" in said
    assert "Traceback" not in said
