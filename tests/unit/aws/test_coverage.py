"""COVERAGE.md says what the server does."""

from __future__ import annotations

from pathlib import Path

import pytest

from countenance.aws.coverage import FILE, coverage, main
from countenance.aws.model import operation_names, service_model
from countenance.aws.sts.model import operation_names as sts_operation_names
from countenance.vision.description import UNAVAILABLE


def test_every_operation_is_listed_once() -> None:
    text = coverage()
    assert all(text.count(f"\n| {operation} |") == 1 for operation in operation_names())
    assert "| SearchFacesByImage | works |" in text
    assert "| RecognizeCelebrities | no: " in text


def test_every_operation_of_sts_is_listed_once() -> None:
    text = coverage()
    assert all(text.count(f"\n| {operation} |") == 1 for operation in sts_operation_names())
    assert "| AssumeRole | works |" in text
    assert "| GetSessionToken | no: sessions are begun with AssumeRole" in text


def test_every_member_of_a_face_is_listed_with_what_becomes_of_it() -> None:
    text = coverage()
    for member in service_model().shape_for("FaceDetail").members:
        assert text.count(f"\n| {member} |") == 1
    assert "| Landmarks | yes |" in text
    assert "| Gender | off, unless the operator" in text
    assert all(f"| {member} | no: {reason} |" in text for member, reason in UNAVAILABLE.items())


def test_the_file_in_the_repository_is_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[3])
    assert main(["--check"]) == 0


def test_a_missing_or_stale_file_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--check"]) == 1
    assert main([]) == 0
    assert main(["--check"]) == 0
    FILE.write_text("stale")
    assert main(["--check"]) == 1
    assert "python -m countenance.aws.coverage" in capsys.readouterr().err
