"""Templates at rest: the bytes of d IEEE 754 half floats, little-endian."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

AT_REST = np.dtype("<f2")


def pack(vector: NDArray[np.float32]) -> bytes:
    """The bytes to store of a float32 vector of shape (d,): 2 d bytes. Each value moves by at most 2**-12 of itself."""
    return vector.astype(AT_REST).tobytes()


def unpack(packed: bytes) -> NDArray[np.float32]:
    """The stored template as float32 of shape (d,), exactly: not normalised again."""
    return np.frombuffer(packed, dtype=AT_REST).astype(np.float32)


def aggregate(packed: Sequence[bytes]) -> bytes:
    """The template of a user: the mean of the unit vectors of their faces, of unit norm again, packed.

    Takes one or more stored templates of the same length. The same templates in the same order give the same bytes.
    Faces that cancel out exactly leave no direction; then the first one stands for all.
    """
    rows = np.stack([np.frombuffer(one, dtype=AT_REST) for one in packed]).astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    mean = rows.mean(axis=0)
    norm = float(np.linalg.norm(mean))
    if norm == 0.0:
        return packed[0]
    return pack((mean / norm).astype(np.float32))
