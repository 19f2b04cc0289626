"""What an audit of an endpoint asks is known, and priced, before anything is sent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from countenance.errors import InvalidParameter
from countenance.fairness.data.datasets import DataSet
from countenance.fairness.endpoints.plans import MAX_SEARCHED, Plan, Way, plan
from tests.unit.fairness.synthetic import enrolment, random_directions


def _data_set(images_per_subject: int = 2, **groups: int) -> DataSet:
    templates = {name: random_directions(size, 1) for name, size in groups.items()}
    return enrolment(templates, images_per_subject=images_per_subject).data_set


def _non_mated_by_group(planned: Plan) -> dict[str, int]:
    images = planned.data_set.images
    counts: dict[str, int] = {}
    for left, right in zip(planned.left.tolist(), planned.right.tolist(), strict=True):
        assert left < right
        assert images[left].groups == images[right].groups
        if images[left].subject != images[right].subject:
            counts[images[left].groups[0]] = counts.get(images[left].groups[0], 0) + 1
    return counts


def test_all_mated_pairs_are_compared_and_as_many_strangers_of_each_group() -> None:
    planned = plan(_data_set(a=200, b=20, c=400), Way.COMPARE, non_mated=900)
    assert _non_mated_by_group(planned) == {"group=a": 300, "group=b": 180, "group=c": 300}, "b has no more"
    assert (planned.mated, planned.non_mated) == (310, 780)
    pairs = set(zip(planned.left.tolist(), planned.right.tolist(), strict=True))
    assert len(pairs) == 310 + 780


def test_the_price_is_that_of_every_call() -> None:
    planned = plan(_data_set(a=200), Way.COMPARE, non_mated=100, price=0.5, rate=10)
    assert planned.calls == 200 + 100 + 100, "each image with itself, mated pairs, strangers"
    assert (planned.cost, planned.seconds) == (200, 40)
    planned = plan(_data_set(a=200), Way.SEARCH, price=0.5, rate=10)
    assert planned.calls == 400
    assert (planned.mated, planned.non_mated) == (100, 200 * 199 // 2 - 100)


def test_the_same_data_give_the_same_plan() -> None:
    one, other = (plan(_data_set(a=300, b=100), Way.COMPARE, non_mated=1000) for _ in range(2))
    assert np.array_equal(one.left, other.left)
    assert np.array_equal(one.right, other.right)


def test_without_mates_there_are_strangers_only() -> None:
    planned = plan(_data_set(1, a=30), Way.COMPARE, non_mated=50)
    assert (planned.mated, planned.non_mated) == (0, 50)


def test_people_found_to_be_one_are_compared_neither_as_mates_nor_as_strangers() -> None:
    data_set = _data_set(1, a=10)
    images = tuple(replace(image, identity="a/0") if image.name == "a/9" else image for image in data_set.images)
    for way in Way:
        planned = plan(replace(data_set, images=images), way)
        assert (planned.mated, planned.non_mated) == (0, 44)
        assert (0, 9) not in set(zip(planned.left.tolist(), planned.right.tolist(), strict=True))


def test_more_images_than_a_search_answers_are_refused() -> None:
    with pytest.raises(InvalidParameter, match="compare instead"):
        plan(_data_set(a=MAX_SEARCHED + 1), Way.SEARCH)


@pytest.mark.parametrize("wrong", [{"rate": 0}, {"price": -1}, {"non_mated": -1}, {"rate": float("nan")}])
def test_a_plan_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidParameter, match="rate above 0"):
        plan(_data_set(a=4), Way.COMPARE, **wrong)  # type: ignore[arg-type]
