"""`countenance authorization`: ask for the document that permits a use, and decide on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from countenance.cli.acting import PrincipalOption
from countenance.cli.configuration import administered, with_settings
from countenance.cli.identifiers import moment
from countenance.cli.output import AsJson, print_json, print_table, say
from countenance.policy.vocabulary import LegalBasis, Offence, Purpose
from countenance.settings import Settings

if TYPE_CHECKING:
    from countenance.policy.authorizations import Authorization

IdArgument = Annotated[str, typer.Argument(metavar="ID", show_default=False, help="The authorization's id.")]
Decider = Annotated[
    str, typer.Option("--principal", metavar="NAME", show_default=False, help="Who decides: not who asked for it.")
]
Day = Annotated[Any, typer.Option(metavar="DATE", parser=moment, help="A date, or a time in ISO 8601.")]

app = typer.Typer(no_args_is_help=True, help="Ask for authorizations, and decide on them.")


@app.command()
@with_settings("data")
def request(
    settings: Settings,
    purpose: Annotated[Purpose, typer.Option("--purpose", show_default=False, help="What it is to permit.")],
    case: Annotated[
        str, typer.Option("--case", metavar="REFERENCE", show_default=False, help="The case; the ledger has no name.")
    ],
    basis: Annotated[LegalBasis, typer.Option("--basis", show_default=False, help="What it rests on.")],
    *,
    principal: PrincipalOption = None,
    beneficiary: Annotated[
        str | None, typer.Option("--beneficiary", metavar="ORGANIZATION", help="For whom; the asker's own if absent.")
    ] = None,
    collections: Annotated[
        list[str] | None, typer.Option("--collection", metavar="ID", help="A collection it is for; any if absent.")
    ] = None,
    offence: Annotated[Offence | None, typer.Option("--offence", help="What is investigated.")] = None,
    targeted: Annotated[
        bool, typer.Option("--targeted", help="The search is for one suspect or convict who is known by name.")
    ] = False,
    valid_from: Day = None,
    valid_until: Day = None,
    emergency_hours: Annotated[
        int | None, typer.Option(metavar="24|48", help="Use it at once, and have it approved within so many hours.")
    ] = None,
    approvals: Annotated[int, typer.Option(min=1, max=10, help="How many people must approve.")] = 1,
    max_uses: Annotated[int | None, typer.Option(min=1, metavar="N", help="How many searches it permits.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask for an authorization. It is pending until somebody else approves it."""
    with administered(settings) as application:
        asked = application.authorizations.request(
            application.locals.caller(principal),
            purpose=purpose,
            basis=basis,
            case_reference=case,
            beneficiary=beneficiary,
            valid_from=valid_from,
            valid_until=valid_until,
            emergency_hours=emergency_hours,
            collections=collections or (),
            offence=offence,
            targeted=targeted,
            approvals_needed=approvals,
            max_uses=max_uses,
        )
    _print(asked, as_json=as_json)


@app.command()
@with_settings("data")
def approve(settings: Settings, authorization: IdArgument, principal: Decider, *, as_json: AsJson = False) -> None:
    """Approve an authorization that somebody else asked for."""
    with administered(settings) as application:
        decided = application.authorizations.approve(application.locals.caller(principal), authorization)
    _print(decided, as_json=as_json)


@app.command()
@with_settings("data")
def refuse(settings: Settings, authorization: IdArgument, principal: Decider, *, as_json: AsJson = False) -> None:
    """Refuse an authorization. What was made under it as an emergency is erased at once."""
    with administered(settings) as application:
        decided = application.authorizations.refuse(application.locals.caller(principal), authorization)
    _print(decided, as_json=as_json)


@app.command()
@with_settings("data")
def revoke(
    settings: Settings, authorization: IdArgument, *, principal: PrincipalOption = None, as_json: AsJson = False
) -> None:
    """End an authorization before its time."""
    with administered(settings) as application:
        ended = application.authorizations.revoke(application.locals.caller(principal), authorization)
    _print(ended, as_json=as_json)


@app.command("list")
@with_settings("data")
def list_(settings: Settings, *, principal: PrincipalOption = None, as_json: AsJson = False) -> None:
    """List all authorizations with their states and deadlines."""
    with administered(settings) as application:
        found = application.authorizations.list(application.locals.caller(principal))
    if as_json:
        print_json([_structure(one) for one in found])
    else:
        print_table(
            ("Authorization", "State", "Purpose", "Basis", "Case", "Valid until", "Approve by", "Uses"),
            (
                (
                    one.uid,
                    one.state,
                    one.purpose,
                    one.basis,
                    one.case_reference,
                    one.valid_until.strftime("%Y-%m-%d %H:%M"),
                    one.deadline and one.deadline.strftime("%Y-%m-%d %H:%M"),
                    one.uses if one.max_uses is None else f"{one.uses} of {one.max_uses}",
                )
                for one in found
            ),
        )


def _print(authorization: Authorization, *, as_json: bool) -> None:
    if as_json:
        print_json(_structure(authorization))
        return
    say(f"{authorization.uid} is {authorization.state}.")
    if authorization.state == "pending":
        missing = authorization.approvals_needed - authorization.approvals
        by = "" if authorization.deadline is None else f" by {authorization.deadline:%Y-%m-%d %H:%M} UTC"
        say(f"It needs the approval of {missing} other{'s' * (missing > 1)}{by}.")


def _structure(authorization: Authorization) -> dict[str, object]:
    deadline = authorization.deadline
    return {
        "id": authorization.uid,
        "state": authorization.state,
        "purpose": authorization.purpose,
        "basis": authorization.basis,
        "case": authorization.case_reference,
        "offence": authorization.offence,
        "targeted": authorization.targeted,
        "requester": authorization.requester,
        "organization": authorization.organization,
        "beneficiary": authorization.beneficiary,
        "collections": list(authorization.collections),
        "valid_from": authorization.valid_from.isoformat(),
        "valid_until": authorization.valid_until.isoformat(),
        "deadline": None if deadline is None else deadline.isoformat(),
        "approvals": authorization.approvals,
        "approvals_needed": authorization.approvals_needed,
        "uses": authorization.uses,
        "max_uses": authorization.max_uses,
    }
