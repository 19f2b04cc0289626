"""Matching the faces of a source with the faces found on a photo."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from countenance.faces import BoundingBox
from countenance.service.migration import matched

sides = st.floats(0.05, 1.0)
places = st.floats(-0.2, 1.0)
boxes = st.lists(st.builds(BoundingBox, places, places, sides, sides), max_size=8)


def test_the_best_overlap_is_taken_first() -> None:
    """A face that overlaps two is the one it overlaps more; the other goes to whoever is left."""
    source = [BoundingBox(0.00, 0, 0.4, 0.4), BoundingBox(0.05, 0, 0.4, 0.4)]
    found = [BoundingBox(0.05, 0, 0.4, 0.4), BoundingBox(0.12, 0, 0.4, 0.4)]
    assert matched(source, found) == {1: 0, 0: 1}


def test_half_an_overlap_is_no_face() -> None:
    """More than half is asked for."""
    whole, half = BoundingBox(0, 0, 0.5, 0.5), BoundingBox(0, 0, 0.5, 0.25)
    assert matched([whole], [half]) == {}
    assert matched([whole], [BoundingBox(0, 0, 0.5, 0.26)]) == {0: 0}


@settings(deadline=None)
@given(boxes, boxes)
def test_each_face_is_matched_at_most_once_and_none_is_left_that_could_be(
    source: list[BoundingBox], found: list[BoundingBox]
) -> None:
    """One to one, above the threshold, and no pair of leftovers would do."""
    pairs = matched(source, found)
    assert len(set(pairs.values())) == len(pairs)
    assert all(source[i].iou(found[j]) > 0.5 for i, j in pairs.items())
    lonely = [box for i, box in enumerate(source) if i not in pairs]
    unused = [box for j, box in enumerate(found) if j not in pairs.values()]
    assert all(one.iou(other) <= 0.5 for one in lonely for other in unused)
