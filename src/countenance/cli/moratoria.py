"""`countenance moratorium`: declare suspensions, extend and end them; never by forgetting."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from countenance.cli.acting import PrincipalOption
from countenance.cli.configuration import administered, with_settings
from countenance.cli.identifiers import moment
from countenance.cli.legislation import print_change
from countenance.cli.output import AsJson, print_json, print_table
from countenance.policy.moratoria import AtSunset
from countenance.policy.vocabulary import OrganizationKind, Purpose, Sensitivity
from countenance.settings import Settings

if TYPE_CHECKING:
    from countenance.policy.moratoria import Moratorium

NameArgument = Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="The moratorium's name.")]
Sunset = Annotated[
    Any, typer.Option("--sunset", metavar="DATE", parser=moment, show_default=False, help="When it is due to end.")
]

app = typer.Typer(no_args_is_help=True, help="Declare moratoria, extend and end them. Each takes two people.")


@app.command("list")
@with_settings("data")
def list_(settings: Settings, *, principal: PrincipalOption = None, as_json: AsJson = False) -> None:
    """List the moratoria: what they suspend, whether they bind now, and why."""
    with administered(settings) as application:
        found, now = application.policies.moratoria(application.locals.caller(principal))
    if as_json:
        print_json([{**one.facts(), "in_force": one.in_force(now), "held": one.held(now)} for one in found])
    else:
        print_table(
            ("Moratorium", "In force", "Start", "Sunset", "Scope", "Exemptions"),
            (
                (
                    one.name,
                    _standing(one, now),
                    f"{one.start:%Y-%m-%d}",
                    f"{one.sunset:%Y-%m-%d}",
                    one.scope,
                    one.exemptions,
                )
                for one in found
            ),
        )


@app.command()
@with_settings("data")
def declare(
    settings: Settings,
    moratorium: NameArgument,
    sunset: Sunset,
    *,
    title: Annotated[str | None, typer.Option(help="What it is called; its name when absent.")] = None,
    on: Annotated[
        list[OrganizationKind] | None,
        typer.Option("--on", help="Which organizations may match nothing meanwhile, nor anybody for them; repeat it."),
    ] = None,
    start: Annotated[
        Any, typer.Option("--start", metavar="DATE", parser=moment, help="When it begins; now when absent.")
    ] = None,
    at_sunset: Annotated[
        AtSunset, typer.Option(help="What happens at its sunset when nobody has decided.")
    ] = AtSunset.HOLD,
    exempt_purposes: Annotated[
        list[Purpose] | None, typer.Option("--exempt-purpose", help="A purpose it spares; repeat it.")
    ] = None,
    exempt_sensitivity: Annotated[
        Sensitivity | None, typer.Option(help="The only collections in which exempt purposes are spared.")
    ] = None,
    principal: PrincipalOption = None,
    as_json: AsJson = False,
) -> None:
    """Propose a moratorium on matching faces. It begins when another person approves it."""
    with administered(settings) as application:
        # Imported when needed, as `administered` does.
        from countenance.policy.declarations import declared  # noqa: PLC0415

        caller = application.locals.caller(principal)
        pack = declared(
            moratorium,
            title or moratorium,
            kinds=on or [OrganizationKind.LAW_ENFORCEMENT],
            start=start or application.uses.now(),
            sunset=sunset,
            at_sunset=at_sunset,
            exempt_purposes=exempt_purposes or (),
            exempt_sensitivity=exempt_sensitivity,
        )
        change = application.policies.propose(caller, [pack])
    print_change(change, as_json=as_json)


@app.command()
@with_settings("data")
def extend(
    settings: Settings,
    moratorium: NameArgument,
    sunset: Sunset,
    *,
    principal: PrincipalOption = None,
    as_json: AsJson = False,
) -> None:
    """Propose a later sunset. Another person must approve it."""
    with administered(settings) as application:
        change = application.policies.extend(application.locals.caller(principal), moratorium, sunset)
    print_change(change, as_json=as_json)


@app.command()
@with_settings("data")
def end(
    settings: Settings, moratorium: NameArgument, *, principal: PrincipalOption = None, as_json: AsJson = False
) -> None:
    """Propose to end a moratorium. Another person must approve it."""
    with administered(settings) as application:
        change = application.policies.end(application.locals.caller(principal), moratorium)
    print_change(change, as_json=as_json)


def _standing(moratorium: Moratorium, now: datetime) -> str:
    if moratorium.held(now):
        return "yes: held past its sunset until somebody decides"
    return "yes" if moratorium.in_force(now) else "no"
