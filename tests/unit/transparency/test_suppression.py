"""Small counts are not told, and cannot be worked out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from countenance.transparency.sheet import Axis, Name, Sheet, name
from countenance.transparency.suppression import LEAST, Hidden, Suppression, suppress

SMALL, COMPLEMENTARY = Suppression.SMALL, Suppression.COMPLEMENTARY


def breakdown(*parts: int) -> tuple[Sheet, list[Name], Name]:
    """Parts and their total."""
    sheet = Sheet()
    names = [sheet.put(name("searches", {"month": f"{place:02}"}), part) for place, part in enumerate(parts)]
    return sheet, names, sheet.add_up(name("searches"), names)


def grid(rows: Sequence[Sequence[int]]) -> tuple[Sheet, dict[tuple[str, str], Name]]:
    """Counts by two dimensions with all totals."""
    counts = {(f"{r}", f"{c}"): count for r, row in enumerate(rows) for c, count in enumerate(row)}
    across = Axis("purpose", tuple(f"{c}" for c in range(len(rows[0]))))
    sheet = Sheet()
    return sheet, sheet.cross("searches", counts, Axis("kind", tuple(f"{r}" for r in range(len(rows)))), across)


def ranges(sheet: Sheet, hidden: Hidden, count: Name) -> tuple[int, int]:
    """The least and the most whole number that a hidden count can be, for all that a reader is told."""
    place = {one: place for place, one in enumerate(sheet.counts)}
    bounds: list[tuple[int, int | None]] = []
    for one, value in sheet.counts.items():
        if one not in hidden:
            bounds.append((value, value))
        elif hidden[one] is SMALL:
            bounds.append((1, LEAST - 1))
        else:
            bounds.append((LEAST if value >= LEAST else 1, None))
    equations = np.zeros((len(sheet.sums), len(place)))
    for row, (total, parts) in enumerate(sheet.sums):
        equations[row, place[total]] += 1
        for part in parts:
            equations[row, place[part]] -= 1
    found = []
    for sign in (1, -1):
        objective = np.zeros(len(place))
        objective[place[count]] = sign
        answer = linprog(objective, A_eq=equations, b_eq=np.zeros(len(sheet.sums)), bounds=bounds)
        found.append(math.inf if answer.status == 3 else sign * answer.fun)
    low, high = found
    return math.ceil(low - 1e-6), 1000 if high == math.inf else math.floor(high + 1e-6)


def is_safe(sheet: Sheet, hidden: Hidden) -> bool:
    """Whether every small count is hidden and could be another."""
    small = [count for count, value in sheet.counts.items() if 0 < value < LEAST]
    return all(count in hidden for count in small) and all(
        low < high for low, high in (ranges(sheet, hidden, count) for count in small)
    )


def test_counts_of_one_to_four_are_hidden_and_zero_and_five_are_told() -> None:
    sheet = Sheet()
    names = [sheet.put(name("cases", {"number": f"{number}"}), number) for number in range(7)]
    assert suppress(sheet) == dict.fromkeys(names[1:5], SMALL)


def test_a_single_hidden_part_takes_the_next_smallest_with_it() -> None:
    sheet, parts, _ = breakdown(2, 40, 9, 0, 17)
    assert suppress(sheet) == {parts[0]: SMALL, parts[2]: COMPLEMENTARY}


def test_two_small_parts_hide_one_another() -> None:
    sheet, parts, _ = breakdown(2, 40, 3)
    assert suppress(sheet) == {parts[0]: SMALL, parts[2]: SMALL}


def test_two_small_parts_that_leave_no_choice_take_a_third() -> None:
    """1 and 1 sum to 2, of which each must be at least 1."""
    sheet, parts, _ = breakdown(1, 40, 1, 90)
    assert suppress(sheet) == {parts[0]: SMALL, parts[2]: SMALL, parts[1]: COMPLEMENTARY}


def test_a_partner_of_five_leaves_one_no_choice() -> None:
    """1 + 5 is 6, of which the other is at least 5."""
    sheet, parts, _ = breakdown(1, 5, 60)
    assert suppress(sheet) == {parts[0]: SMALL, parts[1]: COMPLEMENTARY, parts[2]: COMPLEMENTARY}


def test_where_no_part_is_left_the_total_goes() -> None:
    sheet, parts, total = breakdown(1, 1, 1, 1, 1)
    assert suppress(sheet) == {**dict.fromkeys(parts, SMALL), total: COMPLEMENTARY}


def test_four_parts_of_less_than_five_are_not_told_to_be_less_than_five() -> None:
    """Fewer than 5 in four parts that are not zero would say that each is 1."""
    sheet, parts, total = breakdown(1, 1, 1, 1, 0)
    assert suppress(sheet) == {**dict.fromkeys(parts[:4], SMALL), total: COMPLEMENTARY}


def test_zeros_stay_told_also_beside_hidden_counts() -> None:
    sheet, parts, total = breakdown(0, 3, 0)
    assert suppress(sheet) == {parts[1]: SMALL, total: SMALL}


def test_in_a_table_the_hidden_counts_close_a_rectangle() -> None:
    """One hidden count a row would be given away by its column."""
    sheet, cells = grid([[2, 50, 60], [70, 80, 90], [100, 110, 120]])
    hidden = suppress(sheet)
    assert is_safe(sheet, hidden)
    assert hidden[cells["0", "0"]] is SMALL
    assert len(hidden) == 4


def test_equal_counts_in_two_places_are_hidden_in_both() -> None:
    sheet, _, total = breakdown(2, 40, 9)
    twin = sheet.put(name("cases"), 51)
    sheet.suspect(twin, total)
    sheet.add_up(name("things"), [twin, sheet.put(name("others"), 3)])
    hidden = suppress(sheet)
    assert is_safe(sheet, hidden)
    assert (twin in hidden) == (total in hidden)


def test_what_readers_come_for_is_hidden_last() -> None:
    """Not the many searches, but the total of everything beside which they stand."""
    sheet, parts, total = breakdown(1, 1, 40)
    sheet.essential.add(parts[2])
    assert suppress(sheet) == {parts[0]: SMALL, parts[1]: SMALL, total: COMPLEMENTARY}


def test_counts_that_differ_are_not_taken_for_one_another() -> None:
    sheet, _, total = breakdown(20, 40)
    sheet.suspect(sheet.put(name("cases"), 59), total)
    assert suppress(sheet) == {}


def test_a_total_is_one_number_wherever_it_stands() -> None:
    sheet, _, _ = breakdown(20, 40)
    with pytest.raises(ValueError, match="is 60 and 61"):
        sheet.put(name("searches"), 61)


def tables(width: int, most: int) -> st.SearchStrategy[list[list[int]]]:
    return st.lists(st.lists(counts, min_size=width, max_size=width), min_size=1, max_size=most)


counts = st.one_of(st.just(0), st.integers(1, 7), st.integers(0, 200))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 4).flatmap(lambda width: tables(width, 4)))
def test_no_small_count_of_any_table_can_be_worked_out(rows: list[list[int]]) -> None:
    sheet, _ = grid(rows)
    hidden = suppress(sheet)
    assert is_safe(sheet, hidden)
    assert all(sheet.counts[count] for count in hidden)
    assert suppress(sheet) == hidden


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    tables(3, 3),
    st.lists(st.integers(0, 4), min_size=3, max_size=3),
)
def test_nor_with_the_help_of_another_table_of_the_same_totals(rows: list[list[int]], split: list[int]) -> None:
    """The columns of one table broken down once more, in another."""
    sheet, cells = grid(rows)
    for column, first in enumerate(split):
        total = cells["all", f"{column}"]
        part = min(first, sheet.counts[total])
        halves = {"first": part, "second": sheet.counts[total] - part}
        sheet.add_up(total, [sheet.put(name("x", {"half": h, "purpose": f"{column}"}), n) for h, n in halves.items()])
    assert is_safe(sheet, suppress(sheet))
