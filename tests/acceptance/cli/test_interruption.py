"""Runs that end before their time: killed, interrupted, and taken up again."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.acceptance.cli.conftest import HANG, Shell

PHOTOS = 24


@pytest.fixture(scope="module")
def many(portraits: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of different photos of one person: each has one pixel of its own."""
    folder = tmp_path_factory.mktemp("many")
    with Image.open(portraits["obama.jpg"]) as photo:
        photo.thumbnail((800, 800))
        for n in range(PHOTOS):
            photo.putpixel((0, 0), (n, n, n))
            photo.save(folder / f"{n:02}.png", compress_level=1)
    return folder


def enrolled(shell: Shell) -> dict[str, str]:
    """FaceIds by ExternalImageId, as they are in the database now, each image once."""
    with contextlib.closing(sqlite3.connect(shell.data / "countenance.sqlite")) as database:
        rows = database.execute("SELECT external_image_id, face_id FROM faces").fetchall()
    assert len({image for image, _ in rows}) == len(rows)
    return dict(rows)


def stopped(shell: Shell, folder: Path, number: signal.Signals) -> tuple[int, str, dict[str, str]]:
    """Index the folder, and send a signal once the first faces are enrolled; status, complaint, and those faces."""
    run = shell.start("index", folder, "-c", "people", "--workers", "2")
    before: dict[str, str] = {}
    deadline = time.monotonic() + HANG
    while len(before) < 3:
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < deadline
        before = enrolled(shell)
        time.sleep(0.005)
    run.send_signal(number)
    _, complaint = run.communicate(timeout=HANG)
    return run.returncode, complaint, before


def test_after_a_kill_nothing_is_half_written_and_nothing_lost(shell: Shell, many: Path) -> None:
    """kill -9 in the middle; the same command goes on, and every photo is enrolled once."""
    shell.collection("people")
    status, _, before = stopped(shell, many, signal.SIGKILL)
    assert status == -signal.SIGKILL
    with contextlib.closing(sqlite3.connect(shell.data / "countenance.sqlite")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (count,) = database.execute("SELECT face_count FROM collections").fetchone()
        rows = database.execute("SELECT length(template) FROM faces").fetchall()
        changes = database.execute("SELECT count(*) FROM changes WHERE face_key IS NOT NULL").fetchone()
    assert (count, set(rows), changes) == (len(rows), {rows[0]}, (len(rows),))
    survivors = enrolled(shell)
    assert before.items() <= survivors.items()
    assert len(survivors) < PHOTOS
    summary = shell.json("index", many, "-c", "people")
    assert (summary["Photos"], summary["Faces"]) == (PHOTOS, PHOTOS)
    # What was acknowledged is not worked on again; what was being written when the kill came may be.
    assert 0 < summary["PhotosDoneEarlier"] <= len(survivors)
    after = enrolled(shell)
    assert len(after) == PHOTOS
    assert survivors.items() <= after.items()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_cleanly_and_goes_on(shell: Shell, many: Path, number: signal.Signals) -> None:
    """Ctrl-C: what was begun is finished and counted, and the next run skips all of it."""
    shell.collection("people")
    status, complaint, _ = stopped(shell, many, number)
    assert status == 130
    assert "Traceback" not in complaint
    assert "Give the same command again to go on." in complaint
    done = enrolled(shell)
    summary = shell.json("index", many, "-c", "people")
    assert summary["PhotosDoneEarlier"] == len(done)
    assert summary["Photos"] == PHOTOS
    assert done.items() <= enrolled(shell).items()
