"""Reports that follow a ledger as it grows."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from countenance.errors import Unaccountable
from countenance.ledger.entries import read
from countenance.transparency.accounts import Accounts
from countenance.transparency.formats import to_json
from countenance.transparency.report import make_report
from countenance.web import publication
from countenance.web.publication import MAX_REST_SECONDS, Behind, Publication
from tests.unit.transparency.ledgers import Story
from tests.unit.web.conftest import Server


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publication, "REST", 0.0)


@pytest.fixture
def published(server: Server) -> Publication:
    return Publication(server.ledger)


def searched(times: int) -> Story:
    story = Story()
    story.install("operator")
    for _ in range(times):
        story.search("operator", "photo_library", candidates=1)
    return story


def test_only_what_is_new_is_read(server: Server, published: Publication, monkeypatch: pytest.MonkeyPatch) -> None:
    server.play(searched(10))
    assert published.edition().report.checkpoint.size == 33
    ranges: list[tuple[int, int]] = []
    entries = server.ledger.entries

    def watched(start: int, stop: int) -> Iterator[bytes]:
        ranges.append((start, stop))
        return entries(start, stop)

    monkeypatch.setattr(server.ledger, "entries", watched)
    more = Story(now=server.now)
    more.search("operator", "photo_library")
    server.play(more)
    assert published.edition().report.checkpoint.size == 36
    assert published.edition().report.checkpoint.size == 36
    assert ranges == [(33, 36)]


def test_it_says_what_counting_anew_says(server: Server, published: Publication) -> None:
    server.play(searched(8))
    first = published.edition()
    more = Story(now=server.now)
    more.search("operator", "photo_library")
    server.play(more)
    accounts = Accounts()
    for index, leaf in enumerate(server.ledger.entries(0, 1000)):
        accounts.add(index, read(leaf))
    checkpoint = published.edition().report.checkpoint
    assert published.edition().json == to_json(make_report(accounts, origin=checkpoint.origin, root=checkpoint.root))
    assert first.json != published.edition().json


def test_nothing_is_made_anew_while_nothing_is_added(server: Server, published: Publication) -> None:
    server.play(searched(3))
    assert published.edition() is published.edition()


def test_a_new_report_rests_after_one_was_made(
    server: Server, published: Publication, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publication, "REST", 1e9)
    server.play(searched(3))
    first = published.edition()
    more = Story(now=server.now)
    more.search("operator", "photo_library")
    server.play(more)
    assert published.edition() is first
    # Not for ever: half a minute at most.
    assert published._rested_at <= time.monotonic() + MAX_REST_SECONDS


def test_a_long_ledger_is_counted_over_several_requests(
    server: Server, published: Publication, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publication, "ENTRIES_AT_ONCE", 20)
    monkeypatch.setattr(publication, "BUDGET_SECONDS", 0.0)
    server.play(searched(15))
    with pytest.raises(Behind, match="0 of 48 entries are counted"):
        published.edition()
    monkeypatch.setattr(publication, "BUDGET_SECONDS", 60.0)
    assert published.edition().report.checkpoint.size == 48


def test_many_who_ask_at_once_get_the_same_report(server: Server, published: Publication) -> None:
    server.play(searched(5))
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(id(published.edition()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_ledger_that_was_taken_back_is_not_reported_on(
    server: Server, published: Publication, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.play(searched(3))
    before = server.ledger.checkpoint()
    more = Story(now=server.now)
    more.search("operator", "photo_library")
    server.play(more)
    published.edition()
    monkeypatch.setattr(server.ledger, "checkpoint", lambda: before)
    with pytest.raises(Unaccountable, match="was taken back"):
        published.edition()


def test_an_entry_that_is_none_ends_the_report(
    server: Server, published: Publication, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.play(searched(1))
    monkeypatch.setattr(server.ledger, "entries", lambda start, stop: iter([b"{}"]))
    with pytest.raises(Unaccountable, match="Entry 0 of the ledger is none"):
        published.edition()


def test_entries_that_are_missing_end_the_report(
    server: Server, published: Publication, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.play(searched(1))
    monkeypatch.setattr(server.ledger, "entries", lambda start, stop: iter(()))
    with pytest.raises(Unaccountable, match="lacks entries"):
        published.edition()
