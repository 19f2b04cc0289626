"""What is printed: answers on stdout, as tables or JSON; progress, notices and complaints on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from countenance.faces import BoundingBox

AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]

# Seconds over which the rate and the remaining time are averaged.
RATE_SECONDS = 60.0

# Characters in a line of a table that is written into a file or a pipe, where nothing needs to be folded.
FILE_WIDTH = 1000

REFUSED = 1
INTERRUPTED = 130  # 128 + SIGINT, as shells count


def print_json(answer: object, *, lines: bool = False) -> None:
    """The answer on stdout, for a program to read; on one of many `lines`, when there are more than fit into memory.

    As on the wire, what is None is left out.
    """
    print(json.dumps(_present(answer), indent=None if lines else 2, allow_nan=False))  # noqa: T201


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """The answer on stdout, for a person to read. Numbers are set to the right."""
    console = Console()
    if not console.is_terminal:
        console.width = FILE_WIDTH
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    body = [list(row) for row in rows]
    for place, column in enumerate(columns):
        numbers = all(isinstance(row[place], int | float) for row in body) and bool(body)
        table.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for row in body:
        table.add_row(*(Text(_cell(value)) for value in row))
    console.print(table)


def box_of(box: BoundingBox) -> str:
    """A bounding box as its left, top, width and height."""
    return f"{box.left:.3f} {box.top:.3f} {box.width:.3f} {box.height:.3f}"


def say(sentence: str) -> None:
    """One line on stdout."""
    Console(soft_wrap=True).print(Text(printable(sentence)))


def notice(sentence: str) -> None:
    """One line on stderr."""
    print(printable(sentence), file=sys.stderr)  # noqa: T201


def refuse(sentence: str, status: int = REFUSED) -> NoReturn:
    """Say on stderr what went wrong, and end."""
    notice(f"countenance: {sentence}")
    raise SystemExit(status)


def printable(text: str) -> str:
    """The text without what could steer a terminal: file names may contain anything."""
    return "".join(character if character.isprintable() or character == "\n" else "\ufffd" for character in text)


def progress(noun: str) -> Progress:
    """A progress bar on stderr: how many are done of all, how fast, how long it still takes."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(noun),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=Console(stderr=True),
        speed_estimate_period=RATE_SECONDS,
    )


class _Rate(ProgressColumn):
    def __init__(self, noun: str) -> None:
        super().__init__()
        self._noun = noun

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} {self._noun}/s" if speed else f"- {self._noun}/s")


def _present(answer: object) -> object:
    if isinstance(answer, dict):
        return {name: _present(value) for name, value in answer.items() if value is not None}
    if isinstance(answer, list | tuple):
        return [_present(item) for item in answer]
    return answer


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.2f}"
    return printable(str(value))
