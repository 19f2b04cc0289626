"""Moratoria: suspensions that end when somebody says so, and not by being forgotten.

At its sunset a moratorium either lapses or holds. One that holds goes on until an explicit decision ends it, as
Amazon's own did: declared for one year on 10 June 2020, it was extended on 18 May 2021 until further notice.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from countenance.errors import InvalidParameter

FILE = "moratorium.toml"


class AtSunset(StrEnum):
    """What happens when the sunset comes and nobody has decided anything."""

    HOLD = "hold"
    LAPSE = "lapse"


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: str
    start: AwareDatetime
    sunset: AwareDatetime
    at_sunset: AtSunset
    ended: AwareDatetime | None = None
    scope: str = ""
    exemptions: str = ""


@dataclass(frozen=True, slots=True)
class Moratorium:
    """A suspension. `name` is that of its pack, by which policies know it; `scope` and `exemptions` are for people.

    Raises InvalidParameter when it would end before it starts.
    """

    name: str
    title: str
    start: datetime
    sunset: datetime
    at_sunset: AtSunset
    ended: datetime | None = None
    scope: str = ""
    exemptions: str = ""

    def __post_init__(self) -> None:
        if self.sunset <= self.start:
            raise InvalidParameter(f"The sunset of the moratorium {self.name} must come after its start.")

    @classmethod
    def from_toml(cls, name: str, text: str) -> Self:
        """Read moratorium.toml. Raises InvalidParameter with a sentence about the first thing that is wrong."""
        try:
            values = _File.model_validate(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise InvalidParameter(f"The policy pack {name}: {FILE} is no TOML: {error}.") from error
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(str(part) for part in problem["loc"])
            raise InvalidParameter(f"The policy pack {name}: {FILE}, {where}: {problem['msg']}.") from error
        return cls(name, **values.model_dump())

    def in_force(self, now: datetime) -> bool:
        """Whether it suspends anything at this time."""
        if now < self.start or (self.ended is not None and now >= self.ended):
            return False
        return now < self.sunset or self.at_sunset is AtSunset.HOLD

    def held(self, now: datetime) -> bool:
        """Whether it is in force only because nobody has decided since its sunset."""
        return self.in_force(now) and now >= self.sunset

    def extended(self, sunset: datetime) -> Moratorium:
        """The same with a later sunset. Raises InvalidParameter for an earlier one, or when it was ended."""
        if self.ended is not None:
            raise InvalidParameter(f"The moratorium {self.name} was ended: declare a new one.")
        if sunset <= self.sunset:
            raise InvalidParameter(f"The moratorium {self.name} is extended to a time after its sunset.")
        return dataclasses.replace(self, sunset=sunset)

    def ended_at(self, time: datetime) -> Moratorium:
        """The same, ended. Raises InvalidParameter when it was ended before, or has not started at that time."""
        if self.ended is not None:
            raise InvalidParameter(f"The moratorium {self.name} was ended before.")
        if time < self.start:
            raise InvalidParameter(f"The moratorium {self.name} ends after its start.")
        return dataclasses.replace(self, ended=time)

    def facts(self) -> dict[str, Any]:
        """The moratorium for records and answers, without what is absent."""
        times = {"start": self.start, "sunset": self.sunset, "ended": self.ended}
        return {
            "name": self.name,
            "title": self.title,
            **{key: _text(time) for key, time in times.items() if time is not None},
            "at_sunset": self.at_sunset.value,
            "scope": self.scope,
            "exemptions": self.exemptions,
        }

    def text(self) -> str:
        """The moratorium as moratorium.toml has it."""
        lines = [f"title = {_quoted(self.title)}", f"start = {_text(self.start)}", f"sunset = {_text(self.sunset)}"]
        lines += ["", f"# What happens when the sunset comes and nobody has decided: {' or '.join(AtSunset)}."]
        lines.append(f"at_sunset = {_quoted(self.at_sunset)}")
        if self.ended is not None:
            lines += ["", "# The explicit decision.", f"ended = {_text(self.ended)}"]
        lines += ["", f"scope = {_quoted(self.scope)}", f"exemptions = {_quoted(self.exemptions)}"]
        return "\n".join(lines) + "\n"


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z").replace(".000Z", "Z")


def _quoted(value: str) -> str:
    # A JSON string is a TOML string, but for DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
