"""What makes a pack fit to be put in force: that it says only what is known, and that its examples hold it to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from countenance.errors import InvalidParameter
from countenance.policy.engine import PolicyEngine
from countenance.policy.examples import Example, examples_of
from countenance.policy.mutation import unnoticed
from countenance.policy.obligations import UnknownObligation, parse
from countenance.policy.packs import Pack, with_required
from countenance.policy.policies import PackPolicy, nodes, path_of
from countenance.policy.vocabulary import (
    AuthorizationState,
    LegalBasis,
    Offence,
    OrganizationKind,
    Purpose,
    Sensitivity,
)

# The words that may be compared with what is called so. Cedar sees strings, and a misspelled one would never match.
_WORDS: Mapping[str, type[StrEnum]] = {
    "kind": OrganizationKind,
    "purpose": Purpose,
    "purposes": Purpose,
    "basis": LegalBasis,
    "state": AuthorizationState,
    "offence": Offence,
    "sensitivity": Sensitivity,
}
_COMPARISONS = ("==", "!=", "contains", "containsAny", "containsAll")


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found. `mutants` is how many policies were left out to see whether an example notices."""

    pack: str
    version: str
    permits: int
    forbids: int
    obligations: int
    allow: int
    deny: int
    mutants: int
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether there is nothing to complain about."""
        return not self.problems


def check(pack: Pack, known: Mapping[str, Pack], progress: Callable[[], None] = lambda: None) -> Report:
    """Check a pack together with those it requires, out of `known`; `progress` is called after each mutant.

    That its policies are Cedar and hold against the schema is known of every `Pack`.
    """
    problems = [*_wording(pack)]
    examples: list[Example] = []
    mutants = 0
    try:
        examples = list(examples_of(pack))
        *required, _ = with_required([pack], known)
        engine = PolicyEngine([*required, pack])
    except InvalidParameter as error:
        problems.append(error.message)
    else:
        problems += [problem for example in examples if (problem := example.problem(engine)) is not None]
        mutants = len(pack.policies) + len(pack.obligations)
        problems += [
            f"No example notices when the policy {policy.name} is left out."
            for policy in unnoticed(pack, required, examples, progress)
        ]
    return Report(
        pack=pack.name,
        version=pack.version,
        permits=sum(policy.effect == "permit" for policy in pack.policies),
        forbids=sum(policy.effect == "forbid" for policy in pack.policies),
        obligations=len(pack.obligations),
        allow=sum(example.effect == "ALLOW" for example in examples),
        deny=sum(example.effect == "DENY" for example in examples),
        mutants=mutants,
        problems=tuple(problems),
    )


def _wording(pack: Pack) -> Iterator[str]:
    for policy in (*pack.policies, *pack.obligations):
        if not policy.reference.source:
            yield f"The policy {policy.name} has no @source: name the law or the rule it implements."
        if policy.effect == "forbid" and not policy.reference.message:
            yield f"The policy {policy.name} has no @message: say to whoever is denied what to do."
        for word, of in _unknown_words(policy):
            yield f"The policy {policy.name} speaks of the {of} {word!r}, which there is none of."
    for policy in pack.obligations:
        try:
            parse(policy.obligation or "")
        except UnknownObligation as error:
            yield f"The policy {policy.name}: {error}"


def _unknown_words(policy: PackPolicy) -> Iterator[tuple[str, str]]:
    for node in nodes(policy.form):
        for comparison in _COMPARISONS:
            sides = node.get(comparison)
            if not isinstance(sides, Mapping) or not {"left", "right"} <= sides.keys():
                continue
            for path, literal in ((sides["left"], sides["right"]), (sides["right"], sides["left"])):
                attribute = (path_of(path) or "").rpartition(".")[2]
                if attribute in _WORDS:
                    words = _WORDS[attribute]
                    yield from ((word, attribute) for word in _strings(literal) if word not in set(words))


def _strings(literal: Any) -> Iterable[str]:
    values = literal.get("Set", [literal]) if isinstance(literal, Mapping) else []
    return [value["Value"] for value in values if isinstance(value.get("Value"), str)]
