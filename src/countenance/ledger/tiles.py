"""The published tree as files that any web server can serve and any cache can keep (c2sp.org/tlog-tiles).

A tile is 256 hashes of one level, a bundle is the 256 entries below a tile of level 0. Both have one name and one
content for ever, except at the right edge of the tree, where a partial one names how many it has. What moves is the
`checkpoint` alone, and it is moved when everything below it is safely on the disk.
Trust: an attacker who can modify this folder can at most stop the server (it compares what it extends with its
database, every second, and everything else by and by) and mislead readers who do not verify; they cannot make an
altered entry pass a check against a signed checkpoint.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from countenance.errors import CountenanceError
from countenance.ledger import merkle
from countenance.ledger.notes import MAX_NOTE_BYTES

# The hashes of a tile: those of 2**8 subtrees side by side, of 2**(8 * level) leaves each.
TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
MAX_LEVEL = 63
MAX_INDEX = merkle.MAX_SIZE

# A bundle prefixes each entry with its length.
LENGTH_BYTES = 2
MAX_ENTRY_BYTES = (1 << 8 * LENGTH_BYTES) - 1
MAX_BUNDLE_BYTES = TILE_WIDTH * (LENGTH_BYTES + MAX_ENTRY_BYTES)

CHECKPOINT = "checkpoint"
# Held by whoever publishes. Its name begins with a dot, as drafts' names do: such files are not served.
_LOCK = ".lock"

# Everybody may read what is published, another web server's user too, whatever this process lets others see of its own.
_FILE_MODE, _FOLDER_MODE = 0o644, 0o755

_PATH = re.compile(r"tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


class Altered(CountenanceError):
    """A published file is not what it was."""

    code = "AlteredTile"


@dataclass(frozen=True, slots=True)
class Tile:
    """The name of a tile, or of a bundle of entries, which has no level. It is partial below a width of 256."""

    level: int | None
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if not (
            (self.level is None or 0 <= self.level <= MAX_LEVEL)
            and 0 <= self.index <= MAX_INDEX
            and 1 <= self.width <= TILE_WIDTH
        ):
            raise ValueError(f"there is no tile of level {self.level}, index {self.index} and width {self.width}")

    @property
    def path(self) -> str:
        """Where it is: `tile/<level>/<index>`, the index in groups of three digits, and `.p/<width>` if partial."""
        groups = [f"{self.index % 1000:03d}"]
        rest = self.index // 1000
        while rest:
            groups.insert(0, f"x{rest % 1000:03d}")
            rest //= 1000
        level = "entries" if self.level is None else self.level
        partial = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{level}/{'/'.join(groups)}{partial}"

    @property
    def whole(self) -> Tile:
        """The full tile that a partial one grows into."""
        return replace(self, width=TILE_WIDTH)

    @property
    def max_bytes(self) -> int:
        """What its file may have at most. A tile has exactly that, a bundle less."""
        return self.width * (merkle.HASH_BYTES if self.level is not None else LENGTH_BYTES + MAX_ENTRY_BYTES)

    @classmethod
    def parse(cls, path: str) -> Tile | None:
        """The tile of this path; None for anything that is not exactly the path of one."""
        match = _PATH.fullmatch(path)
        if match is None:
            return None
        level, groups, width = match.groups()
        index = int(groups.replace("x", "").replace("/", ""))
        if index > MAX_INDEX or (width and int(width) >= TILE_WIDTH):
            return None
        tile = cls(None if level == "entries" else int(level), index, int(width or TILE_WIDTH))
        # The same index with more zeros in front would be another path of the same tile.
        return tile if tile.path == path else None


def tile_at(level: int, index: int, size: int) -> Tile:
    """The tile of this level and index in a tree of `size` leaves, which has it: full, or as wide as the tree goes."""
    return Tile(level, index, min(TILE_WIDTH, (size >> TILE_HEIGHT * level) - index * TILE_WIDTH))


def right_edge(size: int) -> list[Tile]:
    """The partial tiles of a tree of `size` leaves, from the leaves up; one at most of each level."""
    edge = []
    level = 0
    while hashes := size >> TILE_HEIGHT * level:
        if width := hashes % TILE_WIDTH:
            edge.append(Tile(level, hashes // TILE_WIDTH, width))
        level += 1
    return edge


def hashes_of(tile: Tile, content: bytes) -> list[bytes]:
    """The hashes of a tile's file. Raises ValueError when it has another length than that many have."""
    if len(content) != tile.width * merkle.HASH_BYTES:
        raise ValueError(f"{tile.path} has {len(content)} bytes instead of {tile.width * merkle.HASH_BYTES}")
    return [content[start : start + merkle.HASH_BYTES] for start in range(0, len(content), merkle.HASH_BYTES)]


