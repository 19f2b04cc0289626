"""The photos that the benches work on."""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from PIL import Image

from countenance.settings import Settings
from countenance.vision.images import Photo, decode
from demo import portraits

SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})


def add_options(parser: argparse.ArgumentParser, *, limit: int) -> None:
    """`--photos` and `--limit`."""
    parser.add_argument(
        "--photos",
        type=Path,
        help="folder of JPEG and PNG files, searched at every depth; the sample portraits when absent",
    )
    parser.add_argument("--limit", type=int, default=limit, help="photos taken, evenly over the folder (%(default)s)")


def choose(folder: Path | None, limit: int) -> list[Path]:
    """At most `limit` photos, evenly over the sorted folder. Ends the program with a sentence when there are none."""
    if folder is None:
        found = sorted(portraits.fetch().values())
    else:
        found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise SystemExit(f"There is no JPEG or PNG file in {folder}.")
    count = min(limit, len(found))
    return [found[index * len(found) // count] for index in range(count)]


def describe(paths: list[Path]) -> str:
    """How many there are and how large, in one line."""
    sizes = []
    for path in paths:
        with Image.open(path) as image:
            sizes.append(image.size)
    width, height = (statistics.median(size[axis] for size in sizes) for axis in (0, 1))
    smallest, largest = min(sizes), max(sizes)
    across = (
        f"{width:.0f}x{height:.0f} pixels"
        if smallest == largest
        else (f"median {width:.0f}x{height:.0f} pixels, from {smallest[0]}x{smallest[1]} to {largest[0]}x{largest[1]}")
    )
    return f"{len(paths)} photos, {across}"


def opened(data: bytes, settings: Settings) -> Photo:
    """The photo in a file, within the limits of `settings`."""
    return decode(
        data,
        formats=settings.image_formats,
        max_bytes=settings.max_image_bytes,
        max_pixels=settings.max_pixels,
        min_side=settings.min_image_side,
    )
