"""The page: by itself, harmless whatever the ledger says, and readable."""

from __future__ import annotations

import base64
import hashlib
import html
import re

import pytest

from countenance.transparency.accounts import Accounts
from countenance.transparency.report import Report, make_report
from countenance.web.pages import HEIGHT, MAX_LABELS, WIDTH, bars, style, style_hash, to_html
from tests.unit.transparency.ledgers import Story, half_a_year


def report_of(story: Story) -> Report:
    accounts = Accounts()
    for index, entry in enumerate(story.read()):
        accounts.add(index, entry)
    return make_report(accounts, origin="faces.example.org/ledger", root="AAAA")


@pytest.fixture(scope="module")
def page() -> str:
    return to_html(report_of(half_a_year()))


def test_nothing_comes_from_elsewhere(page: str) -> None:
    assert re.findall(r"(?:https?:)?//[a-z]", page) == []
    assert re.findall(r"\b(?:src|srcset|action|data|style|on[a-z]+)=", page) == []
    assert re.findall(r"<(?:script|link|img|iframe|object|embed|form|meta http)", page) == []
    assert re.findall(r"@import|url\(", style()) == []
    assert set(re.findall(r'href="([^"#]+)', page)) == {"transparency.json", "transparency.csv", "ledger/checkpoint"}


def test_its_style_is_the_one_that_is_permitted(page: str) -> None:
    (inline,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style_hash() == "sha256-" + base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()


def test_its_links_lead_somewhere(page: str) -> None:
    targets = set(re.findall(r'\bid="([^"]+)"', page))
    assert set(re.findall(r'href="#([^"]+)', page)) <= targets
    assert len(targets) == len(re.findall(r'\bid="([^"]+)"', page))


def test_it_is_well_formed(page: str) -> None:
    open_tags: list[str] = []
    for closing, tag in re.findall(r"<(/?)([a-z][a-z0-9]*)\b[^>]*>", page):
        if closing:
            assert open_tags.pop() == tag
        elif tag not in {"meta", "br"}:
            open_tags.append(tag)
    assert open_tags == []


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", "\"'><img src=x onerror=alert(1)>", "{{ 7 * 7 }}"])
def test_what_the_ledger_says_is_text_and_nothing_else(evil: str) -> None:
    story = Story()
    story.install(evil)
    for _ in range(6):
        story.search(evil, evil, legal_basis=evil, candidates=1)
    page = to_html(report_of(story))
    assert evil.replace("_", " ") in html.unescape(page)
    assert re.findall(r"<(?:script|img)", page) == []


def test_months_are_drawn_to_scale() -> None:
    story = Story()
    story.install("operator")
    for month, searches in enumerate((10, 20, 2)):
        story.now = story.now.replace(month=month + 2, day=1)
        for _ in range(searches):
            story.search("operator", "photo_library")
    report = report_of(story)
    (table,) = (one for one in report.tables if one.name == "searches_by_month")
    first, second, third = bars(table)
    # What hides the third month hides the first too, or the total would tell it.
    assert (second.height, second.value, second.kind) == (HEIGHT, "20", "")
    assert (first.kind, third.kind) == ("hollow", "hollow")
    assert (first.height, third.height) == (HEIGHT / 12, HEIGHT / 12)
    assert third.title == "2026-04: fewer than 5"
    assert all(bar.x + bar.width <= WIDTH for bar in (first, second, third))


def test_many_months_are_labelled_by_the_year() -> None:
    story = Story()
    story.install("operator")
    for number in range(MAX_LABELS + 8):
        story.now = story.now.replace(year=2026 + number // 12, month=number % 12 + 1, day=3)
        for _ in range(5):
            story.search("operator", "photo_library")
    (table,) = (one for one in report_of(story).tables if one.name == "searches_by_month")
    assert [bar.label for bar in bars(table) if bar.label] == ["2026-01", "2027-01", "2028-01"]


def test_a_page_of_nothing_is_a_page() -> None:
    page = to_html(make_report(Accounts(), origin="faces.example.org/ledger", root="AAAA"))
    assert "Nothing has been recorded yet." in page
    assert "None so far." in page
    assert "<svg" not in page
