"""Names, contents and files of tiles and bundles."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countenance.ledger import merkle, tiles
from countenance.ledger.tiles import Altered, Tile, TileFolder

A_TILE = st.builds(
    Tile,
    st.none() | st.integers(0, tiles.MAX_LEVEL),
    st.integers(0, 2_000_000) | st.integers(0, tiles.MAX_INDEX),
    st.integers(1, tiles.TILE_WIDTH),
)


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        # The first is the specification's own example.
        (Tile(0, 1_234_067), "tile/0/x001/x234/067"),
        (Tile(0, 0), "tile/0/000"),
        (Tile(1, 999), "tile/1/999"),
        (Tile(2, 1_000), "tile/2/x001/000"),
        (Tile(0, 273, 112), "tile/0/273.p/112"),
        (Tile(63, 0, 1), "tile/63/000.p/1"),
        (Tile(None, 0, 255), "tile/entries/000.p/255"),
        (Tile(None, 1_234_067), "tile/entries/x001/x234/067"),
    ],
)
def test_a_tile_lies_where_the_specification_says(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert Tile.parse(path) == tile


@given(A_TILE)
def test_every_path_leads_back_to_its_tile(tile: Tile) -> None:
    assert Tile.parse(tile.path) == tile
    assert tile.whole.path == tile.path.partition(".p/")[0]


@given(A_TILE, A_TILE)
def test_no_two_tiles_share_a_path(one: Tile, other: Tile) -> None:
    assert (one.path == other.path) == (one == other)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "checkpoint",
        "tile/0",
        "tile/0/0",
        "tile/0/0001",
        "tile/00/001",
        "tile/64/000",
        "tile/-1/000",
        "tile/data/000",
        "tile/8/0/000",  # Go's own layout names the height
        "tile/0/x000/001",
        "tile/0/000/001",
        "tile/0/x001",
        "tile/0/001.p/0",
        "tile/0/001.p/256",
        "tile/0/001.p/07",
        "tile/0/001.p",
        "tile/0/001/",
        "/tile/0/001",
        "tile/0/001\n",
        "tile/0/../0/001",
        "tile/0/\u0660\u0660\u0661",
        "tile/0/" + "x999/" * 7 + "999",
    ],
)
def test_what_is_not_exactly_a_path_of_a_tile_is_none(path: str) -> None:
    assert Tile.parse(path) is None


@given(st.text("tilesnr/x0123456789.p", max_size=40))
def test_whatever_is_parsed_has_that_path(path: str) -> None:
    tile = Tile.parse(path)
    assert tile is None or tile.path == path


def test_the_right_edge_is_the_specifications_example() -> None:
    assert tiles.right_edge(70_000) == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]


@given(st.integers(0, 2**40))
def test_full_tiles_and_the_right_edge_have_every_leaf_once(size: int) -> None:
    widths = {edge.level: edge.width for edge in tiles.right_edge(size)}
    assert sum(width << (tiles.TILE_HEIGHT * (level or 0)) for level, width in widths.items()) == size
    for edge in tiles.right_edge(size):
        assert tiles.tile_at(edge.level or 0, edge.index, size) == edge


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=tiles.TILE_WIDTH))
def test_a_bundle_gives_back_its_entries(entries: list[bytes]) -> None:
    content = tiles.encode_bundle(entries)
    assert tiles.decode_bundle(content, len(entries)) == entries
    for other in (len(entries) - 1, len(entries) + 1):
        with pytest.raises(ValueError, match="exactly"):
            tiles.decode_bundle(content, other)


@given(st.binary(max_size=200), st.integers(1, tiles.TILE_WIDTH))
def test_bytes_are_a_bundle_or_refused(content: bytes, width: int) -> None:
    try:
        entries = tiles.decode_bundle(content, width)
    except ValueError:
        return
    assert tiles.encode_bundle(entries) == content


def test_an_entry_of_the_largest_size_fits_and_a_larger_one_does_not() -> None:
    largest = bytes(tiles.MAX_ENTRY_BYTES)
    assert tiles.decode_bundle(tiles.encode_bundle([largest, b""]), 2) == [largest, b""]
    with pytest.raises(OverflowError):
        tiles.encode_bundle([largest + b"x"])


@given(st.data(), st.integers(1, 1_500))
def test_proofs_are_made_from_tiles(data: st.DataObject, size: int) -> None:
    leaves = [merkle.leaf_hash(str(index).encode()) for index in range(size)]
    tree = merkle.CompactRange()
    for leaf in leaves:
        tree.append(leaf)
    rows = [leaves]
    while len(rows[-1]) >= tiles.TILE_WIDTH:
        whole = len(rows[-1]) // tiles.TILE_WIDTH * tiles.TILE_WIDTH
        starts = range(0, whole, tiles.TILE_WIDTH)
        rows.append([merkle.complete_root(rows[-1][start : start + tiles.TILE_WIDTH]) for start in starts])
    asked: list[Tile] = []

    def read(tile: Tile) -> bytes:
        asked.append(tile)
        start = tile.index * tiles.TILE_WIDTH
        return b"".join(rows[tile.level or 0][start : start + tile.width])

    index = data.draw(st.integers(0, size - 1))
    reader = tiles.subtree_reader(read, size)
    proof = merkle.inclusion_proof(index, size, reader)
    merkle.verify_inclusion(leaves[index], index, size, proof, tree.root())
    assert len(asked) == len(set(asked))
    old = data.draw(st.integers(1, size))
    beginning = merkle.CompactRange()
    for leaf in leaves[:old]:
        beginning.append(leaf)
    shown = merkle.consistency_proof(old, size, reader)
    merkle.verify_consistency(old, size, beginning.root(), tree.root(), shown)


def test_a_tile_that_was_cut_gives_no_proof() -> None:
    reader = tiles.subtree_reader(lambda tile: bytes(32 * tile.width - 1), 7)
    with pytest.raises(ValueError, match=r"tile/0/000\.p/7 has 223 bytes instead of 224"):
        merkle.inclusion_proof(3, 7, reader)


class TestFolder:
    """Files that are written once."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> TileFolder:
        return TileFolder(tmp_path / "ledger")

    def test_what_was_written_is_read(self, folder: TileFolder) -> None:
        files = [(Tile(0, 1_234_067), b"a tile"), (Tile(None, 0, 3), b"a bundle")]
        with folder.exclusive():
            folder.write(files)
        assert [folder.read(tile) for tile, _ in files] == [b"a tile", b"a bundle"]
        assert folder.read(Tile(0, 1)) is None

    def test_writing_the_same_again_changes_nothing_and_something_else_is_refused(self, folder: TileFolder) -> None:
        tile = Tile(0, 0, 3)
        with folder.exclusive():
            folder.write([(tile, b"one")])
            before = (folder.path / tile.path).stat()
            folder.write([(tile, b"one")])
            with pytest.raises(Altered, match=r"tile/0/000\.p/3"):
                folder.write([(tile, b"two")])
        assert (folder.path / tile.path).stat() == before
        assert folder.read(tile) == b"one"

    def test_drafts_of_a_killed_process_are_in_nobodys_way(self, folder: TileFolder) -> None:
        tile = Tile(1, 0, 3)
        with folder.exclusive():
            folder.write([(Tile(1, 0, 2), b"before")])
        left = folder.path / "tile/1/000.p/.3.draft"
        left.write_bytes(b"half of what was to be wri")
        with folder.exclusive():
            folder.write([(tile, b"whole")])
        assert folder.read(tile) == b"whole"
        assert not left.exists()

    def test_partial_tiles_go_when_the_tile_is_full(self, folder: TileFolder) -> None:
        with folder.exclusive():
            folder.write([(Tile(0, 5, width), b"x" * width) for width in (1, 17, 256)])
            folder.remove_partials(Tile(0, 5, 17))
            folder.remove_partials(Tile(0, 5, 17))
        assert folder.read(Tile(0, 5)) == b"x" * 256
        assert folder.read(Tile(0, 5, 17)) is None

    def test_the_checkpoint_is_there_whole_at_every_moment(self, folder: TileFolder) -> None:
        assert folder.read_note() is None
        notes = [b"a" * 200_000, b"b" * 200_000]
        with folder.exclusive():
            folder.replace_note(notes[0])
        done = threading.Event()

        def replace_again_and_again() -> None:
            with folder.exclusive():
                for turn in range(100):
                    folder.replace_note(notes[turn % 2])
            done.set()

        writer = threading.Thread(target=replace_again_and_again)
        writer.start()
        while not done.is_set():
            assert folder.read_note() in notes
        writer.join()

    def test_two_who_write_take_turns(self, folder: TileFolder) -> None:
        inside = threading.Event()

        def wait_for_my_turn() -> None:
            with folder.exclusive():
                inside.set()

        with folder.exclusive():
            other = threading.Thread(target=wait_for_my_turn)
            other.start()
            assert not inside.wait(0.1)
        other.join(timeout=30)
        assert inside.is_set()

    def test_a_file_with_more_than_a_tile_has_is_not_read_to_its_end(self, folder: TileFolder) -> None:
        tile = Tile(0, 0)
        with folder.exclusive():
            folder.write([(tile, bytes(8192))])
        os.truncate(folder.path / tile.path, 10**12)
        found = folder.read(tile)
        assert found is not None
        assert len(found) == 8193


def test_everybody_may_read_what_is_published_however_private_the_process_is(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        folder = TileFolder(tmp_path / "public")
        with folder.exclusive():
            folder.write([(Tile(0, 1_000, 3), b"x" * 96)])
            folder.replace_note(b"a note")
    finally:
        os.umask(before)
    published = [path for path in folder.path.rglob("*") if not path.name.startswith(".")]
    assert len(published) == 6
    modes = {path.name: path.stat().st_mode & 0o777 for path in [folder.path, *published]}
    assert {
        name: mode for name, mode in modes.items() if mode != (0o644 if name in {"3", "checkpoint"} else 0o755)
    } == {}
