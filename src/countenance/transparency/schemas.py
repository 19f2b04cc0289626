"""The published JSON Schemas, written from the code by `python -m countenance.transparency.schemas`; `--check` tells
whether they are current.

    docs/ledger-entry.schema.json           an entry as it stands in the ledger, of any kind
    docs/transparency-report.schema.json    the report as /transparency.json has it
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from countenance.ledger import entries
from countenance.transparency.report import Report

DIALECT = "https://json-schema.org/draft/2020-12/schema"

ENTRY_FILE = Path("docs") / "ledger-entry.schema.json"
REPORT_FILE = Path("docs") / "transparency-report.schema.json"


def entry_schema() -> str:
    """The schema of an entry's bytes, which are JSON in the form of RFC 8785.

    An entry in the ledger is complete: it has its time, its kind, and every member that has a value; members without
    one are absent, never null.
    """
    schema = entries.json_schema()
    for definition in schema["$defs"].values():
        required = {"at"} if "kind" in definition["properties"] else set()
        for name, member in list(definition["properties"].items()):
            definition["properties"][name], optional = _without_null(member)
            if not optional:
                required.add(name)
        definition["required"] = sorted(required)
    head = {
        "$schema": DIALECT,
        "title": "Entry of a Countenance ledger",
        "description": "One leaf of the log, of one of these kinds: canonical JSON (RFC 8785) in UTF-8.",
        "oneOf": schema["oneOf"],
    }
    return _text({**head, "$defs": schema["$defs"]})


def report_schema() -> str:
    """The schema of the report."""
    return _text({"$schema": DIALECT, **Report.model_json_schema(mode="serialization")})


def _without_null(member: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """A member's schema as it is when it is there, and whether it may be absent."""
    choices = member.get("anyOf", [])
    present = [choice for choice in choices if choice != {"type": "null"}]
    rest = {name: value for name, value in member.items() if name not in {"anyOf", "default"}}
    if len(present) == len(choices):
        return ({**rest, "anyOf": choices} if choices else rest), False
    return {**rest, **(present[0] if len(present) == 1 else {"anyOf": present})}, True


def _text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2) + "\n"


def _files() -> Iterator[tuple[Path, str]]:
    yield ENTRY_FILE, entry_schema()
    yield REPORT_FILE, report_schema()


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or compare them; the exit status."""
    parser = argparse.ArgumentParser(description="Write the JSON Schemas into docs/ of the current folder.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is not current")
    if parser.parse_args(arguments).check:
        stale = [path for path, text in _files() if not path.exists() or path.read_text(encoding="utf-8") != text]
        for path in stale:
            message = f"{path} is not current: run python -m countenance.transparency.schemas"
            print(message, file=sys.stderr)  # noqa: T201
        return 1 if stale else 0
    for path, text in _files():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
