"""What the report tells, and that all its forms tell the same."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from countenance.transparency.accounts import Accounts
from countenance.transparency.formats import to_csv, to_json
from countenance.transparency.report import Report, make_report
from countenance.transparency.schemas import report_schema
from countenance.transparency.suppression import LEAST, Suppression, suppress
from countenance.transparency.tables import make_tables
from countenance.web.pages import to_html
from tests.unit.transparency.ledgers import FORBID, MONTHS, Story, half_a_year, uid
from tests.unit.transparency.test_suppression import is_safe

ORIGIN = "faces.example.org/ledger"
ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="


def accounts_of(story: Story) -> Accounts:
    accounts = Accounts()
    for index, entry in enumerate(story.read()):
        accounts.add(index, entry)
    return accounts


def report_of(story: Story) -> Report:
    return make_report(accounts_of(story), origin=ORIGIN, root=ROOT)


@pytest.fixture(scope="module")
def report() -> Report:
    return report_of(half_a_year())


@pytest.fixture(scope="module")
def sparse() -> Report:
    return report_of(few_uses())


def few_uses() -> Story:
    """So few that most counts are small."""
    story = Story()
    story.install("law_enforcement", "child_protection", "operator")
    for _ in range(2):
        story.search("law_enforcement", "criminal_investigation", denied_by=(FORBID,), legal_basis="warrant")
    story.search("law_enforcement", "missing_child")
    for _ in range(7):
        story.search("child_protection", "missing_child", candidates=1)
    for _ in range(30):
        story.search("operator", "photo_library", candidates=2)
    story.intend("operator", "SearchFaces", "photo_library")
    story.authorize("urgent", "pending", "emergency", emergency=True, deadline="2026-01-02T09:00:00.000Z")
    return story


def told(report: Report, table: str) -> dict[tuple[str, str], int | str | None]:
    (found,) = (one for one in report.tables if one.name == table)
    return {(cell.row, cell.column): cell.suppressed or cell.value for cell in found.cells}


def rates(report: Report) -> dict[str, Any]:
    return {
        rate.name: (rate.count.value, {share.per: (share.count.value, share.rate) for share in rate.shares})
        for rate in report.rates
    }


def test_searches_are_told_by_who_asked_and_what_came_of_it(report: Report) -> None:
    cells = told(report, "searches_by_result")
    assert cells["law_enforcement", "denied"] == MONTHS * 12
    assert cells["law_enforcement", "nobody found"] == MONTHS * 3
    assert cells["child_protection", "withheld for review"] == MONTHS * 6
    assert cells["operator", "all"] == MONTHS * 30
    assert cells["all", "all"] == MONTHS * 71


@pytest.mark.parametrize(
    ("table", "row", "column", "count"),
    [
        ("searches_by_month", "2026-04", "law_enforcement", 18),
        ("searches_by_month", "2026-04", "all", 71),
        ("searches_by_purpose", "criminal_investigation", "child_protection", MONTHS * 3),
        ("searches_by_legal_basis", "warrant", "all", MONTHS * 12),
        ("searches_by_legal_basis", "none stated", "law_enforcement", 0),
        ("searches_by_made_for", "law_enforcement", "child_protection", MONTHS * 3),
        ("searches_by_made_for", "itself", "all", MONTHS * 68),
        ("candidates", "child_protection", "candidates withheld", MONTHS * 18),
        ("candidates", "all", "probes", MONTHS * 56),
        ("reviews", "confirmed", "count", MONTHS * 3),
        ("reviews", "not decided", "count", MONTHS * 2),
        ("candidates_reviewed", "confirmed, and told to those who searched", "count", MONTHS),
        ("candidates_reviewed", "rejected: somebody else", "count", MONTHS * 5),
        ("verdicts", "rejected", "count", MONTHS * 18),
        ("denials_by_policy", "public-safety/public-safety.floor", "child_protection", MONTHS * 3),
        ("moratoria", "moratorium-2020", "allowed", MONTHS * 6),
        ("moratoria", "moratorium-2020", "denied", MONTHS * 15),
        ("exemptions_by_purpose", "moratorium-2020", "missing_child", MONTHS * 6),
        ("exemptions_by_policy", "moratorium-2020", "moratorium-2020/moratorium-2020.rescue", MONTHS * 6),
        ("enrolments", "operator", "faces", MONTHS * 40),
        ("exports", "all", "faces", MONTHS * 7),
        ("erasures", "retention", "late", "small"),
        ("retention", "faces whose time was up", "count", MONTHS * 40),
        ("uses_by_family", "enrolment", "operator", MONTHS * 10),
        ("uses_by_result", "face searches", "completed", MONTHS * 56),
        ("uses_by_month", "2026-01", "other uses", 11),
        ("irregularities", "a decision without an intent before it", "count", 0),
    ],
)
def test_what_was_done_is_told(report: Report, table: str, row: str, column: str, count: int | str) -> None:
    assert told(report, table)[row, column] == count


def test_every_rate_has_two_denominators(report: Report) -> None:
    found = rates(report)
    assert found["nobody_found"] == (
        66,
        {"completed search": (336, 0.196429), "probe": (336, 0.196429)},
    )
    assert found["candidates_rejected"] == (
        30,
        {"completed search": (336, 0.089286), "candidate reviewed": (72, 0.416667)},
    )
    assert found["exemptions_of_moratorium-2020"] == (
        36,
        {"search that it applies to": (126, 0.285714), "search asked for": (426, 0.084507)},
    )
    assert all(len(shares) == 2 for _, shares in found.values())


def test_no_rate_is_told_of_what_is_suppressed_or_nothing(report: Report) -> None:
    found = rates(report)
    assert found["erasures_late"][1]["erasure"] == (None, None)
    assert found["emergencies_overdue"] == (0, {"emergency": (0, None), "authorization requested": (0, None)})


def test_sentences_come_first_and_say_who_searched(report: Report) -> None:
    first, second, third, fourth, fifth, *_ = report.headlines
    assert first == "From 2026-01-01 to 2026-06-23, 426 face searches were asked for; 90 of them were denied (21.1 %)."
    assert second == (
        "Law enforcement asked for 108 of them, of which 72 were denied. 18 were asked for by others on behalf of law "
        "enforcement."
    )
    assert "its sunset on 2021-06-10 has passed, and it holds until somebody decides to end it" in third
    assert third.endswith("36 were allowed by its exemptions (28.6 %).")
    assert "66 found nobody (19.6 %)" in fourth
    assert "rejected 30 (41.7 % of those reviewed; 0.089 per completed search)" in fifth


def test_what_is_in_force_is_told_with_its_dates(report: Report) -> None:
    (moratorium,) = report.moratoria
    assert (moratorium.in_force, moratorium.held) == (True, True)
    assert (moratorium.start, moratorium.sunset) == ("2020-06-10T00:00:00.000Z", "2021-06-10T00:00:00.000Z")
    (policies,) = report.policies
    assert (policies.packs, policies.until) == (("base", "moratorium-2020"), None)


def test_the_checkpoint_and_the_way_to_recompute_it_are_told(report: Report) -> None:
    assert report.checkpoint.model_dump() == {
        "origin": ORIGIN,
        "size": 1487,
        "root": ROOT,
        "time": "2026-06-23T12:06:00.000Z",
    }
    assert report.recompute == "countenance transparency --ledger URL"


def test_the_same_entries_give_the_same_report(report: Report) -> None:
    assert report_of(half_a_year()) == report


def test_small_counts_are_told_as_such_and_how_many_there_are(sparse: Report) -> None:
    cells = [cell for table in sparse.tables for cell in table.cells]
    assert all(cell.value is None or cell.value == 0 or cell.value >= LEAST for cell in cells)
    assert all((cell.value is None) == (cell.suppressed is not None) for cell in cells)
    whys = [cell.suppressed for cell in cells]
    assert sparse.suppressed.small == whys.count(Suppression.SMALL) > 20
    assert sparse.suppressed.complementary == whys.count(Suppression.COMPLEMENTARY) > 0
    assert "fewer than 5" in sparse.headlines[1]


@pytest.mark.parametrize("story", [few_uses, half_a_year, Story])
def test_no_small_count_of_the_report_can_be_worked_out(story: Any) -> None:
    sheet, _ = make_tables(accounts_of(story()))
    assert is_safe(sheet, suppress(sheet))


def test_a_count_that_a_sentence_says_is_told_as_in_the_tables(sparse: Report) -> None:
    """Sentences go around nothing."""
    plain = re.sub(r"\([^)]*\)|\d{4}-\d\d-\d\d", "", " ".join(sparse.headlines))
    numbers = {int(number) for number in re.findall(r"\d+", plain)}
    shown = {cell.value for table in sparse.tables for cell in table.cells}
    assert numbers - {LEAST} <= shown


def test_nothing_of_a_person_or_an_organization_is_told() -> None:
    story = few_uses()
    for text in (to_json(report_of(story)), to_csv(report_of(story)), to_html(report_of(story))):
        for entry in story.leaves():
            for secret in re.findall(r'"([a-z]-[0-9a-f]{32})"', entry.decode()):
                assert secret not in text
            for secret in re.findall(r'"commitment":"([0-9a-f]{64})"', entry.decode()):
                assert secret not in text


def test_the_report_is_of_the_published_schema(report: Report, sparse: Report) -> None:
    schema = json.loads(report_schema())
    Draft202012Validator.check_schema(schema)
    for one in (report, sparse, make_report(Accounts(), origin=ORIGIN, root=ROOT)):
        Draft202012Validator(schema).validate(json.loads(to_json(one)))
    with pytest.raises(ValidationError):
        Draft202012Validator(schema).validate({**json.loads(to_json(report)), "format": "2"})


class Page(HTMLParser):
    """Reads the counts back from a page: (table, row, column) to what is told."""

    def __init__(self) -> None:
        super().__init__()
        self.cells: dict[tuple[str, str, str], str] = {}
        self.table = ""
        self._text = ""
        self._row: list[str] = []
        self._heads: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.table = dict(attributes).get("id") or ""
        if tag == "tr":
            self._row = []
        if tag in {"th", "td"}:
            self._text = ""

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag in {"th", "td"}:
            self._row.append(self._text)
        if tag == "thead":
            self._heads = self._row
        if tag == "tr" and len(self._row) == len(self._heads):
            name = self._row[0]
            texts = zip(self._heads[1:], self._row[1:], strict=True)
            self.cells |= {(self.table, name, head): text for head, text in texts}


def page_of(report: Report) -> Page:
    page = Page()
    page.feed(to_html(report))
    return page


def in_json(report: Report) -> Iterator[tuple[str, str, str, int | None, str | None]]:
    for table in json.loads(to_json(report))["tables"]:
        for cell in table["cells"]:
            yield table["name"], cell["row"], cell["column"], cell["value"], cell["suppressed"]


@pytest.mark.parametrize("which", ["report", "sparse"])
def test_json_csv_and_the_page_have_the_same_numbers(which: str, request: pytest.FixtureRequest) -> None:
    report: Report = request.getfixturevalue(which)
    lines = list(csv.DictReader(io.StringIO(to_csv(report), newline="")))
    counted = {(line["table"], line["row"], line["column"]): line for line in lines}
    page = page_of(report)
    number = 0
    for table, row, column, value, suppressed in in_json(report):
        line = counted[table, row, column]
        assert (line["value"], line["suppressed"]) == ("" if value is None else f"{value}", suppressed or "")
        shown = page.cells[table, row.replace("_", " "), column.replace("_", " ")]
        words = {"small": "fewer than 5", "complementary": "not shown"}
        assert shown == (words[suppressed] if suppressed else f"{value:,}")
        number += 1
    assert number > 200
    for rate in json.loads(to_json(report))["rates"]:
        for share in rate["shares"]:
            line = counted["rates", rate["name"], f"per {share['per']}"]
            assert line["value"] == ("" if share["rate"] is None else f"{share['rate']}")
            told_rate = "no rate" if share["rate"] is None else f"{share['rate']}"
            assert f"{told_rate} per {share['per']} (" in re.sub(r"<[^>]+>", "", to_html(report))


def test_a_spreadsheet_takes_no_cell_for_a_formula() -> None:
    story = Story()
    story.install("=cmd|' /C calc'!A0")
    for _ in range(6):
        story.search("=cmd|' /C calc'!A0", "@SUM(A1)", candidates=1)
    lines = list(csv.reader(io.StringIO(to_csv(report_of(story)), newline="")))
    cells = [cell for line in lines for cell in line]
    assert any("cmd|" in cell for cell in cells)
    assert not any(cell.startswith(("=", "@", "+", "-")) for cell in cells)


def test_an_empty_ledger_is_reported_on() -> None:
    report = make_report(Accounts(), origin=ORIGIN, root=ROOT)
    assert report.headlines == ("Nothing has been recorded yet.",)
    assert "Nothing has been recorded yet." in to_html(report)
    assert report.suppressed.small == 0


def test_what_waits_is_told_as_of_the_last_entry(sparse: Report) -> None:
    assert told(sparse, "emergencies")["waiting, deadline not passed", "count"] == "small"
    assert told(sparse, "searches_by_result")["operator", "unfinished"] == "small"
    assert uid("a", "urgent") not in to_json(sparse)


def test_a_face_model_that_did_not_pass_is_told_with_who_waives_it_why_and_until_when() -> None:
    story = Story()
    story.install("law_enforcement")
    story.judge("refused")
    assert not any("Face model" in sentence for sentence in report_of(story).headlines)
    story.judge("waived", waived_by="cleo")
    told = report_of(story)
    cleo = uid("p", "oversight", "cleo")
    (sentence,) = [sentence for sentence in told.headlines if sentence.startswith("Face model")]
    assert sentence == (
        "Face model 2.0 did not pass, and serves the purpose criminal_investigation at Similarity 99 until 2026-04-01 "
        f"by a waiver of {cleo} (oversight): No other model <is> here yet. It did not pass because: "
        "gender=Female: 20 times"
    )
    refused, waived = told.qualifications
    assert (refused.state, refused.valid_until, refused.waived_by, refused.not_shown) == ("refused", None, None, 2)
    assert (waived.waived_by, waived.waived_by_kind, waived.by) == (cleo, "oversight", "operator")
    page = to_html(told)
    assert "No other model &lt;is&gt; here yet." in page
    assert cleo in page
    Draft202012Validator(json.loads(report_schema())).validate(json.loads(to_json(told)))
    rows = list(csv.reader(io.StringIO(to_csv(told))))
    assert ["qualifications", str(waived.index), "waived_by", cleo, ""] in rows


def test_a_waiver_that_is_over_or_was_revoked_serves_nothing_in_the_sentences_and_stays_in_the_table() -> None:
    over, revoked = Story(), Story()
    for story in (over, revoked):
        story.install("law_enforcement")
        story.judge("waived", waived_by="cleo")
    over.wait(days=91)
    over.search("law_enforcement", "missing_child")
    revoked.judge("revoked")
    for story, states in ((over, ["waived"]), (revoked, ["waived", "revoked"])):
        told = report_of(story)
        assert not any(sentence.startswith("Face model") for sentence in told.headlines)
        assert [one.state for one in told.qualifications] == states


def test_a_model_that_passed_is_told() -> None:
    story = Story()
    story.install("law_enforcement")
    story.judge("qualified", reasons=())
    sentence = (
        "Face model 2.0 is qualified to serve the purpose criminal_investigation at Similarity 99 until 2026-04-01."
    )
    assert sentence in report_of(story).headlines
