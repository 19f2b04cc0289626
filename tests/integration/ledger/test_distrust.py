"""A ledger that was tampered with, cut, set back or separated from its key takes nothing more, and says why."""

from __future__ import annotations

import re
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing as closed
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, insert, select, update

from countenance.errors import Misconfigured, Unaccountable
from countenance.ledger import checkpoints, merkle
from countenance.ledger.checkpoints import Checkpoint
from countenance.ledger.keys import KeyFile
from countenance.ledger.log import Ledger
from countenance.ledger.merkle import CompactRange
from countenance.ledger.notes import LogKey
from countenance.ledger.tiles import Tile
from countenance.storage import ledger_schema
from countenance.storage.database import Database
from countenance.storage.ledger_schema import LEDGER

from .conftest import NAME, Clock, Installation, erasure

SIZE = 600
FULL_TILE, FULL_BUNDLE = Tile(0, 1), Tile(None, 1)
PARTIAL_TILE, PARTIAL_BUNDLE, UPPER_TILE = Tile(0, 2, 88), Tile(None, 2, 88), Tile(1, 0, 2)


@pytest.fixture
def published(installation: Installation) -> Installation:
    """A ledger of 600 entries that was published and closed."""
    ledger = installation.open()
    ledger.append([erasure(number) for number in range(SIZE)])
    installation.close()
    return installation


def _flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def _change(installation: Installation, work: Callable[[Connection], object]) -> None:
    """Something is done to the database by somebody else."""
    database = Database(installation.url, LEDGER)
    with database.write() as connection:
        work(connection)
    database.close()


@dataclass(frozen=True)
class Copy:
    """The ledger's rows, as a backup has them."""

    rows: dict[str, list[dict[str, object]]]

    @classmethod
    def of(cls, installation: Installation) -> Copy:
        database = Database(installation.url, LEDGER)
        with database.read() as connection:
            tables = LEDGER.metadata.sorted_tables
            rows = {table.name: [dict(row) for row in connection.execute(select(table)).mappings()] for table in tables}
        database.close()
        return cls(rows)

    def restore(self, installation: Installation) -> None:
        def work(connection: Connection) -> None:
            for table in LEDGER.metadata.sorted_tables:
                connection.execute(delete(table))
                if self.rows[table.name]:
                    connection.execute(insert(table), self.rows[table.name])

        _change(installation, work)


