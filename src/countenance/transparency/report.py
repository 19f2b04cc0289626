"""The report: everything the public sees, as one structure from which all its forms are written.

docs/transparency-report.schema.json is generated from these models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from countenance.transparency import rates
from countenance.transparency.accounts import Accounts
from countenance.transparency.headlines import make_headlines
from countenance.transparency.sheet import Table as SheetTable
from countenance.transparency.suppression import LEAST, Suppression
from countenance.transparency.tables import make_tables
from countenance.transparency.told import Telling

RECOMPUTE = "countenance transparency --ledger URL"

SUPPRESSION = (
    f"A count of 1 to {LEAST - 1} is not told: it is given as fewer than {LEAST}. Where others would give it away, the "
    "smallest that prevents it is not shown either, whatever its size. Zero is always told. No setting changes this."
)

LIMITS = (
    "Whether what was stated is true. A purpose, a legal basis or a kind of organization is what somebody declared; "
    "that it stands in the ledger means that it can be checked, not that it was.",
    "Uses that passed by this server: a copy of the software that keeps no ledger, or another system, leaves nothing "
    "here. Whoever was searched for without a receipt in their hands cannot be found by these numbers.",
    "Who was searched for. The ledger has neither photos nor names, only commitments that nobody can open without "
    "their salts.",
    "Whether a candidate is the right person where nobody reviewed it. Confirmed means that people said so.",
    "What was done with an answer after it had left the server.",
    "How much a small group was searched. The ledger itself shows each use, without names, so suppression keeps this "
    "page from pointing at single people, and is no secret.",
)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Checkpoint(_Part):
    """The state of the ledger that the report was computed from."""

    origin: str = Field(description="The name of the log.")
    size: int = Field(description="The number of entries.")
    root: str = Field(description="The root of the Merkle tree over them, in base64.")
    time: str | None = Field(description="The time of the last entry, RFC 3339 in UTC; null when there is none.")


class Count(_Part):
    """A number, or why it is not told."""

    value: int | None
    suppressed: Suppression | None = Field(None, description="small: 1 to 4. complementary: it would give one away.")


class Cell(Count):
    """A count in a table. The row or column `all` is the total."""

    row: str
    column: str


class Table(_Part):
    """Counts by `row` and `column`, which say what the names of rows and columns are."""

    name: str
    section: str
    title: str
    note: str
    row: str
    column: str
    cells: tuple[Cell, ...]


class Share(_Part):
    """A rate's denominator, and the rate: null when a number is suppressed, or divided by zero."""

    per: str
    count: Count
    rate: float | None


class Rate(_Part):
    """A count by two denominators."""

    name: str
    title: str
    count: Count
    shares: tuple[Share, Share]


class Moratorium(_Part):
    """A moratorium that was ever announced, as it was announced last. Times are RFC 3339 in UTC."""

    name: str
    title: str
    scope: str
    exemptions: str
    announced: str
    start: str
    sunset: str | None
    at_sunset: str
    ended: str | None
    in_force: bool
    held: bool = Field(description="In force only because nobody has decided since its sunset.")


class PolicySet(_Part):
    """Policies that came into force with the entry `index`, and were in force until another set came."""

    index: int
    at: str
    until: str | None
    sha256: str
    packs: tuple[str, ...]
    changes: tuple[str, ...]
    proposer: str
    approver: str


class Models(_Part):
    """The recognizers that answer from the entry `index` on, by face model version."""

    index: int
    at: str
    versions: tuple[str, ...]
    software: str


class Qualification(_Part):
    """What the entry `index` says of a face model and a purpose: that it is qualified, refused, waived or revoked.

    `threshold` is a Similarity, `report` the SHA-256 of the report of its errors, `reasons` name the groups by which it
    did not pass. `by` is the kind of organization that had it judged or revoked it; `waived_by` the id of the person
    who answers for a waiver, and `waived_by_kind` the kind of their organization.
    """

    index: int
    at: str
    qualification: str
    state: str
    face_model_version: str
    purpose: str
    threshold: float
    report: str
    valid_until: str | None
    groupings: tuple[str, ...]
    not_shown: int = Field(description="Groups with too few people to say anything about.")
    reasons: tuple[str, ...]
    by: str
    waived_by: str | None
    waived_by_kind: str | None
    waiver_reason: str | None


