"""Four-bit codes of templates: small enough to scan millions of them, close enough to say which cannot match.

A template is rotated by one fixed random rotation, after which the coordinates of any unit vector are distributed
like those of a random one: nearly normal with variance 1/D. So one fixed scalar quantiser serves every gallery and
nothing is ever trained. Each code of four bits covers one, two or four coordinates, so that there are at most 256
codes: FAISS' FastScan adds 8-bit table entries in 16 bits, and 256 x 255 still fits.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from dataclasses import dataclass
from functools import cache, reduce
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from countenance.gallery import cores
from countenance.gallery.certificate import Residuals

# Seed of the rotation. Another one gives the same answers; a fixed one also gives the same timings.
ROTATION_SEED = 20_240_229

CODES = 16  # values of four bits
MAX_CODES_PER_TEMPLATE = 256
MAX_DIMENSION = 4 * MAX_CODES_PER_TEMPLATE

# Templates encoded at once: what that needs in between stays in the processor's cache.
CHUNK = 512

# FastScan's own layout: 32 templates side by side in a block, two codes of one coordinate in a byte. In its first
# nibbles a byte holds template PERMUTATION[j], in its second ones the template 16 further.
BLOCK = 32
PERMUTATION = np.array([0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15])

HUGE_PAGE = 2 << 20

# Lloyd-Max levels cut off the tails: good on average, bad for the worst template. Stretched, they give up a little
# precision for a smaller largest residual (by coordinates per code; measured on 128 and 512 dimensions).
STRETCH = {1: 1.2, 2: 1.0, 4: 1.0}


@dataclass(frozen=True, slots=True)
class Probe:
    """A probe as the scan needs it. `rotated` is float32 (1, D); `norm` its length.

    `rounding` bounds how far a scan's score is from the inner product with the quantised template: the scan reads
    inner products from tables of 8-bit numbers, one per code, all in steps of the widest table's span / 255.
    """

    rotated: NDArray[np.float32]
    norm: float
    rounding: float


class Quantizer:
    """Turns templates of `dimension` d into codes. Immutable; use `quantizer(d)` to share it."""

    def __init__(self, dimension: int) -> None:
        """Raises ValueError outside 1 to 1024 dimensions."""
        if not 1 <= dimension <= MAX_DIMENSION:
            raise ValueError(f"templates have 1 to {MAX_DIMENSION} dimensions, not {dimension}")
        self.dimension = dimension
        self.grouped = next(group for group in (1, 2, 4) if dimension <= group * MAX_CODES_PER_TEMPLATE)
        # Room for the bound to hold (four dimensions), and an even number of codes, as FastScan stores them.
        step = 2 * self.grouped
        self.rotated_dimension = max(4, -(-dimension // step) * step)
        self.codes = self.rotated_dimension // self.grouped
        self._levels_per_axis = round(CODES ** (1 / self.grouped))
        self._rotation = _rotation(self.rotated_dimension)[:, :dimension].copy()
        # FAISS multiplies in the thread that asks; numpy's BLAS would wait for threads of its own in every chunk.
        self._transform: Any = faiss.LinearTransform(dimension, self.rotated_dimension, False)
        faiss.copy_array_to_vector(self._rotation.ravel(), self._transform.A)
        self._transform.is_trained = True
        levels, edges = _lloyd_max(self._levels_per_axis)
        scale = STRETCH[self.grouped] / np.sqrt(self.rotated_dimension)
        self._levels = (levels * scale).astype(np.float32)
        self._edges = (edges * scale).astype(np.float32)
        axes = np.meshgrid(*[self._levels] * self.grouped, indexing="ij")
        self._codebook = np.stack([axis.ravel() for axis in axes], axis=1)  # (16, grouped)
        around_zero = self._levels_per_axis // 2 - 1 + np.arange(self.rotated_dimension) % 2
        self._blank = self._joined(around_zero[None].astype(np.uint8))[0]

    def probe(self, probe: NDArray[np.float32]) -> Probe:
        """The probe, float32 (d,), ready to be scanned with."""
        rotated = np.ascontiguousarray(self._rotation @ probe, dtype=np.float32)
        tables = rotated.reshape(self.codes, self.grouped) @ self._codebook.T
        step = float((tables.max(axis=1) - tables.min(axis=1)).max()) / 255
        return Probe(rotated[None], float(np.linalg.norm(rotated)), self.codes * step / 2)

    def encode(self, templates: NDArray[np.float16]) -> tuple[NDArray[np.uint8], Residuals]:
        """Codes, uint8 (n, codes) of 0 to 15, of templates float16 (n, d), and how far off each of them is."""
        chunks = [templates[start : start + CHUNK] for start in range(0, len(templates), CHUNK)]
        codes, residuals = zip(*cores.pool().map(self._encoded, chunks), strict=True)
        return np.concatenate(codes), reduce(Residuals.joined, residuals)

    def _encoded(self, templates: NDArray[np.float16]) -> tuple[NDArray[np.uint8], Residuals]:
        rotated: NDArray[np.float32] = self._transform.apply(templates.astype(np.float32))
        axis_codes = np.zeros(rotated.shape, np.uint8)
        for edge in self._edges:
            axis_codes += rotated > edge
        return self._joined(axis_codes), Residuals.of(rotated, rotated - self._levels.take(axis_codes))

    def index(self, packed: NDArray[np.uint8], count: int) -> Any:
        """A FAISS FastScan index of `count` templates whose packed codes these are: its search gives scores."""
        index: Any = faiss.IndexPQFastScan(self.rotated_dimension, self.codes, 4, faiss.METRIC_INNER_PRODUCT, BLOCK)
        centroids = np.tile(self._codebook, (self.codes, 1)).astype(np.float32)
        faiss.copy_array_to_vector(centroids.ravel(), index.pq.centroids)
        index.is_trained = True
        index.codes.resize(packed.size)
        _prefer_huge_pages(codes_of(index))
        codes_of(index)[:] = packed.ravel()
        index.ntotal = index.ntotal2 = count
        return index

    def blank(self, index: Any, rows: NDArray[np.intp]) -> None:
        """Overwrites the codes of templates with those of nothing in particular, in place."""
        packed = codes_of(index).reshape(-1, self.codes, BLOCK // 2)
        for nibble in (0, 1):
            mine = rows[rows % BLOCK // 16 == nibble]
            place = mine // BLOCK, slice(None), np.argsort(PERMUTATION)[mine % 16]
            packed[place] = packed[place] & (0xF0, 0x0F)[nibble] | self._blank << 4 * nibble

    def _joined(self, axis_codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        codes = axis_codes[:, 0 :: self.grouped].copy()
        for axis in range(1, self.grouped):
            codes *= self._levels_per_axis
            codes += axis_codes[:, axis :: self.grouped]
        return codes


def pack(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Codes (n, codes), n a multiple of 32, in FastScan's layout: (n / 32, codes, 16) bytes."""
    blocks = codes.reshape(-1, BLOCK, codes.shape[1])
    pairs = blocks[:, PERMUTATION] | blocks[:, PERMUTATION + 16] << 4
    return np.ascontiguousarray(pairs.transpose(0, 2, 1))


