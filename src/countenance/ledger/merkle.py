"""Merkle trees as RFC 9162 §2.1 defines them: hashes, compact ranges, and proofs that anyone can check.

A proof is a list of 32-byte hashes in the order of the RFC. Proofs are made from stored hashes of complete subtrees,
which a tree of tiles has on disk, and checked against nothing but two roots or a root and a leaf.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeAlias

from countenance.errors import CountenanceError

HASH_BYTES = 32
# Sizes are signed 64-bit numbers in other implementations, so no proof has more hashes than this.
MAX_SIZE = 2**63 - 1
MAX_PROOF = 63

_SIZE_BYTES = 8

# The root of a tree without leaves.
EMPTY_ROOT = hashlib.sha256(b"").digest()

# Gives the root of the complete subtree of 2**level leaves that begins at leaf index * 2**level.
ReadSubtree: TypeAlias = Callable[[int, int], bytes]


class InvalidProof(CountenanceError):
    """The proof does not show what it claims."""

    code = "InvalidProof"


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf, by its entry."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node, by its children's."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def complete_root(hashes: Sequence[bytes]) -> bytes:
    """The root of the complete subtree over 2**n (at least one) hashes of one level: of a full tile, say."""
    count = len(hashes)
    if count == 0 or count & (count - 1):
        raise ValueError(f"a complete subtree has a power of two of nodes, not {count}")
    row = list(hashes)
    while len(row) > 1:
        row = [node_hash(row[place], row[place + 1]) for place in range(0, len(row), 2)]
    return row[0]


class CompactRange:
    """All that must be kept of a tree to append to it: the roots of its complete subtrees, largest first."""

    def __init__(self) -> None:
        self._size = 0
        self._peaks: list[bytes] = []

    @property
    def size(self) -> int:
        """The number of leaves."""
        return self._size

    @property
    def peaks(self) -> tuple[bytes, ...]:
        """The roots of the complete subtrees, from the left: one for each bit that is set in the size."""
        return tuple(self._peaks)

    def append(self, leaf: bytes) -> None:
        """Adds the hash of a leaf at the right."""
        self.append_subtree(0, leaf)

    def append_subtree(self, level: int, root: bytes) -> None:
        """Adds a complete subtree of 2**level leaves at the right, where the size must be a multiple of that."""
        if self._size % (1 << level):
            raise ValueError(f"a subtree of {1 << level} leaves cannot begin at leaf {self._size}")
        carried = self._size >> level
        while carried & 1:
            root = node_hash(self._peaks.pop(), root)
            carried >>= 1
        self._peaks.append(root)
        self._size += 1 << level

    def root(self) -> bytes:
        """The root of the whole tree."""
        return _folded(self._peaks) if self._peaks else EMPTY_ROOT

    def copy(self) -> CompactRange:
        """Another one of the same leaves."""
        twin = CompactRange()
        twin._size, twin._peaks = self._size, list(self._peaks)
        return twin

    def to_bytes(self) -> bytes:
        """The size in 8 bytes, big-endian, and the peaks."""
        return self._size.to_bytes(_SIZE_BYTES, "big") + b"".join(self._peaks)

    @classmethod
    def from_bytes(cls, data: bytes) -> CompactRange:
        """The inverse of `to_bytes`. Raises ValueError for anything else."""
        size = int.from_bytes(data[:_SIZE_BYTES], "big")
        peaks = [data[start : start + HASH_BYTES] for start in range(_SIZE_BYTES, len(data), HASH_BYTES)]
        if len(data) != _SIZE_BYTES + HASH_BYTES * size.bit_count() or size > MAX_SIZE:
            raise ValueError("the bytes are no compact range")
        tree = cls()
        tree._size, tree._peaks = size, peaks
        return tree


def subtrees(start: int, stop: int) -> list[tuple[int, int]]:
    """The complete subtrees, as (level, index), that together are the leaves from `start` up to `stop`.

    They are largest first where `start` is a multiple of the largest one's size, as it is in every subtree of the RFC.
    """
    found = []
    while start < stop:
        level = (stop - start).bit_length() - 1
        if start:
            level = min(level, (start & -start).bit_length() - 1)
        found.append((level, start >> level))
        start += 1 << level
    return found


def subtree_root(start: int, stop: int, read: ReadSubtree) -> bytes:
    """The root of the tree over the leaves from `start` up to `stop`, a subtree of the RFC, from stored hashes."""
    if start == stop:
        return EMPTY_ROOT
    return _folded([read(level, index) for level, index in subtrees(start, stop)])


def inclusion_proof(index: int, size: int, read: ReadSubtree) -> list[bytes]:
    """That leaf `index` is in the tree of `size` leaves: PATH(index, D[0:size]), from the leaf up.

    Raises ValueError when the leaf is not in that tree.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    proof = []
    start, stop = 0, size
    while stop - start > 1:
        middle = start + _left_size(stop - start)
        if index < middle:
            proof.append(subtree_root(middle, stop, read))
            stop = middle
        else:
            proof.append(subtree_root(start, middle, read))
            start = middle
    return proof[::-1]


