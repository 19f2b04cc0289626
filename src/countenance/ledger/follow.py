"""Following a log: every checkpoint must begin with the tree of the one before it, and every entry be in its tree.

What is told has been verified: the signature, consistency from checkpoint to checkpoint by the log's own tiles, and
the entries by the root they make.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from countenance.ledger import entries
from countenance.ledger.checkpoints import Checkpoint, read_text, verified
from countenance.ledger.consistency import check_growth
from countenance.ledger.entries import KeyChange
from countenance.ledger.merkle import CompactRange, InvalidProof, leaf_hash, subtrees
from countenance.ledger.notes import Verifier, parse
from countenance.ledger.published import PublishedLog
from countenance.ledger.rotation import Succession
from countenance.ledger.tiles import TILE_WIDTH, Tile


class Follower:
    """Follows one log from its newest checkpoint on. For one thread."""

    def __init__(self, log: PublishedLog, trusted: Sequence[Verifier]) -> None:
        """Takes the checkpoint there is for granted, once it is signed by a trusted key.

        Raises InvalidNote and InvalidCheckpoint when it is not, InvalidProof when the tiles do not lead to its root,
        and what reading the log raises.
        """
        self._log = log
        self._last = verified(log.checkpoint(), trusted)
        # From here on, the key that signed is the only one trusted.
        self._succession = Succession([Verifier.from_vkey(self._last.vkey)])
        self._tree = _tree_of(log, self._last.checkpoint)

    @property
    def checkpoint(self) -> Checkpoint:
        """The last one."""
        return self._last.checkpoint

    def news(self) -> Iterator[tuple[int, bytes]]:
        """The entries that came since, with their index; none of them before all are verified.

        Raises Fork, Stale, InvalidNote, InvalidCheckpoint, InvalidProof, and what reading the log raises. Stale,
        Missing, Damaged and Unreachable may pass.
        """
        note = parse(self._log.checkpoint())
        checkpoint = read_text(note.text)
        keys = self._succession.in_force()
        if any(key.knows(signature) for key in keys for signature in note.signatures):
            verified(note, keys)
        hashes, tree, succession = self._grown(checkpoint)
        signed = verified(note, succession.in_force())
        check_growth(self._log, self._last.note, note)
        if tree.root() != checkpoint.root:
            raise InvalidProof(f"The entries that {self._log.name} shows are not those of its checkpoint.")
        first = self._tree.size
        self._last, self._tree, self._succession = signed, tree, succession
        for index, leaf in enumerate(_entries(self._log, first, checkpoint.size), start=first):
            if leaf_hash(leaf) != hashes[index - first]:
                raise InvalidProof(f"{self._log.name} shows another entry {index} than a moment ago.")
            yield index, leaf

    def _grown(self, checkpoint: Checkpoint) -> tuple[list[bytes], CompactRange, Succession]:
        succession, tree = self._succession.copy(), self._tree.copy()
        hashes = []
        for leaf in _entries(self._log, tree.size, checkpoint.size):
            hashes.append(leaf_hash(leaf))
            tree.append(hashes[-1])
            # A new key signs the checkpoint that covers the entry in which it is named.
            if b'"key_change"' in leaf and (change := _key_change(leaf)):
                succession.follow(change)
        return hashes, tree, succession


def _key_change(leaf: bytes) -> KeyChange | None:
    try:
        entry = entries.read(leaf)
    except entries.Impossible:
        return None
    return entry if isinstance(entry, KeyChange) else None


def _tree_of(log: PublishedLog, checkpoint: Checkpoint) -> CompactRange:
    read = log.subtrees(checkpoint.size)
    tree = CompactRange()
    for level, index in subtrees(0, checkpoint.size):
        tree.append_subtree(level, read(level, index))
    if tree.root() != checkpoint.root:
        raise InvalidProof(f"The tiles of {log.name} do not lead to the root that it signed.")
    return tree


def _entries(log: PublishedLog, start: int, stop: int) -> Iterator[bytes]:
    while start < stop:
        index = start // TILE_WIDTH
        first = index * TILE_WIDTH
        width = min(TILE_WIDTH, stop - first)
        yield from log.entries(Tile(None, index, width))[start - first :]
        start = first + width
