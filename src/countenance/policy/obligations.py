"""What a permitted use owes, read from the annotations of the policies that say so.

Cedar knows no obligations, and a permit that carries one would grant as well. So they stand in policies of their own,
which are asked after the decision: `@obligation("human_review:2; threshold_floor:99")`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from countenance.policy.decisions import Obligations

ANNOTATION = "obligation"

# How each kind is read, and which of two is the stricter.
_KINDS: Mapping[str, tuple[Callable[[str], float], Callable[[Any, Any], Any]]] = {
    "threshold_floor": (float, max),
    "candidate_cap": (int, min),
    "human_review": (int, max),
    "retention_days": (int, min),
}


class UnknownObligation(ValueError):
    """An obligation that nobody here knows how to meet."""


def parse(annotation: str) -> Obligations:
    """The obligations that an annotation names. Raises UnknownObligation, also for a number that makes no sense."""
    values: dict[str, float] = {}
    for part in annotation.split(";"):
        key, separator, number = (piece.strip() for piece in part.partition(":"))
        if not separator or key not in _KINDS or key in values:
            known = ", ".join(f"{kind}:NUMBER" for kind in _KINDS)
            raise UnknownObligation(f"The obligation {part.strip()!r} is none of {known}, each once.")
        try:
            values[key] = _KINDS[key][0](number)
        except ValueError as error:
            raise UnknownObligation(f"The obligation {part.strip()!r} needs a number.") from error
        if not math.isfinite(values[key]) or not 0 <= values[key] <= (100 if key == "threshold_floor" else math.inf):
            raise UnknownObligation(f"The obligation {part.strip()!r} is out of its range.")
    return Obligations(**values)  # type: ignore[arg-type]  # floats only for threshold_floor, as _KINDS has it


def strictest(obligations: Iterable[Obligations]) -> Obligations:
    """All of them at once: the strictest of each kind."""
    values: dict[str, Any] = {}
    for one in obligations:
        for key, (_, stricter) in _KINDS.items():
            value = getattr(one, key)
            if value is not None:
                values[key] = stricter(values.get(key, value), value)
    return Obligations(**values)


def phrases(obligations: Obligations) -> list[str]:
    """Each obligation in words."""
    words = {
        "threshold_floor": "a threshold of at least {:g}",
        "candidate_cap": "at most {} candidates",
        "human_review": "confirmation by {} people",
        "retention_days": "deletion after {} days",
    }
    present = {key: getattr(obligations, key) for key in _KINDS}
    told = [words[key].format(value) for key, value in present.items() if value is not None]
    return [text.replace("by 1 people", "by 1 person") for text in told]
