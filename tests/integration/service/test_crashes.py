"""Killed at every step of the order: nothing is released without its entry, and what was begun is there to be seen.

Each test runs a search in a process of its own that kills itself, by SIGKILL, at one step; then another process opens
the same data folder and looks.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from countenance.ledger import entries
from countenance.service.application import Application
from countenance.service.photos import PhotoBytes
from countenance.settings import Settings

# Kills itself before or after a function of the real thing is called for the nth time, while a search is carried out.
SCRIPT = """
import os, signal, sys
from pathlib import Path
from countenance.gallery.search import Search
from countenance.ledger.log import Ledger
from countenance.policy.gate import Gate
from countenance.service.application import Application
from countenance.service.photos import PhotoBytes
from countenance.settings import Settings

data, store, photo, step = sys.argv[1:]
application = Application(Settings(data=Path(data), model_store=Path(store)))
caller = application.locals.caller()
def die(owner, name, *, after, nth=1):
    genuine, calls = getattr(owner, name), []
    def instead(*arguments, **options):
        calls.append(1)
        if len(calls) == nth and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = genuine(*arguments, **options)
        if len(calls) == nth and after:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer
    setattr(owner, name, instead)
if step == "before the decision":
    die(Gate, "decide", after=False)
elif step == "before the intent is committed":
    die(Ledger, "append", after=False)
elif step == "after the intent is committed":
    die(Ledger, "append", after=True)
elif step == "while it compares":
    die(Search, "faces", after=False)
elif step == "after it compared":
    die(Search, "faces", after=True)
elif step == "before the outcome is committed":
    die(Ledger, "append", after=False, nth=2)
elif step == "after the outcome is committed":
    die(Ledger, "append", after=True, nth=2)
found = application.searches.search_faces_by_image(caller, "portraits", PhotoBytes(Path(photo).read_bytes()))
print("released", len(found.matches), flush=True)
"""

BEGUN = ["after the intent is committed", "while it compares", "after it compared", "before the outcome is committed"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, models: Path, portraits: dict[str, Path]) -> tuple[Settings, Path]:
    """A data folder with somebody enrolled, and a photo to search with."""
    settings = Settings(data=tmp_path_factory.mktemp("crashes") / "data", model_store=models)
    application = Application(settings)
    operator = application.locals.caller()
    application.collections.create(operator, "portraits", {})
    application.enrolment.index_faces(operator, "portraits", PhotoBytes(portraits["obama.jpg"].read_bytes()))
    application.close()
    return settings, portraits["obama2.jpg"]


def search(folder: tuple[Settings, Path], step: str) -> subprocess.CompletedProcess[str]:
    settings, photo = folder
    arguments = [str(settings.data), str(settings.model_store), str(photo), step]
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=False, timeout=300
    )


@pytest.mark.parametrize(
    ("step", "begun", "closed"),
    [
        ("before the decision", False, False),
        ("before the intent is committed", False, False),
        *((step, True, False) for step in BEGUN),
        ("after the outcome is committed", True, True),
    ],
)
def test_killed_at_any_step_nothing_is_released_and_what_was_begun_is_seen(
    folder: tuple[Settings, Path], step: str, begun: bool, closed: bool
) -> None:
    settings, _ = folder
    before = Application(settings)
    size, dangling = before.ledger.size(), len(before.ledger.dangling())
    before.close()

    done = search(folder, step)

    assert done.returncode == -signal.SIGKILL, done.stderr
    assert "released" not in done.stdout
    after = Application(settings)
    try:
        new = [entries.read(leaf).kind for leaf in after.ledger.entries(size, after.ledger.size())]
        assert new == ["intent", "decision", "outcome"][: 2 * begun + closed]
        assert len(after.ledger.dangling()) - dangling == (begun and not closed)
        # And it goes on: nothing of the kill keeps the next search from its answer.
        assert after.ledger.receipt(after.ledger.size() - 1)
    finally:
        after.close()


def test_unharmed_it_releases(folder: tuple[Settings, Path]) -> None:
    assert search(folder, "never").stdout.strip().endswith("released 1")
