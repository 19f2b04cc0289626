"""Many at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def at_once(number: int, work: Callable[[int], T]) -> list[T]:
    """What `work(0)` to `work(number - 1)` give when all begin at the same moment."""
    start = threading.Barrier(number)

    def one(place: int) -> T:
        start.wait()
        return work(place)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(one, range(number)))


def outcomes(number: int, work: Callable[[int], object], refusal: type[Exception]) -> list[object]:
    """The same; what was refused gives its sentence instead."""

    def one(place: int) -> object:
        try:
            return work(place)
        except refusal as error:
            return str(error)

    return at_once(number, one)
