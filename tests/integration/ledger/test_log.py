"""What is added to a ledger stays, in its order, and can be shown to anyone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from countenance.errors import ResourceNotFound, Unaccountable
from countenance.ledger import checkpoints, entries, merkle, receipts
from countenance.ledger.entries import Deletion, timestamp
from countenance.ledger.log import Ledger
from countenance.ledger.merkle import CompactRange
from countenance.ledger.notes import Verifier
from countenance.ledger.tiles import Tile
from countenance.storage import ledger_schema

from .conftest import NAME, Clock, Installation, closing, erasure, intended, use


@pytest.fixture
def ledger(installation: Installation) -> Ledger:
    return installation.open()


def _root(leaves: Iterator[bytes]) -> bytes:
    tree = CompactRange()
    for leaf in leaves:
        tree.append(merkle.leaf_hash(leaf))
    return tree.root()


def test_an_empty_ledger_says_so_under_its_signature(ledger: Ledger, installation: Installation) -> None:
    signed = checkpoints.verified(ledger.checkpoint(), [Verifier.from_vkey(ledger.vkey)])
    assert (signed.checkpoint.origin, signed.checkpoint.size) == (NAME, 0)
    assert ledger.size() == 0
    assert list(ledger.entries(0, 10)) == []
    ledger.publish()
    assert installation.verified().checkpoint.size == 0


def test_entries_are_there_in_their_order_with_the_servers_time(ledger: Ledger) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    assert ledger.append([erasure(1), erasure(2)]) == [0, 1]
    assert ledger.append([erasure(3)]) == [2]
    after = datetime.now(UTC)
    read = [entries.read(leaf) for leaf in ledger.entries(0, 3)]
    assert [entry.faces for entry in read if isinstance(entry, Deletion)] == [1, 2, 3]
    times = [entry.at for entry in read if entry.at is not None]
    assert times == sorted(times)
    assert timestamp(before) <= times[0] == times[1]
    assert times[2] <= timestamp(after)
    assert ledger.entry(1) == next(ledger.entries(1, 2)) == entries.written(erasure(2), _time(times[1]))
    assert ledger.size() == 3


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_checkpoint_covers_what_was_added_as_soon_as_it_is_added(ledger: Ledger) -> None:
    for size in range(1, 20):
        ledger.append([erasure(size)])
        signed = checkpoints.verified(ledger.checkpoint(), [Verifier.from_vkey(ledger.vkey)])
        assert signed.checkpoint.size == size
        assert signed.checkpoint.root == _root(ledger.entries(0, size))


def test_what_cannot_be_an_entry_is_refused_before_anything_is_added(ledger: Ledger) -> None:
    too_long = erasure().model_copy(update={"failed": "x" * 65_535})
    with pytest.raises(ValueError, match="at most 65,535 bytes"):
        ledger.append([erasure(), too_long])
    with pytest.raises(ValueError, match="nothing to add"):
        ledger.append([])
    for options in ({"opens": "ann"}, {"closes": "u-1"}, {"salts": {"u-\0": bytes(16)}}):
        with pytest.raises(ValueError, match="is no use"):
            ledger.append([erasure()], **options)
    with pytest.raises(ValueError, match="16 bytes"):
        ledger.append([erasure()], salts={use(): b"short"})
    assert ledger.size() == 0


def test_an_entry_that_does_not_exist_is_not_found(ledger: Ledger) -> None:
    ledger.append([erasure()])
    for index in (-1, 1, 2**70):
        with pytest.raises(ResourceNotFound, match=f"no entry {index}"):
            ledger.entry(index)
        with pytest.raises(ResourceNotFound, match=f"no entry {index}"):
            ledger.receipt(index)


def test_a_receipt_can_be_checked_by_who_has_the_key_alone(ledger: Ledger) -> None:
    ledger.append([erasure(number) for number in range(300)])
    trusted = [Verifier.from_vkey(ledger.vkey)]
    for index in (0, 255, 256, 299):
        receipt = receipts.read_receipt(ledger.receipt(index))
        assert receipts.verify(receipt, trusted).checkpoint.size == 300
        assert (receipt.index, receipt.extra) == (index, ledger.entry(index))
    # One that was only just added: it is published for that.
    (index,) = ledger.append([erasure()])
    assert receipts.verify(receipts.read_receipt(ledger.receipt(index)), trusted).checkpoint.size > index


def test_many_threads_get_places_of_their_own_next_to_one_another(ledger: Ledger) -> None:
    threads, each = 8, 25
    start = threading.Barrier(threads)

    def work(_: int) -> list[tuple[int, str]]:
        start.wait()
        mine = []
        for _ in range(each):
            name = use()
            first, second = ledger.append(intended(name), opens=name)
            assert second == first + 1
            mine += [(first, name), (second, name)]
            mine += [(index, name) for index in ledger.append(closing(name), closes=name)]
        return mine

    with ThreadPoolExecutor(threads) as pool:
        given = dict(pair for mine in pool.map(work, range(threads)) for pair in mine)
    assert sorted(given) == list(range(threads * each * 3))
    read = [entries.read(leaf) for leaf in ledger.entries(0, ledger.size())]
    assert [getattr(entry, "use", None) for entry in read] == [given[index] for index in range(len(read))]
    times = [str(entry.at) for entry in read]
    assert times == sorted(times)
    assert ledger.dangling() == []


def test_a_use_dangles_until_it_is_closed(ledger: Ledger, installation: Installation) -> None:
    done, crashed = use(), use()
    ledger.append([erasure()])
    ledger.append(intended(done), opens=done)
    ledger.append(intended(crashed), opens=crashed)
    assert [(name, index) for name, index, _ in ledger.dangling()] == [(done, 1), (crashed, 3)]
    ledger.append(closing(done), closes=done)
    ((name, index, at),) = ledger.dangling()
    assert (name, index) == (crashed, 3)
    assert timestamp(at) == entries.read(ledger.entry(3)).at
    installation.close()
    assert installation.open().dangling() == [(name, index, at)]


def test_salts_are_kept_beside_the_ledger_until_they_are_destroyed(
    ledger: Ledger, installation: Installation, tmp_path: Path
) -> None:
    one, other = use(), use()
    salts = {one: b"salt of the one.", other: b"salt of another."}
    ledger.append([erasure()], salts=salts)
    assert ledger.salts([one, other, use()]) == salts
    ledger.publish()
    ledger.destroy_salts([one])
    assert ledger.salts([one, other]) == {other: salts[other]}
    # One that was destroyed does not come back.
    ledger.append([erasure()], salts={one: salts[one]})
    assert ledger.salts([one]) == {}
    installation.close()
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert salts[one] not in file.read_bytes(), file


def test_more_salts_than_a_statement_takes_parameters(ledger: Ledger) -> None:
    salts = {use(): number.to_bytes(16, "big") for number in range(1, 1201)}
    ledger.append([erasure()], salts=salts)
    names = list(salts)
    assert ledger.salts(names) == salts
    ledger.destroy_salts(names[:1100])
    assert ledger.salts(names) == {name: salts[name] for name in names[1100:]}


class TestPublishing:
    """Tiles, bundles and the checkpoint."""

    @pytest.mark.parametrize("steps", [[1], [255], [256], [257], [100, 155, 1], [1] * 5, [250, 10, 600]])
    def test_what_is_published_verifies_however_it_grew(
        self, ledger: Ledger, installation: Installation, steps: list[int]
    ) -> None:
        for step in steps:
            ledger.append([erasure(number) for number in range(step)])
            ledger.publish()
            assert installation.published().size == ledger.size()
        report = installation.verified()
        assert report.checkpoint.size == sum(steps)
        assert report.checkpoint.root == checkpoints.verified(ledger.checkpoint(), [_key(ledger)]).checkpoint.root

    def test_a_ledger_of_three_levels_of_tiles_is_audited_whole_at_the_next_start(
        self, ledger: Ledger, installation: Installation
    ) -> None:
        ledger.append([erasure()] * 3)
        ledger.publish()
        ledger.append([erasure()] * 65_600)
        ledger.publish()
        assert installation.published().size == 65_603
        assert (installation.folder / Tile(2, 0, 1).path).exists()
        root = _root(ledger.entries(0, 65_603))
        installation.close()
        signed = checkpoints.verified(installation.open().checkpoint(), [_key(ledger)])
        assert (signed.checkpoint.size, signed.checkpoint.root) == (65_603, root)

    def test_it_is_published_within_seconds_without_being_asked(
        self, ledger: Ledger, installation: Installation
    ) -> None:
        ledger.append([erasure()])
        deadline = threading.Event()
        for _ in range(300):
            if (installation.folder / "checkpoint").exists() and installation.published().size == 1:
                break
            deadline.wait(0.1)
        assert installation.verified().checkpoint.size == 1

    def test_it_is_published_when_the_server_stops(self, ledger: Ledger, installation: Installation) -> None:
        ledger.append([erasure()] * 3)
        installation.close()
        assert installation.verified().checkpoint.size == 3

    def test_partial_tiles_go_when_the_tile_is_full_and_full_ones_are_never_written_again(
        self, ledger: Ledger, installation: Installation
    ) -> None:
        ledger.append([erasure()] * 200)
        ledger.publish()
        partial = [Tile(0, 0, 200), Tile(None, 0, 200)]
        assert all((installation.folder / tile.path).exists() for tile in partial)
        ledger.append([erasure()] * 100)
        ledger.publish()
        assert not any((installation.folder / tile.path).parent.exists() for tile in partial)
        full = [installation.folder / tile.path for tile in (Tile(0, 0), Tile(None, 0))]
        before = [file.stat() for file in full]
        ledger.append([erasure()] * 100)
        ledger.publish()
        assert [file.stat() for file in full] == before

    def test_several_who_publish_at_once_agree(self, installation: Installation) -> None:
        ledgers = [installation.open() for _ in range(3)]

        def work(ledger: Ledger) -> None:
            for _ in range(20):
                ledger.append([erasure()] * 7)
                ledger.publish()

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(work, ledgers))
        assert installation.verified().checkpoint.size == 3 * 20 * 7

    def test_the_folder_names_the_key(self, ledger: Ledger, installation: Installation) -> None:
        ledger.publish()
        assert (installation.folder / "log.vkey").read_text().strip() == ledger.vkey

    def test_who_serves_the_folder_needs_no_more_than_to_read_it(
        self, ledger: Ledger, installation: Installation
    ) -> None:
        ledger.append([erasure()] * 300)
        ledger.publish()
        for file in installation.folder.rglob("*"):
            if not file.name.startswith("."):
                assert file.stat().st_mode & 0o444 == 0o444, file


class TestTime:
    """Entries' time is the server's, and never runs backwards."""

    def test_a_clock_a_little_behind_the_last_entry_waits_for_it(
        self, installation: Installation, clock: Clock
    ) -> None:
        ledger = installation.open(clock=clock)
        clock.ahead = timedelta(seconds=1.5)
        ledger.append([erasure()])
        clock.ahead = timedelta()
        ledger.append([erasure()])
        first, second = (entries.read(leaf).at for leaf in ledger.entries(0, 2))
        assert first == second == timestamp(ledger.now())

    def test_the_time_is_never_before_the_last_entry_of_another_process(
        self, installation: Installation, clock: Clock
    ) -> None:
        clock.ahead = timedelta(seconds=1)
        ahead, behind = installation.open(clock=clock), installation.open()
        ahead.append([erasure()])
        behind.append([erasure()])
        first, second = (entries.read(leaf).at for leaf in ahead.entries(0, 2))
        assert first == second

    def test_a_clock_that_was_set_back_stops_everything_until_it_is_set_right(
        self, installation: Installation, clock: Clock
    ) -> None:
        ledger = installation.open(clock=clock)
        ledger.append([erasure()])
        clock.ahead = timedelta(hours=-1)
        refused = r"clock is 3,(600|599) seconds behind the ledger's last entry \(20.*Z\): set it right"
        with pytest.raises(Unaccountable, match=refused):
            ledger.append([erasure()])
        with pytest.raises(Unaccountable, match=refused):
            ledger.now()
        assert ledger.size() == 1
        clock.ahead = timedelta()
        assert ledger.append([erasure()]) == [1]
        assert ledger.now() <= datetime.now(UTC)

    def test_a_clock_that_was_set_back_while_the_server_was_away_is_noticed(
        self, installation: Installation, clock: Clock
    ) -> None:
        installation.open().append([erasure()])
        installation.close()
        clock.ahead = timedelta(days=-1)
        ledger = installation.open(clock=clock)
        with pytest.raises(Unaccountable, match="behind the ledger's last entry"):
            ledger.append([erasure()])


def test_a_closed_ledger_takes_nothing_more(ledger: Ledger, installation: Installation) -> None:
    installation.close()
    with pytest.raises(Unaccountable, match="closed"):
        ledger.append([erasure()])


def test_the_names_in_the_database_are_the_ledgers(ledger: Ledger) -> None:
    assert all(name.startswith("ledger_") for name in ledger_schema.metadata.tables)


def _key(ledger: Ledger) -> Verifier:
    return Verifier.from_vkey(ledger.vkey)
