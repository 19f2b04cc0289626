"""What a change of the policies changes, in words: which requests become allowed or denied, or owe something else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import permutations
from math import prod
from typing import Literal

from countenance.policy.actions import GROUPS
from countenance.policy.decisions import Decision
from countenance.policy.engine import PolicyEngine
from countenance.policy.obligations import phrases
from countenance.policy.packs import Pack
from countenance.policy.relevance import Relevance
from countenance.policy.requests import RequestFacts
from countenance.policy.situations import request_of
from countenance.policy.spaces import Dimension, Point, Space, spaces
from countenance.policy.words import enumeration

Effect = Literal["allowed", "denied", "obligations"]
Places = tuple[int, ...]
_Label = tuple[Effect, tuple[str, ...], tuple[str, ...]]
Box = tuple[frozenset[int], ...]

# In how many orders dimensions are tried to be merged: the one with the fewest sentences is told.
MAX_ORDERS = 24


@dataclass(frozen=True, slots=True)
class Difference:
    """Requests that are decided otherwise: every combination of the `facts` of each dimension.

    `requests` is how many those are; `before` and `after` are what they owe; `policies` are those that deny, after for
    what becomes denied and before for what becomes allowed.
    """

    effect: Effect
    facts: Mapping[str, tuple[str, ...]]
    requests: int
    before: tuple[str, ...]
    after: tuple[str, ...]
    policies: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two sets of packs decide differently. `asked` is how many requests were compared, by `dimensions`.

    `policy_by_policy`: there were too many to vary all that changed together, and each changed policy had its own.
    """

    asked: int
    dimensions: tuple[str, ...]
    policy_by_policy: bool
    differences: tuple[Difference, ...]

    def sentences(self) -> tuple[str, ...]:
        """All of it in words."""
        return tuple(difference.sentence for difference in self.differences)


def compare(
    before: Sequence[Pack], after: Sequence[Pack], now: datetime, progress: Callable[[int, int], None] = lambda *_: None
) -> Comparison:
    """Compare what two sets of packs decide; `progress` is told how many requests were asked, of how many.

    Raises InvalidParameter when a set lacks a pack that another requires.
    """
    engines = PolicyEngine(before), PolicyEngine(after)
    found = spaces(before, after, now)
    total = sum(map(len, found))
    done = 0
    differences: dict[str, Difference] = {}
    for space in found:
        relevance = Relevance(space.policies, [dimension.name for dimension in space.dimensions])
        labels: dict[_Label, dict[Places, frozenset[str]]] = {}
        for places, point in space.points():
            requests = partial(_requests, point, engines)
            if relevance.may_apply(places, requests):
                was, becomes = (
                    engine.decide(request, explain=False) for engine, request in zip(engines, requests(), strict=True)
                )
                effect = _effect(was, becomes)
                if effect is not None:
                    labels.setdefault(_label(effect, was, becomes), {})[places] = _deniers(was, becomes)
            done += 1
            progress(done, total)
        for label, points in labels.items():
            for box in _boxes(points, space):
                difference = _difference(space, box, label, points)
                differences.setdefault(difference.sentence, difference)
    return Comparison(
        asked=sum(space.size for space in found),
        dimensions=tuple(dict.fromkeys(dimension.name for space in found for dimension in space.dimensions)),
        policy_by_policy=len(found) > 1,
        differences=tuple(sorted(differences.values(), key=lambda one: (one.effect, -one.requests))),
    )


def _requests(point: Point, engines: Sequence[PolicyEngine]) -> list[RequestFacts]:
    """The request at a point, under the moratoria of each set."""
    return [request_of(point, engine.moratoria_in_force(point["now"])) for engine in engines]


def _effect(was: Decision, becomes: Decision) -> Effect | None:
    if was.allowed != becomes.allowed:
        return "allowed" if becomes.allowed else "denied"
    return "obligations" if was.allowed and was.obligations != becomes.obligations else None


def _label(effect: Effect, was: Decision, becomes: Decision) -> _Label:
    """What becomes of a request: the effect, and what it owed and owes, where that is told."""
    before = tuple(phrases(was.obligations)) if effect == "obligations" else ()
    return effect, before, () if effect == "denied" else tuple(phrases(becomes.obligations))


def _deniers(was: Decision, becomes: Decision) -> frozenset[str]:
    denials = [decision for decision in (was, becomes) if not decision.allowed]
    return frozenset(f"{policy.pack}/{policy.id}" for decision in denials for policy in decision.policies)


def _boxes(points: Iterable[Places], space: Space) -> list[Box]:
    """The points as few disjoint boxes, each all combinations of some values of each dimension."""
    start = [tuple(frozenset({place}) for place in places) for places in points]
    orders = permutations(range(len(space.dimensions)))
    candidates = (_merged(start, order) for order, _ in zip(orders, range(MAX_ORDERS), strict=False))
    return min(candidates, key=len)


def _merged(boxes: list[Box], order: Sequence[int]) -> list[Box]:
    for place in order:
        rest: dict[Box, frozenset[int]] = {}
        for box in boxes:
            key = (*box[:place], *box[place + 1 :])
            rest[key] = rest.get(key, frozenset()) | box[place]
        boxes = [(*key[:place], values, *key[place:]) for key, values in rest.items()]
    return boxes


def _difference(
    space: Space,
    box: Box,
    label: _Label,
    points: Mapping[Places, frozenset[str]],
) -> Difference:
    effect, before, after = label
    facts = {
        dimension.name: tuple(word for place in sorted(places) for word in dimension.values[place].words)
        for dimension, places in zip(space.dimensions, box, strict=True)
    }
    inside = [names for places, names in points.items() if all(map(frozenset.__contains__, box, places))]
    policies = tuple(sorted(frozenset().union(*inside)))
    requests = prod(map(len, facts.values()))
    what = ", ".join(_phrases(space.dimensions, facts))
    verb = {
        "allowed": "Becomes allowed",
        "denied": "Becomes denied",
        "obligations": f"Owes {enumeration(after) or 'nothing'} instead of {enumeration(before) or 'nothing'}",
    }[effect]
    by = f" ({enumeration(policies)})" if policies else ""
    owing = f", and owes {enumeration(after)}" if effect == "allowed" and after else ""
    sentence = f"{verb}: {what}{owing}{by}; {requests:,} of {space.size:,} requests."
    return Difference(effect, facts, requests, before, after, policies, sentence)


def _phrases(dimensions: Sequence[Dimension], facts: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    for dimension in dimensions:
        chosen = facts[dimension.name]
        if dimension.name == "action":
            yield enumeration(_grouped(chosen))
        elif len(chosen) < len(dimension.words):
            yield dimension.phrase(chosen, dimension.words)


def _grouped(actions: Sequence[str]) -> list[str]:
    """Actions by the names of groups that are there as a whole, the largest first, and those that are left."""
    left = set(actions)
    names = []
    for group in sorted(GROUPS, key=lambda name: -len(GROUPS[name])):
        if left.issuperset(GROUPS[group]):
            names.append(group)
            left.difference_update(GROUPS[group])
    return [*names, *(action for action in actions if action in left)]
