"""Use cases on organizations and principals: who is responsible, and who acts for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from countenance.errors import AccessDenied
from countenance.ledger.entries import KeyChange, timestamp
from countenance.policy.vocabulary import OrganizationKind
from countenance.service.actions import Action
from countenance.service.callers import Caller
from countenance.service.records import actor
from countenance.service.uses import Use, Uses
from countenance.storage.principals import DEFAULT_ROLE, Organization, Principal, Principals

Change = Literal["created", "declared", "trained", "suspended"]


class OrganizationAdministration:
    """Enters who may act. Every change is an entry of the ledger, by ids alone."""

    def __init__(self, uses: Uses, principals: Principals) -> None:
        self._uses = uses
        self._principals = principals

    def create(self, caller: Caller, name: str, kind: OrganizationKind, jurisdiction: str = "") -> Organization:
        """A new organization. Raises `ResourceAlreadyExists`."""
        with self._uses.use(caller, Action.CREATE_ORGANIZATION) as use:
            organization = self._principals.create_organization(name, kind, jurisdiction)
            _note(use, organization, "created")
            return organization

    def declare(
        self,
        caller: Caller,
        name: str,
        *,
        kind: OrganizationKind | None = None,
        jurisdiction: str | None = None,
        suspended: bool | None = None,
    ) -> Organization:
        """Change what an organization is; what is None stays.

        One that was declared law enforcement stays so: by one person's word it would escape what two must end. Raises
        `ResourceNotFound`, and `AccessDenied` for that.
        """
        with self._uses.use(caller, Action.DECLARE_ORGANIZATION) as use:
            police = OrganizationKind.LAW_ENFORCEMENT
            if kind not in {None, police} and self._principals.organization(name).kind == police:
                raise AccessDenied(
                    f"{name} was declared {police} and stays so: suspend it, and enter another one if it was a mistake."
                )
            organization = self._principals.declare_organization(
                name, kind=kind, jurisdiction=jurisdiction, suspended=suspended
            )
            _note(use, organization, "suspended" if suspended else "declared")
            return organization

    def list(self, caller: Caller) -> Sequence[Organization]:
        """All organizations."""
        with self._uses.use(caller, Action.LIST_PRINCIPALS):
            return self._principals.organizations()

    def create_principal(
        self,
        caller: Caller,
        name: str,
        organization: str,
        *,
        trained_until: datetime,
        roles: Sequence[str] = (DEFAULT_ROLE,),
    ) -> Principal:
        """A new principal. Raises `ResourceNotFound` for the organization, `ResourceAlreadyExists`."""
        with self._uses.use(caller, Action.CREATE_PRINCIPAL) as use:
            until = trained_until.timestamp()
            principal = self._principals.create(name, organization, trained_until=until, roles=roles)
            _note(use, principal.organization, "created", principal)
            return principal

    def change_principal(
        self,
        caller: Caller,
        name: str,
        organization: str | None = None,
        *,
        trained_until: datetime | None = None,
        suspended: bool | None = None,
    ) -> Principal:
        """Renew somebody's training, suspend or restore them. Raises `ResourceNotFound`, `InvalidParameter`."""
        with self._uses.use(caller, Action.TRAIN_PRINCIPAL) as use:
            until = None if trained_until is None else trained_until.timestamp()
            principal = self._principals.change(name, organization, trained_until=until, suspended=suspended)
            _note(use, principal.organization, "suspended" if suspended else "trained", principal)
            return principal

    def principals(self, caller: Caller) -> Sequence[Principal]:
        """All principals."""
        with self._uses.use(caller, Action.LIST_PRINCIPALS):
            return self._principals.list()


def _note(use: Use, organization: Organization, change: Change, principal: Principal | None = None) -> None:
    trained = None if principal is None else timestamp(datetime.fromtimestamp(principal.trained_until, UTC))
    use.record.others.append(
        KeyChange(
            subject="organization" if principal is None else "principal",
            change=change,
            organization=organization.uid,
            organization_kind=organization.kind,
            principal=None if principal is None else principal.uid,
            trained_until=trained,
            actor=actor(use.record.caller),
        )
    )
