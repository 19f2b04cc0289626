"""`countenance ledger`: check what a ledger says, whoever keeps it. None of these commands needs the server's keys."""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from countenance.cli.acting import PrincipalOption
from countenance.cli.configuration import administered, with_settings
from countenance.cli.output import INTERRUPTED, AsJson, notice, print_json, print_table, printable, progress, say
from countenance.cli.vkeys import read_log_key, read_witness_key
from countenance.errors import CountenanceError, Misconfigured
from countenance.ledger import receipts
from countenance.ledger.checkpoints import SignedCheckpoint, read_text
from countenance.ledger.consistency import Fork, Stale
from countenance.ledger.fetching import Unreachable
from countenance.ledger.follow import Follower
from countenance.ledger.notes import Verifier, parse
from countenance.ledger.published import Damaged, Missing, PublishedLog
from countenance.ledger.receipts import MAX_RECEIPT_BYTES, Receipt
from countenance.ledger.tiles import TILE_WIDTH, Tile, tile_at
from countenance.ledger.verify import Report, Unverified
from countenance.ledger.verify import verify as verify_log
from countenance.settings import Settings

DEFAULT_EVERY_SECONDS = 2.0

app = typer.Typer(no_args_is_help=True, help="Verify a ledger, make receipts of its entries, and follow it.")

KeyOption = Annotated[
    list[Verifier] | None,
    typer.Option(
        "--key",
        metavar="VKEY|FILE",
        parser=read_log_key,
        help="The log's verifier key, from somebody you trust. Without it, the one the publisher claims is used.",
    ),
]
WitnessOption = Annotated[
    list[Verifier] | None,
    typer.Option(
        "--witness",
        metavar="VKEY|FILE",
        parser=read_witness_key,
        help="A witness that must have cosigned the checkpoint; give as many as needed.",
    ),
]


