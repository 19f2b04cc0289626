"""docs/cli.md says everything there is to type."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from countenance.cli.program import program

DOCUMENT = Path(__file__).parents[3] / "docs" / "cli.md"


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command there is, by all that is typed to call it."""
    inside = getattr(command, "commands", {})
    if not inside:
        yield name, command
    for word, one in inside.items():
        yield from commands(one, f"{name} {word}")


ALL = dict(commands(typer.main.get_command(program()), "countenance"))


def flags(command: Any) -> set[str]:
    """The options of a command."""
    names = (flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts))
    return {flag for flag in names if flag.startswith("-")}


def section(title: str) -> str:
    """What stands below a heading, up to the next."""
    match = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", DOCUMENT.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert match is not None, f"there is no heading {title!r}"
    return match[1]


@pytest.mark.parametrize("name", ALL)
def test_every_command_has_a_heading_and_every_option_a_row(name: str) -> None:
    """Also those that are made from the settings."""
    described = section(name) + section("Common options")
    assert [flag for flag in flags(ALL[name]) if not re.search(rf"`{flag}[ `]", described)] == []


def test_nothing_is_described_that_is_not_there() -> None:
    """Headings of commands that are gone, and options of any command."""
    headings = set(re.findall(r"^#+ (countenance .*)$", DOCUMENT.read_text("utf-8"), re.MULTILINE))
    families = {name.rsplit(" ", 1)[0] for name in ALL}
    assert headings <= set(ALL) | families
    for name, command in ALL.items():
        rows = [line for line in section(name).splitlines() if line.startswith("| `-")]
        told = {flag for row in rows for flag in re.findall(r"`(--?[a-z][a-z0-9-]*)", row)}
        assert told <= flags(command), name


def test_every_command_says_what_it_does() -> None:
    """In one sentence, with --help."""
    assert all(command.help for command in ALL.values())
