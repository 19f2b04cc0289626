"""A test that was interrupted, however: what was answered stays, and nothing else does."""

from __future__ import annotations

import json
import stat
from contextlib import closing
from pathlib import Path

import pytest

from countenance.errors import InvalidParameter
from countenance.fairness.testing.journal import Answered, Head, Journal

HEAD = Head(manifest="0" * 64, endpoint="https://faces.example.org", face_model_version=None)


def answered(receipt: int, pairs: int = 1) -> Answered:
    """An answer about a face, another, and a photo without one."""
    photos = [{"SHA256": digit * 64, "Faces": 1} for digit in "ab"]
    failed = {"SHA256": "c" * 64, "Faces": 0, "FailureToEnrol": {"Code": "NO_FACE", "Message": "No face was found."}}
    scored = {"Left": 0, "Right": 1, "Cosine": 0.25, "Similarity": 70.5}
    text = {
        "Model": {"FaceModelVersion": "1.0", "Files": ["d" * 64], "Calibration": "e" * 64},
        "Photos": [*photos, failed],
        "Pairs": [scored] * (pairs - 1) + [{"Left": 1, "Right": 2, "Cosine": None, "Similarity": None}],
        "Nonce": "f" * 32,
    }
    return Answered(photos=("x.jpg", "y.jpg", "z.jpg"), receipt=receipt, text=json.dumps(text))


def test_answers_are_kept_as_they_came(tmp_path: Path) -> None:
    path = tmp_path / "scores.journal"
    with closing(Journal(path, HEAD)) as journal:
        assert (journal.done, journal.model) == (0, None)
        journal.add(answered(5, pairs=3))
    with closing(Journal(path, HEAD)) as journal:
        assert journal.done == 3
        assert journal.model is not None
        journal.add(answered(8))
        assert journal.done == 4
        first, second = journal.answers()
    assert (first, second) == (answered(5, pairs=3), answered(8))
    assert first.scores == [(0.25, 70.5), (0.25, 70.5), None]
    assert {name: failure.code for name, failure in first.failures.items()} == {"z.jpg": "NO_FACE"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("torn", [1, 40, 200])
def test_a_line_that_was_not_written_whole_is_asked_for_again(tmp_path: Path, torn: int) -> None:
    path = tmp_path / "scores.journal"
    with closing(Journal(path, HEAD)) as journal:
        journal.add(answered(5))
        journal.add(answered(8))
    path.write_bytes(path.read_bytes()[:-torn])
    with closing(Journal(path, HEAD)) as journal:
        assert journal.done == 1
        journal.add(answered(9))
        assert [one.receipt for one in journal.answers()] == [5, 9]


def test_a_journal_that_was_hardly_begun_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "scores.journal"
    path.write_text('{"format": 1, "mani')
    with closing(Journal(path, HEAD)) as journal:
        assert journal.done == 0
        assert list(journal.answers()) == []


@pytest.mark.parametrize(
    "other",
    [{"manifest": "1" * 64}, {"endpoint": "https://elsewhere.example.org"}, {"face_model_version": "2.0"}],
)
def test_answers_of_two_tests_are_never_mixed(tmp_path: Path, other: dict[str, str]) -> None:
    path = tmp_path / "scores.journal"
    with closing(Journal(path, HEAD)) as journal:
        journal.add(answered(5))
    with pytest.raises(InvalidParameter, match=r"is of another test, .*: remove it, or choose another --output"):
        Journal(path, HEAD.model_copy(update=other))


def test_a_journal_without_an_answer_is_none(tmp_path: Path) -> None:
    path = tmp_path / "scores.journal"
    Journal(path, HEAD).close()
    assert not path.exists()


@pytest.mark.parametrize("content", ["a,b\n1,2\n", HEAD.model_dump_json() + "\n{}\n"])
def test_another_file_of_that_name_is_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "scores.journal"
    path.write_text(content)
    with pytest.raises(InvalidParameter, match="is no journal of a test"):
        Journal(path, HEAD)
    assert path.read_text() == content