def subtree_reader(read: Callable[[Tile], bytes], size: int) -> merkle.ReadSubtree:
    """Reads hashes of complete subtrees, as proofs are made of, from the tiles of a tree of `size` leaves.

    `read` gives the content of a tile, and is asked once for each. The reader raises ValueError for a tile of a wrong
    length, and for a subtree that the tree has not.
    """
    kept: dict[Tile, list[bytes]] = {}

    def subtree(level: int, index: int) -> bytes:
        below = level % TILE_HEIGHT
        first = index << below
        tile = tile_at(level // TILE_HEIGHT, first // TILE_WIDTH, size)
        if tile not in kept:
            kept[tile] = hashes_of(tile, read(tile))
        start = first % TILE_WIDTH
        if start + (1 << below) > tile.width:
            raise ValueError(f"a tree of {size} leaves has no complete subtree {index} of level {level}")
        return merkle.complete_root(kept[tile][start : start + (1 << below)])

    return subtree


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """The content of a bundle: each entry behind its length. Raises OverflowError for one over 65,535 bytes."""
    return b"".join(len(entry).to_bytes(LENGTH_BYTES, "big") + entry for entry in entries)


def decode_bundle(content: bytes, width: int) -> list[bytes]:
    """The entries of a bundle's file, `width` of them. Raises ValueError for anything else."""
    entries: list[bytes] = []
    start = 0
    while start < len(content) and len(entries) < width:
        end = start + LENGTH_BYTES + int.from_bytes(content[start : start + LENGTH_BYTES], "big")
        if start + LENGTH_BYTES > len(content) or end > len(content):
            break
        entries.append(content[start + LENGTH_BYTES : end])
        start = end
    if start != len(content) or len(entries) != width:
        raise ValueError(f"the bundle does not hold exactly {width} entries")
    return entries


class TileFolder:
    """The folder that is served. What it says is written is on the disk. Safe to share between threads.

    Whoever writes holds `exclusive`; readers need nothing.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keeps other threads and processes of this machine from writing; whoever is killed lets go."""
        if not self.path.is_dir():
            self.path.mkdir(parents=True, exist_ok=True)
            self.path.chmod(_FOLDER_MODE)
        descriptor = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def read(self, tile: Tile) -> bytes | None:
        """The content of the tile's or bundle's file; None when there is none. More than it may have is not read."""
        return _read(self.path / tile.path, tile.max_bytes + 1)

    def write(self, files: Sequence[tuple[Tile, bytes]]) -> None:
        """Writes new files, all of which are on the disk afterwards. One that is there already must be the same.

        Raises Altered where it is another one.
        """
        new = [(self.path / tile.path, content) for tile, content in files if not self._has(tile, content)]
        touched: set[Path] = set()
        for path, content in new:
            touched |= _make_parents(path)
            _write_draft(path, content)
        for path, _ in new:
            # Unlike a rename, a link never replaces a file that came meanwhile.
            os.link(_draft(path), path)
            _draft(path).unlink()
        for folder in touched:
            _sync_folder(folder)

    def remove_partials(self, tile: Tile) -> None:
        """Removes what is left of the time when this full tile was partial."""
        shutil.rmtree(self.path / f"{tile.whole.path}.p", ignore_errors=True)

    def read_note(self, name: str = CHECKPOINT) -> bytes | None:
        """The published checkpoint, or another small file beside it, unverified; None when there is none."""
        return _read(self.path / name, MAX_NOTE_BYTES + 1)

    def replace_note(self, content: bytes, name: str = CHECKPOINT) -> None:
        """Puts another checkpoint, or another such file, in place of the published one, at once for every reader."""
        path = self.path / name
        _write_draft(path, content)
        _draft(path).replace(path)
        _sync_folder(self.path)

    def _has(self, tile: Tile, content: bytes) -> bool:
        found = self.read(tile)
        if found is not None and found != content:
            raise Altered(f"{tile.path} is published already, with another content.")
        if found is not None:
            # Whoever wrote it may have been killed before this was tidied up.
            _draft(self.path / tile.path).unlink(missing_ok=True)
        return found is not None


def _read(path: Path, limit: int) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(limit)
    except FileNotFoundError:
        return None


def _draft(path: Path) -> Path:
    # Always the same one, so that what a killed process left is overwritten: writers exclude each other.
    return path.with_name(f".{path.name}.draft")


def _write_draft(path: Path, content: bytes) -> None:
    with _draft(path).open("wb") as file:
        file.write(content)
        file.flush()
        os.fchmod(file.fileno(), _FILE_MODE)
        os.fsync(file.fileno())


def _make_parents(path: Path) -> set[Path]:
    """Makes the folders that are missing; gives those whose lists of files are about to be other ones."""
    touched = {path.parent}
    missing: list[Path] = []
    folder = path.parent
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
        touched.add(folder)
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        folder.chmod(_FOLDER_MODE)
    return touched


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
