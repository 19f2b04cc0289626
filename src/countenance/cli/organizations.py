"""`countenance organization` and `countenance principal`: who is responsible, and who acts for them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from countenance.cli.configuration import administered, with_settings
from countenance.cli.identifiers import moment, name
from countenance.cli.output import AsJson, print_json, print_table, say
from countenance.policy.vocabulary import OrganizationKind
from countenance.settings import Settings

if TYPE_CHECKING:
    from countenance.storage.principals import Organization, Principal

NameArgument = Annotated[str, typer.Argument(metavar="NAME", parser=name, show_default=False, help="The name.")]
TrainedUntil = Annotated[
    Any,
    typer.Option("--trained-until", metavar="DATE", parser=moment, show_default=False, help="When training runs out."),
]
Jurisdiction = Annotated[
    str | None, typer.Option(metavar="CODE", help="Whose law binds it, by ISO 3166: US-WA, US-MI-DETROIT, DE.")
]
OrganizationOption = Annotated[
    str | None, typer.Option("--organization", metavar="NAME", help="Where several have a principal of this name.")
]

organization_app = typer.Typer(no_args_is_help=True, help="Enter organizations, and what they are.")
principal_app = typer.Typer(no_args_is_help=True, help="Enter the people and services who act for organizations.")


@organization_app.command("create")
@with_settings("data")
def create_organization(
    settings: Settings,
    organization: NameArgument,
    kind: Annotated[OrganizationKind, typer.Option("--kind", show_default=False, help="What it is.")],
    *,
    jurisdiction: Jurisdiction = None,
    as_json: AsJson = False,
) -> None:
    """Enter an organization. What it is decides what policies let it do."""
    with administered(settings, creates=True) as application:
        created = application.organizations.create(application.locals.caller(), organization, kind, jurisdiction or "")
    _print_organization(created, as_json=as_json)


@organization_app.command("declare")
@with_settings("data")
def declare_organization(
    settings: Settings,
    organization: NameArgument,
    *,
    kind: Annotated[OrganizationKind | None, typer.Option("--kind", help="What it is from here on.")] = None,
    jurisdiction: Jurisdiction = None,
    suspended: Annotated[
        bool | None, typer.Option("--suspended/--restored", help="Whether all its keys are refused.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change what an organization is, suspend it or restore it. The ledger keeps the change."""
    with administered(settings) as application:
        declared = application.organizations.declare(
            application.locals.caller(), organization, kind=kind, jurisdiction=jurisdiction, suspended=suspended
        )
    _print_organization(declared, as_json=as_json)


@organization_app.command("list")
@with_settings("data")
def list_organizations(settings: Settings, as_json: AsJson = False) -> None:
    """List all organizations."""
    with administered(settings) as application:
        found = application.organizations.list(application.locals.caller())
    if as_json:
        print_json([_organization(one) for one in found])
    else:
        print_table(
            ("Organization", "Kind", "Jurisdiction", "Suspended", "Id in the ledger"),
            ((one.name, one.kind, one.jurisdiction, "yes" if one.suspended else "", one.uid) for one in found),
        )


@principal_app.command("create")
@with_settings("data")
def create_principal(
    settings: Settings,
    principal: NameArgument,
    organization: Annotated[
        str, typer.Option("--organization", metavar="NAME", show_default=False, help="For whom they act.")
    ],
    trained_until: TrainedUntil,
    *,
    roles: Annotated[
        list[str] | None, typer.Option("--role", metavar="ROLE", help="A role they may assume; the first is theirs.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Enter a person or service of an organization, with the day their training runs out."""
    with administered(settings) as application:
        given = {"roles": roles} if roles else {}
        created = application.organizations.create_principal(
            application.locals.caller(), principal, organization, trained_until=trained_until, **given
        )
    _print_principal(created, as_json=as_json)


@principal_app.command("change")
@with_settings("data")
def change_principal(
    settings: Settings,
    principal: NameArgument,
    *,
    organization: OrganizationOption = None,
    trained_until: Annotated[
        Any, typer.Option("--trained-until", metavar="DATE", parser=moment, help="When training runs out.")
    ] = None,
    suspended: Annotated[
        bool | None, typer.Option("--suspended/--restored", help="Whether their keys are refused.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Renew somebody's training, suspend or restore them."""
    with administered(settings) as application:
        changed = application.organizations.change_principal(
            application.locals.caller(), principal, organization, trained_until=trained_until, suspended=suspended
        )
    _print_principal(changed, as_json=as_json)


@principal_app.command("list")
@with_settings("data")
def list_principals(settings: Settings, as_json: AsJson = False) -> None:
    """List all principals."""
    with administered(settings) as application:
        found = application.organizations.principals(application.locals.caller())
    if as_json:
        print_json([_principal(one) for one in found])
    else:
        print_table(
            ("Principal", "Organization", "Roles", "Trained until", "Suspended", "Id in the ledger"),
            (
                (
                    one.name,
                    one.organization.name,
                    ", ".join(one.roles),
                    _day(one.trained_until),
                    "yes" if one.suspended else "",
                    one.uid,
                )
                for one in found
            ),
        )


def _print_organization(organization: Organization, *, as_json: bool) -> None:
    if as_json:
        print_json(_organization(organization))
    else:
        where = f" in {organization.jurisdiction}" if organization.jurisdiction else ""
        state = ", suspended" if organization.suspended else ""
        say(f"{organization.name}: {organization.kind}{where}{state}; the ledger knows it as {organization.uid}.")


def _print_principal(principal: Principal, *, as_json: bool) -> None:
    if as_json:
        print_json(_principal(principal))
    else:
        state = ", suspended" if principal.suspended else ""
        until = _day(principal.trained_until)
        say(
            f"{principal.name} of {principal.organization.name}, trained until {until}{state}; "
            f"the ledger knows them as {principal.uid}."
        )


def _organization(organization: Organization) -> dict[str, object]:
    return {
        "id": organization.uid,
        "name": organization.name,
        "kind": organization.kind,
        "jurisdiction": organization.jurisdiction,
        "suspended": organization.suspended,
    }


def _principal(principal: Principal) -> dict[str, object]:
    return {
        "id": principal.uid,
        "name": principal.name,
        "organization": principal.organization.name,
        "roles": list(principal.roles),
        "trained_until": _day(principal.trained_until),
        "suspended": principal.suspended,
    }


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
