"""Error rates by group, as somebody measures them who has a table of scores, or photos."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from countenance.fairness.record import AuditRecord
from tests.acceptance.cli.conftest import Shell

CARD = """
name = "Scores of an engine"
source = "a random generator"
licence = "CC0-1.0"
labels = "none"

[scores]
file = "scores.csv"
score = "score"
higher = "alike"
left = "one"
right = "other"
groupings = [["group"]]
[scores.columns]
group = ["group of one", "group of the other"]
"""

PHOTOS = """
name = "Presidents"
source = "official portraits"
licence = "public domain"
labels = "observed"

[manifest]
file = "people.csv"
images = ["{file}"]
subject = "{who}"
groupings = [["party"]]
"""


def write_scores(folder: Path, *, shifted: float = 0.0, seed: int = 1) -> Path:
    """All comparisons of 40 people in each of two groups, two photos each; strangers in b score `shifted` higher."""
    generator = np.random.default_rng(seed)
    photos = [(group, person) for group in "ab" for person in range(40) for _ in range(2)]
    with (folder / "scores.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["one", "other", "group of one", "group of the other", "score"])
        for (group, person), (others, other) in combinations(photos, 2):
            mated = (group, person) == (others, other)
            score = generator.normal(0.8 if mated else 0.0, 0.15) + shifted * (group == others == "b" and not mated)
            writer.writerow([f"{group}{person}", f"{others}{other}", group, others, f"{score:.6f}"])
    card = folder / "card.toml"
    card.write_text(CARD)
    return card


@pytest.fixture(scope="module")
def report(shells: Callable[..., Shell]) -> tuple[Shell, Path]:
    """A report on scores that are higher for strangers of one group."""
    shell = shells()
    card = write_scores(shell.home, shifted=0.15)
    done = shell.run("fairness", "audit", card, "--out", "report", "--fmr", "0.01", "--worst-group-fmr", "0.01")
    assert done.returncode == 0, done.stderr
    assert "most often within group=b" in done.stdout
    assert "The FMR of group=b is" in done.stdout
    return shell, shell.home / "report"


def test_a_report_is_a_page_for_people_and_files_for_programs(report: tuple[Shell, Path]) -> None:
    _, folder = report
    record = AuditRecord.model_validate_json((folder / "report.json").read_text("utf-8"))
    assert [point.kind for point in record.points] == ["overall", "worst_group"]
    page = (folder / "report.html").read_text("utf-8")
    assert all(sentence.replace("'", "&#39;") in page for sentence in record.answer)
    assert 'src="http' not in page
    with (folder / "rates.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["group"] for row in rows} >= {"everyone", "group=a", "group=b"}
    assert "Scores of an engine" in (folder / "model-card.md").read_text("utf-8")


def test_the_command_in_the_report_makes_it_again(report: tuple[Shell, Path]) -> None:
    shell, folder = report
    record = AuditRecord.model_validate_json((folder / "report.json").read_text("utf-8"))
    assert record.command.split()[:4] == ["countenance", "fairness", "audit", "card.toml"]
    again = shell.json(*record.command.replace("--out report", "--out again").split()[1:])
    made = AuditRecord.model_validate_json((shell.home / "again" / "report.json").read_text("utf-8"))
    assert made.points == record.points
    assert again["Answer"] == list(record.answer)


def test_the_threshold_that_holds_for_every_group(report: tuple[Shell, Path]) -> None:
    shell, folder = report
    record = AuditRecord.model_validate_json((folder / "report.json").read_text("utf-8"))
    found = shell.json("fairness", "threshold", "card.toml", "--worst-group-fmr", "0.01")
    assert found["threshold"] == record.points[1].threshold
    assert found["threshold"] > record.points[0].threshold
    told = shell.run("fairness", "threshold", "card.toml", "--worst-group-fmr", "0.01")
    assert "no group's interval for the FMR reaches above 0.01" in told.stdout


def test_a_threshold_that_the_data_cannot_support_is_refused_with_how_many_people_it_takes(
    report: tuple[Shell, Path],
) -> None:
    shell, _ = report
    done = shell.run("fairness", "threshold", "card.toml", "--worst-group-fmr", "1e-6")
    assert done.returncode == 1
    assert "There is no such threshold: group=a has 40 subjects" in done.stdout
    assert "It would take about" in done.stdout
    assert "one of them" in shell.refused("fairness", "threshold", "card.toml", status=2)


def test_two_engines_on_the_same_comparisons(report: tuple[Shell, Path], tmp_path: Path) -> None:
    shell, folder = report
    card = write_scores(tmp_path, shifted=0.0)
    shell.json("fairness", "audit", card, "--out", tmp_path / "report", "--score", "0.4")
    shell.json("fairness", "audit", "card.toml", "--out", "at-a-score", "--score", "0.4")
    differences = shell.json("fairness", "compare", "at-a-score", tmp_path / "report")
    real = {(one["group"], one["error"]) for one in differences if one["real"]}
    assert ("group=b", "FMR") in real
    assert ("group=a", "FMR") not in real
    same = shell.json("fairness", "compare", folder, folder, "--other-at", "FMR 0.01 in the worst group")
    assert any(one["real"] and one["error"] == "FMR" for one in same)
    assert "There is no operating point 'nowhere'" in shell.refused(
        "fairness", "compare", folder, folder, "--at", "nowhere"
    )


def test_what_cannot_be_audited_is_refused_with_a_sentence(shell: Shell, tmp_path: Path) -> None:
    card = write_scores(tmp_path)
    assert "give thresholds as scores" in shell.refused("fairness", "audit", card, "--out", "r", "--similarity", "80")
    table = tmp_path / "scores.csv"
    table.write_text(table.read_text().replace("a0,a0", "a0,", 1))
    assert "scores.csv" in shell.refused("fairness", "audit", card, "--out", "r")
    (tmp_path / "photos.toml").write_text(PHOTOS)
    assert "name the folder" in shell.refused("fairness", "audit", tmp_path / "photos.toml", "--out", "r")
    (tmp_path / "no.toml").write_text("name = ")
    assert "no.toml" in shell.refused("fairness", "audit", tmp_path / "no.toml", "--out", "r")


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (("--fmr", "0"), "A false match rate of 0 cannot be asked for"),
        (("--worst-group-fmr", "1"), "A false match rate of 1 cannot be asked for"),
        (("--score", "nan"), "A threshold is a number"),
        (("--score", "inf"), "A threshold is a number"),
    ],
)
def test_what_is_no_threshold_is_refused(report: tuple[Shell, Path], asked: tuple[str, str], sentence: str) -> None:
    shell, _ = report
    assert sentence in shell.refused("fairness", "audit", "card.toml", "--out", "r", *asked)


def test_people_who_are_compared_with_nobody_else_are_no_basis_for_a_report(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "card.toml").write_text(CARD)
    (tmp_path / "scores.csv").write_text("one,other,group of one,group of the other,score\na,a,x,x,0.5\n")
    for command in (("audit", tmp_path / "card.toml", "--out", "r"), ("threshold", tmp_path / "card.toml")):
        rest = () if command[0] == "audit" else ("--worst-group-fmr", "0.1")
        assert "no two different people" in shell.refused("fairness", *command, *rest)


def write_photos(home: Path, portraits: dict[str, Path]) -> None:
    """Three photos of one president, and one each of others; nobody is in the last."""
    folder = home / "photos"
    folder.mkdir()
    names = ["obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg", "astronaut.png", "coffee.png"]
    for name in names:
        shutil.copy(portraits[name], folder / name)
    people = ["o", "o", "o", "b", "e", "c"]
    rows = [f"{name},{who},{'x' if who == 'o' else 'y'}" for name, who in zip(names, people, strict=True)]
    (folder / "people.csv").write_text("\n".join(["file,who,party", *rows]) + "\n")
    (home / "card.toml").write_text(PHOTOS)


def test_photos_go_through_the_recognizer_that_serves(shell: Shell, portraits: dict[str, Path]) -> None:
    write_photos(shell.home, portraits)
    answer = shell.json("fairness", "audit", "card.toml", "photos", "--out", "report", "--keep-templates")
    record = AuditRecord.model_validate_json((shell.home / "report" / "report.json").read_text("utf-8"))
    assert record.engine.name == "sface"
    assert len(record.engine.files) >= 2
    failures = {one.group: one.failures for one in record.populations}["everyone"]
    assert failures is not None
    assert failures.errors == 1, "there is nobody in a cup of coffee"
    assert any("cannot be shown" in sentence for sentence in answer["Answer"])
    again = shell.json("fairness", "audit", "card.toml", "photos", "--out", "report", "--keep-templates")
    assert again["Answer"] == answer["Answer"]
    assert str(shell.home) not in json.dumps(record.model_dump(mode="json"))


def test_a_service_is_measured_from_outside_after_its_price_was_told(
    shells: Callable[..., Shell], portraits: dict[str, Path]
) -> None:
    shell = shells()
    write_photos(shell.home, portraits)
    with shell.serving():
        operator = shell.operator()
        outside = shells(
            AWS_ACCESS_KEY_ID=operator["aws_access_key_id"],
            AWS_SECRET_ACCESS_KEY=operator["aws_secret_access_key"],
            AWS_DEFAULT_REGION=operator["region"],
        )
        write_photos(outside.home, portraits)
        audit = ("fairness", "audit", "card.toml", "photos", "--out", "report", "--endpoint", operator["endpoint_url"])
        refused = outside.run(*audit, answer="n\n")
        assert refused.returncode == 1
        assert "6 photos are sent to" in refused.stderr
        assert not (outside.home / "report" / "report.json").exists()
        outside.json(*audit, "--yes", "--rate", "50", "--similarity", "80")
    record = AuditRecord.model_validate_json((outside.home / "report" / "report.json").read_text("utf-8"))
    assert record.engine.kind == "endpoint"
    (point,) = record.points
    assert (point.threshold, point.similarity) == (80, 80)
    everyone = point.of("", "everyone")
    assert everyone.fnmr is not None
    assert (everyone.fnmr.errors, everyone.fnmr.comparisons) == (0, 3)
    failures = {one.group: one.failures for one in record.populations}["everyone"]
    assert failures is not None
    assert (failures.errors, failures.comparisons) == (1, 6)
