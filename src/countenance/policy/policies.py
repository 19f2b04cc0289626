"""Single policies, taken out of Cedar text.

A policy is pinned by the SHA-256 of its canonical form: Cedar's own JSON of it (what `cedar translate-policy` prints),
in the order and spelling of RFC 8785. Comments and layout do not count, annotations do.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import cedarpy
import rfc8785

from countenance.errors import InvalidParameter
from countenance.policy import decisions
from countenance.policy.actions import names_of
from countenance.policy.obligations import ANNOTATION
from countenance.policy.schema import NAMESPACE, schema

ID = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class PackPolicy:
    """A policy as it stands in a pack. `form` is Cedar's JSON of it; `obligation` the text of its annotation."""

    reference: decisions.Policy
    effect: Literal["permit", "forbid"]
    form: Mapping[str, Any]
    obligation: str | None = None

    @property
    def name(self) -> str:
        """The pack and the id, by which policies are told apart in a set of packs."""
        return f"{self.reference.pack}/{self.reference.id}"

    def applies_to(self, names: frozenset[str]) -> bool:
        """Whether the policy's head can mean an action that is called by these names."""
        scope = self.form["action"]
        if scope["op"] == "All":
            return True
        targets = scope.get("entities") or [scope["entity"]]
        return any(target["id"] in names for target in targets)


def parse(pack: str, file: str, text: str) -> tuple[PackPolicy, ...]:
    """The policies of a file of a pack, held against the schema.

    Raises InvalidParameter, with a sentence that names the policy, when the text is no Cedar, speaks of what is not in
    the schema, or a policy has no id or that of another.
    """
    try:
        forms = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as error:
        raise InvalidParameter(f"The policy pack {pack}: {file} cannot be read: {_line(error)}.") from error
    if forms["templates"] or forms["templateLinks"]:
        raise InvalidParameter(f"The policy pack {pack}: {file} has a template: write each policy out in full.")
    # Cedar numbers policies as they come, and orders the numbers as text.
    in_order = sorted(forms["staticPolicies"].items(), key=lambda item: int(item[0].removeprefix("policy")))
    policies = tuple(_policy(pack, file, form) for _, form in in_order)
    ids = [policy.reference.id for policy in policies]
    twice = next((one for place, one in enumerate(ids) if one in ids[:place]), None)
    if twice is not None:
        raise InvalidParameter(f"The policy pack {pack}: {file} has two policies with the id {twice}.")
    checked = cedarpy.validate_policies(text, schema())
    if not checked:
        problem = checked.errors[0]
        # The sentence begins with the id that Cedar gave.
        where = next(
            (one.name for (given, _), one in zip(in_order, policies, strict=True) if given == problem.policy_id), file
        )
        raise InvalidParameter(f"The policy {where} does not hold: {_line(problem.error)}.")
    return policies


def policy_set(policies: Mapping[str, PackPolicy], action: str) -> cedarpy.PolicySet:
    """The policies that can say something about an action, under the names they are given.

    Their heads say no more which actions they are about: all that are left are about this one, and comparing heads is
    what most of the time of a decision would be spent on.
    """
    names = names_of(action)
    forms = {
        name: {**policy.form, "action": {"op": "All"}} for name, policy in policies.items() if policy.applies_to(names)
    }
    return cedarpy.PolicySet.from_json_str(json.dumps({"staticPolicies": forms, "templates": {}, "templateLinks": []}))


def nodes(form: Any) -> Iterator[Mapping[str, Any]]:
    """Every expression of a policy's JSON, outermost first."""
    if isinstance(form, Mapping):
        yield form
        for inner in form.values():
            yield from nodes(inner)
    elif isinstance(form, list):
        for inner in form:
            yield from nodes(inner)


def thresholds(policies: Iterable[PackPolicy]) -> tuple[float, ...]:
    """Every threshold that policies speak of, ascending."""
    calls = (node.get("decimal") for policy in policies for node in nodes(policy.form))
    return tuple(sorted({float(call[0]["Value"]) for call in calls if isinstance(call, list)}))


def path_of(expression: Any) -> str | None:
    """What an expression speaks of, such as `context.authorization.state`; None when it is no such path."""
    if not isinstance(expression, Mapping):
        return None
    if "Var" in expression:
        return str(expression["Var"])
    if "." not in expression:
        return None
    left = path_of(expression["."]["left"])
    return None if left is None else f"{left}.{expression['.']['attr']}"


def is_action(value: Any) -> bool:
    """Whether a JSON value is the reference of an action or of a group of actions."""
    entity = value.get("__entity", value) if isinstance(value, Mapping) else None
    return isinstance(entity, Mapping) and entity.get("type") == f"{NAMESPACE}::Action"


def _policy(pack: str, file: str, form: Mapping[str, Any]) -> PackPolicy:
    annotations = form.get("annotations", {})
    name = annotations.get("id") or ""
    if not ID.fullmatch(name):
        raise InvalidParameter(
            f"The policy pack {pack}: {file} has a policy with the @id {name!r}: write one of lower-case letters, "
            "digits, hyphens and dots."
        )
    try:
        canonical = rfc8785.dumps(dict(form))
    except rfc8785.CanonicalizationError as error:
        raise InvalidParameter(f"The policy {pack}/{name} cannot be pinned: {_line(error)}.") from error
    reference = decisions.Policy(
        pack=pack,
        id=name,
        sha256=hashlib.sha256(canonical).hexdigest(),
        message=annotations.get("message") or "",
        source=annotations.get("source") or "",
    )
    return PackPolicy(reference, form["effect"], form, annotations.get(ANNOTATION))


def _line(error: object) -> str:
    return " ".join(str(error).split()).rstrip(".")
