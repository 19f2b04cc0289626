"""The index against a plain comparison of everything, which it must equal bit for bit."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from countenance.gallery import index as index_module
from countenance.gallery import segments as segments_module
from countenance.gallery.blocks import Block
from countenance.gallery.candidates import Candidates
from countenance.gallery.index import TemplateIndex
from countenance.gallery.quantization import codes_of, quantizer, unpack

Templates = dict[int, NDArray[np.float16]]


@pytest.fixture(autouse=True)
def small() -> Iterator[None]:
    """Segments and tails so small that a few hundred templates meet every way a template is kept and found."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_module, "TAIL", 64)
        patch.setattr(index_module, "FIRST_TAIL", 8)
        patch.setattr(index_module, "BATCH", 96)
        patch.setattr(segments_module, "CAPACITY", 256)
        patch.setattr(segments_module, "FIRST_CANDIDATES", 8)
        patch.setattr(segments_module, "WIDENING", 2)
        patch.setattr(segments_module, "EXHAUSTION", 2)
        patch.setattr(segments_module, "OUTLIERS", 16)
        yield


def _unit(rows: NDArray[Any]) -> NDArray[np.float16]:
    unit: NDArray[np.float16] = (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float16)
    return unit


def _random(count: int, dimension: int, seed: int) -> NDArray[np.float16]:
    return _unit(np.random.default_rng(seed).standard_normal((count, dimension)))


def _index(templates: Templates, dimension: int) -> TemplateIndex:
    index = TemplateIndex(dimension)
    if templates:
        index.put(np.array(list(templates), np.int64), np.stack(list(templates.values())))
    return index


def _expected(
    templates: Templates, probe: NDArray[np.float32], threshold: float, limit: int
) -> tuple[list[int], list[float]]:
    """The right answer: everything compared, sorted, cut."""
    block = Block(len(probe), max(1, len(templates)))
    if templates:
        block.append(np.array(list(templates), np.int64), np.stack(list(templates.values())))
    scores, places = block.nearest(probe[None], len(templates))
    ranked = sorted((-float(score), int(block.keys[place])) for score, place in zip(scores, places, strict=True))
    matching = [(key, -score) for score, key in ranked if -score >= threshold][:limit]
    return [key for key, _ in matching], [score for _, score in matching]


def _assert_exact(
    index: TemplateIndex, templates: Templates, probe: NDArray[Any], threshold: float = 0.0, limit: int = 10
) -> list[int]:
    probe = np.asarray(probe, np.float32)
    keys, scores = index.search(probe, threshold, limit)
    assert (keys.tolist(), scores.tolist()) == _expected(templates, probe, threshold, limit)
    return [int(key) for key in keys]


# Changes and probes refer to a small pool of vectors, so that equal and nearly equal templates are common.
POOL = 12
KEYS = st.integers(0, 400)
CHANGES = st.one_of(
    st.tuples(st.just("put"), KEYS, st.integers(1, 150), st.integers(0, 2**32 - 1)),
    st.tuples(st.just("drop"), KEYS, st.integers(1, 300), st.just(0)),
    st.tuples(st.just("search"), st.integers(0, POOL - 1), st.sampled_from([1, 2, 7, 50, 1000]), st.integers(-4, 10)),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(CHANGES, min_size=1, max_size=25),
    dimension=st.sampled_from([3, 8, 32]),
    spread=st.sampled_from([0.0, 0.05, 1.0]),
)
def test_any_sequence_of_changes_leaves_the_exact_answer(
    changes: list[tuple[str, int, int, int]], dimension: int, spread: float
) -> None:
    pool = _random(POOL, dimension, seed=5)
    index, templates = TemplateIndex(dimension), Templates()
    for what, first, count, value in changes:
        if what == "put":
            rng = np.random.default_rng(value)
            rows = pool[rng.integers(0, POOL, count)] + spread * rng.standard_normal((count, dimension))
            keys = first + rng.permutation(count)
            put = dict(zip(keys.tolist(), _unit(rows), strict=True))
            index.put(np.array(list(put), np.int64), np.stack(list(put.values())))
            templates |= put
        elif what == "drop":
            index.drop(np.arange(first, first + count))
            templates = {key: row for key, row in templates.items() if not first <= key < first + count}
        else:
            _assert_exact(index, templates, pool[first], threshold=value / 10, limit=count)
        assert len(index) == len(templates)
    _assert_exact(index, templates, -pool[0], threshold=-1.0, limit=30)
    _assert_exact(_index(templates, dimension), templates, pool[1], threshold=0.5, limit=30)  # rebuilt


