"""The log of commands that run in little memory: the same lines, from the standard library alone.

structlog, with what it loads, would take 12 MB of the 60 that a witness is to run in.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime


def configure(*, everything: bool) -> None:
    """Send the standard library's log to stderr; warnings only unless `everything` is wanted."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Readable() if sys.stderr.isatty() else _Json())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO if everything else logging.WARNING)


class _Line(logging.Formatter):
    """A record's message is the event; what belongs to it is in its attribute `fields`."""

    @staticmethod
    def fields(record: logging.LogRecord) -> dict[str, object]:
        found: dict[str, object] = getattr(record, "fields", {})
        return found

    @staticmethod
    def time(record: logging.LogRecord) -> str:
        return datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z")


class _Json(_Line):
    def format(self, record: logging.LogRecord) -> str:
        line = {**self.fields(record), "event": record.getMessage(), "level": record.levelname.lower()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps({**line, "timestamp": self.time(record)}, default=str)


class _Readable(_Line):
    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {name}={value!r}" for name, value in self.fields(record).items())
        line = f"{self.time(record)} [{record.levelname.lower():<8}] {record.getMessage()}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line
