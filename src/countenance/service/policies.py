"""Use cases on the policies in force: two people change them, and every change is an entry."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from countenance.ledger.entries import PolicyChange
from countenance.policy.moratoria import Moratorium
from countenance.policy.packs import Pack
from countenance.policy.sets import Change, PolicySet, PolicySets
from countenance.service.actions import Action
from countenance.service.callers import Caller
from countenance.service.records import actor
from countenance.service.uses import Use, Uses


class PolicyAdministration:
    """Proposes, approves and lists changes of the policies; declares, extends and ends moratoria."""

    def __init__(self, uses: Uses, sets: PolicySets) -> None:
        self._uses = uses
        self._sets = sets

    def in_force(self, caller: Caller) -> Change:
        """The change that made the policies what they are."""
        with self._uses.use(caller, Action.LIST_POLICIES):
            return self._sets.in_force()

    def list(self, caller: Caller) -> Sequence[Change]:
        """All changes, oldest first."""
        with self._uses.use(caller, Action.LIST_POLICIES):
            return self._sets.list()

    def propose(self, caller: Caller, packs: Sequence[Pack], without: Sequence[str] = ()) -> Change:
        """Propose to put packs in force, each in place of the one of its name, and to take others out.

        Raises `InvalidParameter` when the set would not hold together or nothing would change, `ResourceNotFound`.
        """
        with self._uses.use(caller, Action.PROPOSE_POLICY) as use:
            before = policies = self._sets.in_force().policies
            for pack in packs:
                policies = policies.with_pack(pack)
            for name in without:
                policies = policies.without_pack(name)
            return self._propose(use, policies, before)

    def extend(self, caller: Caller, name: str, sunset: datetime) -> Change:
        """Propose that a moratorium lasts until a later time. Raises `ResourceNotFound`, `InvalidParameter`."""
        with self._uses.use(caller, Action.PROPOSE_POLICY) as use:
            before = self._sets.in_force().policies
            extended = before.moratorium(name).extended(sunset)
            return self._propose(use, before.with_moratorium(extended), before)

    def end(self, caller: Caller, name: str) -> Change:
        """Propose that a moratorium ends, from the moment it is approved; raises as `extend`."""
        with self._uses.use(caller, Action.PROPOSE_POLICY) as use:
            before = self._sets.in_force().policies
            ended = before.moratorium(name).ended_at(self._uses.now())
            return self._propose(use, before.with_moratorium(ended), before)

    def moratoria(self, caller: Caller) -> tuple[Sequence[Moratorium], datetime]:
        """The moratoria of the policies in force, and the server's time."""
        with self._uses.use(caller, Action.LIST_POLICIES):
            return list(self._sets.in_force().policies.moratoria.values()), self._uses.now()

    def approve(self, caller: Caller, uid: str) -> Change:
        """Put a change in force that somebody else proposed.

        Raises `ResourceNotFound`, `ResourceConflict`, and `AccessDenied` for the one who proposed it.
        """
        with self._uses.use(caller, Action.APPROVE_POLICY) as use:
            change = self._sets.decide(uid, caller.principal, self._uses.now(), approved=True)
            use.record.others.append(policy_entry(change).model_copy(update={"approver": actor(caller)}))
            return change

    def reject(self, caller: Caller, uid: str) -> Change:
        """Reject a proposed change. Raises `ResourceNotFound`, `ResourceConflict`."""
        with self._uses.use(caller, Action.REJECT_POLICY) as use:
            change = self._sets.decide(uid, caller.principal, self._uses.now(), approved=False)
            use.record.others.append(policy_entry(change).model_copy(update={"approver": actor(caller)}))
            return change

    def _propose(self, use: Use, policies: PolicySet, before: PolicySet) -> Change:
        caller = use.record.caller
        change = self._sets.propose(policies, before, caller.principal, self._uses.now())
        use.record.others.append(policy_entry(change).model_copy(update={"proposer": actor(caller)}))
        return change


def policy_entry(change: Change) -> PolicyChange:
    """What the ledger says of a change; who proposed and who approved it is added by whoever knows them."""
    policies = change.policies
    return PolicyChange(
        change=change.uid,
        state=change.state.value,
        before=change.before,
        after=policies.sha256,
        packs={name: pack.sha256 for name, pack in policies.packs.items()},
        moratoria=tuple(moratorium.facts() for moratorium in policies.moratoria.values()),
        changes=change.changes,
    )
