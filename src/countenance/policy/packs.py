"""Policy packs: folders that a lawyer can read, each with the examples that are its tests.

    pack.toml           what it is, since when it counts, its sources, what it requires, what it claims and what not
    policies.cedar      permits and forbids; each has an @id, a @source, and a forbid a @message for whoever is denied
    obligations.cedar   what a permitted use owes; permits that open nothing, asked only after a use is allowed
    moratorium.toml     where the pack is a moratorium: when it starts and ends
    ALLOW/*.json        requests that are allowed with this pack and those it requires
    DENY/*.json         requests that are denied, and by which policies
    README.md           the same for people

A pack is its files and nothing else: the same files have the same SHA-256 everywhere.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Self

import rfc8785
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from countenance.errors import InvalidParameter
from countenance.policy import moratoria
from countenance.policy.moratoria import Moratorium
from countenance.policy.policies import PackPolicy, parse

MANIFEST = "pack.toml"
POLICIES = "policies.cedar"
OBLIGATIONS = "obligations.cedar"
README = "README.md"
EXAMPLES = re.compile(r"(ALLOW|DENY)/[^/]+\.json")

# A pack is read into memory before anything else is known of it.
MAX_PACK_BYTES = 1 << 20
MAX_PACK_FILES = 1000

NAME_PATTERN = r"^[a-z0-9]+([.-][a-z0-9]+)*$"
MAX_NAME = 64


class Source(BaseModel):
    """Where a pack's rules come from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    url: str = ""


class Manifest(BaseModel):
    """What pack.toml says. `effective`: since when what counts; `not_claimed`: what of the sources is not decided."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=NAME_PATTERN, max_length=MAX_NAME)
    title: str
    # It stands in the sentences that people approve changes by.
    version: str = Field(pattern=r"^[\w.+-]+$", max_length=MAX_NAME)
    effective: dict[str, date] = {}
    requires: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    claims: tuple[str, ...] = ()
    not_claimed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pack:
    """A policy pack. `files` has the text of each by its path in the folder, `sha256` is that of all of them."""

    manifest: Manifest
    files: Mapping[str, str]
    policies: tuple[PackPolicy, ...]
    obligations: tuple[PackPolicy, ...]
    moratorium: Moratorium | None
    sha256: str

    @property
    def name(self) -> str:
        """The name by which other packs require it, and the prefix of its policies' names."""
        return self.manifest.name

    @property
    def version(self) -> str:
        """The version that its author gave it. What pins it is the SHA-256."""
        return self.manifest.version

    @classmethod
    def from_files(cls, files: Mapping[str, str]) -> Self:
        """A pack of its files' texts by their paths.

        Raises InvalidParameter, with a sentence that says which file and what, when it is none: something is missing or
        unknown, too large, no TOML, no Cedar, or does not hold against the schema.
        """
        _bound(files)
        manifest = _manifest(files)
        obligations = parse(manifest.name, OBLIGATIONS, files.get(OBLIGATIONS, ""))
        forbid = next((policy for policy in obligations if policy.effect == "forbid"), None)
        if forbid is not None:
            raise InvalidParameter(f"The policy {forbid.name} forbids: {OBLIGATIONS} has permits only, move it.")
        policies = parse(manifest.name, POLICIES, files[POLICIES])
        twice = {policy.name for policy in policies} & {policy.name for policy in obligations}
        if twice:
            raise InvalidParameter(f"The policy {min(twice)} stands in {POLICIES} and in {OBLIGATIONS}: rename one.")
        return cls(
            manifest=manifest,
            files=dict(files),
            policies=policies,
            obligations=obligations,
            moratorium=(
                Moratorium.from_toml(manifest.name, files[moratoria.FILE]) if moratoria.FILE in files else None
            ),
            sha256=hashlib.sha256(rfc8785.dumps(dict(files))).hexdigest(),
        )

    @classmethod
    def from_folder(cls, folder: Path | Traversable) -> Self:
        """The pack in a folder; hidden files are left out. Raises InvalidParameter as `from_files` does."""
        return cls.from_files(_read(folder))

    def with_moratorium(self, moratorium: Moratorium) -> Pack:
        """The same pack with its moratorium as it became. Raises InvalidParameter for that of another pack."""
        if self.moratorium is None or moratorium.name != self.name:
            raise InvalidParameter(f"The policy pack {self.name} is not the moratorium {moratorium.name}.")
        return Pack.from_files({**self.files, moratoria.FILE: moratorium.text()})


