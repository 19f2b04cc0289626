"""A report as a folder of files."""

from __future__ import annotations

from pathlib import Path

from countenance.errors import InvalidParameter
from countenance.fairness.record import AuditRecord
from countenance.fairness.report.model_card import to_model_card
from countenance.fairness.report.page import to_html
from countenance.fairness.report.spreadsheets import to_csv


def write_report(record: AuditRecord, folder: Path) -> tuple[Path, ...]:
    """Write the report into `folder`, which is made where it is missing; the files, `report.html` first.

    Files of the same names are replaced; the same record gives the same bytes. Raises `InvalidParameter` where the
    folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        texts = {
            "report.html": to_html(record),
            "report.json": record.text(),
            "model-card.md": to_model_card(record),
            **to_csv(record),
        }
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise InvalidParameter(f"The report cannot be written into {folder}: {error.strerror}.") from error
    return tuple(folder / name for name in texts)