def _append_until_refused(ledger: Ledger) -> str:
    """The sentence by which the ledger refuses, which it must within a while."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            ledger.append([erasure()])
        except Unaccountable as error:
            return error.message
    raise AssertionError("the ledger went on")


def _takes(ledger: Ledger) -> bool:
    try:
        ledger.append([erasure()])
    except Unaccountable:
        return False
    return True


class TestAtTheStart:
    """Found before anything is taken."""

    @pytest.mark.parametrize("tile", [FULL_TILE, PARTIAL_TILE, UPPER_TILE], ids=lambda tile: tile.path)
    def test_a_tile_that_was_edited(self, published: Installation, tile: Tile) -> None:
        file = published.folder / tile.path
        file.write_bytes(_flip(file.read_bytes()))
        with pytest.raises(
            Unaccountable, match=rf"{tile.path}.* altered.*[Rr]estore it from a backup or from a mirror"
        ):
            published.open()

    @pytest.mark.parametrize(
        ("bundle", "entry"), [(FULL_BUNDLE, r"38\d"), (PARTIAL_BUNDLE, r"55\d")], ids=["full", "partial"]
    )
    def test_a_bundle_that_was_edited(self, published: Installation, bundle: Tile, entry: str) -> None:
        file = published.folder / bundle.path
        file.write_bytes(_flip(file.read_bytes()))
        with pytest.raises(Unaccountable, match=rf"{bundle.path} was altered, first at entry {entry}"):
            published.open()

    @pytest.mark.parametrize(
        "tile", [FULL_TILE, FULL_BUNDLE, PARTIAL_TILE, PARTIAL_BUNDLE, UPPER_TILE], ids=lambda tile: tile.path
    )
    @pytest.mark.parametrize("cut", [0, -1, -32])
    def test_a_file_that_was_cut(self, published: Installation, tile: Tile, cut: int) -> None:
        file = published.folder / tile.path
        file.write_bytes(file.read_bytes()[:cut])
        with pytest.raises(Unaccountable, match=rf"{tile.path}.*[Rr]estore it from a backup"):
            published.open()

    @pytest.mark.parametrize(
        "tile", [FULL_TILE, FULL_BUNDLE, PARTIAL_TILE, PARTIAL_BUNDLE, UPPER_TILE], ids=lambda tile: tile.path
    )
    def test_a_file_that_is_missing(self, published: Installation, tile: Tile) -> None:
        (published.folder / tile.path).unlink()
        with pytest.raises(Unaccountable, match=f"{tile.path} is missing.*[Rr]estore it from a backup"):
            published.open()

    @pytest.mark.parametrize("leaves", [[], ["tile"]], ids=["the folder", "the checkpoint alone"])
    def test_a_published_ledger_that_is_gone(self, published: Installation, leaves: list[str]) -> None:
        for file in published.folder.iterdir():
            if file.name not in leaves:
                shutil.rmtree(file) if file.is_dir() else file.unlink()
        with pytest.raises(Unaccountable, match="checkpoint is missing: restore the folder"):
            published.open()

    def test_a_database_that_was_set_back(self, installation: Installation) -> None:
        ledger = installation.open()
        ledger.append([erasure()] * 10)
        backup = Copy.of(installation)
        ledger.append([erasure()] * 5)
        installation.close()
        backup.restore(installation)
        with pytest.raises(Unaccountable, match=r"published with 15 entries, and its database has 10: .* set back"):
            installation.open()

    def test_a_database_that_was_set_back_to_nothing(self, published: Installation) -> None:
        def work(connection: Connection) -> None:
            for table in LEDGER.metadata.sorted_tables:
                connection.execute(delete(table))

        _change(published, work)
        with pytest.raises(Unaccountable, match=r"published with 600 entries, and its database has 0"):
            published.open()

    def test_another_ledger_of_the_same_size_under_the_same_key(self, published: Installation, tmp_path: Path) -> None:
        elsewhere = Installation(published.url, tmp_path / "elsewhere")
        elsewhere.folder.parent.mkdir()
        shutil.copy(published.key, elsewhere.key)

        def work(connection: Connection) -> None:
            for table in LEDGER.metadata.sorted_tables:
                connection.execute(delete(table))

        _change(published, work)
        elsewhere.open().append([erasure(7)] * SIZE)
        elsewhere.close()
        with pytest.raises(Unaccountable, match="another root for its 600 entries than its database"):
            published.open()

    @pytest.mark.parametrize("index", [0, 300, SIZE - 1])
    def test_an_entry_that_was_altered_in_the_database(self, published: Installation, index: int) -> None:
        leaf = b'{"kind":"deletion"}'
        table = ledger_schema.entries

        def work(connection: Connection) -> None:
            changed = update(table).where(table.c.leaf_index == index)
            connection.execute(changed.values(leaf=leaf, leaf_hash=merkle.leaf_hash(leaf)))

        _change(published, work)
        with pytest.raises(Unaccountable, match=f"database's entry {index} is not the one that was published"):
            published.open()

    @pytest.mark.parametrize("index", [0, 300, SIZE - 1])
    def test_an_entry_that_was_removed_from_the_database(self, published: Installation, index: int) -> None:
        table = ledger_schema.entries
        _change(published, lambda connection: connection.execute(delete(table).where(table.c.leaf_index == index)))
        with pytest.raises(Unaccountable, match=f"has lost its entry {index}"):
            published.open()

    def test_a_state_that_nobody_signed(self, published: Installation) -> None:
        def work(connection: Connection) -> None:
            tree = CompactRange()
            for _ in range(SIZE + 1):
                tree.append(merkle.leaf_hash(b"mine"))
            forged = checkpoints.signed(Checkpoint(NAME, tree.size, tree.root()), LogKey.generate(NAME))
            connection.execute(
                update(ledger_schema.state).values(size=tree.size, tree=tree.to_bytes(), checkpoint=forged)
            )

        _change(published, work)
        with pytest.raises(Unaccountable, match=r"signed by the key .* which the key file .* does not hold"):
            published.open()

    @pytest.mark.parametrize(
        ("column", "value", "sentence"),
        [
            ("tree", b"", "its state cannot be read"),
            ("tree", CompactRange().to_bytes(), "its tree is not the one"),
            ("checkpoint", "", "its checkpoint is not valid"),
        ],
    )
    def test_a_state_that_was_altered(self, published: Installation, column: str, value: object, sentence: str) -> None:
        _change(published, lambda connection: connection.execute(update(ledger_schema.state).values({column: value})))
        with pytest.raises(Unaccountable, match=f"database was altered: {sentence}.*bring back the newest copy"):
            published.open()

    def test_a_published_checkpoint_that_nobody_signed(self, published: Installation) -> None:
        file = published.folder / "checkpoint"
        file.write_bytes(file.read_bytes().replace(b"\n600\n", b"\n500\n"))
        with pytest.raises(Unaccountable, match=r"checkpoint is not valid: The signature .* Restore it from a backup"):
            published.open()

    def test_a_published_checkpoint_of_somebody_else(self, published: Installation) -> None:
        forged = checkpoints.signed(Checkpoint(NAME, 0, merkle.EMPTY_ROOT), LogKey.generate(NAME))
        (published.folder / "checkpoint").write_text(forged)
        with pytest.raises(Unaccountable, match=r"signed by the key .* does not hold"):
            published.open()

    def test_a_missing_key(self, published: Installation) -> None:
        published.key.unlink()
        with pytest.raises(Unaccountable, match=r"key file .*ledger\.key is missing: restore it from its backup"):
            published.open()
        assert not published.key.exists()

    def test_another_key(self, published: Installation) -> None:
        published.key.unlink()
        KeyFile(published.key, name=NAME).open(creates=True)
        with pytest.raises(Unaccountable, match=r"signed by the key .* does not hold: restore the key file"):
            published.open()

    def test_a_key_that_others_can_read(self, published: Installation) -> None:
        published.key.chmod(0o644)
        with pytest.raises(Misconfigured, match="open to others"):
            published.open()

    def test_what_was_repaired_is_trusted_again(self, published: Installation) -> None:
        file = published.folder / FULL_TILE.path
        good = file.read_bytes()
        file.write_bytes(_flip(good))
        with pytest.raises(Unaccountable):
            published.open()
        file.write_bytes(good)
        ledger = published.open()
        assert ledger.append([erasure()]) == [SIZE]
        ledger.publish()
        assert published.verified().checkpoint.size == SIZE + 1


class TestWhileRunning:
    """Found by who already has the ledger open; it stays refused, although the damage may be undone."""

    @pytest.fixture(autouse=True)
    def _nothing_is_published_unless_the_test_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("countenance.ledger.upkeep.PUBLISHING_SECONDS", 3600.0)

    @pytest.fixture
    def ledger(self, published: Installation) -> Ledger:
        return published.open()

    def _assert_refused_for_good(self, ledger: Ledger, sentence: str) -> None:
        for _ in range(2):
            with pytest.raises(Unaccountable, match=sentence):
                ledger.append([erasure()])

    @pytest.mark.parametrize("tile", [PARTIAL_TILE, PARTIAL_BUNDLE, UPPER_TILE], ids=lambda tile: tile.path)
    @pytest.mark.parametrize("damage", ["edited", "cut", "missing"])
    def test_the_right_edge_is_verified_before_it_is_extended(
        self, ledger: Ledger, published: Installation, tile: Tile, damage: str
    ) -> None:
        file = published.folder / tile.path
        good = file.read_bytes()
        ledger.append([erasure()])
        if damage == "missing":
            file.unlink()
        else:
            file.write_bytes(_flip(good) if damage == "edited" else good[:-1])
        with pytest.raises(Unaccountable, match=tile.path):
            ledger.publish()
        file.write_bytes(good)
        self._assert_refused_for_good(ledger, tile.path)

    def test_a_file_that_somebody_put_where_a_tile_is_to_be(self, ledger: Ledger, published: Installation) -> None:
        tile = Tile(0, 3, 1)
        file = published.folder / tile.path
        file.parent.mkdir(parents=True)
        file.write_bytes(bytes(32))
        ledger.append([erasure()] * (3 * 256 + 1 - SIZE))
        with pytest.raises(Unaccountable, match=f"{tile.path} is published already, with another content"):
            ledger.publish()
        self._assert_refused_for_good(ledger, tile.path)
        assert published.published().size == SIZE

    @pytest.mark.parametrize(
        ("also", "sentence"),
        [
            ({}, f"entry {SIZE} is not the one that was added"),
            ({"leaf_hash": merkle.leaf_hash(b"{}")}, f"from {SIZE} to {SIZE} do not give the root that was signed"),
        ],
        ids=["alone", "with its hash"],
    )
    def test_an_entry_that_is_altered_before_it_is_published(
        self, ledger: Ledger, published: Installation, also: dict[str, bytes], sentence: str
    ) -> None:
        table = ledger_schema.entries
        (index,) = ledger.append([erasure()])
        altered = update(table).where(table.c.leaf_index == index).values(leaf=b"{}", **also)
        _change(published, lambda connection: connection.execute(altered))
        with pytest.raises(Unaccountable, match=sentence):
            ledger.publish()
        assert published.published().size == SIZE
        self._assert_refused_for_good(ledger, sentence)

    def test_a_database_that_is_set_back_under_a_running_server(self, ledger: Ledger, published: Installation) -> None:
        backup = Copy.of(published)
        ledger.append([erasure()] * 3)
        backup.restore(published)
        self._assert_refused_for_good(ledger, r"has 600 entries where it had 603: it was set back")

    def test_a_state_that_is_lost_under_a_running_server(self, ledger: Ledger, published: Installation) -> None:
        _change(published, lambda connection: connection.execute(delete(ledger_schema.state)))
        self._assert_refused_for_good(ledger, r"has 0 entries where it had 600")

    def test_a_forged_state_is_not_extended(self, ledger: Ledger, published: Installation) -> None:
        def work(connection: Connection) -> None:
            state = connection.execute(select(ledger_schema.state)).one()
            forged = state.checkpoint.replace("\n600\n", "\n601\n")
            tree = CompactRange.from_bytes(state.tree)
            tree.append(bytes(32))
            connection.execute(update(ledger_schema.state).values(tree=tree.to_bytes(), checkpoint=forged))

        _change(published, work)
        self._assert_refused_for_good(ledger, "its checkpoint is not valid")

    def test_an_audit_in_the_background_finds_what_is_below_the_right_edge(
        self, published: Installation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("countenance.ledger.upkeep.AUDIT_SECONDS", 0.05)
        ledger = published.open()
        file = published.folder / FULL_BUNDLE.path
        file.write_bytes(_flip(file.read_bytes()))
        assert f"{FULL_BUNDLE.path} was altered" in _append_until_refused(ledger)

    def test_what_is_left_of_a_long_audit_is_done_in_the_background(
        self, published: Installation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("countenance.ledger.upkeep.OPENING_AUDIT_SECONDS", -1.0)
        file = published.folder / FULL_BUNDLE.path
        file.write_bytes(_flip(file.read_bytes()))
        ledger = published.open()
        assert f"{FULL_BUNDLE.path} was altered" in _append_until_refused(ledger)

    def test_a_folder_that_cannot_be_written_for_long_stops_the_adding_until_it_can(
        self, ledger: Ledger, published: Installation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("countenance.ledger.upkeep.PUBLISHING_SECONDS", 0.01)
        monkeypatch.setattr("countenance.ledger.upkeep.PUBLISHING_PATIENCE_SECONDS", 0.5)
        again = published.open()
        aside = published.folder.with_name("aside")
        published.folder.rename(aside)
        published.folder.write_text("a file where the folder was")
        refused = _append_until_refused(again)
        assert re.search(r"could not be published in .* for \d+ seconds: see that the folder can be written", refused)
        published.folder.unlink()
        aside.rename(published.folder)
        deadline = time.monotonic() + 30
        while not _takes(again) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert _takes(again)
        again.publish()


def test_a_file_of_the_database_that_is_replaced_by_an_older_copy(tmp_path: Path) -> None:
    installation = Installation(f"sqlite:///{tmp_path / 'ledger.sqlite'}", tmp_path)
    installation.open().append([erasure()] * 5)
    installation.close()
    with closed(sqlite3.connect(tmp_path / "ledger.sqlite")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(tmp_path / "ledger.sqlite", tmp_path / "backup.sqlite")
    installation.open().append([erasure()] * 5)
    installation.close()
    for file in tmp_path.glob("ledger.sqlite*"):
        file.unlink()
    shutil.copy(tmp_path / "backup.sqlite", tmp_path / "ledger.sqlite")
    with pytest.raises(Unaccountable, match="published with 10 entries, and its database has 5"):
        installation.open(clock=Clock())
