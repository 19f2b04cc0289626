"""Use cases on withheld candidates: who looks at them, and what is disclosed once enough people did.

Whoever searched sees nothing of what was found before it is disclosed: it would not be withheld otherwise. Nor does
anybody of another organization, but for those who run the server or watch over it.
"""

from __future__ import annotations

from collections.abc import Sequence

from countenance.errors import AccessDenied
from countenance.ledger import entries
from countenance.policy.vocabulary import OrganizationKind
from countenance.review.cases import Candidate, Case, Cases, CaseState
from countenance.service.actions import Action
from countenance.service.callers import Caller
from countenance.service.records import actor
from countenance.service.uses import Use, Uses

# Those whose people may review what others searched for.
REVIEW_FOR_OTHERS = frozenset({OrganizationKind.OPERATOR, OrganizationKind.OVERSIGHT})


class Reviews:
    """Shows candidates to reviewers, takes their verdicts, and discloses what all of them confirmed."""

    def __init__(self, uses: Uses, cases: Cases) -> None:
        self._uses = uses
        self._cases = cases

    def list(self, caller: Caller) -> Sequence[Case]:
        """The cases that the caller's organization may know of, oldest first, without their candidates."""
        with self._uses.use(caller, Action.LIST_REVIEWS):
            return [case for case in self._cases.list() if _concerns(case, caller)]

    def candidates(self, caller: Caller, uid: str) -> tuple[Case, Sequence[Candidate]]:
        """A case and its candidates, without anybody's verdicts.

        Raises `ResourceNotFound`, and `AccessDenied` for the one who searched and for other organizations.
        """
        with self._uses.use(caller, Action.REVIEW_CANDIDATES) as use:
            return self._shown(use, uid)

    def judge(self, caller: Caller, uid: str, confirmed: frozenset[int]) -> Case:
        """The caller's verdicts on all candidates: those at these places are the person, the others are not.

        Raises `ResourceConflict`, `InvalidParameter`, and as `candidates` does.
        """
        with self._uses.use(caller, Action.REVIEW_CANDIDATES) as use:
            _, candidates = self._shown(use, uid)
            case = self._cases.judge(uid, caller.principal, confirmed, self._uses.now())
            if case.state is CaseState.OPEN:
                _note(use, case)
                return case
            for yes, no in self._cases.tallies(uid, but=caller.principal):
                told = entries.Review(case=case.uid, use=case.use, confirmed=yes, rejected=no, state="open")
                use.record.others.append(told)
            _note(use, case, confirmed=len(confirmed), rejected=len(candidates) - len(confirmed), agreed=case.agreed)
            return case

    def disclose(self, caller: Caller, uid: str) -> tuple[Case, Sequence[Candidate]]:
        """What the reviewers all confirmed, for the organization that searched.

        Raises `ResourceNotFound`, `ResourceConflict` while reviewers are missing, `AccessDenied`.
        """
        with self._uses.use(caller, Action.DISCLOSE_REVIEW) as use:
            case, confirmed = self._cases.disclose(uid, caller.principal)
            use.details(review=uid)
            # Of a case that was rejected nothing is disclosed, however often somebody asks.
            if case.state is CaseState.DISCLOSED:
                _note(use, case, confirmed=len(confirmed))
            return case, confirmed

    def _shown(self, use: Use, uid: str) -> tuple[Case, Sequence[Candidate]]:
        """A case and its candidates, for somebody who may review it."""
        caller = use.record.caller
        case, candidates = self._cases.get(uid)
        use.details(review=case.uid)
        if case.requester == caller.principal.uid:
            raise AccessDenied("Whoever searched cannot review what was found: another person must.")
        if not _concerns(case, caller):
            raise AccessDenied("The case belongs to another organization.")
        return case, candidates


def _concerns(case: Case, caller: Caller) -> bool:
    organization = caller.principal.organization
    return case.organization == organization.uid or organization.kind in REVIEW_FOR_OTHERS


def _note(use: Use, case: Case, *, confirmed: int = 0, rejected: int = 0, agreed: int | None = None) -> None:
    use.details(review=case.uid)
    use.record.others.append(
        entries.Review(
            case=case.uid,
            use=case.use,
            reviewer=actor(use.record.caller),
            confirmed=confirmed,
            rejected=rejected,
            agreed=agreed,
            state=case.state.value,
        )
    )
