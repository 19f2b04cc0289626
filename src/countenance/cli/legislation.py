"""`countenance policy propose|approve|reject|list`: the policies in force, changed by two people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from countenance.cli.acting import PrincipalOption
from countenance.cli.configuration import administered, with_settings
from countenance.cli.output import AsJson, print_json, print_table, say
from countenance.cli.packs import named
from countenance.settings import Settings

if TYPE_CHECKING:
    from countenance.policy.sets import Change

ChangeArgument = Annotated[str, typer.Argument(metavar="CHANGE", show_default=False, help="The change's id.")]
Approver = Annotated[
    str, typer.Option("--principal", metavar="NAME", show_default=False, help="Who decides: not who proposed it.")
]


@with_settings("data")
def propose(
    settings: Settings,
    packs: Annotated[
        list[str] | None,
        typer.Argument(metavar="PACK...", show_default=False, help="Names of packs that ship, or folders of packs."),
    ] = None,
    *,
    without: Annotated[
        list[str] | None, typer.Option("--without", metavar="NAME", help="A pack to take out of force; repeat it.")
    ] = None,
    principal: PrincipalOption = None,
    as_json: AsJson = False,
) -> None:
    """Propose to put packs in force, or out of force. Another person must approve it."""
    read = [named(name) for name in packs or ()]
    with administered(settings) as application:
        change = application.policies.propose(application.locals.caller(principal), read, without or ())
    print_change(change, as_json=as_json)


@with_settings("data")
def approve(settings: Settings, change: ChangeArgument, principal: Approver, *, as_json: AsJson = False) -> None:
    """Put a change in force that somebody else proposed."""
    with administered(settings) as application:
        approved = application.policies.approve(application.locals.caller(principal), change)
    print_change(approved, as_json=as_json)


@with_settings("data")
def reject(settings: Settings, change: ChangeArgument, principal: Approver, *, as_json: AsJson = False) -> None:
    """Reject a proposed change."""
    with administered(settings) as application:
        rejected = application.policies.reject(application.locals.caller(principal), change)
    print_change(rejected, as_json=as_json)


@with_settings("data")
def list_(settings: Settings, *, principal: PrincipalOption = None, as_json: AsJson = False) -> None:
    """List the packs in force, and every change there was."""
    with administered(settings) as application:
        caller = application.locals.caller(principal)
        in_force, changes = application.policies.in_force(caller), application.policies.list(caller)
    packs = in_force.policies.packs.values()
    if as_json:
        print_json(
            {
                "in_force": in_force.policies.sha256,
                "packs": [{"name": pack.name, "version": pack.version, "sha256": pack.sha256} for pack in packs],
                "changes": [_structure(change) for change in changes],
            }
        )
        return
    print_table(("In force", "Version", "SHA-256"), ((pack.name, pack.version, pack.sha256) for pack in packs))
    print_table(
        ("Change", "State", "Proposed", "What"),
        ((one.uid, one.state, f"{one.proposed:%Y-%m-%d %H:%M}", " ".join(one.changes)) for one in changes),
    )


def print_change(change: Change, *, as_json: bool) -> None:
    """What became of a change of the policies."""
    if as_json:
        print_json(_structure(change))
        return
    for sentence in change.changes:
        say(sentence)
    say(f"{change.uid} is {change.state}.")
    if change.state == "proposed":
        say(f"Another person puts it in force: countenance policy approve {change.uid} --principal NAME")


def _structure(change: Change) -> dict[str, object]:
    return {
        "id": change.uid,
        "state": change.state,
        "version": change.version,
        "before": change.before,
        "after": change.policies.sha256,
        "changes": list(change.changes),
        "proposer": change.proposer,
        "approver": change.approver,
        "proposed": change.proposed.isoformat(),
        "decided": None if change.decided is None else change.decided.isoformat(),
    }
