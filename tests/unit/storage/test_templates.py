"""Templates at rest, and the template of a user."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sqlalchemy.dialects import postgresql, sqlite

from countenance.storage.templates import SQLITE_PAGE_BYTES, PackedTemplate, aggregate, pack, unpack

directions = arrays(np.float32, st.integers(2, 64), elements=st.floats(-1, 1, width=32)).filter(
    lambda vector: float(np.linalg.norm(vector)) > 0.1
)


def _unit(vector: np.ndarray) -> np.ndarray:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


@given(directions)
def test_a_template_keeps_three_digits(direction: np.ndarray) -> None:
    vector = _unit(direction)
    kept = unpack(pack(vector))
    assert kept.dtype == np.float32
    np.testing.assert_allclose(kept, vector, rtol=2**-11, atol=2**-25)


@given(directions)
def test_what_was_kept_is_kept_again_to_the_bit(direction: np.ndarray) -> None:
    packed = pack(_unit(direction))
    assert pack(unpack(packed)) == packed


def test_the_bytes_are_the_same_on_every_machine() -> None:
    assert pack(np.array([1.0, -0.5], np.float32)) == b"\x00\x3c\x00\xb8"


@given(st.lists(arrays(np.float32, 16, elements=st.floats(0.125, 1, width=32)), min_size=1, max_size=5))
def test_a_user_is_of_unit_norm_and_like_each_face(vectors: list[np.ndarray]) -> None:
    user = unpack(aggregate([pack(_unit(vector)) for vector in vectors]))
    assert float(np.linalg.norm(user)) == pytest.approx(1, abs=2e-3)
    mean = np.mean([_unit(vector) for vector in vectors], axis=0)
    np.testing.assert_allclose(user, _unit(mean), atol=2e-3)


def test_every_face_counts_alike_whatever_rounding_did_to_its_norm() -> None:
    user = unpack(aggregate([pack(np.array([1.0, 0.0], np.float32)), pack(np.array([0.0, 0.995], np.float32))]))
    assert user[0] == user[1]


def test_faces_that_cancel_out_leave_the_first() -> None:
    one, other = pack(np.array([1.0, 0.0], np.float32)), pack(np.array([-1.0, 0.0], np.float32))
    assert aggregate([one, other]) == one


def test_sqlite_keeps_a_template_behind_as_much_as_fits_into_the_tree() -> None:
    column, packed = PackedTemplate(), pack(np.array([1.0, -0.5], np.float32))
    stored = column.process_bind_param(packed, sqlite.dialect())
    assert stored is not None
    assert stored == bytes(SQLITE_PAGE_BYTES - 35) + packed
    assert column.process_result_value(stored, sqlite.dialect()) == packed
    assert column.process_bind_param(packed, postgresql.dialect()) == packed
    assert column.process_result_value(packed, postgresql.dialect()) == packed
    assert column.process_bind_param(None, sqlite.dialect()) is None
    assert column.process_result_value(None, sqlite.dialect()) is None
