"""Use cases on withheld candidates: who looks at them, and what is disclosed once enough people did."""

from __future__ import annotations

from collections.abc import Sequence

from countenance.ledger import entries
from countenance.review.cases import Candidate, Case, Cases
from countenance.service.actions import Action
from countenance.service.callers import Caller
from countenance.service.records import actor
from countenance.service.uses import Use, Uses


class Reviews:
    """Shows candidates to reviewers, takes their verdicts, and discloses what all of them confirmed."""

    def __init__(self, uses: Uses, cases: Cases) -> None:
        self._uses = uses
        self._cases = cases

    def list(self, caller: Caller) -> Sequence[Case]:
        """All cases, oldest first, without their candidates."""
        with self._uses.use(caller, Action.LIST_REVIEWS):
            return self._cases.list()

    def candidates(self, caller: Caller, uid: str) -> tuple[Case, Sequence[Candidate]]:
        """A case and its candidates, without anybody's verdicts. Raises `ResourceNotFound`."""
        with self._uses.use(caller, Action.REVIEW_CANDIDATES) as use:
            use.details(review=uid)
            return self._cases.get(uid)

    def judge(self, caller: Caller, uid: str, confirmed: frozenset[int]) -> Case:
        """The caller's verdicts on all candidates: those at these places are the person, the others are not.

        Raises `ResourceNotFound`, `ResourceConflict`, `InvalidParameter`, and `AccessDenied` for the one who searched.
        """
        with self._uses.use(caller, Action.REVIEW_CANDIDATES) as use:
            _, candidates = self._cases.get(uid)
            case = self._cases.judge(uid, caller.principal, confirmed, self._uses.now())
            _note(use, case, confirmed=len(confirmed), rejected=len(candidates) - len(confirmed))
            return case

    def disclose(self, caller: Caller, uid: str) -> tuple[Case, Sequence[Candidate]]:
        """What the reviewers all confirmed, for the organization that searched.

        Raises `ResourceNotFound`, `ResourceConflict` while reviewers are missing, `AccessDenied`.
        """
        with self._uses.use(caller, Action.DISCLOSE_REVIEW) as use:
            case, confirmed = self._cases.disclose(uid, caller.principal)
            _note(use, case, confirmed=len(confirmed))
            return case, confirmed


def _note(use: Use, case: Case, *, confirmed: int = 0, rejected: int = 0) -> None:
    use.details(review=case.uid)
    use.record.others.append(
        entries.Review(
            case=case.uid,
            use=case.use,
            reviewer=actor(use.record.caller),
            confirmed=confirmed,
            rejected=rejected,
            state=case.state.value,
        )
    )
