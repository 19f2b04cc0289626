"""Use cases on authorizations: asking for one, deciding on it, ending it; and what a refusal erases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from countenance.errors import AccessDenied, InvalidParameter
from countenance.gallery.collections import Collections
from countenance.ledger.entries import AuthorizationChange, Beneficiary, timestamp
from countenance.policy.authorizations import EMERGENCY_HOURS, Authorization, Authorizations, Terms
from countenance.policy.vocabulary import AuthorizationState, LegalBasis, Offence, OrganizationKind, Purpose
from countenance.service.actions import Action
from countenance.service.callers import Caller
from countenance.service.erasure import Erasure
from countenance.service.records import actor
from countenance.service.uses import Use, Uses
from countenance.storage.principals import Principals

# How long an authorization lasts when nothing else was asked for.
DEFAULT_DAYS = 30

# Those whose people are asked to decide on what other organizations want.
DECIDE_FOR_OTHERS = frozenset(
    {OrganizationKind.OPERATOR, OrganizationKind.PUBLIC_AUTHORITY, OrganizationKind.OVERSIGHT}
)


class AuthorizationAdministration:
    """Keeps the documents that permit uses."""

    def __init__(
        self,
        uses: Uses,
        authorizations: Authorizations,
        principals: Principals,
        collections: Collections,
        erasure: Erasure,
    ) -> None:
        self._uses = uses
        self._authorizations = authorizations
        self._principals = principals
        self._collections = collections
        self._erasure = erasure

    def request(
        self,
        caller: Caller,
        *,
        purpose: Purpose,
        basis: LegalBasis,
        case_reference: str,
        beneficiary: str | None = None,
        valid_from: datetime | None = None,
        valid_until: datetime | None = None,
        emergency_hours: int | None = None,
        collections: Sequence[str] = (),
        offence: Offence | None = None,
        targeted: bool = False,
        approvals_needed: int = 1,
        max_uses: int | None = None,
    ) -> Authorization:
        """Ask for an authorization, for the caller's organization; it is pending until others decide.

        An emergency is usable at once and must be approved within 24 or 48 hours. `beneficiary` names an organization,
        the caller's own when None; `collections` are CollectionIds, none means any. Raises `ResourceNotFound`,
        `InvalidParameter`.
        """
        if emergency_hours is not None and emergency_hours not in EMERGENCY_HOURS:
            known = " or ".join(map(str, EMERGENCY_HOURS))
            raise InvalidParameter(f"An emergency is to be approved within {known} hours.")
        with self._uses.use(caller, Action.REQUEST_AUTHORIZATION) as use:
            now = self._uses.now()
            begins = valid_from or now
            holder = caller.principal
            terms = Terms(
                purpose=purpose,
                basis=basis,
                case_reference=case_reference,
                valid_from=begins,
                valid_until=valid_until or begins + timedelta(days=DEFAULT_DAYS),
                beneficiary=holder.organization if beneficiary is None else self._principals.organization(beneficiary),
                offence=offence,
                targeted=targeted,
                collections=tuple(self._collections.get(name).uid for name in collections),
                approvals_needed=approvals_needed,
                max_uses=max_uses,
                deadline=None if emergency_hours is None else now + timedelta(hours=emergency_hours),
            )
            return self._noted(use, self._authorizations.request(holder, terms, now))

    def approve(self, caller: Caller, uid: str) -> Authorization:
        """Approve one that somebody else asked for.

        Raises `ResourceNotFound`, `ResourceConflict`, `AccessDenied` for whoever asked for it or approved it before.
        """
        with self._uses.use(caller, Action.APPROVE_AUTHORIZATION) as use:
            self._competent(caller, uid)
            return self._noted(use, self._authorizations.decide(uid, caller.principal, self._uses.now(), approved=True))

    def refuse(self, caller: Caller, uid: str) -> Authorization:
        """Refuse one that somebody else asked for. What was made under it, as an emergency, is erased at once.

        Raises as `approve` does.
        """
        with self._uses.use(caller, Action.REFUSE_AUTHORIZATION) as use:
            self._competent(caller, uid)
            refused = self._authorizations.decide(uid, caller.principal, self._uses.now(), approved=False)
            answer = self._noted(use, refused)
            use.record.others.extend(self._erasure.made_under(uid))
            return answer

    def revoke(self, caller: Caller, uid: str) -> Authorization:
        """End one before its time. Raises `ResourceNotFound`, `ResourceConflict`."""
        with self._uses.use(caller, Action.REVOKE_AUTHORIZATION) as use:
            self._competent(caller, uid)
            return self._noted(use, self._authorizations.revoke(uid, self._uses.now()))

    def list(self, caller: Caller) -> Sequence[Authorization]:
        """The authorizations that the caller's organization holds, is the beneficiary of, or is asked to decide on.

        They name their cases, which are nobody else's business. Oldest first.
        """
        organization = caller.principal.organization
        with self._uses.use(caller, Action.LIST_AUTHORIZATIONS):
            found = self._authorizations.list(self._uses.now())
            if organization.kind in DECIDE_FOR_OTHERS:
                return found
            return [one for one in found if organization.uid in (one.organization, one.beneficiary)]

    def _competent(self, caller: Caller, uid: str) -> None:
        """Raises `AccessDenied` for somebody of another organization than the holder's that decides for no others."""
        organization = caller.principal.organization
        holder = self._authorizations.get(uid, self._uses.now()).organization
        if organization.uid != holder and organization.kind not in DECIDE_FOR_OTHERS:
            raise AccessDenied(
                "The authorization is another organization's: somebody of theirs decides on it, or of an authority."
            )

    def _noted(self, use: Use, authorization: Authorization) -> Authorization:
        use.details(granted=authorization.uid)
        change = authorization_entry(authorization, self._uses.case_of(authorization))
        use.record.others.append(change.model_copy(update={"actor": actor(use.record.caller)}))
        return authorization


def authorization_entry(authorization: Authorization, case: str | None) -> AuthorizationChange:
    """What the ledger says of an authorization that came into another state."""
    beneficiary = None
    if authorization.beneficiary != authorization.organization:
        beneficiary = Beneficiary(
            organization=authorization.beneficiary, organization_kind=authorization.beneficiary_kind
        )
    facts: dict[str, Any] = {
        "state": authorization.state.value,
        "overdue": authorization.overdue and authorization.state is AuthorizationState.PENDING,
        "deadline": None if authorization.deadline is None else timestamp(authorization.deadline),
    }
    return AuthorizationChange(
        authorization=authorization.uid,
        basis=authorization.basis,
        emergency=authorization.deadline is not None,
        purpose=authorization.purpose,
        organization=authorization.organization,
        beneficiary=beneficiary,
        case=case,
        collections=authorization.collections,
        valid_from=timestamp(authorization.valid_from),
        valid_until=timestamp(authorization.valid_until),
        **facts,
    )
