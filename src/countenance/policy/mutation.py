"""Whether the examples of a pack would notice if one of its policies were gone.

A policy that no example depends on may say anything. So each is left out once, and the examples are asked again.
Without a forbid, at least one must turn from denied to allowed; without a permit or an obligation, one must come out
otherwise than it expects.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from countenance.policy.engine import PolicyEngine
from countenance.policy.examples import Example
from countenance.policy.packs import Pack
from countenance.policy.policies import PackPolicy


def unnoticed(
    pack: Pack, required: Sequence[Pack], examples: Sequence[Example], progress: Callable[[], None] = lambda: None
) -> list[PackPolicy]:
    """The policies that could be left out without any of the pack's examples noticing.

    `required` are the packs that the pack is asked together with; `progress` is called after each mutant.
    """
    survivors = []
    for policy in (*pack.policies, *pack.obligations):
        engine = PolicyEngine([*required, _without(pack, policy)])
        if not any(_notices(example, engine, policy) for example in examples):
            survivors.append(policy)
        progress()
    return survivors


def _without(pack: Pack, policy: PackPolicy) -> Pack:
    return dataclasses.replace(
        pack,
        policies=tuple(one for one in pack.policies if one is not policy),
        obligations=tuple(one for one in pack.obligations if one is not policy),
    )


def _notices(example: Example, engine: PolicyEngine, policy: PackPolicy) -> bool:
    if policy.effect == "forbid":
        return example.effect == "DENY" and not example.is_met(engine)
    return example.problem(engine) is not None
