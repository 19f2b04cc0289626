"""Verifying a whole log, from a folder or over the network, without trusting who publishes it.

One pass, bundle by bundle, in constant memory: the tree is built anew from the entries, every published tile is
compared with it, and its root with the signed checkpoint. Where something differs, the signed root tells which of the
two, the entry or the tile, is not what it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from countenance.errors import CountenanceError
from countenance.ledger.checkpoints import Checkpoint, read_text, verified
from countenance.ledger.coherence import Coherence, Incoherent
from countenance.ledger.entries import AnyEntry
from countenance.ledger.merkle import CompactRange, complete_root, leaf_hash, subtree_root
from countenance.ledger.notes import InvalidNote, Verifier, parse
from countenance.ledger.published import Damaged, Missing, PublishedLog
from countenance.ledger.tiles import TILE_HEIGHT, TILE_WIDTH, Tile, right_edge, tile_at

# Told after each bundle: how many entries are verified, of how many.
Progress = Callable[[int, int], None]
# Told each entry with its index, in order. What it is told counts once the whole log is verified, and not before.
Taken = Callable[[int, AnyEntry], None]


class Unverified(CountenanceError):
    """The log is not what its checkpoint says. `index` is the first entry that is bad, `file` the file that is."""

    code = "UnverifiedLog"

    def __init__(self, message: str, *, index: int | None = None, file: str | None = None) -> None:
        super().__init__(message)
        self.index = index
        self.file = file


@dataclass(frozen=True, slots=True)
class Report:
    """What a log was found to be. Times are RFC 3339 in UTC; `dangling` are (use, index, time) of intents.

    `vkey` is the key that signed the checkpoint, `handovers` how often the key changed, `kinds` how many entries there
    are of each kind, `cosigned` when each of the given witnesses cosigned (POSIX seconds).
    """

    checkpoint: Checkpoint
    vkey: str
    handovers: int
    kinds: Mapping[str, int]
    first_at: str | None
    last_at: str | None
    dangling: Sequence[tuple[str, int, str]]
    cosigned: Mapping[str, int]


def verify(
    log: PublishedLog,
    trusted: Sequence[Verifier],
    witnesses: Sequence[Verifier] = (),
    *,
    progress: Progress = lambda _done, _size: None,
    taken: Taken = lambda _index, _entry: None,
) -> Report:
    """Verifies everything a log publishes, up to its newest checkpoint, by the keys that somebody trusts.

    Every one of the witnesses given must have cosigned the checkpoint. Raises Unverified, which names the first bad
    entry and the file where they can be told; InvalidNote and InvalidCheckpoint for a checkpoint that is malformed or
    not signed as it must be; and what reading the log raises: Missing, Unreachable, OSError.
    """
    note = parse(log.checkpoint())
    checkpoint = read_text(note.text)
    if not any(verifier.name == checkpoint.origin for verifier in trusted):
        raise InvalidNote(f"The checkpoint is of the log {checkpoint.origin}, which none of the given keys is of.")
    if any(verifier.knows(signature) for verifier in trusted for signature in note.signatures):
        verified(note, trusted, witnesses)
    # Otherwise a trusted key may have handed over to the one that signed, as only the entries can tell.
    coherence = Coherence(trusted)
    _Pass(log, checkpoint, coherence, progress, taken).run()
    signed = verified(note, coherence.succession.in_force(), witnesses)
    cosigned = {signature.name: signature.time for signature in signed.cosignatures}
    for witness in witnesses:
        if witness.name not in cosigned:
            raise InvalidNote(f"The checkpoint is not cosigned by the witness {witness.name}.")
    return Report(
        checkpoint=checkpoint,
        vkey=signed.vkey,
        handovers=coherence.succession.handovers,
        kinds=dict(coherence.kinds),
        first_at=coherence.first_at,
        last_at=coherence.last_at,
        dangling=coherence.dangling,
        cosigned=cosigned,
    )


class _Pass:
    """The tree as the entries make it, beside the tiles as they are published."""

    def __init__(
        self, log: PublishedLog, checkpoint: Checkpoint, coherence: Coherence, progress: Progress, taken: Taken
    ) -> None:
        self._log = log
        self._checkpoint = checkpoint
        self._size = checkpoint.size
        self._coherence = coherence
        self._progress = progress
        self._taken = taken
        self._tree = CompactRange()
        # By level, from 1 up: the hashes of the tile that is not full yet.
        self._open: list[list[bytes]] = []

    def run(self) -> None:
        for bundle in _bundles(self._size):
            self._take(bundle)
            self._progress(self._tree.size, self._size)
        for tile in right_edge(self._size):
            if tile.level:
                self._compare(tile, self._open[tile.level - 1])
        if self._tree.root() != self._checkpoint.root:
            raise Unverified(
                f"The entries and tiles of {self._checkpoint.origin} fit one another, but not the root that it signed: "
                "they are those of another log."
            )

    def _take(self, bundle: Tile) -> None:
        first = bundle.index * TILE_WIDTH
        tile = tile_at(0, bundle.index, self._size)
        try:
            leaves, damage = self._log.entries(bundle), None
        except Damaged as error:
            leaves, damage = self._log.readable_entries(bundle), error
        except Missing as error:
            raise _bad(first, error.message, bundle) from error
        published = self._hashes(tile)
        hashes = []
        for place, leaf in enumerate(leaves):
            hashes.append(leaf_hash(leaf))
            if hashes[place] != published[place]:
                self._blame(tile, place, damage)
            try:
                self._taken(first + place, self._coherence.take(leaf))
            except Incoherent as error:
                raise _bad(first + place, f"{error.message}.", bundle) from error
        if damage:
            raise _bad(first + len(leaves), damage.message, bundle) from damage
        self._grow(hashes)

    def _grow(self, hashes: list[bytes]) -> None:
        if len(hashes) < TILE_WIDTH:
            for one in hashes:
                self._tree.append(one)
            return
        level, root = 1, complete_root(hashes)
        self._tree.append_subtree(TILE_HEIGHT, root)
        while True:
            if len(self._open) < level:
                self._open.append([])
            row = self._open[level - 1]
            row.append(root)
            if len(row) < TILE_WIDTH:
                return
            self._compare(Tile(level, (self._tree.size >> TILE_HEIGHT * (level + 1)) - 1), row)
            root = complete_root(row)
            row.clear()
            level += 1

    def _compare(self, tile: Tile, computed: Sequence[bytes]) -> None:
        for place, published in enumerate(self._hashes(tile)):
            if published != computed[place]:
                self._blame(tile, place)

    def _hashes(self, tile: Tile) -> list[bytes]:
        first = _first_entry(tile, 0)
        try:
            return self._log.hashes(tile)
        except Missing as error:
            raise _bad(first, error.message, tile) from error
        except Damaged as error:
            raise _bad(first if error.index is None else error.index, error.message, tile) from error

    def _blame(self, tile: Tile, place: int, damage: Damaged | None = None) -> NoReturn:
        # The hash in the tile is not the one the entries make: one of the two is what was signed, or neither.
        index = _first_entry(tile, place)
        bundle = Tile(None, index // TILE_WIDTH, tile_at(0, index // TILE_WIDTH, self._size).width)
        if self._is_vouched(tile):
            if damage:
                raise _bad(index, damage.message, bundle)
            last = _first_entry(tile, place + 1) - 1
            which = "it" if last == index else f"it or one of the entries up to {last}"
            raise _bad(index, f"{which} was altered after it was logged, in {bundle.path}.", bundle)
        if self._rebuilt_root() == self._checkpoint.root:
            raise _bad(index, f"the entries are what was logged, but the tile {tile.path} was altered.", tile)
        raise _bad(index, f"neither it nor the tile {tile.path} is what was logged.", bundle)

    def _is_vouched(self, tile: Tile) -> bool:
        """Whether the hashes of a tile, as it is published, lead to the signed root by way of the tiles above."""
        try:
            if tile.width < TILE_WIDTH:
                root = subtree_root(0, self._size, self._log.subtrees(self._size))
                return root == self._checkpoint.root
            assert tile.level is not None
            above = tile_at(tile.level + 1, tile.index // TILE_WIDTH, self._size)
            expected = self._log.hashes(above)[tile.index % TILE_WIDTH]
            return complete_root(self._log.hashes(tile)) == expected and self._is_vouched(above)
        except (Missing, Damaged):
            return False

    def _rebuilt_root(self) -> bytes | None:
        """The root that the entries make; None where they are not all there."""
        tree = CompactRange()
        try:
            for bundle in _bundles(self._size):
                for leaf in self._log.entries(bundle):
                    tree.append(leaf_hash(leaf))
        except (Missing, Damaged):
            return None
        return tree.root()


def _bundles(size: int) -> Iterator[Tile]:
    for index in range(-(-size // TILE_WIDTH)):
        yield Tile(None, index, min(TILE_WIDTH, size - index * TILE_WIDTH))


def _first_entry(tile: Tile, place: int) -> int:
    return (tile.index * TILE_WIDTH + place) << TILE_HEIGHT * (tile.level or 0)


def _bad(index: int, reason: str, file: Tile) -> Unverified:
    return Unverified(f"The first bad entry is {index}: {reason[0].lower()}{reason[1:]}", index=index, file=file.path)