@app.command()
def verify(
    place: Annotated[
        str,
        typer.Argument(metavar="URL|FOLDER|RECEIPT", show_default=False, help="A published log, or a receipt's file."),
    ],
    key: KeyOption = None,
    witness: WitnessOption = None,
    entry: Annotated[
        Path | None,
        typer.Option(
            "--entry",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="The entry that a receipt is of, when it does not carry it.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Verify every entry of a log against its signed checkpoint, or one entry by its receipt.

    The first entry or file that is not what was signed is named, with status 1.
    """
    try:
        if "://" not in place and Path(place).is_file():
            _verify_receipt(Path(place), key or [], witness or [], entry, as_json=as_json)
        else:
            with PublishedLog.at(place) as log:
                _verify_log(log, key or [], witness or [], as_json=as_json)
    except CountenanceError as error:
        if as_json:
            where = {"index": error.index, "file": error.file} if isinstance(error, Unverified | Damaged) else {}
            print_json({"verified": False, "message": error.message, **where})
        raise


@app.command("rotate-key")
@with_settings("data", "ledger_key")
def rotate_key(settings: Settings, *, principal: PrincipalOption = None, as_json: AsJson = False) -> None:
    """Hand the log over to a new key, by an entry that the old one signs. The old secret is destroyed.

    Whoever verifies with the old verifier key is led to the new one by the log itself; witnesses must be given it.
    """
    with administered(settings) as administration:
        entry, vkey = administration.log_keys.rotate(administration.locals.caller(principal))
    if as_json:
        print_json({"entry": entry, "vkey": vkey})
    else:
        say(f"Entry {entry} hands the log over. From here on it is signed by {vkey}")


def _verify_log(log: PublishedLog, keys: list[Verifier], witnesses: list[Verifier], *, as_json: bool) -> None:
    trusted = keys or claimed_keys(log)
    with progress("entries") as bar:
        task = bar.add_task("Verifying", total=None)
        report = verify_log(
            log, trusted, witnesses, progress=lambda done, size: bar.update(task, completed=done, total=size)
        )
    if as_json:
        print_json(_answer(report))
        return
    checkpoint = report.checkpoint
    when = f", from {report.first_at} to {report.last_at}" if report.first_at else ""
    say(f"Verified: the {checkpoint.size:,} entries of {checkpoint.origin}{when}.")
    say(f"Root {checkpoint.root.hex()}, signed by {report.vkey}")
    if report.handovers:
        say(f"The log's key has changed {report.handovers} times, each time signed by the old one.")
    for name, at in report.cosigned.items():
        say(f"Cosigned by {name} at {_when(at)}.")
    if report.kinds:
        print_table(("Kind", "Entries"), sorted(report.kinds.items()))
    if report.dangling:
        use, index, at_ = report.dangling[0]
        say(f"Uses without an end: {len(report.dangling)}, the first {use}, entry {index}, of {at_}.")


def _verify_receipt(
    file: Path, keys: list[Verifier], witnesses: list[Verifier], entry: Path | None, *, as_json: bool
) -> None:
    if not keys:
        raise Misconfigured("A receipt is verified by the log's verifier key: give it with --key.")
    with file.open("rb") as opened:
        receipt = receipts.read_receipt(opened.read(MAX_RECEIPT_BYTES + 1))
    content = receipt.extra if entry is None else entry.read_bytes()
    signed = receipts.verify(receipt, keys, witnesses, entry=content)
    assert content is not None
    _print_receipt(receipt, signed, content, as_json=as_json)


@app.command()
@with_settings("data")
def prove(
    settings: Settings,
    index: Annotated[
        int,
        typer.Argument(
            metavar="RECEIPT", min=0, show_default=False, help="The number in the header x-countenance-receipt."
        ),
    ],
    *,
    place: Annotated[
        str | None,
        typer.Option("--ledger", metavar="URL|FOLDER", help="The published log; the data folder's own when absent."),
    ] = None,
    key: KeyOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Where the receipt goes; NUMBER.tlog-proof when absent."),
    ] = None,
    whole_use: Annotated[
        bool, typer.Option("--whole-use", help="Also those of the use's intent and decision, which came before.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write the receipt of an entry: a file by which anyone can verify, without this server, that it was logged.

    The receipt carries the entry, and is verified before it is written.
    """
    if whole_use and out is not None:
        raise typer.BadParameter("the receipts of a whole use are several files: leave --out away")
    with PublishedLog.at(place or str(settings.effective_ledger_folder)) as log:
        trusted = key or claimed_keys(log)
        indexes = _same_use(log, index) if whole_use else [index]
        made = [_receipt(log, one) for one in indexes]
    for receipt, entry in made:
        signed = receipts.verify(receipt, trusted, entry=entry)
        path = out or Path(f"{receipt.index}{receipts.SUFFIX}")
        path.write_text(str(receipt), encoding="utf-8")
        notice(f"The receipt is in {path}.")
        _print_receipt(receipt, signed, entry, as_json=as_json)


def _receipt(log: PublishedLog, index: int) -> tuple[Receipt, bytes]:
    note, size = _checkpoint(log, index)
    bundle = index // TILE_WIDTH
    entry = log.entries(Tile(None, bundle, tile_at(0, bundle, size).width))[index % TILE_WIDTH]
    return receipts.make(index, note, log.subtrees(size), entry=entry), entry


def _same_use(log: PublishedLog, index: int) -> list[int]:
    """The entries of the use that this one is of, from its intent to this one; only this one when it is of none."""
    _, size = _checkpoint(log, index)
    use: object = None
    found: list[int] = []
    for bundle in range(index // TILE_WIDTH, -1, -1):
        leaves = log.entries(Tile(None, bundle, tile_at(0, bundle, size).width))
        for place in range(min(index - bundle * TILE_WIDTH, len(leaves) - 1), -1, -1):
            entry: dict[str, object] = {}
            with suppress(ValueError):
                entry = dict(json.loads(leaves[place]))
            use = use or entry.get("use")
            if use is None:
                return [index]
            if entry.get("use") == use:
                found.append(bundle * TILE_WIDTH + place)
                if entry.get("kind") == "intent":
                    return found[::-1]
    return [index]


def _checkpoint(log: PublishedLog, index: int) -> tuple[str, int]:
    """The newest checkpoint, and its size. Raises `Missing` when the entry was not published yet."""
    note = log.checkpoint().decode("utf-8", "replace")
    size = read_text(parse(note).text).size
    if index >= size:
        raise Missing(f"{log.name} has published {size:,} entries, and none of number {index} yet.")
    return note, size


@app.command()
def follow(
    place: Annotated[str, typer.Argument(metavar="URL|FOLDER", show_default=False, help="A published log.")],
    key: KeyOption = None,
    every: Annotated[
        float, typer.Option("--every", metavar="SECONDS", min=0.1, max=86_400, help="How often to look.")
    ] = DEFAULT_EVERY_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Print the entries of a log as they come, each checkpoint verified to have grown out of the one before it.

    Ctrl-C ends it. A log that contradicts itself ends it with status 1.
    """
    try:
        with PublishedLog.at(place) as log:
            follower = Follower(log, key or claimed_keys(log))
            notice(f"Following {follower.checkpoint.origin} from entry {follower.checkpoint.size}. Ctrl-C ends it.")
            _follow(follower, every, as_json=as_json)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _follow(follower: Follower, every: float, *, as_json: bool) -> NoReturn:
    complaint = ""
    while True:
        try:
            for index, leaf in follower.news():
                _print_entry(index, leaf, as_json=as_json)
            complaint = ""
        except Fork as fork:
            notice(f"It signed this:\n\n{fork.before}\nand then this:\n\n{fork.after}")
            raise
        except (Stale, Missing, Damaged, Unreachable) as error:
            # These may pass; each is told once.
            if error.message != complaint:
                complaint = error.message
                notice(complaint)
        time.sleep(every)


def claimed_keys(log: PublishedLog) -> list[Verifier]:
    """The key that the publisher of a log says is its own, with a notice that this is trusted."""
    try:
        vkey = log.vkey()
    except Missing as error:
        raise Misconfigured(f"{log.name} publishes no verifier key: give the log's with --key.") from error
    verifier = Verifier.from_vkey(vkey)
    notice(
        f"No --key was given, so this trusts the publisher: {log.name} says its key is {vkey}. Compare it with the one "
        "that was handed to you."
    )
    return [verifier]


def _answer(report: Report) -> dict[str, object]:
    return {
        "verified": True,
        "origin": report.checkpoint.origin,
        "size": report.checkpoint.size,
        "root": report.checkpoint.root.hex(),
        "vkey": report.vkey,
        "handovers": report.handovers,
        "kinds": dict(report.kinds),
        "first_at": report.first_at,
        "last_at": report.last_at,
        "dangling": [{"use": use, "index": index, "at": at} for use, index, at in report.dangling],
        "cosigned": dict(report.cosigned),
    }


def _print_receipt(receipt: Receipt, signed: SignedCheckpoint, entry: bytes, *, as_json: bool) -> None:
    cosigned = {signature.name: signature.time for signature in signed.cosignatures}
    content: object = None
    with suppress(ValueError):
        content = json.loads(entry)
    if as_json:
        print_json(
            {
                "verified": True,
                "index": receipt.index,
                "origin": signed.checkpoint.origin,
                "size": signed.checkpoint.size,
                "vkey": signed.vkey,
                "cosigned": cosigned,
                "entry": content,
            }
        )
        return
    say(f"Verified: this is entry {receipt.index} of {signed.checkpoint.origin}, signed by {signed.vkey}")
    for name, at in cosigned.items():
        say(f"Cosigned by {name} at {_when(at)}.")
    print_json(content)


def _print_entry(index: int, leaf: bytes, *, as_json: bool) -> None:
    if as_json:
        content: object = None
        with suppress(ValueError):
            content = json.loads(leaf)
        print_json({"index": index, "entry": content}, lines=True)
    else:
        say(f"{index} {printable(leaf.decode('utf-8', 'replace'))}")
    sys.stdout.flush()


def _when(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{seconds} seconds since 1970"