@pytest.mark.parametrize("dimension", [64, 100, 128, 300, 512, 1000])
def test_people_are_found_among_many_and_strangers_are_not(dimension: int) -> None:
    rows = _random(700, dimension, seed=1)
    templates = dict(enumerate(rows))
    index = _index(templates, dimension)
    rng = np.random.default_rng(2)
    for number in range(0, 700, 50):
        probe = _unit(rows[number] + 0.5 * _unit(rng.standard_normal(dimension))).astype(np.float32)
        assert _assert_exact(index, templates, probe, threshold=0.5)[0] == number
    _assert_exact(index, templates, _random(1, dimension, seed=3)[0], threshold=0.5)


def test_scores_are_the_inner_products_of_the_stored_half_floats() -> None:
    rows = _random(400, 128, seed=1)
    index = _index(dict(enumerate(rows)), 128)
    probe = _random(1, 128, seed=2)[0].astype(np.float32)
    keys, scores = index.search(probe, -1.0, 400)
    assert len(keys) == 400
    assert np.allclose(scores, rows[keys].astype(np.float64) @ probe.astype(np.float64), rtol=0, atol=1e-6)


def test_the_score_of_a_template_does_not_depend_on_where_it_is_kept() -> None:
    """First in the tail, then coded in a segment, then alone in another index: the same float32."""
    (template,), others = _random(1, 128, seed=1), _random(500, 128, seed=2)
    probe = _unit(template + 0.1 * others[0]).astype(np.float32)
    index = _index({1000: template}, 128)
    scores = [index.search(probe, 0.5, 5)[1].tolist()]
    for start in range(0, 500, 25):
        index.put(np.arange(start, start + 25), others[start : start + 25])
        scores.append(index.search(probe, 0.5, 5)[1].tolist())
    assert scores == [scores[0]] * len(scores)
    assert len(scores[0]) == 1


def test_an_empty_index_finds_nothing() -> None:
    index = TemplateIndex(128)
    keys, scores = index.search(_random(1, 128, seed=1)[0].astype(np.float32), -1.0, 10)
    assert len(keys) == len(scores) == len(index) == 0
    index.drop(np.array([1, 2]))
    index.put(np.zeros(0, np.int64), np.zeros((0, 128), np.float16))
    assert len(index) == 0


def test_an_index_that_was_emptied_finds_nothing_and_holds_next_to_nothing() -> None:
    rows = _random(1000, 128, seed=1)
    index = _index(dict(enumerate(rows)), 128)
    index.drop(np.arange(1000))
    assert _assert_exact(index, {}, rows[0], threshold=-1.0, limit=1000) == []
    assert index.nbytes < rows.nbytes / 5


def test_near_duplicates_of_one_face_are_all_found(scans: Scans) -> None:
    """Photos of one person crowd the candidates: the scan widens until the bound says that none is missing."""
    rng = np.random.default_rng(1)
    (person,) = _random(1, 128, seed=2)
    rows = np.concatenate([_unit(person + 0.02 * rng.standard_normal((300, 128))), _random(500, 128, seed=3)])
    templates = dict(enumerate(rows[rng.permutation(800)]))
    index = _index(templates, 128)
    assert len(_assert_exact(index, templates, person, threshold=0.6, limit=1000)) == 300
    assert scans.exhaustive > 0
    for limit in (1, 2, 17, 299, 300, 301):
        _assert_exact(index, templates, person, threshold=0.6, limit=limit)


def test_of_equal_templates_the_smallest_keys_are_answered() -> None:
    templates = dict.fromkeys(np.random.default_rng(1).permutation(700).tolist(), _random(1, 128, seed=2)[0])
    index = _index(templates, 128)
    assert _assert_exact(index, templates, templates[0], threshold=0.9, limit=5) == [0, 1, 2, 3, 4]
    index.drop(np.arange(0, 700, 2))
    templates = {key: row for key, row in templates.items() if key % 2}
    assert _assert_exact(index, templates, templates[1], threshold=0.9, limit=3) == [1, 3, 5]


