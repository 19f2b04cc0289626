"""Codes, FastScan's layout of them, and the bound by which a scan over them is trusted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from countenance.gallery.certificate import Residuals, alignment
from countenance.gallery.quantization import Quantizer, codes_of, pack, quantizer, unpack

DIMENSIONS = [64, 128, 257, 512, 1024]


def _unit(rows: NDArray[Any]) -> NDArray[np.float16]:
    unit: NDArray[np.float16] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
    return unit


def _templates(dimension: int, count: int = 2048) -> NDArray[np.float16]:
    """Half of them anyone, half of them photos of one person."""
    rng = np.random.default_rng(dimension)
    anyone = rng.standard_normal((count // 2, dimension))
    person = rng.standard_normal(dimension) + 0.4 * rng.standard_normal((count // 2, dimension))
    return _unit(np.concatenate([anyone, person]))


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_codes_are_packed_as_fastscan_packs_them(dimension: int) -> None:
    codes = quantizer(dimension).encode(_templates(dimension, 96))[0]
    own = quantizer(dimension).index(pack(codes).ravel(), 96)
    packer = own.get_CodePacker()
    blocks = codes_of(own).reshape(-1, packer.block_size)
    unpacked = np.stack([packer.unpack_1(blocks, row) for row in range(96)])
    assert (unpacked == codes[:, 0::2] | codes[:, 1::2] << 4).all()
    assert (unpack(pack(codes), codes.shape[1]) == codes).all()


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_a_scan_gives_the_inner_product_with_what_the_codes_stand_for(dimension: int) -> None:
    """Up to the rounding of its tables, which the probe knows a bound of."""
    the = quantizer(dimension)
    rows = _templates(dimension)
    codes, _ = the.encode(rows)
    index = the.index(pack(codes).ravel(), len(codes))
    stood_for = the._codebook[codes].reshape(len(codes), -1)
    for number in (0, 5, 2000):
        probe = the.probe(rows[number].astype(np.float32))
        scores, places = index.search(probe.rotated, len(codes))
        assert sorted(places[0]) == list(range(len(codes)))
        errors = np.abs(scores[0] - (stood_for @ probe.rotated[0])[places[0]])
        assert 0 < errors.max() < probe.rounding + 1e-6


def test_codes_take_the_nearest_of_the_codebook() -> None:
    for dimension in (128, 512, 1024):
        the = quantizer(dimension)
        rows = _templates(dimension, 64)
        codes, _ = the.encode(rows)
        rotated = (rows.astype(np.float32) @ the._rotation.T).reshape(64, the.codes, the.grouped)
        distances = ((rotated[:, :, None] - the._codebook) ** 2).sum(axis=3)
        assert (distances.argmin(axis=2) == codes).all()


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_rotation_keeps_inner_products(dimension: int) -> None:
    the = quantizer(dimension)
    rows = _templates(dimension, 64).astype(np.float32)
    rotated = np.stack([the.probe(row).rotated[0] for row in rows])
    assert np.allclose(rotated @ rotated.T, rows @ rows.T, atol=1e-5)


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_no_template_is_scored_below_the_floor_of_its_cosine(dimension: int) -> None:
    """What the certificate rests on, tried on hundreds of thousands of pairs, mated and not."""
    the = quantizer(dimension)
    rows = _templates(dimension)
    codes, residuals = the.encode(rows)
    index = the.index(pack(codes).ravel(), len(codes))
    aligned = alignment(the.rotated_dimension, len(rows))
    rng = np.random.default_rng(0)
    tightest = 0.0
    for number in range(0, len(rows), 16):
        noise = rng.standard_normal(dimension)
        probe = rows[number].astype(np.float32) + rng.uniform(0, 2) * noise / np.linalg.norm(noise)
        probe = (probe / np.linalg.norm(probe)).astype(np.float32)
        prepared = the.probe(probe)
        found, places = index.search(prepared.rotated, len(codes))
        scanned = np.empty(len(codes), np.float32)
        scanned[places[0]] = found[0]
        scores = rows.astype(np.float32) @ probe
        own = [
            _own_floor(residuals, place, float(scores[place]), prepared.norm, aligned) for place in range(0, 2048, 8)
        ]
        floors = np.array(own) - prepared.rounding
        assert (scanned[::8] >= floors).all()
        known = np.isfinite(floors)
        slack = (scores[::8] - scanned[::8])[known] / (scores[::8][known] - floors[known])
        tightest = max(tightest, float(slack.max()))
    assert tightest > 0.2  # a bound that is never approached would be worth nothing


def _own_floor(residuals: Residuals, place: int, score: float, norm: float, aligned: float) -> float:
    one = Residuals(residuals.along[place : place + 1], residuals.across[place : place + 1], residuals.norm)
    return one.floor(score, norm, aligned)


def test_the_floor_of_many_is_the_lowest_floor_of_any() -> None:
    _, residuals = quantizer(128).encode(_templates(128))
    worst = residuals.worst()
    assert len(worst.along) < len(residuals.along) / 20
    for cut in (0.0, 0.2, 0.5, 0.99):
        own = min(_own_floor(residuals, place, cut, 1.0, 0.6) for place in range(len(residuals.along)))
        assert worst.floor(cut, 1.0, 0.6) == pytest.approx(own, abs=1e-6)


def test_outliers_are_those_that_lower_the_floor_most() -> None:
    _, residuals = quantizer(128).encode(_templates(128))
    outliers = residuals.outliers(20, 128)
    assert len(set(outliers.tolist())) == 20
    chosen = np.random.default_rng(1).choice(len(residuals.along), 20, replace=False)
    without = residuals.without(outliers).worst().floor(0.4, 1.0, 0.6)
    assert without > residuals.without(chosen).worst().floor(0.4, 1.0, 0.6)


def test_below_zero_and_for_hopeless_codes_nothing_is_claimed() -> None:
    _, residuals = quantizer(128).encode(_templates(128))
    assert residuals.floor(-0.1, 1.0, 0.6) == -np.inf
    hopeless = Residuals(np.float32([1.0]), np.float32([0.0]), 1.0)
    assert hopeless.floor(0.5, 1.0, 0.6) == -np.inf


@pytest.mark.parametrize("dimension", [4, 16, 128, 512])
def test_alignment_is_the_quantile_of_a_spherical_cap(dimension: int) -> None:
    """Against the normal approximation, and against draws where the probability is large enough to draw."""
    aligned = alignment(dimension, 2**20)
    assert 0 < aligned < 1
    if dimension >= 128:
        tail = norm.isf(1e-9 / 2**20)
        assert aligned == pytest.approx(tail / dimension**0.5, rel=0.15)
        assert aligned < tail / (dimension - 2) ** 0.5
    templates = 1e-9 / 0.05  # so that one in twenty exceeds it
    directions = np.random.default_rng(1).standard_normal((20_000, dimension - 1))
    cosines = directions[:, 0] / np.linalg.norm(directions, axis=1)
    assert (cosines > alignment(dimension, templates)).mean() == pytest.approx(0.05, abs=0.006)


def test_a_blanked_template_scores_near_nothing_for_every_probe() -> None:
    for dimension in (128, 512):
        the = quantizer(dimension)
        rows = _templates(dimension, 64)
        index = the.index(pack(the.encode(rows)[0]).ravel(), 64)
        the.blank(index, np.arange(64))
        for row in rows:
            scores, _ = index.search(the.probe(row.astype(np.float32)).rotated, 64)
            assert np.abs(scores).max() < 0.15


def test_a_quantizer_is_the_same_every_time() -> None:
    rows = _templates(128, 64)
    assert (Quantizer(128).encode(rows)[0] == Quantizer(128).encode(rows)[0]).all()


def test_fastscan_adds_256_tables_without_overflow() -> None:
    """The largest sum it can meet, a template of only highest levels and the probe that likes it best, fits."""
    the = quantizer(512)
    best, worst = np.full((16, the.codes), 15, np.uint8), np.zeros((16, the.codes), np.uint8)
    probe = np.tile(the._codebook[15], the.codes)[None].astype(np.float32)
    index = the.index(pack(np.concatenate([worst, best])).ravel(), 32)
    scores, places = index.search(probe, 32)
    assert sorted(places[0][:16]) == list(range(16, 32))
    assert scores[0][:16] == pytest.approx(float(probe[0] @ probe[0]), rel=1e-3)
    assert (places[0][16:] == -1).all()  # FastScan leaves out what has the least possible sum
