"""A page of a listing, and where the next one begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Keyed(Protocol):
    """Something that a listing orders by its key, which grows from what came first to what came last."""

    @property
    def key(self) -> int:
        """Unique and never changed."""


Item = TypeVar("Item", bound=Keyed)


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Items in their stable order. `after` begins the next page; None on the last one.

    The order never changes while an item lives, and a page begins after a key, not at a count: what is inserted or
    deleted between two pages makes no other item be skipped or come twice.
    """

    items: tuple[Item, ...]
    after: int | None

    @classmethod
    def of(cls, found: Sequence[Item], limit: int) -> Page[Item]:
        """The first `limit` of what was found, when up to `limit + 1` were looked for."""
        return cls(tuple(found[:limit]), found[limit - 1].key if len(found) > limit else None)
