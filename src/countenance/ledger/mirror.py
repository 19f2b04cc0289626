"""A mirror: the published ledger, copied into an object store that any web server or CDN stands in front of.

The folder stays the publication that the server itself holds against its database; the mirror follows it, tiles before
the checkpoint that needs them. Trust: an attacker who can modify the mirror can at most keep its readers from
verifying; what it holds is signed, and what was altered there does not fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from countenance.errors import CountenanceError
from countenance.ledger.checkpoints import read_text
from countenance.ledger.notes import MAX_NOTE_BYTES, parse
from countenance.ledger.published import VKEY
from countenance.ledger.tiles import CHECKPOINT, TILE_HEIGHT, TILE_WIDTH, Tile, TileFolder, tile_at


class Foreign(CountenanceError):
    """The mirror holds another log, or more of this one than there is here."""

    code = "ForeignMirror"


class Store(Protocol):
    """Where a mirror is kept: files by their names below it."""

    def read(self, name: str, max_bytes: int) -> bytes | None:
        """The file, at most so many bytes of it; None when there is none."""

    def write(self, name: str, content: bytes, *, immutable: bool) -> None:
        """Put a file, which replaces the one of its name. `immutable`: it never changes, and may be cached for ever."""


class Mirror:
    """Keeps a store up to date with a published folder. For one thread."""

    def __init__(self, folder: TileFolder, store: Store) -> None:
        self._folder = folder
        self._store = store
        self._size: int | None = None

    def update(self) -> None:
        """Copy what is published and not in the store yet.

        Raises Foreign when the store has another log's checkpoint or a larger one, and whatever the store raises.
        """
        note = self._folder.read_note()
        if note is None:
            return
        checkpoint = read_text(parse(note).text)
        if self._size is None:
            self._size = self._stored(checkpoint.origin, checkpoint.size)
        for tile in _grown(self._size, checkpoint.size):
            content = self._folder.read(tile)
            if content is None:
                return  # it became full while this was under way: the next update finds the newer checkpoint
            self._store.write(tile.path, content, immutable=True)
        vkey = self._folder.read_note(VKEY)
        if vkey is not None:
            self._store.write(VKEY, vkey, immutable=False)
        self._store.write(CHECKPOINT, note, immutable=False)
        self._size = checkpoint.size

    def _stored(self, origin: str, size: int) -> int:
        """How much of the log the store has."""
        content = self._store.read(CHECKPOINT, MAX_NOTE_BYTES)
        if content is None:
            return 0
        stored = read_text(parse(content).text)
        if stored.origin != origin or stored.size > size:
            raise Foreign(
                f"The mirror holds {stored.size} entries of {stored.origin}; here {size} of {origin} are published: "
                "give the ledger a bucket of its own, or find out what was lost here."
            )
        return stored.size


def _grown(before: int, after: int) -> Iterator[Tile]:
    """The tiles and bundles that a tree of `after` leaves has and one of `before` has not, or has narrower."""
    level = 0
    while after >> TILE_HEIGHT * level and after > before:
        old, new = before >> TILE_HEIGHT * level, after >> TILE_HEIGHT * level
        if new > old:
            for index in range(old // TILE_WIDTH, -(-new // TILE_WIDTH)):
                tile = tile_at(level, index, after)
                yield tile
                if level == 0:
                    yield Tile(None, index, tile.width)
        level += 1