def consistency_proof(old: int, new: int, read: ReadSubtree) -> list[bytes]:
    """That the tree of `new` leaves begins with the tree of `old`: PROOF(old, D[0:new]).

    It is empty where there is nothing to show: from a tree of no leaves, and from a tree to itself. Raises ValueError
    when `old` is the larger one.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {old} leaves is no beginning of one of {new}")
    if old in (0, new):
        return []
    proof = []
    start, stop = 0, new
    while old != stop:
        middle = start + _left_size(stop - start)
        if old <= middle:
            proof.append(subtree_root(middle, stop, read))
            stop = middle
        else:
            proof.append(subtree_root(start, middle, read))
            start = middle
    if start:
        proof.append(subtree_root(start, stop, read))
    return proof[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Checks by RFC 9162 §2.1.3.2 that the leaf of this hash has this index in the tree of this size and root.

    Raises InvalidProof when the proof does not show it.
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise InvalidProof(f"A tree of {size} entries has no entry {index}.")
    if root_by_inclusion(leaf, index, size, proof) != root:
        raise InvalidProof(f"The proof does not show that this entry is entry {index} of the {size}.")


def root_by_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root that a tree has when the proof is right. Raises InvalidProof when it has not the right number of hashes.

    Takes 0 <= index < size.
    """
    node, last = index, size - 1
    computed = leaf
    for other in proof:
        if last == 0 or len(other) != HASH_BYTES:
            raise InvalidProof(f"The proof has other hashes than one for entry {index} of {size} has.")
        if node & 1 or node == last:
            computed = node_hash(other, computed)
            while node and not node & 1:
                node >>= 1
                last >>= 1
        else:
            computed = node_hash(computed, other)
        node >>= 1
        last >>= 1
    if last:
        raise InvalidProof(f"The proof has fewer hashes than one for entry {index} of {size} has.")
    return computed


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Checks by RFC 9162 §2.1.4.2 that the tree of `new` leaves begins with the tree of `old`.

    Every tree begins with the empty one. Raises InvalidProof when the proof does not show it.
    """
    if not 0 <= old <= new <= MAX_SIZE:
        raise InvalidProof(f"A tree of {old} entries is no beginning of one of {new}.")
    if old in (0, new):
        if proof or old_root != (EMPTY_ROOT if old == 0 else new_root) or (new == 0 and new_root != EMPTY_ROOT):
            raise InvalidProof(f"The tree of {new} entries does not begin with the tree of {old}.")
        return
    if any(len(part) != HASH_BYTES for part in proof) or not proof:
        raise InvalidProof(f"The proof has other hashes than one from {old} to {new} entries has.")
    # A complete old tree is itself the first part, and is left out.
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    node, last = old - 1, new - 1
    while node & 1:
        node >>= 1
        last >>= 1
    computed_old = computed_new = path[0]
    for other in path[1:]:
        if last == 0:
            raise InvalidProof(f"The proof has more hashes than one from {old} to {new} entries has.")
        if node & 1 or node == last:
            computed_old = node_hash(other, computed_old)
            computed_new = node_hash(other, computed_new)
            while node and not node & 1:
                node >>= 1
                last >>= 1
        else:
            computed_new = node_hash(computed_new, other)
        node >>= 1
        last >>= 1
    if last or computed_old != old_root or computed_new != new_root:
        raise InvalidProof(f"The tree of {new} entries does not begin with the tree of {old}.")


def _folded(roots: Sequence[bytes]) -> bytes:
    # Of complete subtrees, largest first, the smaller ones belong together first.
    *others, folded = roots
    for root in reversed(others):
        folded = node_hash(root, folded)
    return folded


def _left_size(size: int) -> int:
    # The largest power of two that is smaller than the size.
    return 1 << (size - 1).bit_length() - 1
