"""`countenance fairness qualify`, `waive` and `qualifications`: let face models serve that have passed an audit."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from countenance.cli.acting import PrincipalOption
from countenance.cli.configuration import administered, with_settings
from countenance.cli.identifiers import moment
from countenance.cli.output import AsJson, print_json, print_table, say
from countenance.errors import InvalidParameter
from countenance.policy.vocabulary import Purpose
from countenance.settings import Settings

if TYPE_CHECKING:
    from countenance.fairness.qualification.qualifications import Qualification
    from countenance.fairness.record import AuditRecord

# What a report may have in bytes: distributions and curves of a thousand groups are below it.
MAX_REPORT_BYTES = 256 * 2**20

ReportArgument = Annotated[
    Path,
    typer.Argument(
        metavar="REPORT",
        exists=True,
        dir_okay=False,
        show_default=False,
        help="report.json, as countenance fairness audit wrote it.",
    ),
]
IdArgument = Annotated[str, typer.Argument(metavar="ID", show_default=False, help="The qualification's id.")]
Other = Annotated[
    str,
    typer.Option("--principal", metavar="NAME", show_default=False, help="Who answers for it: not who had it judged."),
]

app = typer.Typer(no_args_is_help=True, help="Which face models may serve which purposes.")


@with_settings("data", "recognizer", "models")
def qualify(
    settings: Settings,
    report: ReportArgument,
    *,
    purpose: Annotated[Purpose, typer.Option("--purpose", show_default=False, help="What the face model is to serve.")],
    similarity: Annotated[
        float, typer.Option(min=0, max=100, show_default=False, help="The lowest threshold that it may be asked with.")
    ],
    until: Annotated[
        Any, typer.Option(metavar="DATE", parser=moment, help="When it ends; a year from now when absent.")
    ] = None,
    face_model_version: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Of an older collection; the recognizer's when absent.")
    ] = None,
    principal: PrincipalOption = None,
    as_json: AsJson = False,
) -> None:
    """Hold a face model against what a purpose requires, by the report of an audit.

    When it passes, that is signed by the ledger's key and in force at once. When it does not, the status is 1, and
    which groups speak against it and by how much is told here, in the ledger, and to whoever is denied for it.
    """
    record = _read(report)
    with administered(settings) as application:
        judged, judgement = application.qualifications.qualify(
            application.locals.caller(principal),
            record,
            purpose,
            similarity,
            face_model_version=face_model_version,
            until=until,
        )
    if as_json:
        print_json(_structure(judged) | {"not_shown": list(judgement.not_shown), "notes": list(judgement.notes)})
    else:
        _print(judged)
        for note in judgement.notes:
            say(note)
        if judgement.not_shown:
            say(f"Too few people to say anything about: {'; '.join(judgement.not_shown)}.")
    if not judgement.passed:
        raise typer.Exit(1)


@with_settings("data", "recognizer", "models")
def waive(
    settings: Settings,
    qualification: IdArgument,
    report: ReportArgument,
    principal: Other,
    *,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", show_default=False, help="Why: it is published, so name nobody.")
    ],
    until: Annotated[
        datetime, typer.Option(metavar="DATE", parser=moment, show_default=False, help="When the waiver ends.")
    ],
    as_json: AsJson = False,
) -> None:
    """Let a face model serve that was refused: by another person, for a reason, until a date, for everybody to read."""
    record = _read(report)
    with administered(settings) as application:
        caller = application.locals.caller(principal)
        waived = application.qualifications.waive(caller, qualification, record, reason, until)
    if as_json:
        print_json(_structure(waived))
    else:
        _print(waived)


@app.command("list")
@with_settings("data")
def list_(settings: Settings, *, principal: PrincipalOption = None, as_json: AsJson = False) -> None:
    """List what was judged, and what came of it."""
    with administered(settings) as application:
        found = application.qualifications.list(application.locals.caller(principal))
    if as_json:
        print_json([_structure(one) for one in found])
        return
    print_table(
        ("Qualification", "State", "Face model", "Purpose", "Similarity", "Judged", "Valid until", "Reasons"),
        (
            (
                one.uid,
                one.state,
                one.face_model_version,
                one.purpose,
                f"{one.threshold:g}",
                one.judged.strftime("%Y-%m-%d"),
                one.valid_until and one.valid_until.strftime("%Y-%m-%d %H:%M"),
                "\n".join(one.reasons),
            )
            for one in found
        ),
    )


@app.command()
@with_settings("data")
def show(settings: Settings, qualification: IdArgument, *, principal: PrincipalOption = None) -> None:
    """Print the signed statement of a qualification, for everybody who has the ledger's verifier key."""
    with administered(settings) as application:
        found = application.qualifications.list(application.locals.caller(principal))
    statements = {one.uid: one.statement for one in found}
    if qualification not in statements:
        raise InvalidParameter(f"There is no qualification {qualification}: the command list names them all.")
    statement = statements[qualification]
    if statement is None:
        raise InvalidParameter(f"The qualification {qualification} never served, and has no statement.")
    say(statement.rstrip("\n"))


@app.command()
@with_settings("data")
def revoke(
    settings: Settings,
    qualification: IdArgument,
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", show_default=False, help="Why: it is published.")],
    principal: PrincipalOption = None,
    as_json: AsJson = False,
) -> None:
    """End a qualification or a waiver before its time."""
    with administered(settings) as application:
        caller = application.locals.caller(principal)
        revoked = application.qualifications.revoke(caller, qualification, reason)
    if as_json:
        print_json(_structure(revoked))
    else:
        _print(revoked)


def _read(path: Path) -> AuditRecord:
    """Raises InvalidParameter for anything else than a report as it was written: its hash is what is signed."""
    # Imported when needed: numerical libraries take a while to load.
    from pydantic import ValidationError  # noqa: PLC0415

    from countenance.fairness.record import AuditRecord  # noqa: PLC0415

    if path.stat().st_size > MAX_REPORT_BYTES:
        raise InvalidParameter(f"{path} is larger than any report.")
    content = path.read_bytes()
    try:
        record = AuditRecord.model_validate_json(content)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"]) or "all of it"
        raise InvalidParameter(f"{path} is no report of an audit: {where}: {problem['msg']}.") from error
    if hashlib.sha256(content).hexdigest() != record.sha256:
        raise InvalidParameter(
            f"{path} is not as countenance fairness audit wrote it: give the file itself, whose hash anybody can check."
        )
    return record


def _print(one: Qualification) -> None:
    until = "" if one.valid_until is None else f" until {one.valid_until:%Y-%m-%d %H:%M} UTC"
    what = f"face model {one.face_model_version} for {one.purpose} at Similarity {one.threshold:g}"
    say(f"{one.uid} is {one.state}: {what}{until}.")
    for reason in one.reasons:
        say(f"* {reason}")


def _structure(one: Qualification) -> dict[str, object]:
    return {
        "id": one.uid,
        "state": one.state,
        "face_model_version": one.face_model_version,
        "purpose": one.purpose,
        "similarity": one.threshold,
        "report": one.report,
        "reasons": list(one.reasons),
        "judged": one.judged.isoformat(),
        "judge": one.judge,
        "valid_until": None if one.valid_until is None else one.valid_until.isoformat(),
        "entry": one.entry,
    }
