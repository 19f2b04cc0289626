"""Whoever has a log's files and its key finds what was changed, and where."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from countenance.errors import CountenanceError
from countenance.ledger.checkpoints import Checkpoint, InvalidCheckpoint, signed
from countenance.ledger.notes import CosignerKey, InvalidNote, LogKey, Note, parse
from countenance.ledger.published import PublishedLog
from countenance.ledger.tiles import Tile, encode_bundle
from countenance.ledger.verify import Report, Unverified, verify
from tests.unit.ledger import logs

WITNESS = CosignerKey("ngo.example/w", b"\x02" * 32)


def verified(folder: Path, *witnesses: CosignerKey, key: LogKey = logs.KEY) -> Report:
    return verify(PublishedLog.at(str(folder)), [key.verifier], [witness.verifier for witness in witnesses])


def refused(folder: Path) -> Unverified:
    with pytest.raises(Unverified) as refusal:
        verified(folder)
    return refusal.value


@pytest.fixture(scope="module")
def entries() -> list[bytes]:
    return logs.log_of(1000)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, entries: list[bytes]) -> Path:
    return logs.publish(tmp_path_factory.mktemp("log"), entries)


@pytest.fixture
def log(published: Path, tmp_path: Path) -> Path:
    """A copy to spoil: three full tiles and one of 232 at level 0, one of 3 at level 1."""
    return Path(shutil.copytree(published, tmp_path / "log"))


@pytest.mark.parametrize("size", [0, 1, 2, 3, 255, 256, 257, 512, 600])
def test_a_log_of_any_size_is_verified(tmp_path: Path, size: int) -> None:
    report = verified(logs.publish(tmp_path, logs.log_of(size)))
    assert report.checkpoint.size == sum(report.kinds.values()) == size
    assert len(report.dangling) == (1 if size % 3 else 0)


def test_a_log_says_what_is_in_it(log: Path) -> None:
    told = []
    report = verify(
        PublishedLog.at(str(log)), [logs.KEY.verifier], progress=lambda done, size: told.append((done, size))
    )
    assert report.kinds == {"intent": 334, "decision": 333, "outcome": 333}
    assert (report.first_at, report.last_at) == ("2026-11-02T12:00:00.000Z", "2026-11-02T12:00:00.999Z")
    assert (report.vkey, report.handovers, report.cosigned) == (logs.KEY.vkey, 0, {})
    assert report.dangling == [(logs.uid("u", 333), 999, "2026-11-02T12:00:00.999Z")]
    assert told == [(256, 1000), (512, 1000), (768, 1000), (1000, 1000)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(data=st.data())
def test_a_bit_flipped_anywhere_is_found(
    published: Path, tmp_path: Path, entries: list[bytes], data: st.DataObject
) -> None:
    """In any file; in an entry, the entry is named; in a tile, the first entry under it and the file."""
    files = sorted(file for file in published.rglob("*") if file.is_file() and file.name != "log.vkey")
    file = data.draw(st.sampled_from(files))
    place = data.draw(st.integers(0, file.stat().st_size - 1))
    bit = data.draw(st.integers(0, 7))
    shutil.rmtree(tmp_path / "flipped", ignore_errors=True)
    flipped = Path(shutil.copytree(published, tmp_path / "flipped"))
    name = str(file.relative_to(published))
    logs.flip(flipped / name, place, bit)
    with pytest.raises(CountenanceError) as refusal:
        verified(flipped)
    if name == "checkpoint":
        assert isinstance(refusal.value, InvalidNote | InvalidCheckpoint)
        return
    assert isinstance(refusal.value, Unverified)
    assert refusal.value.file == name
    tile = Tile.parse(name)
    assert tile is not None
    if tile.level is None:
        expected = tile.index * 256 + entry_at(entries[tile.index * 256 :], place)
    else:
        expected = (tile.index * 256 + place // 32) << 8 * tile.level
    assert refusal.value.index == expected
    assert f"The first bad entry is {expected}:" in refusal.value.message


def entry_at(entries: list[bytes], place: int) -> int:
    """Which entry of a bundle a byte is of, counting its length with it."""
    for number, entry in enumerate(entries):
        place -= 2 + len(entry)
        if place < 0:
            return number
    raise AssertionError


def test_the_sentence_says_which_of_two_is_false(log: Path) -> None:
    logs.flip(log / "tile/entries/001", 5000)
    assert "it was altered after it was logged, in tile/entries/001." in refused(log).message


def test_an_altered_tile_does_not_accuse_its_entries(log: Path) -> None:
    for tile in ("tile/0/001", "tile/0/003.p/232", "tile/1/000.p/3"):
        logs.flip(log / tile, 40)
        refusal = refused(log)
        assert f"the entries are what was logged, but the tile {tile} was altered." in refusal.message
        logs.flip(log / tile, 40)
    verified(log)


def test_an_entry_altered_together_with_its_tile_is_found_from_above(log: Path, entries: list[bytes]) -> None:
    """The tile above knows no more than which 256 entries."""
    forged = [*entries]
    forged[300] = forged[300].replace(b"missing_person", b"photo_library")
    assert forged[300] != entries[300]
    logs.publish(log, forged[:512], note=(log / "checkpoint").read_text())
    refusal = refused(log)
    assert refusal.index == 256
    assert "it or one of the entries up to 511 was altered" in refusal.message


def test_a_rewritten_log_is_another_log(log: Path, entries: list[bytes]) -> None:
    """Where everything was made anew but the checkpoint, which somebody else may have kept."""
    forged = [entries[0].replace(b"missing_person", b"photo_library"), *entries[1:]]
    logs.publish(log, forged, note=(log / "checkpoint").read_text())
    refusal = refused(log)
    assert "they are those of another log" in refusal.message
    assert (refusal.index, refusal.file) == (None, None)


@pytest.mark.parametrize("lost", ["tile/entries/001", "tile/entries/003.p/232", "tile/0/002", "tile/1/000.p/3"])
def test_a_missing_file_is_named(log: Path, lost: str) -> None:
    (log / lost).unlink()
    refusal = refused(log)
    assert refusal.file == lost
    assert f"has no {lost}." in refusal.message


@pytest.mark.parametrize(
    ("cut", "left", "index"),
    [
        ("tile/entries/001", 0, 256),
        ("tile/0/001", 320, 266),
        ("tile/0/003.p/232", 7423, 999),
        ("tile/1/000.p/3", 64, 512),
    ],
)
def test_a_truncated_file_is_named(log: Path, cut: str, left: int, index: int) -> None:
    content = (log / cut).read_bytes()
    (log / cut).write_bytes(content[:left])
    refusal = refused(log)
    assert (refusal.file, refusal.index) == (cut, index)


def test_a_bundle_cut_within_an_entry_names_that_entry(log: Path, entries: list[bytes]) -> None:
    cut = sum(2 + len(entry) for entry in entries[256:270]) + 100
    (log / "tile/entries/001").write_bytes((log / "tile/entries/001").read_bytes()[:cut])
    assert refused(log).index == 270


def test_bytes_after_the_end_are_found(log: Path) -> None:
    for name in ("tile/entries/001", "tile/entries/003.p/232", "tile/0/001", "tile/0/003.p/232", "tile/1/000.p/3"):
        content = (log / name).read_bytes()
        (log / name).write_bytes(content + b"\x00")
        assert refused(log).file == name
        (log / name).write_bytes(content)
    (log / "tile/0/001").write_bytes(bytes(50_000_000))
    assert "longer than it may be" in refused(log).message


def test_partial_tiles_may_be_gone_once_they_are_full(log: Path, entries: list[bytes]) -> None:
    """An older checkpoint is verified by the tiles of a newer one."""
    note = (log / "checkpoint").read_text()
    (log / "tile/entries/003.p/232").unlink()
    (log / "tile/0/003.p/232").unlink()
    logs.publish(log, logs.log_of(1024), note=note)
    assert verified(log).checkpoint.size == 1000


def spoilt(change: Callable[[list[bytes]], None]) -> list[bytes]:
    content = logs.log_of(30)
    change(content)
    return content


def replace(place: int, old: bytes, new: bytes) -> Callable[[list[bytes]], None]:
    def change(content: list[bytes]) -> None:
        assert old in content[place]
        content[place] = content[place].replace(old, new)

    return change


@pytest.mark.parametrize(
    ("change", "index", "reason"),
    [
        (replace(4, b'{"at"', b'{ "at"'), 4, "not in canonical JSON"),
        (replace(4, b'"effect":"allow"', b'"effect":"maybe"'), 4, "no entry of the published schema"),
        (replace(4, b'"effect":"allow"', b'"effect":"allow","effect":"allow"'), 4, "not in canonical JSON"),
        (replace(4, b'"errors":0,', b""), 4, "not in canonical JSON"),
        (replace(4, b'"errors":0', b'"errors":99999999999999999999'), 4, "not in canonical JSON"),
        (replace(3, b'"threshold":90', b'"threshold":90.0'), 3, "not in canonical JSON"),
        (replace(3, b'"version":1', b'"version":2'), 3, "no entry of the published schema"),
        (replace(3, b'"software"', b'"name":"Jane","software"'), 3, "no entry of the published schema"),
        (replace(4, b'"at":"2026-11-02T12:00:00.004Z",', b""), 4, "does not say when"),
        (replace(4, b"2026-11-02T", b"2026-99-02T"), 4, "does not say when"),
        (replace(4, b"12:00:00.004Z", b"11:59:59.999Z"), 4, "is before that of the entry before it"),
        (lambda content: content.pop(3), 3, "which has no intent, was denied, or is closed already"),
        (lambda content: content.pop(4), 4, "which was not decided on"),
        (replace(4, b'"effect":"allow"', b'"effect":"deny"'), 5, "was denied"),
        (lambda content: content.insert(4, content[3]), 4, "has an intent already"),
        (lambda content: content.insert(6, content[5]), 6, "is closed already"),
        (lambda content: content.insert(3, b""), 3, "no entry of the published schema"),
        (lambda content: content.insert(3, b"\xff\x00"), 3, "no entry of the published schema"),
        (lambda content: content.insert(3, b"[" * 60_000), 3, "no entry of the published schema"),
    ],
)
def test_entries_that_cannot_stand_there_are_named(
    tmp_path: Path, change: Callable[[list[bytes]], None], index: int, reason: str
) -> None:
    """Also when the log itself signed them."""
    refusal = refused(logs.publish(tmp_path, spoilt(change)))
    assert reason in refusal.message
    assert (refusal.index, refusal.file) == (
        index,
        next(iter((tmp_path / "tile/entries").rglob("*.p/*"))).relative_to(tmp_path).as_posix(),
    )


def test_a_denied_use_is_closed(tmp_path: Path) -> None:
    content = [logs.intent(1), logs.decision(1, "deny")]
    assert verified(logs.publish(tmp_path, logs.leaves(content))).dangling == []


def test_a_use_that_failed_before_it_was_decided_on_may_be_closed(tmp_path: Path) -> None:
    content = [logs.intent(1), logs.outcome(1, candidates=None, failed="Crash")]
    assert verified(logs.publish(tmp_path, logs.leaves(content))).dangling == []


def test_a_continued_outcome_leaves_its_use_open(tmp_path: Path) -> None:
    some = [logs.intent(1), logs.decision(1), logs.outcome(1, continued=True)]
    assert len(verified(logs.publish(tmp_path / "some", logs.leaves(some))).dangling) == 1
    every = [*some, logs.outcome(1)]
    assert verified(logs.publish(tmp_path / "every", logs.leaves(every))).dangling == []


def test_a_checkpoint_of_another_log_is_refused(log: Path) -> None:
    other = LogKey("example.org/other", b"\x01" * 32)
    with pytest.raises(InvalidNote, match="which none of the given keys is of"):
        verified(log, key=other)


def test_a_checkpoint_another_key_signed_is_refused(log: Path) -> None:
    with pytest.raises(InvalidNote, match="not signed"):
        verified(log, key=LogKey(logs.ORIGIN, b"\x09" * 32))


def test_a_rolled_back_checkpoint_verifies_alone(log: Path, entries: list[bytes]) -> None:
    """Nothing in the files tells that the tail is gone: that is what witnesses and receipts are for."""
    logs.publish(log, entries[:500])
    assert verified(log).checkpoint.size == 500


def test_cosignatures_are_demanded_of_the_witnesses_one_trusts(log: Path) -> None:
    note = parse((log / "checkpoint").read_text())
    with pytest.raises(InvalidNote, match="not cosigned by the witness"):
        verified(log, WITNESS)
    cosigned = Note(note.text, (*note.signatures, WITNESS.cosign(note.text, 1_790_000_000)))
    (log / "checkpoint").write_text(str(cosigned))
    assert verified(log, WITNESS).cosigned == {"ngo.example/w": 1_790_000_000}
    logs.flip(log / "checkpoint", len(str(cosigned).encode()) - 20, 1)
    with pytest.raises(InvalidNote):
        verified(log, WITNESS)


def test_a_size_nobody_can_serve_ends_at_once(log: Path, entries: list[bytes]) -> None:
    """A checkpoint of 2**62 entries, signed by the log."""
    note = signed(Checkpoint(logs.ORIGIN, 2**62, b"\x01" * 32), logs.KEY)
    (log / "checkpoint").write_text(note)
    assert refused(log).index == 768


def test_no_folder_and_no_log(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "none"):
        with pytest.raises(CountenanceError, match=r"has no checkpoint|is no folder"):
            verified(place)


def test_a_bundle_may_hold_the_longest_entries(tmp_path: Path) -> None:
    """Which are none of ours, but must not be taken for damage."""
    content = [b"x" * 65_535] * 3
    logs.publish(tmp_path, content)
    assert len(encode_bundle(content)) == 3 * 65_537
    assert "no entry of the published schema" in refused(tmp_path).message
