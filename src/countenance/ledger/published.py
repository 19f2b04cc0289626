"""A log as others see it: a folder or a web server with a checkpoint, tiles and bundles (c2sp.org/tlog-tiles).

Nothing that is read here is trusted: what a file says is checked against a signed checkpoint by whoever reads it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, Self

from countenance.errors import CountenanceError
from countenance.ledger.fetching import Server, Unreachable
from countenance.ledger.merkle import HASH_BYTES, ReadSubtree
from countenance.ledger.notes import MAX_KEY_CHARACTERS, MAX_NOTE_BYTES
from countenance.ledger.tiles import (
    CHECKPOINT,
    LENGTH_BYTES,
    TILE_HEIGHT,
    TILE_WIDTH,
    Tile,
    decode_bundle,
    hashes_of,
    subtree_reader,
)

# Beside the checkpoint: the verifier key that the publisher claims.
VKEY = "log.vkey"

_OK, _NOT_FOUND, _GONE = 200, 404, 410


class Missing(CountenanceError):
    """The log does not have this file."""

    code = "MissingFile"


class Damaged(CountenanceError):
    """A file of the log is not what it must be. `index` is the first entry that it spoils, where one can be told."""

    code = "DamagedFile"

    def __init__(self, message: str, *, file: str, index: int | None = None) -> None:
        super().__init__(message)
        self.file = file
        self.index = index


class Source(Protocol):
    """Where files of a log are. `name` is what people call it."""

    name: str

    def read(self, path: str, limit: int) -> bytes:
        """The file's content. Raises Missing when there is none, Damaged when it has more than `limit` bytes."""

    def close(self) -> None:
        """Lets go of it; it may be read again."""


class Folder:
    """A log in a folder."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path

    def read(self, path: str, limit: int) -> bytes:
        """The file's content."""
        try:
            with (self._path / path).open("rb") as file:
                content = file.read(limit + 1)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise Missing(f"{self.name} has no {path}.") from error
        if len(content) > limit:
            raise Damaged(f"{path} is longer than it may be.", file=path)
        return content

    def close(self) -> None:
        """Nothing is held."""


class Website:
    """A log on a web server."""

    def __init__(self, url: str) -> None:
        self._server = Server(url)
        self.name = self._server.url

    def read(self, path: str, limit: int) -> bytes:
        """The file's content. Raises Unreachable when the server does not hand it over."""
        answer = self._server.get(path, limit)
        if answer.status in (_NOT_FOUND, _GONE):
            raise Missing(f"{self.name} has no {path}.")
        if answer.status != _OK:
            raise Unreachable(f"{self.name} answers {answer.status} when asked for {path}.")
        return answer.content

    def close(self) -> None:
        """Ends the connection."""
        self._server.close()


class PublishedLog:
    """The files of a log, read one by one. For one thread. A context that ends its connection."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.source.close()

    @classmethod
    def at(cls, place: str) -> PublishedLog:
        """The log at a URL of http or https, or in a folder. Raises Missing when there is no such folder."""
        if "://" in place:
            return cls(Website(place))
        if not Path(place).is_dir():
            raise Missing(f"{place} is no folder.")
        return cls(Folder(Path(place)))

    @property
    def name(self) -> str:
        """The URL or the folder."""
        return self.source.name

    def checkpoint(self) -> bytes:
        """The newest checkpoint's note."""
        return self.source.read(CHECKPOINT, MAX_NOTE_BYTES)

    def vkey(self) -> str:
        """The verifier key that the publisher claims for the log."""
        return self.source.read(VKEY, MAX_KEY_CHARACTERS).decode("utf-8", "replace").strip()

    def hashes(self, tile: Tile) -> list[bytes]:
        """The hashes of a tile. Raises Damaged when it has not as many as it must, and Missing."""
        content, found = self._read(tile)
        try:
            return hashes_of(found, content)[: tile.width]
        except ValueError as error:
            whole = min(len(content) // HASH_BYTES, tile.width)
            raise Damaged(
                f"{found.path} has {len(content):,} bytes instead of {found.width * HASH_BYTES:,}.",
                file=found.path,
                index=_first_entry(tile, whole),
            ) from error

    def entries(self, bundle: Tile) -> list[bytes]:
        """The entries of a bundle. Raises Damaged when it does not hold exactly as many as it must, and Missing."""
        content, found = self._read(bundle)
        try:
            return decode_bundle(content, found.width)[: bundle.width]
        except ValueError as error:
            raise Damaged(
                f"{found.path} does not hold exactly the {found.width} entries it must.", file=found.path
            ) from error

    def readable_entries(self, bundle: Tile) -> list[bytes]:
        """The entries of a damaged bundle that can be told apart, from its first."""
        content, _ = self._read(bundle)
        entries: list[bytes] = []
        start = 0
        while start + LENGTH_BYTES <= len(content) and len(entries) < bundle.width:
            begin = start + LENGTH_BYTES
            start = begin + int.from_bytes(content[start:begin], "big")
            if start > len(content):
                break
            entries.append(content[begin:start])
        return entries

    def subtrees(self, size: int) -> ReadSubtree:
        """Reads what proofs in the tree of `size` entries are made of."""

        def content(tile: Tile) -> bytes:
            return b"".join(self.hashes(tile))

        return subtree_reader(content, size)

    def _read(self, tile: Tile) -> tuple[bytes, Tile]:
        # A log may drop a partial tile when the full one is there, which begins with the same.
        try:
            return self.source.read(tile.path, tile.max_bytes), tile
        except Missing:
            if tile.width == TILE_WIDTH:
                raise
        try:
            return self.source.read(tile.whole.path, tile.whole.max_bytes), tile.whole
        except Missing:
            raise Missing(f"{self.name} has no {tile.path}.") from None


def _first_entry(tile: Tile, place: int) -> int:
    return (tile.index * TILE_WIDTH + place) << TILE_HEIGHT * (tile.level or 0)
