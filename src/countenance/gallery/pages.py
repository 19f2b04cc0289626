"""A page of a listing, and where the next one begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Cursor = TypeVar("Cursor", int, str)


@dataclass(frozen=True, slots=True)
class Page(Generic[Item, Cursor]):
    """Items in their stable order. `after` begins the next page; None on the last one.

    The order never changes while an item lives, and a page begins after a value, not at a count: what is inserted or
    deleted between two pages makes no other item be skipped or come twice.
    """

    items: tuple[Item, ...]
    after: Cursor | None

    @classmethod
    def of(cls, found: Sequence[tuple[Cursor, Item]], limit: int) -> Page[Item, Cursor]:
        """The first `limit` of what was found, when up to `limit + 1` were looked for."""
        shown = found[:limit]
        return cls(tuple(item for _, item in shown), shown[-1][0] if len(found) > limit else None)
