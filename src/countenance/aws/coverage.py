"""COVERAGE.md, written from the code by `python -m countenance.aws.coverage`; `--check` tells whether it is current.

What is said there is what the server does: the operations come from the tables that dispatch them, what is known of a
face from the table that describes it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from botocore.model import StructureShape

from countenance.aws.absences import ABSENT
from countenance.aws.model import service_model
from countenance.aws.operations import OPERATIONS
from countenance.aws.sts import operations as sts
from countenance.settings import InferredAttribute
from countenance.vision.description import UNAVAILABLE

FILE = Path("COVERAGE.md")

HEAD = """\
# What of Amazon Rekognition works here

Written by `python -m countenance.aws.coverage`; CI fails when it is not current. Do not edit.

Every request is held against Amazon's own service model (required members, types, lengths, ranges, patterns,
enumerations), and every answer is tested against it. What is not offered answers `AccessDeniedException`, an exception
that each of these operations models, with the reason below: never a 500.
"""

SESSIONS = """
## Operations of AWS STS: {works} of {total} work

By AssumeRole any AWS SDK says what its calls are for: docs/purpose-over-aws.md.

| Operation | Here |
|---|---|"""

DETAILS = """
## What is said of a face

The members of FaceDetail that DetectFaces and IndexFaces answer when they are asked for. Nothing is made up: what no
honest source measures is left out of the answer.

| Member | Here |
|---|---|"""

# Guesses about a person, by the setting that allows them.
INFERRED = {"Gender": InferredAttribute.GENDER, "Emotions": InferredAttribute.EMOTIONS}


def coverage() -> str:
    """The text of COVERAGE.md."""
    total = len(OPERATIONS) + len(ABSENT)
    heading = f"## Operations: {len(OPERATIONS)} of {total} work\n"
    operations = ["| Operation | Here |", "|---|---|", *_operations(OPERATIONS, ABSENT)]
    sessions = SESSIONS.format(works=len(sts.OPERATIONS), total=len(sts.OPERATIONS) + len(sts.ABSENT))
    session_operations = _operations(sts.OPERATIONS, sts.ABSENT)
    return "\n".join([HEAD, heading, *operations, sessions, *session_operations, DETAILS, *_members(), ""])


def _operations(works: Iterable[str], absent: Mapping[str, str]) -> Iterator[str]:
    yield from (f"| {name} | works |" for name in sorted(works))
    yield from (f"| {name} | no: {reason} |" for name, reason in sorted(absent.items()))


def _members() -> Iterator[str]:
    shape = service_model().shape_for("FaceDetail")
    assert isinstance(shape, StructureShape)
    for member in sorted(shape.members):
        if member in UNAVAILABLE:
            here = f"no: {UNAVAILABLE[member]}"
        elif member in INFERRED:
            here = f"off, unless the operator lists `{INFERRED[member]}` in the setting `inferred_attributes`"
        else:
            here = "yes"
        yield f"| {member} | {here} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file, or compare it; the exit status."""
    parser = argparse.ArgumentParser(description="Write COVERAGE.md in the current folder.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the file is not current")
    if parser.parse_args(arguments).check:
        if not FILE.exists() or FILE.read_text(encoding="utf-8") != coverage():
            print("COVERAGE.md is not current: run python -m countenance.aws.coverage", file=sys.stderr)  # noqa: T201
            return 1
        return 0
    FILE.write_text(coverage(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
