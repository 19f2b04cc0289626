"""Entries written down before their time is known."""

from __future__ import annotations

import rfc8785

from countenance.ledger.entries import MAX_ENTRY_BYTES, Entry

# What every time is as long as.
_TIME = "0000-00-00T00:00:00.000Z"


class Draft:
    """The bytes of an entry on both sides of its time: `leaf(t)` equals `entries.written` at that time.

    Entries are written by those who add them, side by side; only the time is put in where one waits for the other.
    """

    __slots__ = ("_after", "_before")

    def __init__(self, entry: Entry) -> None:
        """Raises ValueError for an entry that would not fit into a bundle, or cannot be written as canonical JSON."""
        content = entry.model_dump(mode="json", exclude_none=True, exclude={"at"})
        # RFC 8785 sorts members by the UTF-16 of their names, which are ASCII here.
        before = rfc8785.dumps({name: value for name, value in content.items() if name < "at"})[:-1]
        after = rfc8785.dumps({name: value for name, value in content.items() if name > "at"})[1:]
        self._before = before + (b',"at":"' if len(before) > 1 else b'"at":"')
        self._after = b'",' + after if len(after) > 1 else b'"' + after
        size = len(self.leaf(_TIME))
        if size > MAX_ENTRY_BYTES:
            raise ValueError(f"an entry has at most {MAX_ENTRY_BYTES:,} bytes, not {size:,}: spread it over several")

    def leaf(self, timestamp: str) -> bytes:
        """The bytes of the entry at this time, which is written as `entries.timestamp` does."""
        return self._before + timestamp.encode() + self._after
