"""What whoever is denied is told: why, by which policies, and what would change it."""

from __future__ import annotations

from countenance.policy.decisions import Decision
from countenance.policy.gate import Verdict
from countenance.service.actions import Action

# The pack that says who may do what at all.
BASE = "base"

# Its policy by which a face model is denied that is not qualified.
UNQUALIFIED = "unqualified"


def denial(verdict: Verdict, unlock: str) -> Verdict:
    """The verdict turned into a denial that this would unlock."""
    decision = Decision(allowed=False, policies=(), unlock=(unlock,))
    return Verdict(decision, verdict.policy_set)


def is_unqualified(decision: Decision) -> bool:
    """Whether it was denied because the face model is not qualified."""
    return any(policy.pack == BASE and policy.id == UNQUALIFIED for policy in decision.policies)


def sentence(action: Action, decision: Decision, qualification: str | None) -> str:
    """What the person who asked is told. `qualification` is how that of the face model stands, where it matters."""
    # The base pack's reasons come last: what suspends a use altogether is told before what it would need otherwise.
    policies = sorted(decision.policies, key=lambda policy: policy.pack == BASE)
    reasons = [f"{policy.message or 'denied'} ({policy.pack}: {policy.id})" for policy in policies]
    if qualification is not None:
        reasons.append(qualification)
    if decision.errors:
        reasons.append("The policies could not be evaluated, which counts as a denial; the operator's log says more.")
    elif not reasons:
        reasons.append("No policy permits it to this principal for this purpose.")
    told = f"{action} is denied. {' '.join(reasons)}"
    return f"{told} What would change it: {'; or '.join(decision.unlock)}." if decision.unlock else told
