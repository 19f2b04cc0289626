"""Listings, page after page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from countenance.gallery.pages import Keyed
from countenance.service.pagination import Listing

Item = TypeVar("Item", bound=Keyed)


def every(page_of: Callable[[str | None], Listing[Item]]) -> Iterator[Item]:
    """Everything a listing has; `page_of` gives the page behind a token."""
    token = None
    while True:
        page = page_of(token)
        yield from page.items
        token = page.next_token
        if token is None:
            return
