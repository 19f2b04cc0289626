"""Comparing what is published with the database, from the signed root down to the last byte.

A tile is good when its hashes give the hash above it, and the uppermost ones when they give the root of the signed
checkpoint; entries are good when they give the hashes of their tile. So where something differs, the signature tells
which of the two, the file or the database, is not what it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from countenance.ledger import checkpoints, merkle, notes, tiles
from countenance.ledger.checkpoints import Checkpoint, InvalidCheckpoint
from countenance.ledger.keys import KeyFile
from countenance.ledger.merkle import CompactRange
from countenance.ledger.notes import InvalidNote
from countenance.ledger.rows import Row, State, read_entries, require_state
from countenance.ledger.tiles import CHECKPOINT, TILE_HEIGHT, TILE_WIDTH, Tile, TileFolder
from countenance.ledger.trust import RESTORE_DATABASE, RESTORE_FILE, Distrust
from countenance.storage.database import Database


class Edge:
    """What grows at the right end of the published tree: the hashes of its partial tiles, level by level."""

    def __init__(self, checkpoint: Checkpoint, rows: dict[int, list[bytes]]) -> None:
        """Raises Distrust when the hashes do not give the checkpoint's root."""
        self.rows = rows
        self.tree = CompactRange()
        for level in sorted(rows, reverse=True):
            for subtree in rows[level]:
                self.tree.append_subtree(TILE_HEIGHT * level, subtree)
        if self.tree.root() != checkpoint.root:
            raise Distrust(
                "The published tiles at the end of the ledger do not give the root of the published checkpoint: one of "
                f"{', '.join(tile.path for tile in tiles.right_edge(checkpoint.size))} was altered. {RESTORE_FILE}"
            )


class Published:
    """What is in the folder, read and held against the log's keys and its database."""

    def __init__(self, folder: TileFolder, keys: KeyFile) -> None:
        self._folder = folder
        self._keys = keys

    def checkpoint(self) -> Checkpoint | None:
        """The published checkpoint; None when nothing was published.

        Raises Distrust when it is not signed by a key this log has, or had.
        """
        content = self._folder.read_note()
        if content is None:
            return None
        try:
            note = notes.parse(content)
            if not any(verifier.knows(signature) for verifier in self._keys.verifiers for signature in note.signatures):
                self._keys.follow(note)
            return checkpoints.verified(note, self._keys.verifiers).checkpoint
        except (InvalidNote, InvalidCheckpoint) as error:
            raise Distrust(
                f"The published checkpoint {self._folder.path / CHECKPOINT} is not valid: {error.message} "
                f"{RESTORE_FILE}"
            ) from error

    def compare(self, checkpoint: Checkpoint | None, state: State) -> None:
        """Raises Distrust when the database cannot be the one that this checkpoint was published from."""
        if checkpoint is None:
            if state.published:
                raise Distrust(
                    f"The published checkpoint {self._folder.path / CHECKPOINT} is missing: restore the folder from a "
                    "backup or from a mirror of the ledger, and start the server again."
                )
        elif checkpoint.size > state.tree.size:
            raise Distrust(
                f"The ledger was published with {checkpoint.size:,} entries, and its database has "
                f"{state.tree.size:,}: the database was set back to an older copy. {RESTORE_DATABASE}"
            )
        elif checkpoint.size == state.tree.size and checkpoint.root != state.tree.root():
            raise Distrust(
                f"The ledger was published with another root for its {checkpoint.size:,} entries than its database "
                f"has: they are two different ledgers. {RESTORE_DATABASE}"
            )

    def edge(self, checkpoint: Checkpoint) -> Edge:
        """The right edge, which gives the root of the checkpoint. Raises Distrust when it does not, or is missing."""
        return Edge(
            checkpoint,
            {tile.level: self.hashes(tile) for tile in tiles.right_edge(checkpoint.size) if tile.level is not None},
        )

    def hashes(self, tile: Tile) -> list[bytes]:
        """The hashes of a tile. Raises Distrust when it is missing or cut."""
        try:
            return tiles.hashes_of(tile, self._read(tile))
        except ValueError as error:
            raise Distrust(f"A published tile was altered: {error}. {RESTORE_FILE}") from error

    def check_leaves(self, tile: Tile, hashes: Sequence[bytes], rows: Sequence[Row]) -> None:
        """Checks the entries below a tile of level 0 whose hashes are good: in the database, and in their bundle."""
        for row, good in zip(rows, hashes, strict=True):
            if merkle.leaf_hash(row.leaf) != good or row.leaf_hash != good:
                raise Distrust(
                    f"The database's entry {row.leaf_index} is not the one that was published: it was altered. "
                    f"{RESTORE_DATABASE}"
                )
        bundle = Tile(None, tile.index, tile.width)
        content = self._read(bundle)
        if content != tiles.encode_bundle(row.leaf for row in rows):
            first = _first_difference(content, rows)
            raise Distrust(f"The published {bundle.path} was altered, first at entry {first}. {RESTORE_FILE}")

    def _read(self, tile: Tile) -> bytes:
        content = self._folder.read(tile)
        if content is None:
            raise Distrust(f"The published {tile.path} is missing. {RESTORE_FILE}")
        return content


def audit(database: Database, folder: TileFolder, keys: KeyFile) -> Iterator[int]:
    """Compares everything that is published at the beginning, and pauses with a number of entries that were compared.

    It can be left and gone on with at any time, also while the ledger grows. Raises Distrust at what is not as it must
    be.
    """
    published = Published(folder, keys)
    with folder.exclusive():
        checkpoint = published.checkpoint()
        with database.read() as connection:
            state = require_state(connection)
            state.verify(keys)
            published.compare(checkpoint, state)
            if checkpoint is None:
                return
            edge = published.edge(checkpoint)
            partial = edge.rows.get(0, [])
            first = checkpoint.size - len(partial)
            rows = [row for chunk in read_entries(connection, first, checkpoint.size) for row in chunk]
        if partial:
            published.check_leaves(Tile(0, first // TILE_WIDTH, len(partial)), partial, rows)
    yield len(partial)
    # Full tiles are never removed or replaced, so that nobody needs to be kept from writing any more.
    for tile in reversed(tiles.right_edge(checkpoint.size)):
        for place, good in enumerate(edge.rows[tile.level or 0]):
            if tile.level:
                yield from _below(
                    published, folder, database, Tile(tile.level - 1, tile.index * TILE_WIDTH + place), good
                )


def _below(published: Published, folder: TileFolder, database: Database, tile: Tile, good: bytes) -> Iterator[int]:
    hashes = published.hashes(tile)
    if merkle.complete_root(hashes) != good:
        raise Distrust(f"The published {tile.path} was altered. {RESTORE_FILE}")
    if tile.level:
        for place, below in enumerate(hashes):
            child = Tile(tile.level - 1, tile.index * TILE_WIDTH + place)
            yield from _below(published, folder, database, child, below)
    else:
        start = tile.index * TILE_WIDTH
        with database.read() as connection:
            rows = [row for chunk in read_entries(connection, start, start + TILE_WIDTH) for row in chunk]
        published.check_leaves(tile, hashes, rows)
        yield TILE_WIDTH


def _first_difference(content: bytes, rows: Sequence[Row]) -> int:
    start = 0
    for row in rows:
        expected = tiles.encode_bundle([row.leaf])
        if content[start : start + len(expected)] != expected:
            return row.leaf_index
        start += len(expected)
    return rows[-1].leaf_index