def unpack(packed: NDArray[np.uint8], codes: int) -> NDArray[np.uint8]:
    """The reverse of `pack`: codes (n, codes)."""
    pairs = packed.reshape(-1, codes, 16).transpose(0, 2, 1)
    blocks = np.empty((len(pairs), BLOCK, codes), np.uint8)
    blocks[:, PERMUTATION] = pairs & 15
    blocks[:, PERMUTATION + 16] = pairs >> 4
    return blocks.reshape(-1, codes)


def codes_of(index: Any) -> NDArray[np.uint8]:
    """The packed codes of a FastScan index, in place: valid as long as the index."""
    view: NDArray[np.uint8] = faiss.rev_swig_ptr(index.codes.get(), index.codes.size())
    return view


@cache
def quantizer(dimension: int) -> Quantizer:
    """The quantizer of templates of this dimension."""
    return Quantizer(dimension)


def _prefer_huge_pages(memory: NDArray[np.uint8]) -> None:
    """Asks Linux for pages of 2 MiB: a scan that waits for memory is a quarter faster, prefetching across pages.

    numpy does so for its own arrays; FAISS does not. Nothing depends on it being granted.
    """
    if sys.platform == "linux":
        start = -(-memory.ctypes.data // mmap.PAGESIZE) * mmap.PAGESIZE
        length = memory.ctypes.data + memory.nbytes - start
        if length >= HUGE_PAGE:
            ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), mmap.MADV_HUGEPAGE)


def _rotation(dimension: int) -> NDArray[np.float32]:
    """A rotation (or reflection) drawn uniformly: QR of a normal matrix with R's diagonal positive.

    Mezzadri, "How to generate random matrices from the classical compact groups", 2007.
    """
    normal = np.random.default_rng(ROTATION_SEED).standard_normal((dimension, dimension))
    q, r = np.linalg.qr(normal)
    return (q * np.sign(np.diag(r))).astype(np.float32)


def _lloyd_max(levels: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Levels and decision edges with the least mean squared error on a standard normal variable (Max, 1960)."""
    edges = norm.ppf(np.arange(1, levels) / levels)
    for _ in range(1000):
        ends = np.concatenate([[-np.inf], edges, [np.inf]])
        centres = -np.diff(norm.pdf(ends)) / np.diff(norm.cdf(ends))
        edges = (centres[1:] + centres[:-1]) / 2
    return centres, edges
