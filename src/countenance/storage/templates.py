"""Templates at rest: the bytes of d IEEE 754 half floats, little-endian."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Dialect, LargeBinary, TypeDecorator

AT_REST = np.dtype("<f2")

# SQLite's `secure_delete` zeroes a deleted row, but when it moves rows from one page to another to keep its tree in
# balance, copies of them may stay in the unused part of a page, and outlive the row. Only the beginning of a row moves:
# what does not fit goes to pages of its own, which never move and are zeroed when the row is deleted. So templates
# are stored behind so many zeros that they begin there. File format, section 1.6: at most U - 35 bytes of a row are
# kept in the tree, U being the page size. A small page makes it few.
SQLITE_PAGE_BYTES = 1024
SQLITE_PADDING = bytes(SQLITE_PAGE_BYTES - 35)


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


class PackedTemplate(TypeDecorator[bytes]):
    """A column of packed templates, which SQLite keeps where no copy of them can stay behind."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        """The bytes to store."""
        return SQLITE_PADDING + value if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        """The packed template."""
        return value[len(SQLITE_PADDING) :] if value is not None and dialect.name == "sqlite" else value
