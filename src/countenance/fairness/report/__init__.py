"""An audit's record as people read it: a page, its numbers as JSON and CSV, and a model card."""

from __future__ import annotations

from countenance.fairness.report.writing import write_report

__all__ = ["write_report"]
