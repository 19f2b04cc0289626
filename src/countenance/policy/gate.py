"""The gate: every use is decided here, by the policies in force at that moment, before anything is compared.

Deny by default, deny on error: whatever goes wrong while deciding is a denial.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from countenance.policy.decisions import Decision
from countenance.policy.engine import PolicyEngine
from countenance.policy.requests import RequestFacts
from countenance.policy.sets import PolicySets

# What stands for the set of a decision that was made by none, since none could be read.
NO_SET = "0" * 64

log = structlog.get_logger("countenance.policy")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision, and the SHA-256 of the policy set that made it."""

    decision: Decision
    policy_set: str


class Gate:
    """Decides by whatever set is in force. Safe to share between threads."""

    def __init__(self, sets: PolicySets) -> None:
        self._sets = sets
        self._engine: tuple[str, PolicyEngine] | None = None

    def decide(self, request: RequestFacts) -> Verdict:
        """Whether this may be done; `request.moratoria` is filled in here."""
        policy_set = NO_SET
        try:
            policies = self._sets.in_force().policies
            policy_set = policies.sha256
            engine = self._engine
            if engine is None or engine[0] != policy_set:
                engine = self._engine = policy_set, PolicyEngine(list(policies.packs.values()))
            facts = request.model_copy(update={"moratoria": policies.in_force(request.now)})
            return Verdict(engine[1].decide(facts), policy_set)
        except Exception as error:  # noqa: BLE001 - deny on error, whatever it is; the log says which kind
            log.error("undecidable", error=type(error).__name__)
            return Verdict(Decision(allowed=False, errors=1), policy_set)
