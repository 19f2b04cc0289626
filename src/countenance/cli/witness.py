"""`countenance witness`: watch over logs of others, for whoever wants to be sure that they show everybody the same.

Nothing that recognizes faces is loaded: a witness needs some 50 MB of memory.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from countenance.cli import small_logs
from countenance.cli.output import INTERRUPTED, AsJson, notice, print_json, say
from countenance.cli.vkeys import read_log_key
from countenance.errors import CountenanceError
from countenance.ledger.checkpoints import Checkpoint
from countenance.ledger.consistency import Fork
from countenance.ledger.notes import Verifier
from countenance.ledger.published import PublishedLog
from countenance.ledger.witness import Witness
from countenance.ledger.witness_records import EVIDENCE, Records, open_key, publish_cosigned
from countenance.ledger.witness_server import WitnessServer

DEFAULT_LISTEN = "127.0.0.1:8751"

# A log publishes about every second; somebody who compares wants to know within minutes.
DEFAULT_EVERY_SECONDS = 60.0

app = typer.Typer(no_args_is_help=True, help="Watch over ledgers of others: cosign what only grows, refuse forks.")

StateOption = Annotated[
    Path,
    typer.Option(
        "--state",
        metavar="DIR",
        file_okay=False,
        show_default=False,
        help="Folder of the witness's key and of what it has cosigned. Never restore it from a backup.",
    ),
]
NameOption = Annotated[
    str | None,
    typer.Option(
        "--name", metavar="NAME", help="What a new witness is called for good, such as witness.example.org/w1."
    ),
]


def _address(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise typer.BadParameter("an address is HOST:PORT, for example 127.0.0.1:8751 or [::1]:8751")
    return value


@app.command()
def serve(
    state: StateOption,
    log: Annotated[
        list[Verifier],
        typer.Option(
            "--log",
            metavar="VKEY|FILE",
            parser=read_log_key,
            show_default=False,
            help="The verifier key of a log to watch over; give as many as needed.",
        ),
    ],
    listen: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", parser=_address, help="The address to answer on.")
    ] = DEFAULT_LISTEN,
    name: NameOption = None,
    as_json: AsJson = False,
) -> None:
    """Answer logs that ask for cosignatures (c2sp.org/tlog-witness).

    POST /add-checkpoint cosigns; GET /vkey tells the witness's verifier key; GET /checkpoint/ORIGIN the newest
    checkpoint of a log that was cosigned.
    """
    small_logs.configure(everything=True)
    address, _, port = listen.rpartition(":")
    with (
        _witness(state, name, log) as witness,
        WitnessServer(address.strip("[]"), int(port), witness) as server,
        _ended_by_signals(),
    ):
        host = f"[{server.server_name}]" if ":" in server.server_name else server.server_name
        url = f"http://{host}:{server.server_port}"
        if as_json:
            print_json({"vkey": witness.key.vkey, "url": url}, lines=True)
        else:
            say(f"The witness's verifier key is {witness.key.vkey}")
            say(f"Listening on {url}.")
        sys.stdout.flush()
        server.serve_forever()


@app.command()
def run(
    place: Annotated[str, typer.Argument(metavar="URL|FOLDER", show_default=False, help="Where the log is published.")],
    *,
    state: StateOption,
    key: Annotated[
        list[Verifier],
        typer.Option(
            "--key",
            metavar="VKEY|FILE",
            parser=read_log_key,
            show_default=False,
            help="The log's verifier key, from somebody you trust; after a rotation also the new one.",
        ),
    ],
    every: Annotated[
        float, typer.Option("--every", metavar="SECONDS", min=1, max=86_400, help="How often to look.")
    ] = DEFAULT_EVERY_SECONDS,
    once: Annotated[bool, typer.Option("--once", help="Look once and end: for a timer of the system.")] = False,
    name: NameOption = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a log's checkpoint again and again, and cosign it as long as the log only grows.

    The newest cosigned checkpoint is kept in the folder `cosigned` of the state. A log that contradicts itself ends
    this with status 1, and both checkpoints are kept as evidence.
    """
    with PublishedLog.at(place) as log, _witness(state, name, key) as witness, _ended_by_signals():
        while True:
            try:
                checkpoint = witness.observe(log)
            except Fork as fork:
                notice(f"Both checkpoints are kept in {state / EVIDENCE}: show them to others.")
                raise fork from None
            except (CountenanceError, OSError) as error:
                if once:
                    raise
                sentence = error.message if isinstance(error, CountenanceError) else f"{error}."
                notice(f"{_now()} Not cosigned: {sentence}")
            else:
                _tell(witness, checkpoint, state, as_json=as_json)
            if once:
                return
            time.sleep(every)


def _tell(witness: Witness, checkpoint: Checkpoint, state: Path, *, as_json: bool) -> None:
    record = witness.newest(checkpoint.origin)
    assert record is not None
    publish_cosigned(state, checkpoint.origin, record)
    if as_json:
        answer = {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()}
        print_json({**answer, "time": record.time}, lines=True)
    else:
        say(f"{_now()} Cosigned {checkpoint.origin} at {checkpoint.size:,} entries.")
    sys.stdout.flush()


@contextmanager
def _witness(state: Path, name: str | None, logs_: list[Verifier]) -> Iterator[Witness]:
    key = open_key(state, name)
    records = Records(state)
    try:
        yield Witness(key, logs_, records, state)
    finally:
        records.close()


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    def end(*_: object) -> NoReturn:
        raise SystemExit(0)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
