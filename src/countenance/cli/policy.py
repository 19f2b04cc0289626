"""`countenance policy`: check packs, say what a change of the policies changes, explain a decision, change them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from countenance.cli import legislation
from countenance.cli.output import REFUSED, AsJson, notice, print_json, print_table, progress, say
from countenance.cli.packs import named
from countenance.policy.checks import Report
from countenance.policy.checks import check as check_pack
from countenance.policy.decisions import Decision
from countenance.policy.differences import Comparison, compare
from countenance.policy.engine import PolicyEngine
from countenance.policy.examples import request_of
from countenance.policy.obligations import phrases
from countenance.policy.packs import Pack, shipped, with_required
from countenance.policy.words import enumeration

# What a request is decided by when nobody says: what a new installation has in force.
DEFAULT_PACKS = "base,moratorium-2020"

app = typer.Typer(no_args_is_help=True, help="Check, compare and explain policies; change those in force.")


@app.command()
def check(
    packs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PACK...", show_default=False, help="Folders, or names of packs that ship; all of those."
        ),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Hold packs against the schema and their examples, and see that the examples notice when a policy is gone."""
    chosen = [named(name) for name in packs] if packs else list(shipped().values())
    known = {**shipped(), **{pack.name: pack for pack in chosen}}
    with progress("policies") as bar:
        task = bar.add_task("Checking", total=sum(len(pack.policies) + len(pack.obligations) for pack in chosen))
        reports = [check_pack(pack, known, lambda: bar.advance(task)) for pack in chosen]
    if as_json:
        print_json([{**asdict(report), "passed": report.passed} for report in reports])
    else:
        _print_reports(reports)
    if not all(report.passed for report in reports):
        raise typer.Exit(REFUSED)


@app.command()
def diff(
    before: Annotated[
        str, typer.Argument(metavar="BEFORE", help="Packs, comma-separated: folders, or names of packs that ship.")
    ],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="Packs in the same way.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Say in words which requests two sets of packs decide differently. Packs they require come by themselves."""
    sides = _packs(before), _packs(after)
    with progress("requests") as bar:
        task = bar.add_task("Comparing", total=None)
        comparison = compare(*sides, datetime.now(UTC), lambda done, of: bar.update(task, completed=done, total=of))
    if as_json:
        print_json(asdict(comparison))
    else:
        _print_comparison(comparison)


@app.command()
def explain(
    request: Annotated[
        Path,
        typer.Argument(
            metavar="REQUEST",
            exists=True,
            dir_okay=False,
            show_default=False,
            help="A request as JSON, such as the examples of packs.",
        ),
    ],
    *,
    packs: Annotated[
        str, typer.Option(metavar="A,B,...", help="The packs that decide: folders, or names of packs that ship.")
    ] = DEFAULT_PACKS,
    as_json: AsJson = False,
) -> None:
    """Decide a request, and say by which policies, what it owes, and what would change it."""
    engine = PolicyEngine(_packs(packs))
    facts, _, moratoria_by_packs = request_of(request.read_text("utf-8"), request.name)
    if moratoria_by_packs:
        facts = facts.model_copy(update={"moratoria": engine.moratoria_in_force(facts.now)})
    decision = engine.decide(facts)
    if as_json:
        print_json({**asdict(decision), "moratoria": sorted(facts.moratoria), "policy_set": engine.sha256})
    else:
        _print_decision(decision)


app.command("propose")(legislation.propose)
app.command("approve")(legislation.approve)
app.command("reject")(legislation.reject)
app.command("list")(legislation.list_)


def _packs(names: str) -> tuple[Pack, ...]:
    return with_required([named(name.strip()) for name in names.split(",") if name.strip()], shipped())


def _print_reports(reports: Sequence[Report]) -> None:
    print_table(
        ("Pack", "Version", "Permits", "Forbids", "Obligations", "ALLOW", "DENY", "Mutants", "Result"),
        (
            (
                report.pack,
                report.version,
                report.permits,
                report.forbids,
                report.obligations,
                report.allow,
                report.deny,
                report.mutants,
                "passed" if report.passed else "failed",
            )
            for report in reports
        ),
    )
    for report in reports:
        for problem in report.problems:
            notice(problem)


def _print_comparison(comparison: Comparison) -> None:
    for sentence in comparison.sentences():
        say(sentence)
    if not comparison.differences:
        say("Nothing is decided differently.")
    if comparison.asked:
        varied = enumeration([name.replace("_", " ") for name in comparison.dimensions])
        apart = ", for each changed policy by itself" if comparison.policy_by_policy else ""
        say(f"{comparison.asked:,} requests were compared{apart}. They vary: {varied}.")


def _print_decision(decision: Decision) -> None:
    say("Allowed." if decision.allowed else "Denied.")
    if decision.errors:
        say(f"{decision.errors} policies or facts could not be evaluated, which denies.")
    elif not decision.policies:
        say("Nothing permits it.")
    for policy in decision.policies:
        say(f"{policy.pack}/{policy.id} ({policy.sha256[:12]}): {policy.message or 'permits it.'}")
        if policy.source:
            say(f"  after {policy.source}")
    for phrase in phrases(decision.obligations):
        say(f"It owes {phrase}.")
    for sentence in decision.unlock:
        say(f"What would unlock it: {sentence}.")
