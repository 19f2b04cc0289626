"""The tree is the one of RFC 9162 §2.1: by its own recursive definitions, and by the vectors of the first logs."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countenance.ledger import merkle
from countenance.ledger.merkle import CompactRange, InvalidProof, leaf_hash, verify_consistency, verify_inclusion

# The leaves, roots and proofs that certificate-transparency's merkle tree tests have had since 2012.
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def mth(leaves: list[bytes]) -> bytes:
    """MTH, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = largest(len(leaves))
    return hashlib.sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH, word for word."""
    if len(leaves) == 1:
        return []
    k = largest(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: list[bytes], known: bool) -> list[bytes]:
    """SUBPROOF, word for word."""
    n = len(leaves)
    if m == n:
        return [] if known else [mth(leaves)]
    k = largest(n)
    if m <= k:
        return [*subproof(m, leaves[:k], known), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def largest(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def entries(size: int) -> list[bytes]:
    return [str(number).encode() for number in range(size)]


def reader(leaves: list[bytes]) -> merkle.ReadSubtree:
    def read(level: int, index: int) -> bytes:
        start, stop = index << level, (index + 1) << level
        assert stop <= len(leaves), "only complete subtrees are stored"
        return mth(leaves[start:stop])

    return read


def grown(leaves: list[bytes]) -> CompactRange:
    tree = CompactRange()
    for leaf in leaves:
        tree.append(leaf_hash(leaf))
    return tree


def test_roots_of_the_first_logs() -> None:
    for size, root in enumerate(ROOTS, start=1):
        assert grown(LEAVES[:size]).root().hex() == root


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert CompactRange().root().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_an_inclusion_proof_of_the_first_logs() -> None:
    """Entry 5 of 8, leaves counted from zero: certificate-transparency's path 6 of 8."""
    proof = [
        bytes.fromhex(part)
        for part in (
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        )
    ]
    assert merkle.inclusion_proof(5, 8, reader(LEAVES)) == proof
    verify_inclusion(leaf_hash(LEAVES[5]), 5, 8, proof, bytes.fromhex(ROOTS[7]))


def test_a_consistency_proof_of_the_first_logs() -> None:
    """From 6 entries to 8."""
    proof = [
        bytes.fromhex(part)
        for part in (
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        )
    ]
    assert merkle.consistency_proof(6, 8, reader(LEAVES)) == proof
    verify_consistency(6, 8, bytes.fromhex(ROOTS[5]), bytes.fromhex(ROOTS[7]), proof)


def test_every_tree_of_up_to_seventy_is_the_rfcs() -> None:
    """Roots and peaks, grown leaf by leaf, written and read again."""
    leaves = entries(70)
    tree = CompactRange()
    for size in range(71):
        assert tree.size == size
        assert tree.root() == mth(leaves[:size])
        again = CompactRange.from_bytes(tree.to_bytes())
        assert (again.size, again.peaks) == (tree.size, tree.peaks)
        if size < 70:
            tree.append(leaf_hash(leaves[size]))


def test_every_proof_of_up_to_forty_is_the_rfcs() -> None:
    leaves = entries(40)
    for new in range(1, 41):
        some, root = leaves[:new], mth(leaves[:new])
        for index in range(new):
            proof = merkle.inclusion_proof(index, new, reader(some))
            assert proof == path(index, some)
            verify_inclusion(leaf_hash(leaves[index]), index, new, proof, root)
        for old in range(1, new + 1):
            proof = merkle.consistency_proof(old, new, reader(some))
            assert proof == subproof(old, some, True)
            verify_consistency(old, new, mth(leaves[:old]), root, proof)


@given(st.integers(1, 600), st.data())
def test_proofs_of_larger_trees(new: int, data: st.DataObject) -> None:
    leaves = entries(new)
    index = data.draw(st.integers(0, new - 1))
    old = data.draw(st.integers(1, new))
    root = grown(leaves).root()
    assert merkle.inclusion_proof(index, new, reader(leaves)) == path(index, leaves)
    proof = merkle.consistency_proof(old, new, reader(leaves))
    assert proof == subproof(old, leaves, True)
    verify_consistency(old, new, grown(leaves[:old]).root(), root, proof)


@given(st.integers(1, 200), st.data())
def test_no_altered_inclusion_proof_passes(size: int, data: st.DataObject) -> None:
    """One hash flipped, dropped, added or cut; another leaf; another index; another size; another root."""
    leaves = entries(size)
    index = data.draw(st.integers(0, size - 1))
    root, leaf = mth(leaves), leaf_hash(leaves[index])
    proof = path(index, leaves)
    for wrong in altered(proof, data):
        with pytest.raises(InvalidProof):
            verify_inclusion(leaf, index, size, wrong, root)
    for other in {*range(max(0, index - 2), index + 3), size, -1} - {index}:
        with pytest.raises(InvalidProof):
            verify_inclusion(leaf, other, size, proof, root)
    with pytest.raises(InvalidProof):
        verify_inclusion(leaf_hash(b"other"), index, size, proof, root)
    with pytest.raises(InvalidProof):
        verify_inclusion(leaf, index, size, proof, mth([*leaves, b"one more"]))


