"""`countenance fairness calibrate`: from photos of known people to what each Similarity means."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import TaskID

from countenance.cli.configuration import with_settings
from countenance.cli.output import AsJson, print_json, print_table, progress, say
from countenance.settings import Settings


@with_settings("recognizer", "inference_precision", "workers", "model_store", "models")
def calibrate(
    settings: Settings,
    data_sets: Annotated[
        list[Path],
        typer.Argument(
            metavar="CARD PHOTOS",
            exists=True,
            show_default=False,
            help="Data sets: the TOML card of each, then the folder of its photos.",
        ),
    ],
    *,
    output: Annotated[
        Path, typer.Option(metavar="FILE", dir_okay=False, show_default=False, help="Where the calibration is written.")
    ],
    as_json: AsJson = False,
) -> None:
    """Measure false match rates on photos of known people, and write what each Similarity means by them."""
    cards, folders = data_sets[::2], data_sets[1::2]
    if len(cards) != len(folders):
        raise typer.BadParameter("each data set is a card and a folder of photos")
    # Imported when needed: the runtimes behind it take a second to load.
    from countenance.fairness.calibration.calibrator import calibrate as measure  # noqa: PLC0415

    # As it can be typed again elsewhere: by the names of things, wherever they lie here.
    names = [card.name if place % 2 else f"{card}" for place, card in enumerate(data_sets)]
    command = shlex.join(["countenance", "fairness", "calibrate", "--output", output.name, *names])
    with progress("photos") as bar:
        tasks: dict[str, TaskID] = {}

        def show(name: str, done: int, of: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=of)
            bar.update(tasks[name], completed=done)

        record = measure(settings, list(zip(cards, folders, strict=True)), command=command, progress=show)
    output.write_text(record.text(), encoding="utf-8")
    if as_json:
        print_json({"File": str(output), **record.model_dump(mode="json", include={"face_model_version", "pins"})})
        return
    print_table(
        ("Similarity", "False match rate", "Cosine", "Worst group", "Evidence"),
        (
            (f"{pin.similarity:g}", f"{pin.fmr:g}", f"{pin.cosine:.4f}", pin.worst_group, pin.evidence)
            for pin in record.pins
        ),
    )
    for limit in record.limits:
        say(limit)
    say(f"Written into {output}.")
