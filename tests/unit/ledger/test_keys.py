"""The file of the log's signing key."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from countenance.errors import Misconfigured, Unaccountable
from countenance.ledger import checkpoints, merkle, notes
from countenance.ledger.checkpoints import Checkpoint
from countenance.ledger.keys import KeyFile
from countenance.ledger.notes import LogKey, Note, Verifier

NAME = "example.org/log"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.key"


@pytest.fixture
def keys(path: Path) -> KeyFile:
    keys = KeyFile(path, name=NAME)
    keys.open(creates=True)
    return keys


def _signed(key: LogKey) -> Note:
    return notes.parse(checkpoints.signed(Checkpoint(key.name, 0, merkle.EMPTY_ROOT), key))


def test_the_first_start_makes_a_key_for_its_owner_and_a_public_half_for_everybody(keys: KeyFile, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == f"{keys.key.skey}\n"
    assert path.read_text().startswith(f"PRIVATE+KEY+{NAME}+")
    public = path.with_suffix(".vkey")
    assert stat.S_IMODE(public.stat().st_mode) == 0o644
    assert Verifier.from_vkey(public.read_text().strip()) == keys.key.verifier


def test_a_log_keeps_its_key_and_name(keys: KeyFile, path: Path) -> None:
    again = KeyFile(path, name="another.example/log")
    again.open(creates=True)
    assert again.key.skey == keys.key.skey


def test_a_log_without_a_name_is_given_one_that_no_other_has(tmp_path: Path) -> None:
    names = set()
    for number in range(2):
        keys = KeyFile(tmp_path / f"{number}.key")
        keys.open(creates=True)
        names.add(keys.key.name)
    assert len(names) == 2
    assert all(name.startswith("countenance.invalid/ledger/") for name in names)


def test_a_name_that_no_key_can_have_is_refused(path: Path) -> None:
    with pytest.raises(Misconfigured, match="two words"):
        KeyFile(path, name="two words").open(creates=True)
    assert not path.exists()


def test_a_public_half_that_was_lost_or_altered_is_written_again(keys: KeyFile, path: Path) -> None:
    path.with_suffix(".vkey").write_text("somebody else's")
    KeyFile(path).open(creates=False)
    assert path.with_suffix(".vkey").read_text().strip() == keys.key.vkey


def test_a_missing_key_is_not_replaced_by_another(keys: KeyFile, path: Path) -> None:
    path.unlink()
    with pytest.raises(Unaccountable, match=r"ledger\.key is missing: restore it from its backup"):
        KeyFile(path).open(creates=False)
    assert not path.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_can_use_is_refused(keys: KeyFile, path: Path, mode: int) -> None:
    path.chmod(mode)
    with pytest.raises(Misconfigured, match=r"open to others .*chmod 600 .*rotate the ledger's key"):
        KeyFile(path).open(creates=False)


@pytest.mark.parametrize("content", [b"", b"\x00" * 80, b"PRIVATE+KEY+example.org/log+00000000+AQAA", b"\xff" * 9999])
def test_a_file_that_holds_no_key_is_refused_and_not_repeated(keys: KeyFile, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(Misconfigured, match=r"does not hold the signing key of a log: restore it") as refused:
        KeyFile(path).open(creates=True)
    assert "AQAA" not in str(refused.value)


class TestSuccession:
    """A key that hands over to another."""

    @pytest.fixture
    def successor(self) -> LogKey:
        return LogKey.generate(NAME)

    def test_the_old_secret_is_destroyed_and_its_public_half_kept(
        self, keys: KeyFile, path: Path, successor: LogKey
    ) -> None:
        old = keys.key
        with path.open("rb") as still_open:
            keys.prepare(successor)
            keys.promote(successor)
            assert not any(still_open.read())
        assert keys.key.skey == successor.skey
        assert path.read_text().strip() == successor.skey
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert keys.verifiers == [successor.verifier, old.verifier]
        again = KeyFile(path)
        again.open(creates=False)
        assert again.verifiers == keys.verifiers
        assert path.with_suffix(".vkey").read_text().strip() == successor.vkey
        for file in path.parent.iterdir():
            assert old.skey not in file.read_text()

    def test_who_was_killed_before_the_new_key_was_in_its_place_finds_it(
        self, keys: KeyFile, path: Path, successor: LogKey
    ) -> None:
        keys.prepare(successor)
        again = KeyFile(path)
        again.open(creates=False)
        again.follow(_signed(successor))
        assert again.key.skey == successor.skey
        assert path.read_text().strip() == successor.skey
        assert not path.with_name("ledger.key.next").exists()

    def test_a_successor_that_nothing_was_signed_by_is_not_taken(
        self, keys: KeyFile, path: Path, successor: LogKey
    ) -> None:
        keys.prepare(successor)
        old = keys.key
        keys.follow(_signed(old))
        assert keys.key is old

    def test_another_process_takes_over_the_new_key_when_it_meets_it(
        self, keys: KeyFile, path: Path, successor: LogKey
    ) -> None:
        other = KeyFile(path)
        other.open(creates=False)
        keys.prepare(successor)
        keys.promote(successor)
        other.follow(_signed(successor))
        assert other.key.skey == successor.skey
        assert other.verifiers == keys.verifiers

    def test_both_of_two_that_find_it_at_once_end_with_the_new_key(
        self, keys: KeyFile, path: Path, successor: LogKey
    ) -> None:
        other = KeyFile(path)
        other.open(creates=False)
        keys.prepare(successor)
        other.follow(_signed(successor))
        keys.promote(successor)
        assert keys.verifiers == other.verifiers
        assert path.read_text().strip() == successor.skey

    def test_a_key_that_is_nowhere_is_asked_for(self, keys: KeyFile, successor: LogKey) -> None:
        old = keys.key
        with pytest.raises(Unaccountable, match=f"{successor.verifier.key_id.hex()}.*restore the key file"):
            keys.follow(_signed(successor))
        assert keys.key.skey == old.skey
