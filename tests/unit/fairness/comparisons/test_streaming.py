"""Whoever shares the work, and however often it is interrupted: the result is the same, to the last bit."""

from __future__ import annotations

import os
import pickle
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from countenance.errors import InvalidParameter
from countenance.fairness.comparisons import all_pairs as comparisons
from countenance.fairness.comparisons import checkpoints
from countenance.fairness.comparisons.all_pairs import Grouping, PairOfGroups, compare_all
from countenance.fairness.comparisons.stripes import HEIGHT, Part

# More than two stripes.
IMAGES = 2 * HEIGHT + 100


class Interrupted(Exception):
    """Somebody pulled the plug."""


@pytest.fixture(scope="module")
def templates() -> NDArray[np.float64]:
    vectors = np.random.default_rng(0).normal(size=(IMAGES, 24))
    return comparisons.exact(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


IDENTITIES = np.arange(IMAGES) // 3


def groupings() -> list[Grouping]:
    generator = np.random.default_rng(1)
    return [
        Grouping("", ("everyone",), np.zeros(IMAGES, np.int32)),
        Grouping("hair", ("hair=black", "hair=fair"), generator.integers(-1, 2, IMAGES, dtype=np.int32)),
    ]


@pytest.fixture(scope="module")
def undisturbed(templates: NDArray[np.float64]) -> list[bytes]:
    return told(compare_all(templates, IDENTITIES, groupings()))


def told(pairs: Iterable[PairOfGroups]) -> list[bytes]:
    """All that a result says, for comparing two."""
    return [
        pickle.dumps((pair.grouping, pair.group, pair.other, pair.comparisons, pair.tail.floor))
        + b"".join(
            np.ascontiguousarray(values).tobytes()
            for values in (pair.histogram, pair.tail.scores, pair.tail.left, pair.tail.right)
        )
        for pair in pairs
    ]


@given(st.integers(50, 3000), st.integers(1, 4))
@settings(max_examples=8, deadline=None)
def test_neither_blocks_nor_workers_change_anything(
    templates: NDArray[np.float64], undisturbed: list[bytes], block: int, workers: int
) -> None:
    assert told(compare_all(templates, IDENTITIES, groupings(), block=block, workers=workers)) == undisturbed


class FarAway:
    """Machines to which work travels as bytes, from which results come in the order of their distance."""

    def imap_unordered(self, function: Callable[[int], Part], items: Iterable[int]) -> Iterator[Part]:
        sent = pickle.dumps(function)
        for item in reversed(list(items)):
            yield pickle.loads(pickle.dumps(pickle.loads(sent)(item)))


def test_other_machines_give_the_same(templates: NDArray[np.float64], undisturbed: list[bytes]) -> None:
    assert told(compare_all(templates, IDENTITIES, groupings(), pool=FarAway())) == undisturbed


def interrupt(templates: NDArray[np.float64], path: Path, after: int = 1) -> None:
    """Compares until so many stripes are done."""
    steps: list[int] = []

    def progress(done: int, _all: int) -> None:
        steps.append(done)
        if len(steps) == after:
            raise Interrupted

    with pytest.raises(Interrupted):
        compare_all(templates, IDENTITIES, groupings(), progress=progress, checkpoint=path)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every stripe has its checkpoint."""
    monkeypatch.setattr(checkpoints, "INTERVAL", 0.0)
    monkeypatch.setattr(checkpoints, "SHARE", 0)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("after", [1, 2])
def test_an_interrupted_comparison_goes_on_where_it_was(
    templates: NDArray[np.float64], undisturbed: list[bytes], tmp_path: Path, after: int
) -> None:
    path = tmp_path / "checkpoint"
    interrupt(templates, path, after)
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    steps: list[int] = []
    found = compare_all(
        templates, IDENTITIES, groupings(), block=777, progress=lambda done, _all: steps.append(done), checkpoint=path
    )
    assert told(found) == undisturbed
    assert len(steps) == 3 - after, "what was done was not done again"
    assert not path.exists(), "what is complete leaves nothing behind"


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, -1])
def test_a_torn_checkpoint_is_refused(templates: NDArray[np.float64], tmp_path: Path, kept: float) -> None:
    path = tmp_path / "checkpoint"
    interrupt(templates, path)
    size = path.stat().st_size
    os.truncate(path, int(size * kept) if isinstance(kept, float) else kept % size)
    with pytest.raises(InvalidParameter, match="not a whole one: remove it"):
        compare_all(templates, IDENTITIES, groupings(), checkpoint=path)


@pytest.mark.usefixtures("at_once")
def test_a_checkpoint_with_a_flipped_bit_is_refused(templates: NDArray[np.float64], tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    interrupt(templates, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InvalidParameter, match="not a whole one: remove it"):
        compare_all(templates, IDENTITIES, groupings(), checkpoint=path)


@pytest.mark.parametrize("content", [b"", b"Dear diary", b"\x93NUMPY\x01\x00", b"PK\x03\x04"])
def test_another_file_is_no_checkpoint_and_stays(
    templates: NDArray[np.float64], tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "diary"
    path.write_bytes(content)
    with pytest.raises(InvalidParameter, match="is no checkpoint"):
        compare_all(templates, IDENTITIES, groupings(), checkpoint=path)
    assert path.read_bytes() == content


@pytest.mark.usefixtures("at_once")
def test_the_checkpoint_of_another_comparison_is_refused(templates: NDArray[np.float64], tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    interrupt(templates, path)
    other = templates[::-1].copy()
    for changed in (
        lambda: compare_all(other, IDENTITIES, groupings(), checkpoint=path),
        lambda: compare_all(templates, IDENTITIES // 2, groupings(), checkpoint=path),
        lambda: compare_all(templates, IDENTITIES, groupings()[:1], checkpoint=path),
        lambda: compare_all(templates, IDENTITIES, groupings(), tail_share=0.3, checkpoint=path),
    ):
        with pytest.raises(InvalidParameter, match="of another comparison"):
            changed()


@pytest.mark.usefixtures("at_once")
def test_a_checkpoint_that_cannot_be_written_is_said_at_once(templates: NDArray[np.float64], tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="cannot be written"):
        compare_all(templates, IDENTITIES, groupings(), checkpoint=tmp_path / "missing" / "checkpoint")
