"""The log: one line per event on stderr, JSON for machines, readable on a terminal."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from countenance.cli import small_logs

if TYPE_CHECKING:
    import structlog

# Commands that run in little memory.
SMALL = frozenset({"witness"})


def common(
    context: typer.Context,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log every use on stderr, not only warnings.")
    ] = False,
) -> None:
    """The option that stands before every command."""
    if context.invoked_subcommand in SMALL:
        small_logs.configure(everything=verbose)
    else:
        configure(everything=verbose)


def configure(*, everything: bool) -> None:
    """Send structlog and the standard library's log to stderr; warnings only unless `everything` is wanted."""
    import structlog  # noqa: PLC0415

    level = logging.INFO if everything else logging.WARNING
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if sys.stderr.isatty():
        # Plain tracebacks: the decorated ones print local variables, photos and secrets among them.
        plain = structlog.dev.plain_traceback
        last: list[structlog.typing.Processor] = [structlog.dev.ConsoleRenderer(exception_formatter=plain)]
    else:
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # botocore logs what it signs and sends.
    for chatty in ("boto3", "botocore", "urllib3", "s3transfer", "PIL", "alembic", "faiss"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