def test_of_equal_templates_among_others_the_smallest_keys_are_answered() -> None:
    """More of them than are asked for, few enough to be found by a scan alone."""
    rows = _random(700, 128, seed=1)
    rows[np.random.default_rng(2).choice(200, 60, replace=False)] = rows[0]
    keys = np.random.default_rng(3).permutation(700)
    templates = dict(zip(keys.tolist(), rows, strict=True))
    index = _index(templates, 128)
    for limit in (1, 5, 59, 60, 61):
        _assert_exact(index, templates, rows[0], threshold=0.9, limit=limit)


@pytest.mark.parametrize("count", [3, 40, 600])
@pytest.mark.parametrize("dimension", [128, 512])
def test_templates_that_codes_cannot_express_are_found_all_the_same(dimension: int, count: int) -> None:
    """Along an axis of the rotated space all is in one coordinate, far beyond the largest level of any code."""
    rows = _random(600, dimension, seed=1)
    rows[:count] = _unit(quantizer(dimension)._rotation[np.arange(count) % 64] + 0.3 * rows[:count])
    templates = dict(enumerate(rows[np.random.default_rng(2).permutation(600)]))
    index = _index(templates, dimension)
    for probe in rows[:3]:
        assert _assert_exact(index, templates, probe, threshold=0.5)
        another = _unit(probe + 0.5 * rows[-1])
        assert _assert_exact(index, templates, another, threshold=0.5)


def test_a_probe_that_is_like_nobody_needs_no_more_than_a_scan(scans: Scans) -> None:
    rows = _random(1000, 512, seed=1)
    index = _index(dict(enumerate(rows)), 512)
    assert _assert_exact(index, dict(enumerate(rows)), _random(1, 512, seed=2)[0], threshold=0.6) == []
    assert scans.exhaustive == 0


@pytest.mark.parametrize("threshold", [-1.0, -0.3, 0.0, 0.999, 1.0, 1.5])
@pytest.mark.parametrize("limit", [1, 10, 5000])
def test_any_threshold_and_limit(threshold: float, limit: int) -> None:
    rows = _random(600, 32, seed=1)
    templates = dict(enumerate(np.concatenate([rows, -rows[:100]])))
    index = _index(templates, 32)
    for probe in (rows[0], -rows[0], rows[150], _random(1, 32, seed=2)[0]):
        _assert_exact(index, templates, probe, threshold, limit)


def test_one_template_can_be_left_out() -> None:
    rows = _random(300, 128, seed=1)
    index = _index(dict(enumerate(rows)), 128)
    keys, _ = index.search(rows[7].astype(np.float32), -1.0, 1, exclude=7)
    assert keys.tolist() != [7]
    assert keys.tolist() == index.search(rows[7].astype(np.float32), -1.0, 2)[0].tolist()[1:]


def test_the_same_search_gives_the_same_answer_every_time() -> None:
    rows = _random(900, 128, seed=1)
    index = _index(dict(enumerate(rows)), 128)
    answers = {tuple(map(bytes, index.search(rows[5].astype(np.float32), 0.0, 50))) for _ in range(50)}
    assert len(answers) == 1


def _traces(index: TemplateIndex, keys: set[int]) -> list[NDArray[np.float16]]:
    """What memory still holds under these keys, found or not."""
    state = index._state
    blocks = [segment.block for segment in state.segments] + [state.tail]
    return [block.rows[place] for block in blocks for place in range(block.count) if int(block.keys[place]) in keys]


def test_a_dropped_template_is_overwritten_at_once() -> None:
    rows = _random(330, 128, seed=1)
    index = _index(dict(enumerate(rows)), 128)
    dropped = {3, 40, 47, 48, 63, 300, 329}
    segment = index._state.segments[0]
    before = unpack(codes_of(segment.scan), 128)
    index.drop(np.array(sorted(dropped)))
    assert all((row == 0).all() for row in _traces(index, dropped))
    after = unpack(codes_of(segment.scan), 128)
    erased = [place for place in range(256) if int(segment.block.keys[place]) in dropped]
    assert len(erased) == 5
    assert len(np.unique(after[erased], axis=0)) == 1  # the same for all: it tells nothing of any
    kept = np.setdiff1d(np.arange(256), erased)
    assert (after[kept] == before[kept]).all()


def test_a_replaced_template_is_overwritten_and_found_as_it_is_now() -> None:
    old, new = _random(400, 128, seed=1), _random(400, 128, seed=2)
    index = _index(dict(enumerate(old)), 128)
    index.put(np.array([7]), new[7:8])
    templates = dict(enumerate(old)) | {7: new[7]}
    assert _assert_exact(index, templates, old[7], threshold=0.5) == []
    assert _assert_exact(index, templates, new[7], threshold=0.5) == [7]
    assert sorted(np.abs(row).sum() > 0 for row in _traces(index, {7})) == [False, True]


