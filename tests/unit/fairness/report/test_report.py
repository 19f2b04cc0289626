"""The files of a report: what a reader finds in them, and that nobody's names can make them say something else."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from countenance.errors import InvalidParameter
from countenance.fairness import schemas
from countenance.fairness.record import AuditedDataSet, AuditRecord, Engine
from countenance.fairness.report import write_report
from countenance.fairness.report.spreadsheets import to_csv
from countenance.vision.calibration import DataSetCard
from tests.unit.fairness.report.records import THRESHOLDS, rate, record

GROUPS = {
    "gender": ("gender=Female", "gender=Male"),
    "gender, race": ("gender=Female, race=Black", "gender=Male, race=White"),
}
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)> $x_1$ `a` | [b](javascript:c) {{ 7 * 7 }} &amp; *d*'


class Page(HTMLParser):
    """What a browser makes of a page, as far as it matters here."""

    VOID = frozenset(("meta", "br", "img", "link", "input", "hr"))

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text.append(data)

    @property
    def said(self) -> str:
        """Its text, on one line."""
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="module")
def audit() -> AuditRecord:
    return record(GROUPS, THRESHOLDS[1:])


@pytest.fixture(scope="module")
def folder(audit: AuditRecord, tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("report") / "new" / "report"
    files = write_report(audit, written)
    assert files[0] == written / "report.html"
    assert sorted(files) == sorted(written.iterdir())
    return written


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page((folder / "report.html").read_text("utf-8"))


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def test_the_answer_comes_first(audit: AuditRecord, page: Page) -> None:
    places = [page.said.index(sentence) for sentence in audit.answer]
    assert places == sorted(places)
    assert places[-1] < page.said.index("How to read it")


def test_the_page_is_one_file_that_runs_nothing(page: Page) -> None:
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "img", "link", "iframe", "object", "image"}
    assert not [name for _, found in page.tags for name in found if name.startswith("on")]
    references = [
        value for _, found in page.tags for name, value in found.items() if name in {"href", "xlink:href", "src"}
    ]
    assert all(value and value.startswith("#") for value in references)


def test_whatever_the_page_refers_to_is_in_it_once(folder: Path, page: Page) -> None:
    text = (folder / "report.html").read_text("utf-8")
    names = [found["id"] for _, found in page.tags if "id" in found]
    assert len(names) == len(set(names))
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', text)) <= set(names)


def test_figures_say_in_words_what_they_show(page: Page) -> None:
    figures = [found for tag, found in page.tags if tag == "svg"]
    assert len(figures) > 10
    assert all(found["role"] == "img" and found["aria-label"] for found in figures)
    assert any("False match rate: highest" in str(found["aria-label"]) for found in figures)


def test_figures_take_their_colours_from_the_page(folder: Path) -> None:
    """In the dark, ink is light."""
    figures = "".join(re.findall(r"<svg.*?</svg>", (folder / "report.html").read_text("utf-8")))
    assert "currentColor" in figures
    assert "var(--paper)" in figures
    assert "#000000" not in figures
    assert "#ffffff" not in figures


def test_the_page_names_what_was_measured(audit: AuditRecord, page: Page) -> None:
    for known in (*audit.engine.files, audit.engine.calibration, audit.data_set.digest, audit.sha256, audit.command):
        assert str(known) in page.said


def test_the_page_says_where_the_measures_are_blind(page: Page) -> None:
    assert "give 0.99995, which reads as fair" in page.said
    assert "takes rates that were not seen for 0" in page.said


def test_a_threshold_that_does_not_exist_says_why(page: Page) -> None:
    assert "There is no such threshold. gender=Female, race=Black has too few people to show it." in page.said


def test_what_was_not_seen_cannot_be_shown_and_is_at_most_something(audit: AuditRecord, tmp_path: Path) -> None:
    point = audit.points[0]
    unseen = tuple(one.model_copy(update={"fmr": rate(0, 30_000), "fnmr": None}) for one in point.groups)
    points = (point.model_copy(update={"groups": unseen, "differentials": (), "statements": ()}),)
    rest = dict.fromkeys(("identification", "ageing", "curves", "distributions"), ())
    write_report(audit.model_copy(update={"points": points, **rest}), tmp_path)
    said = Page((tmp_path / "report.html").read_text("utf-8")).said
    assert "cannot be shown needs more than 800 people at most 1.3e-4 0 of 30,000" in said
    assert "nothing is known of false non-matches" in said
    assert "no error was seen in any group" in (tmp_path / "report.html").read_text("utf-8")
    assert "cannot be shown" in (tmp_path / "model-card.md").read_text("utf-8")
    fmrs = [row for row in rows(tmp_path, "rates.csv") if row["error"] == "FMR" and row["errors"] == "0"]
    assert fmrs
    assert {(row["rate"], row["shown"]) for row in fmrs} == {("", "false")}
    assert all(float(row["high"]) > 0 for row in fmrs)


def test_json_is_what_its_schema_says(audit: AuditRecord, folder: Path) -> None:
    schema = json.loads(schemas.report_schema())
    Draft202012Validator.check_schema(schema)
    text = (folder / "report.json").read_text("utf-8")
    Draft202012Validator(schema).validate(json.loads(text))
    assert AuditRecord.model_validate_json(text) == audit


def test_the_schema_is_written_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    assert schemas.main(["--check"]) == 1
    assert "is not current" in capsys.readouterr().err
    assert schemas.main([]) == 0
    assert schemas.main(["--check"]) == 0
    schemas.REPORT_FILE.write_text("{}")
    assert schemas.main(["--check"]) == 1


def test_spreadsheets_have_every_rate_once(audit: AuditRecord, folder: Path) -> None:
    found = rows(folder, "rates.csv")
    keys = ("point", "grouping", "group", "other", "error", "gallery", "rank", "from_years")
    assert len({tuple(row[key] for key in keys) for row in found}) == len(found)
    assert {row["error"] for row in found} == {"FMR", "FNMR", "FTE", "FPIR", "FNIR"}
    point = audit.points[1]
    wanted = point.of("gender", "gender=Female").fmr
    [row] = [
        row
        for row in found
        if (row["point"], row["group"], row["other"], row["error"]) == (point.name, *["gender=Female"] * 2, "FMR")
    ]
    assert wanted.interval is not None
    assert float(row["threshold"]) == point.threshold
    assert (int(row["errors"]), int(row["comparisons"]), float(row["rate"])) == (
        wanted.errors,
        wanted.comparisons,
        wanted.rate,
    )
    assert (float(row["low"]), float(row["high"])) == (wanted.interval.low, wanted.interval.high)
    crossed = [row for row in found if row["group"] != row["other"]]
    assert len(crossed) == sum(one.group != one.other for point in audit.points for one in point.cross)


def test_spreadsheets_have_what_the_record_has(audit: AuditRecord, folder: Path) -> None:
    assert len(rows(folder, "populations.csv")) == len(audit.populations)
    assert len(rows(folder, "statements.csv")) == sum(len(point.statements) for point in audit.points)
    assert len(rows(folder, "curves.csv")) == sum(len(curve.points) for curve in audit.curves)
    assert sum(int(row["comparisons"]) for row in rows(folder, "scores.csv")) == sum(
        sum(one.counts) for one in audit.distributions
    )
    [ratio] = [
        row
        for row in rows(folder, "differentials.csv")
        if (row["point"], row["grouping"], row["measure"], row["error"])
        == (audit.points[0].name, "gender", "max_geomean", "FMR")
    ]
    assert float(ratio["value"]) == audit.points[0].differentials[0].fmr.max_geomean


def test_the_model_card_has_the_sections_of_one(folder: Path) -> None:
    text = (folder / "model-card.md").read_text("utf-8")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [
        "Model details",
        "Intended use",
        "Factors",
        "Metrics",
        "Evaluation data",
        "Training data",
        "Quantitative analyses",
        "Ethical considerations",
        "Caveats and recommendations",
    ]
    assert "| Female, Black | 7.5e-3" in text


def test_names_are_names_and_nothing_else(tmp_path: Path) -> None:
    card = DataSetCard(name=HOSTILE, source=HOSTILE, licence=HOSTILE, labels="none", notes=HOSTILE)
    groups = {HOSTILE: (f"{HOSTILE}={HOSTILE}", f"{HOSTILE}=")}
    hostile = record(
        groups,
        THRESHOLDS[:1],
        engine=Engine(kind="endpoint", name=HOSTILE, notes=HOSTILE),
        data_set=AuditedDataSet(card=card, subjects=0, images=1, groupings=tuple(groups), digest="e" * 64),
        answer=(HOSTILE,),
        limits=(HOSTILE,),
        command=HOSTILE,
    )
    write_report(hostile, tmp_path)
    page = Page((tmp_path / "report.html").read_text("utf-8"))
    test_the_page_is_one_file_that_runs_nothing(page)
    assert HOSTILE in page.said
    markdown = (tmp_path / "model-card.md").read_text("utf-8")
    assert "<script" not in re.sub(r"\\.", "", markdown)
    assert "](javascript" not in re.sub(r"\\.", "", markdown)


def test_a_name_is_no_formula_of_a_spreadsheet() -> None:
    text = to_csv(record({"=1+1": ("=1+1=a", "=1+1=b")}, THRESHOLDS[:1]))["populations.csv"]
    assert [row["group"] for row in csv.DictReader(text.splitlines())] == ["everyone", "'=1+1=a", "'=1+1=b"]


def test_many_groups_with_long_names_in_any_script(tmp_path: Path) -> None:
    names = [
        f"{script} {'of a long name ' * 4}{n}" for n in range(7) for script in ("\u4eba\u3005", "\u0646\u0627\u0633")
    ]
    groups = {"people": tuple(f"people={name}" for name in names)}
    write_report(record(groups, THRESHOLDS[:1], identification=(), curves=(), distributions=()), tmp_path)
    assert all(name in Page((tmp_path / "report.html").read_text("utf-8")).said for name in names)


def test_an_audit_of_one_group_with_nothing_else(audit: AuditRecord, tmp_path: Path) -> None:
    """Of a table of scores without groups, mates or subjects."""
    whole = rate(5, 1000, subjects=0)
    [everyone] = [one for one in audit.points[0].groups if not one.grouping]
    alone = everyone.model_copy(update={"fmr": whole, "fnmr": None})
    point = audit.points[0].model_copy(update={"groups": (alone,), "cross": (), "differentials": (), "statements": ()})
    people = audit.populations[0].model_copy(update={"subjects": 0, "images": 0, "failures": None})
    bare = audit.model_copy(
        update={
            "engine": Engine(kind="scores", name="scores of an engine"),
            "data_set": audit.data_set.model_copy(update={"images": 0, "subjects": 0, "doubts": None}),
            "points": (point,),
            "populations": (people,),
            **dict.fromkeys(("identification", "ageing", "curves", "distributions"), ()),
        }
    )
    write_report(bare, tmp_path)
    said = Page((tmp_path / "report.html").read_text("utf-8")).said
    assert "1 in 200" in said
    assert "people who are not told apart: Invented people" in said
    assert "0 images" not in said
    assert "everyone unknown 210 60,000" in said
    assert "who chose them decides what they say" in said
    assert "Searches in a gallery" not in said


def test_searches_are_told_by_the_size_of_the_gallery(audit: AuditRecord, page: Page) -> None:
    said = page.said
    assert "searches in a gallery of 10,000 people" in said
    assert "those in smaller ones are in rates.csv" in said
    assert "From left to right: FPIR (round); FNIR, first candidate (square)." in said
    [wrong] = [
        one.fpir
        for search in audit.identification
        if search.size == 10_000
        for one in search.groups
        if one.group == "gender=Female" and one.fpir is not None
    ]
    assert f"{wrong.errors} of 400" in said


def test_searches_in_one_gallery_are_told_like_rates(audit: AuditRecord, tmp_path: Path) -> None:
    one = audit.identification[:1]
    rest = dict.fromkeys(("points", "ageing", "curves", "distributions"), ())
    write_report(audit.model_copy(update={"identification": one, **rest}), tmp_path)
    said = Page((tmp_path / "report.html").read_text("utf-8")).said
    assert "searches by gender in a gallery of 100 people" in said
    assert "smaller ones" not in said


def test_the_same_record_gives_the_same_bytes(audit: AuditRecord, folder: Path, tmp_path: Path) -> None:
    files = write_report(audit, tmp_path)
    assert all(file.read_bytes() == (folder / file.name).read_bytes() for file in files)


def test_a_folder_that_cannot_be_written_is_said(audit: AuditRecord, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidParameter, match="cannot be written into"):
        write_report(audit, tmp_path / "file" / "report")