@cache
def shipped() -> Mapping[str, Pack]:
    """The packs that come with Countenance, by name, `base` first."""
    folder = resources.files("countenance.policy").joinpath("packs")
    names = sorted((entry.name for entry in folder.iterdir()), key=lambda name: (name != "base", name))
    return {name: Pack.from_folder(folder.joinpath(name)) for name in names}


def with_required(packs: Sequence[Pack], known: Mapping[str, Pack]) -> tuple[Pack, ...]:
    """The packs and all they require, each once, what is required first.

    Raises InvalidParameter for one that is required and not `known`, and for two of one name.
    """
    given = {pack.name: pack for pack in packs}
    if len(given) < len(packs):
        raise InvalidParameter(f"Two policy packs have one name: {', '.join(sorted(pack.name for pack in packs))}.")
    ordered: dict[str, Pack] = {}

    def add(pack: Pack, above: tuple[str, ...]) -> None:
        for name in pack.manifest.requires:
            required = given.get(name) or known.get(name)
            if required is None:
                raise InvalidParameter(f"The policy pack {pack.name} requires {name}, which there is none of.")
            if name in above:
                raise InvalidParameter(f"The policy pack {pack.name} requires {name}, which requires it.")
            add(required, (*above, name))
        ordered.setdefault(pack.name, pack)

    for pack in packs:
        add(pack, (pack.name,))
    return tuple(ordered.values())


def _bound(files: Mapping[str, str]) -> None:
    try:
        size = sum(len(text.encode()) for text in files.values())
    except UnicodeEncodeError as error:
        raise InvalidParameter("A policy pack is text in UTF-8: this one is not.") from error
    if size > MAX_PACK_BYTES or len(files) > MAX_PACK_FILES:
        raise InvalidParameter(f"A policy pack has at most {MAX_PACK_BYTES:,} bytes in {MAX_PACK_FILES:,} files.")
    for required in (MANIFEST, POLICIES):
        if required not in files:
            raise InvalidParameter(f"A policy pack has a file {required}: this one has none.")
    for path in files:
        known = (MANIFEST, POLICIES, OBLIGATIONS, moratoria.FILE, README)
        if path not in known and not EXAMPLES.fullmatch(path):
            # A misspelled obligations.cedar must not go unnoticed.
            raise InvalidParameter(
                f"A policy pack has no file {path}: what there may be is {', '.join(known)}, ALLOW/*.json and "
                "DENY/*.json."
            )


def _manifest(files: Mapping[str, str]) -> Manifest:
    try:
        return Manifest.model_validate(tomllib.loads(files[MANIFEST]))
    except tomllib.TOMLDecodeError as error:
        raise InvalidParameter(f"The policy pack's {MANIFEST} is no TOML: {error}.") from error
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise InvalidParameter(f"The policy pack's {MANIFEST}, {where}: {problem['msg']}.") from error


def _read(folder: Path | Traversable, above: str = "") -> dict[str, str]:
    files: dict[str, str] = {}
    size = 0
    for entry in folder.iterdir():
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            if above:
                raise InvalidParameter(f"A policy pack has no folder {above}{entry.name}.")
            files |= _read(entry, f"{entry.name}/")
        else:
            if isinstance(entry, Path):
                size += entry.stat().st_size
            if size > MAX_PACK_BYTES or len(files) > MAX_PACK_FILES:
                raise InvalidParameter(f"A policy pack has at most {MAX_PACK_BYTES:,} bytes: {folder} has more.")
            try:
                files[above + entry.name] = entry.read_bytes().decode()
            except UnicodeDecodeError as error:
                raise InvalidParameter(f"A policy pack is text in UTF-8: {above}{entry.name} is not.") from error
    return files
