"""Counts as they are told: the number, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from countenance.transparency.sheet import Name, Sheet
from countenance.transparency.suppression import LEAST, Hidden, Suppression, suppress

FEWER = f"fewer than {LEAST}"
NOT_SHOWN = "not shown"

_WORDS = {Suppression.SMALL: FEWER, Suppression.COMPLEMENTARY: NOT_SHOWN}


@dataclass(frozen=True, slots=True)
class Told:
    """A count for readers. Either `value` or `suppressed` is None."""

    value: int | None
    suppressed: Suppression | None = None

    def __str__(self) -> str:
        if self.suppressed is not None:
            return _WORDS[self.suppressed]
        return f"{self.value:,}"

    @property
    def spoken(self) -> str:
        """The count within a sentence."""
        return "some" if self.suppressed is Suppression.COMPLEMENTARY else str(self)

    def over(self, whole: Told) -> float | None:
        """This as a part of a whole, to six digits; None when either is not told, or the whole is nothing."""
        return None if self.value is None or not whole.value else round(self.value / whole.value, 6)


@dataclass(frozen=True)
class Telling:
    """A sheet of which small counts are not told."""

    sheet: Sheet
    hidden: Hidden

    @classmethod
    def of(cls, sheet: Sheet) -> Telling:
        """The sheet, with what must not be told hidden."""
        return cls(sheet, suppress(sheet))

    def __getitem__(self, count: Name) -> Told:
        """The count as it is told. What was never counted, because there was none of it, is zero."""
        why = self.hidden.get(count)
        return Told(None, why) if why is not None else Told(self.sheet.counts.get(count, 0))
