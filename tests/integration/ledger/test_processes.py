"""Several processes on one ledger, processes that are killed, and disks and databases that fail."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from countenance.errors import Misconfigured, Unaccountable
from countenance.ledger import entries
from countenance.ledger.entries import Intent
from countenance.ledger.log import Ledger

from .conftest import Installation, closing, erasure, intended, use

# A process of its own: adds whole uses from several threads, and says which indexes it was given, until it is ended.
WRITER = """
import sys, threading, uuid
from pathlib import Path
from countenance.errors import Unaccountable
from countenance.ledger.entries import Decision, Intent, Outcome
from countenance.ledger.keys import KeyFile
from countenance.ledger.log import Ledger
from countenance.storage.database import Database
from countenance.storage.ledger_schema import LEDGER
from tests.integration.ledger.conftest import closing, intended, use

url, folder, key, threads, each = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
database = Database(url, LEDGER)
database.migrate()
ledger = Ledger(database, folder, KeyFile(key))
said = threading.Lock()

def say(name, indexes):
    with said:
        print(name, *indexes, flush=True)

def work():
    for _ in range(each):
        name = use()
        say(name, ledger.append(intended(name), opens=name))
        say(name, ledger.append(closing(name), closes=name))

workers = [threading.Thread(target=work) for _ in range(threads)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
ledger.close()
database.close()
"""

ROOT = Path(__file__).parents[3]


@contextmanager
def _writer(installation: Installation, *, threads: int = 4, each: int = 10**9) -> Iterator[subprocess.Popen[str]]:
    arguments = [installation.url, installation.folder, installation.key, threads, each]
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, *map(str, arguments)], stdout=subprocess.PIPE, text=True, bufsize=1, cwd=ROOT
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _said(lines: Iterator[str]) -> dict[int, str]:
    """Which use each index was given to, by what was said to its end."""
    given: dict[int, str] = {}
    for line in lines:
        if line.endswith("\n"):
            name, *indexes = line.split()
            for index in indexes:
                assert int(index) not in given
                given[int(index)] = name
    return given


def _assert_whole(ledger: Ledger, given: dict[int, str]) -> None:
    """Every entry that somebody was told of is where they were told, and all of them are in order."""
    size = ledger.size()
    read = [entries.read(leaf) for leaf in ledger.entries(0, size)]
    assert len(read) == size
    assert max(given) < size
    for index, name in given.items():
        assert getattr(read[index], "use", None) == name
    times = [str(entry.at) for entry in read]
    assert times == sorted(times)
    open_uses = set()
    for entry in read:
        name = getattr(entry, "use", None)
        if isinstance(entry, Intent):
            open_uses.add(name)
        elif entry.kind == "outcome":
            open_uses.remove(name)
    assert {name for name, _, _ in ledger.dangling()} == open_uses


def test_two_processes_that_add_at_once_make_one_ledger(installation: Installation) -> None:
    installation.open()
    each = 25
    with _writer(installation, each=each) as one, _writer(installation, each=each) as other:
        assert one.stdout is not None
        assert other.stdout is not None
        given = _said(iter(one.stdout))
        others = _said(iter(other.stdout))
        assert [one.wait(60), other.wait(60)] == [0, 0]
    assert not set(given) & set(others)
    assert sorted(given | others) == list(range(2 * 4 * each * 3))
    ledger = installation.open()
    _assert_whole(ledger, given | others)
    ledger.publish()
    assert installation.verified().checkpoint.size == 2 * 4 * each * 3


def test_a_process_that_is_killed_in_the_middle_leaves_one_ledger_to_the_other(installation: Installation) -> None:
    mine = installation.open()
    own: dict[int, str] = {}
    others: dict[int, str] = {}
    for round_number in range(2):
        with _writer(installation) as other:
            assert other.stdout is not None
            lines = [other.stdout.readline() for _ in range(20 + 17 * round_number)]
            for _ in range(10):
                name = use()
                own |= dict.fromkeys(mine.append(intended(name), opens=name), name)
                own |= dict.fromkeys(mine.append(closing(name), closes=name), name)
            other.kill()
            lines += other.stdout.readlines()
            others |= _said(iter(lines))
        assert not set(own) & set(others)
        _assert_whole(mine, own | others)
        mine.publish()
    assert installation.verified().checkpoint.size == mine.size()
    again = installation.open()
    assert again.append([erasure()]) == [mine.size() - 1]


def test_a_use_whose_process_was_killed_before_it_was_closed_dangles(installation: Installation) -> None:
    installation.open()
    with _writer(installation, threads=1) as other:
        assert other.stdout is not None
        for line in other.stdout:
            name, *indexes = line.split()
            if len(indexes) == 2:  # the intent and the decision; the outcome has not been said
                other.kill()
                break
        rest = other.stdout.readlines()
    dangling = [(open_use, index) for open_use, index, _ in installation.open().dangling()]
    if rest:  # it was quicker than the signal
        closed, *_ = rest[0].split()
        assert closed == name
    else:
        assert dangling == [(name, int(indexes[0]))]


def test_many_may_begin_a_ledger_at_once(installation: Installation) -> None:
    with _writer(installation, threads=1, each=5) as one, _writer(installation, threads=1, each=5) as other:
        assert [one.wait(60), other.wait(60)] == [0, 0]
    assert installation.open().size() == 2 * 5 * 3


class TestFullDisk:
    """A disk without space refuses, and heals."""

    @pytest.fixture
    def disk(self, tmp_path: Path) -> Iterator[Path]:
        """A small disk."""
        if os.geteuid() != 0:
            pytest.skip("only root can mount a small disk")
        mount = tmp_path / "disk"
        mount.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=2m", "none", mount], capture_output=True, check=False
        )
        if mounted.returncode:
            pytest.skip("this machine does not let us mount a small disk")
        yield mount
        subprocess.run(["umount", mount], check=True)

    def test_nothing_is_half_written_and_adding_goes_on_when_there_is_space_again(self, disk: Path) -> None:
        installation = Installation(f"sqlite:///{disk / 'ledger.sqlite'}", disk)
        ledger = installation.open()
        ledger.append([erasure()])
        ballast = disk / "ballast"
        _fill(ballast)
        added = 1
        refused = ""
        while not refused:
            try:
                added += len(ledger.append([erasure()] * 5))
            except Unaccountable as error:
                refused = error.message
        assert "The ledger cannot be written: database or disk is full" in refused
        assert "its disk has space" in refused
        with pytest.raises(Unaccountable, match="disk is full"):
            ledger.append([erasure()] * 5)
        assert ledger.size() == added
        ballast.unlink()
        assert ledger.append([erasure()]) == [added]
        ledger.publish()
        assert installation.verified().checkpoint.size == added + 1
        installation.close()

    def test_a_ledger_that_cannot_be_opened_says_so(self, disk: Path) -> None:
        installation = Installation(f"sqlite:///{disk / 'ledger.sqlite'}", disk)
        _fill(disk / "ballast")
        with pytest.raises((Misconfigured, Unaccountable), match=r"disk|full"):
            installation.open()


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(1024))
            except OSError:
                return


def test_a_commit_that_fails_adds_nothing(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = installation.open()
    ledger.append([erasure()])
    name = use()

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as failing:
        # The last thing before the commit: everything else is written by then.
        failing.setattr("countenance.ledger.sequencer.checkpoints.signed", fail)
        with pytest.raises(Unaccountable, match=r"cannot be written: .*No space left on device"):
            ledger.append(intended(name), opens=name, salts={name: b"a salt of 16 by."})
    assert (ledger.size(), ledger.dangling(), ledger.salts([name])) == (1, [], {})
    assert ledger.append([erasure()]) == [1]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_database_server_that_ends_our_connections_is_an_error_and_then_it_goes_on(
    installation: Installation,
) -> None:
    ledger = installation.open()
    ledger.append([erasure()])
    address = installation.url.replace("postgresql://postgres@/postgres?host=", "user=postgres dbname=postgres host=")
    with psycopg.connect(address, autocommit=True) as connection:
        # Somebody else holds the writers' turn, and cuts off who waits for it.
        connection.execute("BEGIN")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [0x6C6564676572])
        with psycopg.connect(address, autocommit=True) as killer:

            def cut_off() -> int:
                row = killer.execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'advisory'"
                ).fetchone()
                assert row is not None
                return int(row[0])

            refused: list[str] = []

            def add() -> None:
                try:
                    ledger.append([erasure()])
                except Unaccountable as error:
                    refused.append(error.message)

            waiting = threading.Thread(target=add)
            waiting.start()
            deadline = time.monotonic() + 30
            while not cut_off() and time.monotonic() < deadline:
                time.sleep(0.02)
            waiting.join(30)
        connection.execute("COMMIT")
    assert len(refused) == 1
    assert "The ledger cannot be written" in refused[0]
    assert ledger.append([erasure()]) == [1]
