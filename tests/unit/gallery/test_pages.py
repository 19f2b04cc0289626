"""Pages of listings."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from countenance.gallery.pages import Page


@dataclass
class Item:
    key: int


@pytest.mark.parametrize(
    ("found", "shown", "after"),
    [([], 0, None), ([3], 1, None), ([3, 7], 2, None), ([3, 7, 8], 2, 7)],
    ids=["none", "fewer", "exactly", "more"],
)
def test_another_page_follows_only_when_there_is_more(found: list[int], shown: int, after: int | None) -> None:
    page = Page.of([Item(key) for key in found], 2)
    assert [item.key for item in page.items] == found[:shown]
    assert page.after == after
