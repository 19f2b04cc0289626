"""`countenance transparency`: how face recognition was used, computed anew from a published ledger."""

from __future__ import annotations

import base64
import sys
from contextlib import redirect_stdout
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from countenance.cli.configuration import with_settings
from countenance.cli.ledger import KeyOption, WitnessOption, claimed_keys
from countenance.cli.output import notice, print_table, progress, say
from countenance.ledger.notes import Verifier
from countenance.ledger.published import PublishedLog
from countenance.ledger.verify import verify
from countenance.settings import Settings
from countenance.transparency.accounts import Accounts
from countenance.transparency.formats import cells_by_row, columns, to_csv, to_json, told
from countenance.transparency.report import Report, make_report


class Format(StrEnum):
    """How the report is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    HTML = "html"


@with_settings("data")
def transparency(
    settings: Settings,
    *,
    place: Annotated[
        str | None,
        typer.Option("--ledger", metavar="URL|FOLDER", help="The published log; the data folder's own when absent."),
    ] = None,
    key: KeyOption = None,
    witness: WitnessOption = None,
    form: Annotated[Format, typer.Option("--format", help="How the report is written.")] = Format.TABLE,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", dir_okay=False, help="Where it goes; stdout when absent."),
    ] = None,
) -> None:
    """Say how face recognition was used, computed from a published ledger and nothing else.

    Every entry is verified against the signed checkpoint before anything is told. The server's own report at the same
    checkpoint has the same bytes.
    """
    report = _report(place or str(settings.effective_ledger_folder), key, witness)
    if form is Format.TABLE:
        if out is None:
            _print(report)
            return
        with out.open("w", encoding="utf-8") as file, redirect_stdout(file):
            _print(report)
    else:
        content = _text(report, form).encode()
        if out is None:
            sys.stdout.buffer.write(content)
            return
        out.write_bytes(content)
    notice(f"The report on {report.checkpoint.size:,} entries is in {out}.")


def _report(place: str, keys: list[Verifier] | None, witnesses: list[Verifier] | None) -> Report:
    accounts = Accounts()
    with PublishedLog.at(place) as log, progress("entries") as bar:
        trusted = keys or claimed_keys(log)
        task = bar.add_task("Counting", total=None)
        verified = verify(
            log,
            trusted,
            witnesses or [],
            progress=lambda done, size: bar.update(task, completed=done, total=size),
            taken=accounts.add,
        )
    checkpoint = verified.checkpoint
    return make_report(accounts, origin=checkpoint.origin, root=base64.b64encode(checkpoint.root).decode())


def _text(report: Report, form: Format) -> str:
    if form is Format.JSON:
        return to_json(report)
    if form is Format.CSV:
        return to_csv(report)
    # Imported when needed: the template engine is of no use to the other forms.
    from countenance.web.pages import to_html  # noqa: PLC0415

    return to_html(report)


def _print(report: Report) -> None:
    checkpoint = report.checkpoint
    for sentence in report.headlines:
        say(f"* {sentence}")
    say(f"\nComputed from the {checkpoint.size:,} entries of {checkpoint.origin}, root {checkpoint.root}.")
    say(f"{report.suppressed.statement}\n")
    print_table(
        ("Rate", "Count", "", ""),
        [
            (rate.title, told(rate.count), *(f"{_number(share.rate)} per {share.per}" for share in rate.shares))
            for rate in report.rates
        ],
        title="Rates",
    )
    for table in report.tables:
        rows = cells_by_row(table)
        if rows:
            heads = columns(table)
            body = [
                (row, *(cell.value if cell.value is not None else told(cell) for cell in cells)) for row, cells in rows
            ]
            print_table((table.row, *heads), body, title=f"{table.section}: {table.title}")


def _number(rate: float | None) -> str:
    return "no rate" if rate is None else f"{rate:g}"