class LogKey(_Part):
    """The entry `index` put a key of the log in place of another: C2SP verifier keys, empty where there was none."""

    index: int
    at: str
    old: str
    new: str


class Suppressed(_Part):
    """How small counts are kept from pointing at people, and how many cells of the tables that concerns."""

    least: int
    small: int
    complementary: int
    statement: str


class Report(_Part):
    """What was done, computed from the ledger and nothing else."""

    format: Literal[1] = 1
    checkpoint: Checkpoint
    first: str | None
    last: str | None
    headlines: tuple[str, ...]
    suppressed: Suppressed
    rates: tuple[Rate, ...]
    moratoria: tuple[Moratorium, ...]
    policies: tuple[PolicySet, ...]
    models: tuple[Models, ...]
    qualifications: tuple[Qualification, ...]
    log_keys: tuple[LogKey, ...]
    tables: tuple[Table, ...]
    limits: tuple[str, ...]
    recompute: str


def make_report(accounts: Accounts, *, origin: str, root: str) -> Report:
    """The report on all entries of these accounts, at the checkpoint with this origin and this root (base64)."""
    sheet, sheet_tables = make_tables(accounts)
    telling = Telling.of(sheet)
    tables = tuple(_table(one, telling) for one in sheet_tables)
    whys = [cell.suppressed for one in tables for cell in one.cells]
    return Report(
        checkpoint=Checkpoint(origin=origin, size=accounts.size, root=root, time=accounts.last),
        first=accounts.first,
        last=accounts.last,
        headlines=tuple(make_headlines(telling, accounts)),
        suppressed=Suppressed(
            least=LEAST,
            small=whys.count(Suppression.SMALL),
            complementary=whys.count(Suppression.COMPLEMENTARY),
            statement=SUPPRESSION,
        ),
        rates=tuple(_rate(one) for one in rates.make_rates(telling, sorted(accounts.changes.moratoria))),
        moratoria=tuple(_moratoria(accounts)),
        policies=tuple(_policies(accounts)),
        models=tuple(
            Models(index=one.index, at=one.at, versions=one.versions, software=one.software)
            for one in accounts.changes.models
        ),
        qualifications=tuple(Qualification(**asdict(one)) for one in accounts.qualifications.every),
        log_keys=tuple(
            LogKey(index=one.index, at=one.at, old=one.old, new=one.new) for one in accounts.changes.rotations
        ),
        tables=tables,
        limits=LIMITS,
        recompute=RECOMPUTE,
    )


def _table(one: SheetTable, telling: Telling) -> Table:
    cells = []
    for row in one.rows:
        for column in one.columns:
            told = telling[one.cells[row, column]]
            cells.append(Cell(row=row, column=column, value=told.value, suppressed=told.suppressed))
    return Table(
        name=one.name,
        section=one.section,
        title=one.title,
        note=one.note,
        row=one.row,
        column=one.column,
        cells=tuple(cells),
    )


def _rate(one: rates.Rate) -> Rate:
    first, second = (
        Share(per=share.per, count=Count(value=share.whole.value, suppressed=share.whole.suppressed), rate=share.rate)
        for share in one.shares
    )
    count = Count(value=one.count.value, suppressed=one.count.suppressed)
    return Rate(name=one.name, title=one.title, count=count, shares=(first, second))


def _moratoria(accounts: Accounts) -> Sequence[Moratorium]:
    now = accounts.last or ""
    return [
        Moratorium(
            name=one.name,
            title=one.title,
            scope=one.scope,
            exemptions=one.exemptions,
            announced=announced,
            start=one.start,
            sunset=one.sunset,
            at_sunset=one.at_sunset,
            ended=one.ended,
            in_force=one.in_force(now),
            held=one.in_force(now) and one.sunset is not None and now >= one.sunset,
        )
        for announced, one in accounts.changes.moratoria.values()
    ]


def _policies(accounts: Accounts) -> Sequence[PolicySet]:
    sets = accounts.changes.policies
    ends = [one.at for one in sets[1:]]
    return [
        PolicySet(
            index=one.index,
            at=one.at,
            until=until,
            sha256=one.sha256,
            packs=one.packs,
            changes=one.changes,
            proposer=one.proposer,
            approver=one.approver,
        )
        for one, until in zip(sets, [*ends, None], strict=False)
    ]