@given(st.integers(2, 200), st.data())
def test_no_altered_consistency_proof_passes(new: int, data: st.DataObject) -> None:
    leaves = entries(new)
    old = data.draw(st.integers(1, new - 1))
    old_root, new_root = mth(leaves[:old]), mth(leaves)
    proof = subproof(old, leaves, True)
    for wrong in altered(proof, data):
        with pytest.raises(InvalidProof):
            verify_consistency(old, new, old_root, new_root, wrong)
    rewritten = [*leaves[: old - 1], b"rewritten", *leaves[old:]]
    with pytest.raises(InvalidProof):
        verify_consistency(old, new, old_root, mth(rewritten), subproof(old, rewritten, True))
    with pytest.raises(InvalidProof):
        verify_consistency(new, old, new_root, old_root, proof)


def altered(proof: list[bytes], data: st.DataObject) -> list[list[bytes]]:
    wrong = [[*proof, bytes(32)], [*proof, b""]]
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        bit = data.draw(st.integers(0, 255))
        flipped = (int.from_bytes(proof[place], "big") ^ (1 << bit)).to_bytes(32, "big")
        wrong += [
            [*proof[:place], flipped, *proof[place + 1 :]],
            [*proof[:place], *proof[place + 1 :]],
            [*proof[:place], proof[place][:31], *proof[place + 1 :]],
        ]
    return wrong


def test_every_tree_begins_with_the_empty_one_and_with_itself() -> None:
    root = mth(entries(5))
    verify_consistency(0, 5, merkle.EMPTY_ROOT, root, [])
    verify_consistency(5, 5, root, root, [])
    verify_consistency(0, 0, merkle.EMPTY_ROOT, merkle.EMPTY_ROOT, [])
    for old, new, old_root, new_root, proof in (
        (0, 5, root, root, []),
        (0, 5, merkle.EMPTY_ROOT, root, [root]),
        (5, 5, mth(entries(4)), root, []),
        (5, 5, root, root, [root]),
        (0, 0, root, root, []),
    ):
        with pytest.raises(InvalidProof):
            verify_consistency(old, new, old_root, new_root, proof)


def test_duplicating_the_last_leaf_changes_the_root() -> None:
    """In trees that pad with copies it does not (CVE-2012-2459)."""
    assert mth([b"a", b"b", b"c"]) != mth([b"a", b"b", b"c", b"c"])
    assert grown([b"a", b"b", b"c"]).root() != grown([b"a", b"b", b"c", b"c"]).root()


def test_an_inner_node_does_not_pass_as_a_leaf() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert leaf_hash(left + right) != merkle.node_hash(left, right)


@given(st.integers(0, 600))
def test_subtrees_are_complete_and_together_the_whole(size: int) -> None:
    parts = merkle.subtrees(0, size)
    assert [number for level, index in parts for number in range(index << level, (index + 1) << level)] == [
        *range(size)
    ]
    assert len(parts) == size.bit_count()


def test_whole_tiles_grow_a_tree_as_their_leaves_do() -> None:
    hashes = [leaf_hash(entry) for entry in entries(600)]
    tree = CompactRange()
    tree.append_subtree(8, merkle.complete_root(hashes[:256]))
    tree.append_subtree(8, merkle.complete_root(hashes[256:512]))
    for leaf in hashes[512:]:
        tree.append(leaf)
    assert tree.root() == mth(entries(600))
    with pytest.raises(ValueError, match="cannot begin at leaf 600"):
        tree.append_subtree(8, bytes(32))
    with pytest.raises(ValueError, match="power of two"):
        merkle.complete_root(hashes[:255])


def test_a_copy_grows_by_itself() -> None:
    tree = grown(entries(3))
    twin = tree.copy()
    twin.append(leaf_hash(b"3"))
    assert (tree.root(), twin.root()) == (mth(entries(3)), mth(entries(4)))


@given(st.binary(max_size=200))
def test_other_bytes_are_no_compact_range(data: bytes) -> None:
    try:
        tree = CompactRange.from_bytes(data)
    except ValueError:
        return
    assert tree.to_bytes() == data


def test_what_is_not_in_a_tree_has_no_proof() -> None:
    for index, size in ((5, 5), (-1, 5), (0, 0)):
        with pytest.raises(ValueError, match="has no leaf"):
            merkle.inclusion_proof(index, size, reader(entries(5)))
    for old, new in ((6, 5), (-1, 5)):
        with pytest.raises(ValueError, match="no beginning"):
            merkle.consistency_proof(old, new, reader(entries(5)))
    assert merkle.consistency_proof(0, 5, reader(entries(5))) == []
