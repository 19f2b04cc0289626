"""What policies speak of: paths such as `context.threshold`, words, numbers and times; which words they tell apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from countenance.policy.actions import names_of
from countenance.policy.policies import PackPolicy, is_action, nodes, path_of

_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=", "contains", "containsAny", "containsAll")


class Literals:
    """What some policies speak of."""

    def __init__(self, policies: Iterable[PackPolicy]) -> None:
        self._policies = tuple(policies)

    @cached_property
    def paths(self) -> frozenset[str]:
        """Every path that is read, and every path that is on the way to one."""
        found: set[str] = set()
        for node in self.nodes:
            path = path_of(node)
            if path is not None and "." in node:
                found.add(path)
            has = node.get("has")
            if isinstance(has, Mapping) and (left := path_of(has["left"])) is not None:
                found.add(f"{left}.{has['attr']}")
        return frozenset(found)

    @cached_property
    def times(self) -> tuple[datetime, ...]:
        """Every time that is written out, ascending."""
        calls = (node.get("datetime") for node in self.nodes)
        texts = {call[0]["Value"] for call in calls if isinstance(call, list)}
        return tuple(sorted(datetime.fromisoformat(text).replace(tzinfo=UTC) for text in texts))

    def compared_with(self, path: str) -> tuple[Any, ...]:
        """Every literal that a path is compared with, in the order of their first appearance."""
        found: dict[Any, None] = {}
        for node in self.nodes:
            for comparison in _COMPARISONS:
                sides = node.get(comparison)
                if isinstance(sides, Mapping) and {"left", "right"} <= sides.keys():
                    for one, other in ((sides["left"], sides["right"]), (sides["right"], sides["left"])):
                        if path_of(one) == path:
                            found |= dict.fromkeys(_values(other))
        return tuple(found)

    def classes(self, words: Sequence[str]) -> list[tuple[str, ...]]:
        """The words in classes of those that no policy tells apart.

        A policy can tell two words apart only where it names one of them without the other; where all lists that have
        one have the other too, exchanging them in a request changes nothing.
        """
        by_signature: dict[frozenset[frozenset[str]], list[str]] = {}
        for word in words:
            signature = frozenset(atom for atom in self._atoms if word in atom)
            by_signature.setdefault(signature, []).append(word)
        return [tuple(alike) for alike in by_signature.values()]

    def action_classes(self, actions: Sequence[str]) -> list[tuple[str, ...]]:
        """The actions in classes of those that no policy tells apart."""
        by_signature: dict[frozenset[str], list[str]] = {}
        for action in actions:
            by_signature.setdefault(names_of(action) & self._action_names, []).append(action)
        return [tuple(alike) for alike in by_signature.values()]

    @cached_property
    def _action_names(self) -> frozenset[str]:
        heads = (policy.form["action"] for policy in self._policies)
        targets = [target for head in heads for target in head.get("entities") or [head.get("entity")] if target]
        inside = [value for node in self.nodes for value in node.values() if is_action(value)]
        return frozenset(
            [target["id"] for target in targets] + [value.get("__entity", value)["id"] for value in inside]
        )

    @cached_property
    def _atoms(self) -> frozenset[frozenset[str]]:
        """Every set of words that stands in a policy, and every word that stands in none of them by itself."""
        found: set[frozenset[str]] = set()

        def walk(form: Any) -> None:
            if isinstance(form, Mapping):
                members = form.get("Set")
                values = [_string(member) for member in members] if isinstance(members, list) else [None]
                if all(value is not None for value in values):
                    found.add(frozenset(value for value in values if value is not None))
                    return
                word = _string(form)
                if word is not None:
                    found.add(frozenset({word}))
                for inner in form.values():
                    walk(inner)
            elif isinstance(form, list):
                for inner in form:
                    walk(inner)

        for policy in self._policies:
            walk(policy.form["conditions"])
        return frozenset(found)

    @cached_property
    def nodes(self) -> tuple[Mapping[str, Any], ...]:
        """Every expression, and every other structure of the policies' JSON."""
        return tuple(node for policy in self._policies for node in nodes(policy.form))


def _string(form: Any) -> str | None:
    value = form.get("Value") if isinstance(form, Mapping) else None
    return value if isinstance(value, str) else None


def _values(form: Any) -> list[Any]:
    members = form.get("Set", [form]) if isinstance(form, Mapping) else []
    return [member["Value"] for member in members if isinstance(member, Mapping) and "Value" in member]
