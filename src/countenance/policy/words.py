"""Lists in sentences."""

from __future__ import annotations

from collections.abc import Sequence


def choice(words: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    return _list(words, "or")


def enumeration(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return _list(words, "and")


def _list(words: Sequence[str], last: str) -> str:
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"
