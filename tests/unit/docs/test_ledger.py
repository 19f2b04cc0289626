"""docs/ledger.md names every kind of entry, and says of refusals what the ledger says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from countenance import ledger
from countenance.ledger.entries import AnyEntry

DOCUMENT = Path(__file__).parents[3] / "docs" / "ledger.md"
SOURCES = "\n".join(file.read_text("utf-8") for file in sorted(Path(ledger.__path__[0]).glob("*.py")))

# Sentences stand on several lines, in several strings.
SENTENCES = re.sub(r'"\s*\n\s*f?"', "", SOURCES)


def first_column(title: str) -> list[str]:
    """Of the table below a heading, without its head."""
    match = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", DOCUMENT.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert match is not None, f"there is no heading {title!r}"
    return [line.split("|")[1].strip() for line in match[1].splitlines() if line.startswith("|")][2:]


def test_every_kind_of_entry_is_described() -> None:
    union, _ = get_args(AnyEntry)
    kinds = [kind.model_fields["kind"].default for kind in get_args(union)]
    assert sorted(cell.strip("`") for cell in first_column("What an entry holds")) == sorted(kinds)


@pytest.mark.parametrize(
    "sentence", [said for cell in first_column("When the server refuses") for said in re.findall(r"`([^`]+)`", cell)]
)
def test_the_ledger_says_what_the_document_says_that_it_says(sentence: str) -> None:
    """Where the document has an ellipsis, the sentence has what differs from case to case."""
    parts = [re.escape(part.strip()) for part in sentence.split("…")]
    assert re.search(r".{0,80}?".join(parts), SENTENCES)
