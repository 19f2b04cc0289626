"""The engine: Cedar decides, in process, and whatever goes wrong is a denial.

Cedar itself skips a policy that fails to evaluate, so that a forbid which fails forbids nothing. Therefore every error
in its diagnostics denies, and so do an action or a fact that the schema does not know, entities that contradict each
other, an obligation that nobody knows how to meet, and an engine that breaks.

Cedar knows no obligations. The permits of obligations.cedar are asked together with the others, which halves the time,
but they open nothing: a use is allowed only if a permit of policies.cedar allows it.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

import cedarpy
import rfc8785
import structlog

from countenance.errors import InvalidParameter
from countenance.policy.actions import ACTIONS
from countenance.policy.counterfactuals import unlock
from countenance.policy.decisions import Decision
from countenance.policy.entities import cedar_request, entities_of
from countenance.policy.obligations import UnknownObligation, parse, strictest
from countenance.policy.packs import Pack
from countenance.policy.policies import PackPolicy, policy_set, thresholds
from countenance.policy.requests import RequestFacts
from countenance.policy.schema import schema, schema_text

log = structlog.get_logger("countenance.policy")


class PolicyEngine:
    """Decides requests by the policies of some packs. Safe to share between threads.

    Raises InvalidParameter when a pack is given twice, or one that another requires is missing.
    """

    def __init__(self, packs: Sequence[Pack]) -> None:
        names = [pack.name for pack in packs]
        if len(set(names)) < len(names):
            raise InvalidParameter(f"A policy pack is in force once: {', '.join(sorted(names))}.")
        for pack in packs:
            missing = [name for name in pack.manifest.requires if name not in names]
            if missing:
                raise InvalidParameter(f"The policy pack {pack.name} requires {missing[0]}: put it in force too.")
        self.packs: tuple[Pack, ...] = tuple(packs)
        self.sha256 = hashlib.sha256(
            rfc8785.dumps({"schema": schema_text(), "packs": {pack.name: pack.sha256 for pack in packs}})
        ).hexdigest()
        self._policies: Mapping[str, PackPolicy] = {policy.name: policy for pack in packs for policy in pack.policies}
        self._obligations: Mapping[str, PackPolicy] = {
            policy.name: policy for pack in packs for policy in pack.obligations
        }
        self._thresholds = thresholds(self._policies.values())
        self._sets: dict[str, cedarpy.PolicySet] = {}

    def moratoria_in_force(self, now: datetime) -> frozenset[str]:
        """The names of the packs' moratoria that are in force at this time."""
        return frozenset(
            pack.name for pack in self.packs if pack.moratorium is not None and pack.moratorium.in_force(now)
        )

    def decide(self, request: RequestFacts, *, explain: bool = True) -> Decision:
        """Whether this may be done, by which policies, and what it owes; never raises.

        A denial says what would unlock it, found by asking again with facts changed, which takes up to a hundred times
        as long as the decision itself; `explain=False` leaves that out.
        """
        decision = self._decide(request)
        if decision.allowed or decision.errors or not explain:
            return decision
        return dataclasses.replace(decision, unlock=unlock(request, decision, self._decide, self._thresholds))

    def _decide(self, request: RequestFacts) -> Decision:
        try:
            return self._evaluate(request)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - a panic of the engine's is no Exception, and denies as well
            log.error("undecidable", error=type(error).__name__)
            return Decision(allowed=False, errors=1)

    def _evaluate(self, request: RequestFacts) -> Decision:
        answer = cedarpy.is_authorized(
            cedar_request(request), self._set(request.action), entities_of(request), schema=schema()
        )
        errors = answer.diagnostics.errors
        if errors or answer.decision is cedarpy.Decision.NoDecision:
            log.error("policies in error", action=request.action, errors=errors)
            return Decision(allowed=False, errors=max(1, len(errors)))
        determining = sorted(answer.diagnostics.reasons)
        policies = tuple(self._policies[name].reference for name in determining if name in self._policies)
        if not answer.allowed or not policies:
            return Decision(allowed=False, policies=policies)
        owed = [self._obligations[name].obligation or "" for name in determining if name in self._obligations]
        try:
            return Decision(allowed=True, policies=policies, obligations=strictest(map(parse, owed)))
        except UnknownObligation as error:
            log.error("unknown obligation", action=request.action, errors=[str(error)])
            return Decision(allowed=False, errors=1)

    def _set(self, action: str) -> cedarpy.PolicySet:
        """The policies that can say something about this action. What is no action is refused by the schema."""
        kept = self._sets.get(action)
        if kept is None:
            kept = policy_set({**self._policies, **self._obligations}, action)
            if action in ACTIONS:
                self._sets[action] = kept
        return kept
