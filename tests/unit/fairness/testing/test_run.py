"""What stops a test, and what is left of it then."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from pathlib import Path

import pytest

from countenance.errors import CountenanceError, InvalidParameter, Misconfigured
from countenance.fairness.testing import run
from countenance.fairness.testing.door import Door
from countenance.fairness.testing.manifest import PairManifest
from countenance.fairness.testing.run import PairTest
from tests.unit.fairness.testing.scripted import PHOTOS, RECEIPT, Scripted, refusal, right


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PairManifest:
    """Two pairs of the same two photos, each a request of its own."""
    monkeypatch.setattr(run, "MAX_PAIRS", 1)
    for name, content in zip(("one.jpg", "other.jpg"), PHOTOS, strict=True):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "pairs.csv").write_text("left,right,mated\none.jpg,other.jpg,1\none.jpg,other.jpg,1\n")
    return PairManifest(tmp_path / "pairs.csv", tmp_path)


def stopped(server: Scripted, manifest: PairManifest, output: Path) -> CountenanceError:
    """Why a test ended."""
    with closing(Door(server.url)) as door, pytest.raises(CountenanceError) as refused:
        PairTest(manifest, door, output).run([], lambda _: None, threading.Event())
    assert not output.exists()
    return refused.value


def test_scores_of_two_models_are_never_in_one_table(server: Scripted, manifest: PairManifest, tmp_path: Path) -> None:
    """The operator exchanged it in between."""
    other = right()
    other["Model"]["Calibration"] = "0" * 64
    server.answers = [(200, json.dumps(answer).encode(), RECEIPT) for answer in (right(), other)]
    error = stopped(server, manifest, tmp_path / "scores.csv")
    assert error.message.startswith("The server answers by another model than when the test began")
    assert (tmp_path / "scores.journal").exists()


def test_photos_that_the_server_does_not_take_are_named(
    server: Scripted, manifest: PairManifest, tmp_path: Path
) -> None:
    server.answers = [(413, refusal("RequestEntityTooLargeException", "Too large."), {})]
    error = stopped(server, manifest, tmp_path / "scores.csv")
    assert isinstance(error, Misconfigured)
    assert error.message.endswith("Too large. Make one.jpg and other.jpg smaller.")


def test_a_test_that_was_refused_from_the_beginning_leaves_nothing(
    server: Scripted, manifest: PairManifest, tmp_path: Path
) -> None:
    server.answers = [(400, refusal("AccessDeniedException", "TestPairs is denied."), {})]
    stopped(server, manifest, tmp_path / "scores.csv")
    assert not (tmp_path / "scores.journal").exists()


def test_scores_without_receipts_stay_a_test_that_is_not_finished(
    server: Scripted, manifest: PairManifest, tmp_path: Path
) -> None:
    """The server answers, and publishes no ledger."""
    server.answers = [(200, json.dumps(right()).encode(), RECEIPT)]
    with closing(Door(server.url)) as door, pytest.raises(Misconfigured, match="when asked for the receipt 7"):
        PairTest(manifest, door, tmp_path / "scores.csv").run([], lambda _: None, threading.Event())
    assert (tmp_path / "scores.journal").exists()


def test_the_table_is_a_csv_file(server: Scripted, manifest: PairManifest, tmp_path: Path) -> None:
    with closing(Door(server.url)) as door, pytest.raises(InvalidParameter, match=r"must end in \.csv"):
        PairTest(manifest, door, tmp_path / "scores.parquet")
