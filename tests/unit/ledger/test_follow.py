"""Following a log: what comes is told once it is verified, and a log that contradicts itself is found out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from countenance.errors import CountenanceError
from countenance.ledger.consistency import Fork, Stale
from countenance.ledger.follow import Follower
from countenance.ledger.merkle import InvalidProof
from countenance.ledger.notes import InvalidNote, LogKey
from countenance.ledger.published import Damaged, Missing, PublishedLog
from tests.unit.ledger import logs
from tests.unit.ledger.test_rotation import FIRST, SECOND, change


def following(folder: Path) -> Follower:
    return Follower(PublishedLog.at(str(folder)), [logs.KEY.verifier])


@pytest.mark.parametrize("sizes", [[0, 1, 2, 3], [1, 255, 256, 257], [3, 3, 300], [256, 512, 1000], [700, 701]])
def test_what_comes_is_told_once(tmp_path: Path, sizes: list[int]) -> None:
    content = logs.log_of(sizes[-1])
    follower = following(logs.publish(tmp_path, content[: sizes[0]]))
    told = []
    for size in sizes:
        logs.publish(tmp_path, content[:size])
        told += list(follower.news())
        assert follower.checkpoint.size == size
    assert told == list(enumerate(content))[sizes[0] :]


def test_partial_tiles_may_go_meanwhile(tmp_path: Path) -> None:
    content = logs.log_of(600)
    follower = following(logs.publish(tmp_path, content[:300]))
    logs.publish(tmp_path, content)
    for partial in tmp_path.rglob("001.p"):
        shutil.rmtree(partial)
    assert len(list(follower.news())) == 300


def test_a_rewritten_log_is_a_fork_with_both_checkpoints_as_evidence(tmp_path: Path) -> None:
    content = logs.log_of(400)
    follower = following(logs.publish(tmp_path, content[:300]))
    before = (tmp_path / "checkpoint").read_text()
    forged = [content[0].replace(b"missing_person", b"photo_library"), *content[1:]]
    for size in (300, 400):
        shutil.rmtree(tmp_path)
        logs.publish(tmp_path, forged[:size])
        with pytest.raises(Fork, match="contradicts the one of 300 that it signed before") as refusal:
            list(follower.news())
        after = (tmp_path / "checkpoint").read_text()
        assert (str(refusal.value.before), str(refusal.value.after)) == (before, after)
    assert follower.checkpoint.size == 300


def test_a_log_whose_end_is_gone_is_not_followed(tmp_path: Path) -> None:
    """It cannot prove that it is the same log, nor that it is another one."""
    content = logs.log_of(300)
    follower = following(logs.publish(tmp_path, content))
    shutil.rmtree(tmp_path)
    logs.publish(tmp_path, content[:200])
    with pytest.raises(Missing):
        list(follower.news())


def test_an_older_checkpoint_may_pass(tmp_path: Path) -> None:
    content = logs.log_of(400)
    follower = following(logs.publish(tmp_path, content[:300]))
    logs.publish(tmp_path, content[:200])
    with pytest.raises(Stale, match="200 entries after one of 300"):
        list(follower.news())
    logs.publish(tmp_path, content)
    assert len(list(follower.news())) == 100


@pytest.mark.parametrize("name", ["tile/0/001.p/144", "tile/entries/001.p/144"])
def test_damaged_files_tell_nothing(tmp_path: Path, name: str) -> None:
    content = logs.log_of(400)
    follower = following(logs.publish(tmp_path, content[:300]))
    logs.publish(tmp_path, content)
    whole = (tmp_path / name).read_bytes()
    for spoilt in (whole[:-1], whole + b"\x00"):
        (tmp_path / name).write_bytes(spoilt)
        with pytest.raises(Damaged):
            list(follower.news())
    (tmp_path / name).write_bytes(whole)
    assert len(list(follower.news())) == 100


def test_an_altered_entry_is_not_told(tmp_path: Path) -> None:
    content = logs.log_of(400)
    follower = following(logs.publish(tmp_path, content[:300]))
    logs.publish(tmp_path, content)
    logs.flip(tmp_path / "tile/entries/001.p/144", -20)
    with pytest.raises(InvalidProof, match="not those of its checkpoint"):
        next(follower.news())


def test_a_checkpoint_somebody_else_signed_is_refused(tmp_path: Path) -> None:
    content = logs.log_of(400)
    follower = following(logs.publish(tmp_path, content[:300]))
    logs.publish(tmp_path, content, LogKey(logs.ORIGIN, b"\x09" * 32))
    with pytest.raises(InvalidNote, match="not signed"):
        list(follower.news())


def test_a_log_is_followed_from_key_to_key(tmp_path: Path) -> None:
    entries = [*logs.uses(1), change(FIRST, SECOND), *list(logs.uses(2))[3:]]
    content = logs.leaves(entries)
    follower = following(logs.publish(tmp_path, content[:3]))
    logs.publish(tmp_path, content[:5], SECOND)
    assert len(list(follower.news())) == 2
    logs.publish(tmp_path, content, SECOND)
    assert len(list(follower.news())) == 2
    logs.publish(tmp_path, content, FIRST)
    with pytest.raises(InvalidNote, match="not signed"):
        list(follower.news())


def test_an_entry_that_only_mentions_a_change_of_keys_changes_none(tmp_path: Path) -> None:
    content = [*logs.log_of(3), b'{"kind":"key_change"}']
    follower = following(logs.publish(tmp_path, content[:3]))
    logs.publish(tmp_path, content)
    assert list(follower.news()) == [(3, content[3])]


def test_tiles_that_do_not_lead_to_the_root_are_no_beginning(tmp_path: Path) -> None:
    logs.publish(tmp_path, logs.log_of(300))
    logs.flip(tmp_path / "tile/1/000.p/1", 5)
    with pytest.raises(InvalidProof, match="do not lead to the root"):
        following(tmp_path)


def test_a_log_that_is_gone_for_a_while(tmp_path: Path) -> None:
    content = logs.log_of(10)
    follower = following(logs.publish(tmp_path, content[:5]))
    (tmp_path / "checkpoint").unlink()
    with pytest.raises(CountenanceError, match="has no checkpoint"):
        list(follower.news())
    logs.publish(tmp_path, content)
    assert len(list(follower.news())) == 5
