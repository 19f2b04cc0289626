"""What is printed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from countenance.cli.output import print_json, print_table, printable
from countenance.cli.reports import Report


def test_names_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences and markup in a file's name are shown, not obeyed."""
    print_table(("Name",), [("\x1b[2Jred.jpg",), ("[bold]x[/bold]",)])
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "[bold]x[/bold]" in shown
    assert printable("a\udcffb\r") == "a\ufffdb\ufffd"


def test_a_table_in_a_pipe_is_not_folded(capsys: pytest.CaptureFixture[str]) -> None:
    """Programs read whole lines."""
    print_table(("Word", "Number"), [("x" * 300, 1.5)])
    assert f"{'x' * 300}" in capsys.readouterr().out


def test_what_is_none_is_left_out_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    """As on the wire."""
    print_json({"A": None, "B": [{"C": None, "D": 1}]})
    assert json.loads(capsys.readouterr().out) == {"B": [{"D": 1}]}


def test_a_report_without_rows_is_kept_only_if_it_was_asked_for(tmp_path: Path) -> None:
    """An empty file in the data folder would say nothing."""
    with Report.of("index", "people", tmp_path, None, ("photo", "reason")) as report:
        pass
    assert list((tmp_path / "reports").iterdir()) == []
    assert not report.is_kept
    with Report.of("index", "people", tmp_path, tmp_path / "asked.csv", ("photo", "reason")):
        pass
    assert (tmp_path / "asked.csv").read_text() == "photo,reason\n"


def test_a_report_is_whole_or_not_there(tmp_path: Path) -> None:
    """It gets its name at the end, also when the work failed in between."""
    path = tmp_path / "report.csv"

    def work() -> None:
        with report:
            report.add("NO_FACE", photo='with "quotes", and\nlines.jpg')
            report.add("UNREADABLE", photo="\udcff.jpg")
            assert not path.exists()
            raise ValueError("failed")

    report = Report.of("index", "people", tmp_path, path, ("photo", "reason"))
    with pytest.raises(ValueError, match="failed"):
        work()
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["photo"] for row in rows] == ['with "quotes", and\nlines.jpg', "\\udcff.jpg"]
    assert report.reasons == {"NO_FACE": 1, "UNREADABLE": 1}
