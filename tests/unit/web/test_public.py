"""What everybody may read, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from countenance.errors import Unaccountable
from countenance.ledger import receipts
from countenance.ledger.checkpoints import verified
from countenance.ledger.notes import Verifier
from countenance.ledger.tiles import decode_bundle
from countenance.web.pages import style_hash
from tests.unit.transparency.ledgers import Story
from tests.unit.web.conftest import ORIGIN, Server

PATHS = (
    "/ledger/checkpoint",
    "/ledger/log.vkey",
    "/ledger/tile/0/000",
    "/ledger/tile/entries/000",
    "/ledger/receipt/0",
    "/ledger/entry.schema.json",
    "/transparency",
    "/transparency.json",
    "/transparency.csv",
)


def test_the_checkpoint_covers_everything_that_is_committed(server: Server) -> None:
    story = Story()
    story.install("operator")
    server.play(story)
    answer = server.ask("/ledger/checkpoint")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    checkpoint = verified(answer.body, [Verifier.from_vkey(server.ledger.vkey)]).checkpoint
    assert (checkpoint.origin, checkpoint.size) == (ORIGIN, len(story.entries))
    story.entries.clear()
    story.search("operator", "photo_library")
    server.play(story)
    answer = server.ask("/ledger/checkpoint")
    assert verified(answer.body, [Verifier.from_vkey(server.ledger.vkey)]).checkpoint.size == checkpoint.size + 3


def test_the_key_is_told(busy_server: Server) -> None:
    assert busy_server.ask("/ledger/log.vkey").text == busy_server.ledger.vkey + "\n"


@pytest.mark.parametrize("path", ["tile/0/000", "tile/0/001", "tile/1/000.p/2", "tile/entries/000"])
def test_tiles_are_the_published_files_and_never_change(busy_server: Server, path: str) -> None:
    busy_server.ledger.publish()
    answer = busy_server.ask(f"/ledger/{path}")
    assert answer.body == (busy_server.folder / path).read_bytes()
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_entries_are_compressed_for_who_can_read_it(busy_server: Server) -> None:
    busy_server.ledger.publish()
    packed = busy_server.ask("/ledger/tile/entries/000", accept_encoding="br, gzip")
    plain = busy_server.ask("/ledger/tile/entries/000", accept_encoding="br, gzip;q=0")
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert packed.unpacked == plain.body
    assert len(packed.body) < len(plain.body) / 2
    assert len(decode_bundle(plain.body, 256)) == 256


@pytest.mark.parametrize(
    "path",
    [
        "/ledger/tile/0/999",
        "/ledger/tile/64/000",
        "/ledger/tile/0/0",
        "/ledger/tile/0/x000/000",
        "/ledger/tile/0/000.p/256",
        "/ledger/tile/0/000.p/0",
        "/ledger/tile/0/../../checkpoint",
        "/ledger/tile/0/%2e%2e/%2e%2e/ledger.key",
        "/ledger/tile/../../ledger.key",
        "/ledger/tile//etc/passwd",
        "/ledger/tile/entries/000/",
        "/ledger/tile/entries/.000.draft",
        "/ledger/.lock",
        "/ledger/ledger.key",
        "/ledger/receipt/999999",
        "/ledger/receipt/00",
        "/ledger/receipt/-1",
        "/ledger/receipt/1e3",
        "/ledger/receipt/\N{ARABIC-INDIC DIGIT ONE}",
        "/ledger/receipt/99999999999999999999",
        "/ledger/",
        "/transparency.xml",
    ],
)
def test_everything_else_is_not_there(busy_server: Server, path: str) -> None:
    assert busy_server.ask(path).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", PATHS)
def test_nothing_can_be_written(busy_server: Server, path: str, method: str) -> None:
    assert busy_server.ask(path, method).status == 405


@pytest.mark.parametrize("path", PATHS)
def test_heads_can_be_asked_for(busy_server: Server, path: str) -> None:
    busy_server.ledger.publish()
    head, whole = busy_server.ask(path, "HEAD"), busy_server.ask(path)
    assert (head.status, whole.status) == (200, 200)
    different = {"x-amzn-requestid"}
    assert {n: v for n, v in head.headers.items() if n not in different} == {
        n: v for n, v in whole.headers.items() if n not in different
    }
    assert int(head.headers["content-length"]) == len(whole.body) > 0


@pytest.mark.parametrize("path", PATHS)
def test_a_browser_may_do_nothing_with_them(busy_server: Server, path: str) -> None:
    headers = busy_server.ask(path).headers
    style = f"; style-src '{style_hash()}'" if path == "/transparency" else ""
    assert headers["content-security-policy"] == (
        f"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'{style}"
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_a_receipt_proves_its_entry_to_who_has_nothing_but_the_key(busy_server: Server) -> None:
    answer = busy_server.ask("/ledger/receipt/300")
    assert answer.headers["content-disposition"] == 'attachment; filename="300.tlog-proof"'
    assert answer.text.startswith("c2sp.org/tlog-proof@v1\n")
    receipt = receipts.read_receipt(answer.body)
    signed = receipts.verify(receipt, [Verifier.from_vkey(busy_server.ledger.vkey)])
    assert receipt.index == 300
    assert receipt.extra == busy_server.ledger.entry(300)
    assert signed.checkpoint.origin == ORIGIN


def test_the_schema_is_the_one_in_the_documentation(busy_server: Server) -> None:
    answer = busy_server.ask("/ledger/entry.schema.json")
    assert answer.headers["content-type"] == "application/schema+json"
    assert answer.body == (Path(__file__).parents[3] / "docs" / "ledger-entry.schema.json").read_bytes()


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/transparency", "text/html; charset=utf-8"),
        ("/transparency.json", "application/json"),
        ("/transparency.csv", "text/csv; charset=utf-8; header=present"),
    ],
)
def test_the_report_is_sent_once_as_long_as_nothing_is_added(busy_server: Server, path: str, content_type: str) -> None:
    first = busy_server.ask(path)
    assert first.headers["content-type"] == content_type
    again = busy_server.ask(path, if_none_match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert busy_server.ask(path, if_none_match='"another"').body == first.body


def test_the_report_is_of_the_ledger(busy_server: Server) -> None:
    report = json.loads(busy_server.ask("/transparency.json").body)
    assert report["checkpoint"]["origin"] == ORIGIN
    assert report["checkpoint"]["size"] == busy_server.ledger.size()
    assert "190 face searches" in busy_server.ask("/transparency").text


def test_a_ledger_that_cannot_be_relied_on_is_not_reported_on(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise Unaccountable("The ledger's database has lost its state.")

    monkeypatch.setattr(server.ledger, "checkpoint", fail)
    answer = server.ask("/transparency")
    assert (answer.status, answer.text) == (503, "The ledger's database has lost its state.\n")
    assert answer.headers["retry-after"] == "5"


def test_what_was_published_stays_readable_when_nothing_more_can_be(
    busy_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = busy_server.ask("/ledger/checkpoint").body

    def fail() -> None:
        raise Unaccountable("The disk is full.")

    monkeypatch.setattr(busy_server.ledger, "publish", fail)
    assert busy_server.ask("/ledger/checkpoint").body == before


def test_a_fault_tells_nothing_but_an_id(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> str:
        raise OSError("/secret/path")

    monkeypatch.setattr(server.ledger, "receipt", fail)
    answer = server.ask("/ledger/receipt/0")
    assert answer.status == 500
    assert json.loads(answer.body)["Logref"] == answer.headers["x-amzn-requestid"]
    assert b"secret" not in answer.body
