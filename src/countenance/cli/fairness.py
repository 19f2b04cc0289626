"""`countenance fairness`: what a Similarity means, measured on people whose data allow it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from countenance.cli.configuration import with_settings
from countenance.cli.output import AsJson, notice, print_json, print_table, progress, say
from countenance.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Measure error rates on data sets of known people.")


@app.callback()
def _group() -> None:
    """A group of commands also while it has one."""


@app.command()
@with_settings("model_store", "models", "recognizer", "inference_precision", "workers")
def calibrate(
    settings: Settings,
    data_sets: Annotated[
        list[Path],
        typer.Argument(metavar="CARD PHOTOS...", help="Data sets, each as its card and its folder of photos."),
    ],
    output: Annotated[Path, typer.Option("--output", metavar="FILE", help="Where the calibration is written.")],
    as_json: AsJson = False,
) -> None:
    """Make the calibration of a face model: which cosine each Similarity stands for, and how sure that is."""
    if len(data_sets) % 2:
        raise typer.BadParameter("each data set is a card and a folder of photos")
    pairs = list(zip(data_sets[::2], data_sets[1::2], strict=True))
    # Imported when needed: the runtimes behind it take a second to load, and `--help` shall not wait for them.
    from countenance.fairness.calibrator import calibrate as measure  # noqa: PLC0415

    with progress("photos") as bar:
        tasks = {}

        def show(name: str, done: int, of: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=of)
            bar.update(tasks[name], completed=done)

        record = measure(settings, pairs, command=shlex.join(["countenance", *sys.argv[1:]]), progress=show)
    output.write_text(record.text(), encoding="utf-8")
    if as_json:
        print_json(record.model_dump(mode="json"))
        return
    print_table(
        ("Similarity", "False match rate", "Cosine", "Worst group", "Evidence"),
        [
            (f"{pin.similarity:g}", f"{pin.fmr:g}", f"{pin.cosine:.4f}", pin.worst_group, pin.evidence)
            for pin in record.pins
        ],
    )
    for sentence in record.limits:
        notice(sentence)
    say(f"The calibration of {record.face_model_version} is in {output}.")
