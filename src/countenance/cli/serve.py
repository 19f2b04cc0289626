"""`countenance serve`: the server, from an empty folder to a graceful end."""

from __future__ import annotations

import contextlib
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from types import FrameType

import structlog
import uvicorn
from starlette.types import ASGIApp

from countenance.aws.connections import BoundedHttpProtocol
from countenance.cli import logs
from countenance.cli.configuration import opened, with_settings
from countenance.cli.models import install_missing
from countenance.cli.output import AsJson, notice, print_json, say
from countenance.errors import Misconfigured
from countenance.service.keys import publish_endpoint
from countenance.settings import Settings

# Seconds an idle connection is kept: longer than the pools of AWS SDKs keep theirs, so that they close first.
KEEP_ALIVE_SECONDS = 75

# Seconds requests have to finish once the server was told to stop.
SHUTDOWN_SECONDS = 30

# Connections waiting to be accepted.
BACKLOG = 2048


@with_settings()
def serve(settings: Settings, as_json: AsJson = False) -> None:
    """Start the server, and on the first start everything it needs: folder, database, keys, face models.

    The operator's access key is in operator.json in the data folder, readable by its owner only.
    """
    logs.configure(everything=True)
    context = _tls(settings)
    with _listener(settings) as listener:
        settings = settings.model_copy(update={"listen": _address(settings, listener)})
        install_missing(settings, say=notice)
        with opened(settings, creates=True) as application:
            # Imported when needed, as `opened` does.
            from countenance.web.app import create_app  # noqa: PLC0415

            application.sweeper.start()
            application.video_work.start()
            _report_dangling(application.ledger.dangling())
            operator_file = application.operator_file
            if operator_file is not None:
                publish_endpoint(settings, operator_file)

            def announce() -> None:
                if as_json:
                    path = None if operator_file is None else str(operator_file)
                    print_json({"endpoint_url": settings.endpoint_url, "operator_file": path}, lines=True)
                else:
                    if operator_file is not None:
                        say(f"The operator's access key is in {operator_file}.")
                    say(f"Listening on {settings.endpoint_url} in region {settings.region}.")
                sys.stdout.flush()

            _run(create_app(application, settings), listener, context, announce)


def _report_dangling(dangling: Sequence[tuple[str, int, datetime]]) -> None:
    """Log the uses that have an intent in the ledger and no end.

    A server that was killed leaves such ones; those that another process carries out at this moment are among them.
    """
    log = structlog.get_logger("countenance.ledger")
    for use, entry, at in dangling:
        log.warning("dangling_intent", use=use, entry=entry, at=at.isoformat())


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._announce()


def _run(app: ASGIApp, listener: socket.socket, context: ssl.SSLContext | None, announce: Callable[[], None]) -> None:
    config = uvicorn.Config(
        app,
        http=BoundedHttpProtocol,
        loop="uvloop",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    config.load()
    config.ssl = context
    with _ends_quietly():
        _Server(config, announce).run(sockets=[listener])


@contextlib.contextmanager
def _ends_quietly() -> Iterator[None]:
    """uvicorn raises the signal again that ended it; to be told to stop is no failure."""

    def ignore(_number: int, _frame: FrameType | None) -> None:
        pass

    previous = {number: signal.signal(number, ignore) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _listener(settings: Settings) -> socket.socket:
    """A bound socket that does not listen yet: nobody connects before requests can be served."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with contextlib.ExitStack() as unless_bound:
            listener = unless_bound.enter_context(socket.socket(family, socket.SOCK_STREAM))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            unless_bound.pop_all()
    except OSError as error:
        raise Misconfigured(f"Cannot listen on {settings.listen}: {error.strerror}.") from error
    return listener


def _address(settings: Settings, listener: socket.socket) -> str:
    """HOST:PORT with the port there is, also when any free one was asked for."""
    return f"{settings.listen.rpartition(':')[0]}:{listener.getsockname()[1]}"


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # An empty password: a key that needs one is an error, not a question on the terminal.
        context.load_cert_chain(settings.tls_certificate, settings.tls_key, password="")
    except FileNotFoundError as error:
        raise Misconfigured("The files of tls_certificate and tls_key are not both there.") from error
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(
            f"{settings.tls_certificate} and {settings.tls_key} are not a certificate and its key in PEM, unencrypted."
        ) from error
    return context
