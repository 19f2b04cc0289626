"""Publishing: what is committed becomes tiles, bundles and a checkpoint, in this order, that others can fetch.

Nothing is published that does not follow from what was published before and from the signed checkpoint in the
database; the checkpoint moves on only after everything below it is on the disk, and never back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, update

from countenance.ledger import merkle, notes, tiles
from countenance.ledger.audit import Published
from countenance.ledger.checkpoints import Checkpoint, read_text
from countenance.ledger.keys import KeyFile
from countenance.ledger.merkle import EMPTY_ROOT, CompactRange
from countenance.ledger.notes import Note, Signature
from countenance.ledger.published import VKEY
from countenance.ledger.rows import Row, State, read_entries, require_state
from countenance.ledger.tiles import TILE_HEIGHT, TILE_WIDTH, Altered, Tile, TileFolder
from countenance.ledger.trust import RESTORE_DATABASE, Distrust
from countenance.storage import ledger_schema
from countenance.storage.database import Database

# Files are written together up to this many: then one wait for the folder's own entry on the disk does for all.
FILES_AT_ONCE = 64


class Publisher:
    """Publishes a ledger into a folder. Safe to share between threads and to run in several processes at once."""

    def __init__(self, database: Database, folder: TileFolder, keys: KeyFile) -> None:
        self._database = database
        self._folder = folder
        self._keys = keys
        self._published = Published(folder, keys)
        self._remembered = False

    def publish(self) -> str:
        """Publishes everything that is committed, and gives the note that is the published checkpoint then.

        Raises Distrust when what is there is not what it must be, and what writing raises: OSError, SQLAlchemyError.
        """
        with self._folder.exclusive():
            return self._release(self._write(), ())

    def write(self) -> str:
        """Writes the tiles and bundles of everything that is committed, and gives the checkpoint that covers them.

        The published checkpoint stays where it is, so that witnesses can see the new one first. Raises as `publish`.
        """
        with self._folder.exclusive():
            return self._write()

    def release(self, note: str, cosignatures: Iterable[Signature]) -> None:
        """Publishes a checkpoint that `write` gave, with cosignatures, unless a larger one is published already."""
        with self._folder.exclusive():
            self._release(note, cosignatures)

    def _write(self) -> str:
        before = self._published.checkpoint()
        with self._database.read() as connection:
            state = require_state(connection)
            state.verify(self._keys)
            self._published.compare(before, state)
            before = before or Checkpoint(self._keys.key.name, 0, EMPTY_ROOT)
            if state.tree.size > before.size:
                self._grow(connection, before, state)
        return state.checkpoint

    def _grow(self, connection: Connection, before: Checkpoint, state: State) -> None:
        edge = self._published.edge(before)
        size = state.tree.size
        partial = edge.rows.get(0, [])
        first = before.size - len(partial)
        try:
            # Twice through the entries: nothing is written before the root has shown that they are the right ones.
            tree = edge.tree
            for rows in read_entries(connection, first, size):
                old = len(partial) if rows[0].leaf_index == first else 0
                if old:
                    self._published.check_leaves(Tile(0, first // TILE_WIDTH, old), partial, rows[:old])
                _extend(tree, rows[old:])
            if tree.root() != state.tree.root():
                raise Distrust(
                    f"The entries in the ledger's database from {before.size} to {size - 1} do not give the root that "
                    f"was signed for them: they were altered. {RESTORE_DATABASE}"
                )
            growth = _Growth(self._folder, edge.rows, before.size)
            for rows in read_entries(connection, first, size):
                growth.add(rows)
            growth.finish()
        except Altered as error:
            raise Distrust(
                f"{error.message} Remove that file, find out who wrote it, and start the server again."
            ) from error

    def _release(self, checkpoint: str, cosignatures: Iterable[Signature]) -> str:
        content = self._folder.read_note()
        new = notes.parse(checkpoint)
        size = read_text(new.text).size
        edge: list[Tile] = []
        known: Sequence[Signature] = ()
        if content is not None:
            old = notes.parse(content)
            old_size = read_text(old.text).size
            if old_size > size:
                return str(old)
            edge = tiles.right_edge(old_size)
            known = old.signatures if old.text == new.text else ()
        note = str(Note(new.text, (*new.signatures, *_newest(known, cosignatures, self._keys))))
        if content != note.encode():
            self._folder.replace_note(note.encode())
        signers = (key for key in self._keys.verifiers if any(map(key.knows, new.signatures)))
        vkey = f"{next(signers).vkey}\n".encode()
        if self._folder.read_note(VKEY) != vkey:
            self._folder.replace_note(vkey, VKEY)
        for tile in edge:
            self._remove_if_full(tile, size)
        self._remember_that_it_is_published()
        return note

    def _remember_that_it_is_published(self) -> None:
        if not self._remembered:
            published = ledger_schema.state.c.published
            with self._database.write() as connection:
                connection.execute(update(ledger_schema.state).where(~published).values(published=True))
            self._remembered = True

    def _remove_if_full(self, tile: Tile, size: int) -> None:
        if tiles.tile_at(tile.level or 0, tile.index, size).width == TILE_WIDTH:
            self._folder.remove_partials(tile)
            if tile.level == 0:
                self._folder.remove_partials(Tile(None, tile.index))


class _Growth:
    """Writes the tiles and bundles by which a published tree grows."""

    def __init__(self, folder: TileFolder, rows: dict[int, list[bytes]], size: int) -> None:
        """`rows` are the hashes of the partial tiles of the tree as it is published, of `size` leaves."""
        self._folder = folder
        self._rows = rows
        self._tiles = {level: size >> TILE_HEIGHT * (level + 1) for level in range(tiles.MAX_LEVEL + 1)}
        self._changed: set[int] = set()
        self._old = len(rows.get(0, []))
        self._bundle: list[bytes] = []
        self._files: list[tuple[Tile, bytes]] = []

    def add(self, rows: Sequence[Row]) -> None:
        """Adds entries: first those again that the partial bundle has already, then new ones."""
        for row in rows:
            self._bundle.append(row.leaf)
            if self._old:
                self._old -= 1
                continue
            if len(self._bundle) == TILE_WIDTH:
                self._put(Tile(None, self._tiles[0]), tiles.encode_bundle(self._bundle))
                self._bundle = []
            self._append(0, row.leaf_hash)

    def finish(self) -> None:
        """Writes what is partial; everything is on the disk then."""
        if self._bundle:
            self._put(Tile(None, self._tiles[0], len(self._bundle)), tiles.encode_bundle(self._bundle))
        for level in sorted(self._changed):
            if hashes := self._rows[level]:
                self._put(Tile(level, self._tiles[level], len(hashes)), b"".join(hashes))
        self._flush()

    def _append(self, level: int, subtree: bytes) -> None:
        row = self._rows.setdefault(level, [])
        row.append(subtree)
        self._changed.add(level)
        if len(row) == TILE_WIDTH:
            self._put(Tile(level, self._tiles[level]), b"".join(row))
            self._tiles[level] += 1
            self._append(level + 1, merkle.complete_root(row))
            row.clear()

    def _put(self, tile: Tile, content: bytes) -> None:
        self._files.append((tile, content))
        if len(self._files) >= FILES_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        self._folder.write(self._files)
        self._files = []


def _extend(tree: CompactRange, rows: Sequence[Row]) -> None:
    for row in rows:
        leaf_hash = merkle.leaf_hash(row.leaf)
        if leaf_hash != row.leaf_hash:
            raise Distrust(
                f"The database's entry {row.leaf_index} is not the one that was added: it was altered. "
                f"{RESTORE_DATABASE}"
            )
        tree.append(leaf_hash)


def _newest(known: Iterable[Signature], new: Iterable[Signature], keys: KeyFile) -> list[Signature]:
    """One cosignature of each witness, the newest of what is published and what has come."""
    by_witness: dict[tuple[str, bytes], Signature] = {}
    for signature in [*known, *new]:
        if not any(verifier.knows(signature) for verifier in keys.verifiers):
            by_witness[signature.name, signature.key_id] = signature
    return list(by_witness.values())