def test_memory_of_dropped_templates_is_given_back() -> None:
    rows = _random(2560, 128, seed=1)
    index = _index(dict(enumerate(rows)), 128)
    full = index.nbytes
    index.drop(np.setdiff1d(np.arange(2560), np.arange(0, 2560, 10)))
    assert index.nbytes < full / 4
    templates = {key: rows[key] for key in range(0, 2560, 10)}
    assert _assert_exact(index, templates, rows[20], threshold=0.9) == [20]
    _assert_exact(index, templates, rows[21], threshold=-1.0, limit=500)


@pytest.mark.parametrize(
    ("keys", "rows"),
    [
        ([1], np.zeros((1, 8))),  # not a template
        ([1], np.full((1, 8), np.nan)),
        ([1], np.full((1, 8), 1.0)),  # not of unit norm
        ([1], np.ones((1, 4)) / 2),  # another dimension
        ([1, 1], np.ones((2, 8)) / 8**0.5),  # one key twice
        ([1, 2], np.ones((1, 8)) / 8**0.5),
    ],
)
def test_what_is_no_template_is_refused_and_nothing_changes(keys: list[int], rows: NDArray[Any]) -> None:
    index = _index({5: _random(1, 8, seed=1)[0]}, 8)
    with pytest.raises(ValueError, match="template"):
        index.put(np.array(keys), rows.astype(np.float16))
    assert len(index) == 1


@pytest.mark.parametrize(
    "probe", [np.ones(7) / 7**0.5, np.full(8, np.nan), np.full(8, np.inf), np.ones(8), np.zeros(8)]
)
def test_what_is_no_probe_is_refused(probe: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="probe"):
        _index({}, 8).search(probe.astype(np.float32), 0.0, 1)


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="limit"):
        TemplateIndex(4).search(np.ones(4, np.float32) / 2, 0.0, 0)


@pytest.mark.parametrize("dimension", [0, 1025])
def test_dimensions_that_no_scan_can_add_up_are_refused(dimension: int) -> None:
    with pytest.raises(ValueError, match="1 to 1024"):
        TemplateIndex(dimension)


def test_searches_are_right_while_others_write() -> None:
    """Templates that stay, and one that is replaced all the time, are found by every search meanwhile."""
    staying, passing = _random(300, 32, seed=1), _random(2000, 32, seed=2)
    index = _index(dict(enumerate(staying)), 32)
    replaced = 10_000
    index.put(np.array([replaced]), staying[:1])
    done = threading.Event()

    def write() -> None:
        for number in range(0, 2000, 20):
            index.put(np.arange(1000 + number, 1020 + number), passing[number : number + 20])
            index.put(np.array([replaced]), staying[number % 2 : number % 2 + 1])
            if number >= 400:
                index.drop(np.arange(600 + number, 620 + number))

    def look(number: int) -> int:
        looked = 0
        while not done.is_set():
            keys, _ = index.search(staying[number].astype(np.float32), 0.99, 50)
            assert keys[0] == number
            assert len(set(keys.tolist())) == len(keys)
            keys, _ = index.search(staying[0].astype(np.float32), -1.0, 3000)
            assert replaced in keys
            assert set(range(300)) <= set(keys.tolist())
            looked += 1
        return looked

    with ThreadPoolExecutor(4) as pool:
        looking = [pool.submit(look, number) for number in (2, 150, 299)]
        try:
            pool.submit(write).result()
        finally:
            done.set()
        assert sum(one.result() for one in looking) > 0
    templates = dict(enumerate(staying)) | {replaced: staying[0]}
    templates |= {1000 + number: passing[number] for number in range(1600, 2000)}
    _assert_exact(index, templates, staying[7], threshold=-1.0, limit=1000)


class Scans:
    """Counts the segments in which everything had to be compared."""

    def __init__(self) -> None:
        self.exhaustive = 0


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> Scans:
    scans = Scans()
    offer_nearest = Candidates.offer_nearest

    def counted(candidates: Candidates, block: Block, probe: NDArray[np.float32]) -> None:
        scans.exhaustive += block.capacity > index_module.TAIL
        offer_nearest(candidates, block, probe)

    monkeypatch.setattr(Candidates, "offer_nearest", counted)
    return scans
