"""The published JSON Schema of an audit's report, written from the code by `python -m countenance.fairness.schemas`;
`--check` tells whether it is current.

    docs/fairness-report.schema.json    report.json as `countenance fairness audit` writes it
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from countenance.fairness.record import json_schema

REPORT_FILE = Path("docs") / "fairness-report.schema.json"


def report_schema() -> str:
    """The schema of the report."""
    return json.dumps(json_schema(), indent=2) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file, or compare it; the exit status."""
    parser = argparse.ArgumentParser(description="Write the JSON Schema into docs/ of the current folder.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the file is not current")
    if not parser.parse_args(arguments).check:
        REPORT_FILE.write_text(report_schema(), encoding="utf-8")
        return 0
    if REPORT_FILE.exists() and REPORT_FILE.read_text(encoding="utf-8") == report_schema():
        return 0
    print(f"{REPORT_FILE} is not current: run python -m countenance.fairness.schemas", file=sys.stderr)  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(main())
