"""`countenance review`: look at candidates that are withheld, and disclose what enough people confirmed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from countenance.cli.acting import PrincipalOption
from countenance.cli.configuration import administered, with_settings
from countenance.cli.output import AsJson, print_json, print_table, say
from countenance.settings import Settings

if TYPE_CHECKING:
    from countenance.review.cases import Candidate, Case

CaseArgument = Annotated[str, typer.Argument(metavar="CASE", show_default=False, help="The case's id.")]

app = typer.Typer(no_args_is_help=True, help="Review candidates that are withheld until people confirmed them.")


@app.command("list")
@with_settings("data")
def list_(settings: Settings, *, principal: PrincipalOption = None, as_json: AsJson = False) -> None:
    """List the cases, and how many people still must look at each."""
    with administered(settings) as application:
        found = application.reviews.list(application.locals.caller(principal))
    if as_json:
        print_json([_case(one) for one in found])
    else:
        print_table(
            ("Case", "State", "Search", "Reviewed by", "Opened"),
            (
                (one.uid, one.state, one.action, f"{one.judged} of {one.required}", f"{one.opened:%Y-%m-%d %H:%M}")
                for one in found
            ),
        )


@app.command()
@with_settings("data")
def show(settings: Settings, case: CaseArgument, *, principal: PrincipalOption = None, as_json: AsJson = False) -> None:
    """Show the candidates of a case, without what others said of them."""
    with administered(settings) as application:
        found, candidates = application.reviews.candidates(application.locals.caller(principal), case)
    _print(found, candidates, as_json=as_json)


@app.command()
@with_settings("data")
def judge(
    settings: Settings,
    case: CaseArgument,
    principal: Annotated[
        str, typer.Option("--principal", metavar="NAME", show_default=False, help="Who looked: not who searched.")
    ],
    *,
    confirm: Annotated[
        list[int] | None, typer.Option("--confirm", metavar="PLACE", help="A candidate who is the person; repeat it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say which candidates are the person. All others are said not to be."""
    with administered(settings) as application:
        judged = application.reviews.judge(application.locals.caller(principal), case, frozenset(confirm or ()))
    if as_json:
        print_json(_case(judged))
    else:
        say(f"{judged.uid} is {judged.state}: reviewed by {judged.judged} of {judged.required}.")


@app.command()
@with_settings("data")
def disclose(
    settings: Settings, case: CaseArgument, *, principal: PrincipalOption = None, as_json: AsJson = False
) -> None:
    """Disclose the candidates that everybody confirmed to the organization that searched."""
    with administered(settings) as application:
        found, confirmed = application.reviews.disclose(application.locals.caller(principal), case)
    _print(found, confirmed, as_json=as_json)


def _print(case: Case, candidates: Sequence[Candidate], *, as_json: bool) -> None:
    if as_json:
        told = [{"place": one.place, "Similarity": one.similarity, **one.subject} for one in candidates]
        print_json({**_case(case), "candidates": told})
        return
    say(f"{case.uid} is {case.state}: {case.action}, reviewed by {case.judged} of {case.required}.")
    print_table(
        ("Place", "Similarity", "Candidate"),
        ((one.place, one.similarity, ", ".join(f"{k} {v}" for k, v in one.subject.items() if v)) for one in candidates),
    )


def _case(case: Case) -> dict[str, object]:
    return {
        "case": case.uid,
        "state": case.state,
        "action": case.action,
        "use": case.use,
        "required": case.required,
        "reviewed_by": case.judged,
        "opened": case.opened.isoformat(),
        "due": None if case.due is None else case.due.isoformat(),
    }
