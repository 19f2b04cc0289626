"""Small counts are not told, nor can they be worked out from those that are (cell suppression).

A count of 1 to 4 may point at one person who knows of the use: it is suppressed and told as "fewer than 5" (primary
suppression). Zero is told, and no setting changes any of this. Where the sums that hold between counts would give a
small one away, the smallest count that prevents it is suppressed as well, as often as needed (complementary
suppression). Such a count is told as "not shown", which says nothing about its size: it may be a small total, when
"fewer than 5" in four parts would say that each is 1.

What a reader can work out is everything that follows from the sums and from knowing that a small count is 1 to 4 and
another hidden one at least 5. That is a linear program, solved once for the least and once for the most that a count
can be; a small count is safe when it could be another number as well. See Willenborg and de Waal, Elements of
Statistical Disclosure Control (2001), and Fischetti and Salazar, Management Science 47 (2001), for the method.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_array

from countenance.transparency.sheet import Name, Sheet

# The least count that is told, beside zero.
LEAST = 5

# Counts are whole numbers: one that could be another number differs by one. Solvers are exact to about 1e-7.
_ANOTHER = 1 - 1e-3


class Suppression(StrEnum):
    """Why a count is not told."""

    SMALL = "small"
    COMPLEMENTARY = "complementary"


Hidden = dict[Name, Suppression]


def suppress(sheet: Sheet) -> Hidden:
    """The counts that are not told, and why. The same sheet always gives the same answer."""
    search = _Search(sheet)
    while True:
        search.accompany()
        known = given_away(sheet, search.hidden)
        # When everything is hidden already, nothing more can be done, and nothing need be.
        if not known or not search.blur(known):
            return search.hidden


def given_away(sheet: Sheet, hidden: Hidden) -> list[Name]:
    """The small counts that a reader can work out although they are hidden."""
    reader = _Reader(sheet, hidden)
    small = [count for count in hidden if sheet.counts[count] < LEAST]
    left = reader.without_alternative(small)
    return sorted(count for count in left if not reader.has_alternative(count))


class _Reader:
    """Somebody who knows what is told, and calculates."""

    def __init__(self, sheet: Sheet, hidden: Hidden) -> None:
        self._counts = sheet.counts
        self._place = {count: place for place, count in enumerate(hidden)}
        self._bounds = [
            (1, LEAST - 1) if why is Suppression.SMALL else (1 if sheet.counts[count] < LEAST else LEAST, None)
            for count, why in hidden.items()
        ]
        self._bounded = [count for count, why in hidden.items() if why is Suppression.SMALL]
        rows, columns, factors, self._right = [], [], [], list[int]()
        for total, parts in sheet.sums:
            if total not in hidden and not any(part in hidden for part in parts):
                continue
            right = 0
            for count, factor in ((total, 1), *((part, -1) for part in parts)):
                if count in hidden:
                    rows.append(len(self._right))
                    columns.append(self._place[count])
                    factors.append(factor)
                else:
                    right -= factor * self._counts[count]
            self._right.append(right)
        self._sums = csr_array((factors, (rows, columns)), shape=(len(self._right), len(hidden)))

    def without_alternative(self, small: Sequence[Name]) -> list[Name]:
        """Those counts that have their own value in both the smallest and the largest solution overall.

        Most have another in one of them, which settles that they are safe at the cost of two programs for all.
        """
        left = list(small)
        for sign in (1, -1):
            solution = self._solve(self._bounded, sign)
            if solution is not None:
                left = [count for count in left if not self._differs(solution, count)]
        return left

    def has_alternative(self, count: Name) -> bool:
        """Whether this count could be another number."""
        for sign in (1, -1):
            solution = self._solve([count], sign)
            # A total that has no upper bound could be anything.
            if solution is None or self._differs(solution, count):
                return True
        return False

    def _differs(self, solution: NDArray[np.float64], count: Name) -> bool:
        return bool(abs(solution[self._place[count]] - self._counts[count]) >= _ANOTHER)

    def _solve(self, least: Sequence[Name], sign: int) -> NDArray[np.float64] | None:
        """Values for all hidden counts that make the sum of some least (or most); None where there is no limit."""
        if not self._right:
            return np.array(
                [low for low, _ in self._bounds] if sign > 0 else [high or np.inf for _, high in self._bounds]
            )
        objective = np.zeros(len(self._bounds))
        objective[[self._place[count] for count in least]] = sign
        answer = linprog(objective, A_eq=self._sums, b_eq=self._right, bounds=self._bounds, method="highs")
        if answer.status not in {0, 3}:
            raise RuntimeError(f"the linear program of a report was not solved: {answer.message}")
        return None if answer.status == 3 else np.asarray(answer.x)


class _Search:
    """What to hide beside the small counts: few, and small ones first."""

    def __init__(self, sheet: Sheet) -> None:
        self._counts = sheet.counts
        self._essential = sheet.essential
        self._sums = [(total, *parts) for total, parts in sheet.sums]
        self._totals = {total for total, _ in sheet.sums}
        self._touching: dict[Name, list[int]] = defaultdict(list)
        for place, counts in enumerate(self._sums):
            for count in counts:
                self._touching[count].append(place)
        self.hidden: Hidden = {}
        self._hidden_in = [0] * len(self._sums)
        for count, value in sheet.counts.items():
            if 0 < value < LEAST:
                self._hide(count)

    def accompany(self) -> None:
        """No count is hidden alone in a sum: the others would tell it."""
        while alone := [place for place, number in enumerate(self._hidden_in) if number == 1]:
            for place in alone:
                if self._hidden_in[place] == 1:
                    # There is one: a part that is not zero has a total, and the other way round.
                    self._hide_cheapest(self._hideable([place]))

    def blur(self, known: Sequence[Name]) -> bool:
        """Hide more counts where these are known; whether there were any to hide."""
        touched = set[int]()
        for count in known:
            places = self._touching[count]
            if not touched.intersection(places) and (candidates := self._hideable(places)):
                touched.update(self._touching[self._hide_cheapest(candidates)])
        if touched:
            return True
        # "Fewer than 5" in four parts that are not zero: each would be 1.
        totals = {self._sums[place][0] for count in known for place in self._touching[count]}
        small_totals = sorted(total for total in totals if self.hidden.get(total) is Suppression.SMALL)
        if small_totals:
            self.hidden[small_totals[0]] = Suppression.COMPLEMENTARY
            return True
        if candidates := self._hideable(range(len(self._sums))):
            self._hide_cheapest(candidates)
            return True
        return False

    def _hideable(self, places: Iterable[int]) -> list[Name]:
        """What could be hidden in these sums."""
        counts = {count for place in places for count in self._sums[place]}
        return [count for count in counts if self._counts[count] and count not in self.hidden]

    def _hide_cheapest(self, candidates: Iterable[Name]) -> Name:
        def cost(count: Name) -> tuple[bool, bool, int, int, Name]:
            # A total is many sums' business; and one that would stand alone in a sum would need another there.
            alone = sum(self._hidden_in[place] == 0 for place in self._touching[count])
            return count in self._essential, count in self._totals, alone, self._counts[count], count

        return self._hide(min(candidates, key=cost))

    def _hide(self, count: Name) -> Name:
        small = self._counts[count] < LEAST
        self.hidden[count] = Suppression.SMALL if small else Suppression.COMPLEMENTARY
        for place in self._touching[count]:
            self._hidden_in[place] += 1
        return count
