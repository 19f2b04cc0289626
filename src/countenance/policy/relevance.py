"""Whether some policies say anything about a request, asked part by part.

A policy applies where its head and each of its conditions do, and a condition reads little of a request. So each part
is asked once for every combination of what it reads, and not for every request: of millions of requests, a few thousand
are left about which a changed policy can say something at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import cedarpy

from countenance.policy.entities import cedar_request, entities_of
from countenance.policy.policies import PackPolicy, path_of, policy_set
from countenance.policy.requests import RequestFacts
from countenance.policy.schema import schema

# What a dimension of a space can change in a request: these paths, and all that begin with them.
_CHANGES: Mapping[str, tuple[str, ...]] = {
    "action": ("action",),
    "kind": ("principal.organization.kind",),
    "jurisdiction": ("principal.organization.jurisdictions", "context.beneficiary.jurisdictions"),
    "beneficiary": ("context.beneficiary", "context.authorization.beneficiary", "context.footage.organizations"),
    "purpose": ("context.purpose", "context.authorization.purpose", "context.footage.purposes", "resource.purposes"),
    "sensitivity": ("resource",),
    "owner": ("resource",),
    "kept_for": ("resource",),
    "trained": ("principal.trained_until",),
    "suspended": ("principal.suspended",),
    "organization_suspended": ("principal.organization.suspended",),
    "debts": ("principal.debts",),
    "case": ("context.has_case",),
    "authorization": ("context.authorization",),
    "offence": ("context.authorization",),
    "targeted": ("context.authorization",),
    "footage": ("context.footage",),
    "qualification": ("context.qualification",),
    "threshold": ("context.threshold", "context.qualification"),
    "limit": ("context.limit",),
    "real_time": ("context.real_time",),
    "public_space": ("context.public_space",),
    "witnesses": ("context.witnesses",),
    "now": (
        "context.now",
        "context.moratoria",
        "context.authorization",
        "context.footage",
        "context.qualification",
        "principal.trained_until",
    ),
}
# Of dimensions that are named for a moratorium.
_MORATORIA = ("context.moratoria",)


@dataclass
class _Part:
    """A head or a condition by itself, as a permit; `reads` are the places of the dimensions that it depends on."""

    policy: PackPolicy
    reads: tuple[int, ...]
    heard: dict[tuple[int, ...], bool] = field(default_factory=dict)
    sets: dict[str, cedarpy.PolicySet] = field(default_factory=dict)

    def may_apply(self, places: Sequence[int], requests: Callable[[], Sequence[RequestFacts]]) -> bool:
        key = tuple(places[place] for place in self.reads)
        if key not in self.heard:
            self.heard[key] = any(map(self._applies, requests()))
        return self.heard[key]

    def _applies(self, request: RequestFacts) -> bool:
        if request.action not in self.sets:
            self.sets[request.action] = policy_set({"part": self.policy}, request.action)
        answer = cedarpy.is_authorized(
            cedar_request(request), self.sets[request.action], entities_of(request), schema=schema()
        )
        # A part that relies on another one may fail without it: then it may apply.
        return answer.allowed or bool(answer.diagnostics.errors)


class Relevance:
    """Some policies, over dimensions of these names."""

    def __init__(self, policies: Sequence[PackPolicy], dimensions: Sequence[str]) -> None:
        self._policies = [[_part(one, policy, dimensions) for one in _parts(policy)] for policy in policies]

    def may_apply(self, places: Sequence[int], requests: Callable[[], Sequence[RequestFacts]]) -> bool:
        """Whether any of the policies can apply to the requests at these places of the dimensions.

        `requests` makes them, where a part has to be asked.
        """
        return any(all(part.may_apply(places, requests) for part in parts) for parts in self._policies)


def _parts(policy: PackPolicy) -> Iterator[Mapping[str, Any]]:
    """The head of a policy and each of its conditions, as policies of their own."""
    permit = {**policy.form, "effect": "permit", "annotations": {}}
    yield {**permit, "conditions": []}
    # Parts are asked under any action that the policy is about; its head is a part already.
    headless = {**permit, "principal": {"op": "All"}, "resource": {"op": "All"}}
    for condition in policy.form["conditions"]:
        bodies = _conjuncts(condition["body"]) if condition["kind"] == "when" else [condition["body"]]
        for body in bodies:
            yield {**headless, "conditions": [{"kind": condition["kind"], "body": body}]}


def _conjuncts(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    both = body.get("&&")
    if isinstance(both, Mapping):
        yield from _conjuncts(both["left"])
        yield from _conjuncts(both["right"])
    else:
        yield body


def _part(form: Mapping[str, Any], policy: PackPolicy, dimensions: Sequence[str]) -> _Part:
    paths = {path for condition in form["conditions"] for path in _read(condition["body"])} | {"action"}
    paths |= {variable for variable in ("principal", "resource") if form[variable]["op"] != "All"}

    def depends_on(dimension: str) -> bool:
        changes = _CHANGES.get(dimension, _MORATORIA)
        return any(_within(path, change) or _within(change, path) for path in paths for change in changes)

    reads = tuple(place for place, dimension in enumerate(dimensions) if depends_on(dimension))
    return _Part(replace(policy, form=form), reads)


def _read(expression: Any) -> Iterator[str]:
    """Every path that is read, as long as it is written."""
    path = path_of(expression)
    if path is not None:
        yield path
    elif isinstance(expression, Mapping):
        has = expression.get("has")
        if isinstance(has, Mapping) and (left := path_of(has.get("left"))) is not None:
            yield f"{left}.{has['attr']}"
        else:
            for inner in expression.values():
                yield from _read(inner)
    elif isinstance(expression, list):
        for inner in expression:
            yield from _read(inner)


def _within(path: str, other: str) -> bool:
    return path == other or path.startswith(f"{other}.")
