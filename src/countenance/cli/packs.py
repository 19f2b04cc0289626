"""Policy packs as commands name them."""

from __future__ import annotations

from pathlib import Path

import typer

from countenance.policy.packs import Pack, shipped


def named(name: str) -> Pack:
    """The pack of this name that ships, or else the one in this folder."""
    known = shipped()
    if name in known:
        return known[name]
    if not Path(name).is_dir():
        raise typer.BadParameter(f"{name} is neither a folder nor a pack that ships: {', '.join(known)}")
    return Pack.from_folder(Path(name))
