"""How a report says numbers and names."""

from __future__ import annotations

import pytest

from countenance.fairness.numbers import number, one_in
from countenance.fairness.record import OperatingPoint
from countenance.fairness.report.words import bound, in_short, label, lines, point_title
from tests.unit.fairness.report.records import rate


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.123456, "0.123"),
        (0.0352, "0.0352"),
        (0.00123, "1.2e-3"),
        (1.2e-7, "1.2e-7"),
        (12.34, "12.3"),
        (12345, "12,345"),
    ],
)
def test_numbers_have_no_more_digits_than_they_are_worth(value: float, said: str) -> None:
    assert number(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(1 / 8300, "1 in 8,300"), (1e-6, "1 in 1,000,000"), (0.1, "1 in 10"), (0.54, "54 %"), (1.0, "100 %")],
)
def test_a_rate_is_one_in_so_many(value: float, said: str) -> None:
    assert one_in(value) == said


def test_where_no_error_was_seen_a_rate_is_at_most_something() -> None:
    unseen = rate(0, 30_000)
    assert unseen.rate is None
    assert bound(unseen) == "at most 1.3e-4"
    assert in_short(unseen) == "no error seen, at most 1 in 7,800"


def test_a_group_is_called_by_its_values() -> None:
    assert label("gender, race", "gender=Female, race=Black") == "Female, Black"
    assert label("gender, race", "gender=Female, race=Black, African") == "Female, Black, African"
    assert label("age", "age=") == "(empty)"
    assert label("", "everyone") == "everyone"


def test_a_group_that_is_named_in_another_way_keeps_its_name() -> None:
    assert label("gender, race", "women") == "women"


def test_a_name_cannot_turn_the_direction_of_the_page_or_break_its_lines() -> None:
    assert label("name", "name=a\u202eb\nc\x00d") == "a b c d"


def test_long_names_are_broken_and_cut() -> None:
    long = "Indigenous people of the northern and southern islands and of the mainland"
    assert lines(long, 30) == "Indigenous people of the\nnorthern and southern islands\nand of the mainland"
    assert lines(long, 30, 1) == "Indigenous people of the \N{HORIZONTAL ELLIPSIS}"
    assert lines("x" * 100, 30).endswith("\N{HORIZONTAL ELLIPSIS}")


def test_a_threshold_says_what_it_is_for() -> None:
    point = OperatingPoint(name="p", kind="worst_group", target=1e-4, threshold=0.5, similarity=90)
    assert point_title(point) == (
        "The lowest threshold at which no group's interval for the false match rate reaches above 1.0e-4 "
        "(1 in 10,000): score at least 0.5000, Similarity at least 90."
    )
