"""The database: SQLite in one file, or PostgreSQL by URL, behind consistent reads and writers that take turns.

There are two sets of tables, the gallery's and the ledger's. Each is a `Database` of its own: on SQLite in a file of
its own, on PostgreSQL beside the other, so that writers of the one never wait for writers of the other.
Trust: whoever can read the gallery's has the templates, but no access key's secret and no image. Whoever can write it
can enrol, rename or remove faces; they cannot sign requests as somebody else without the sealing key. What somebody
can do who writes the ledger's is said in `ledger.log`.
"""

from __future__ import annotations

import functools
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    Connection,
    Engine,
    PoolProxiedConnection,
    Select,
    create_engine,
    event,
    func,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from countenance.errors import Misconfigured
from countenance.storage import schema
from countenance.storage.tables import Tables
from countenance.storage.templates import SQLITE_PAGE_BYTES

if TYPE_CHECKING:
    import psycopg

# How long a writer waits for its turn before the request fails. Requests write for milliseconds; an import of a
# million faces holds the turn for about a minute.
TURN_TIMEOUT_SECONDS = 120

# How long a deletion waits for readers of older snapshots; past it, the erasure is finished in the background.
ERASURE_PATIENCE_SECONDS = 0.2
ERASURE_RETRY_SECONDS = 0.25

# Connections kept open, and how many more under load. One is used while a request reads or writes, not longer.
POOL_SIZE = 16
POOL_OVERFLOW = 48

GALLERY = Tables(
    metadata=schema.metadata,
    migrations=Path(__file__).parent / "migrations",
    version_table="alembic_version",
    writers_lock=0x636F756E74,  # "count" in ASCII
    erasable=("faces", "users"),
    sqlite_page_bytes=SQLITE_PAGE_BYTES,
)


class Database:
    """Where a set of tables is kept that must survive a restart. Safe to share between threads; not across fork().

    Writers take turns, in one process and across all: SQLite by BEGIN IMMEDIATE, PostgreSQL by an advisory lock that
    is held until commit. So the order of `changes.seq` is the order of commits, and a follower that has read seq n
    never meets a later commit with a smaller number.

    Deletion. A SQLite database overwrites what is deleted with zeros (`secure_delete`; `storage.templates` says how
    templates are kept where that is the whole truth), and after a transaction that erases, the write-ahead log is
    emptied into the file and truncated; while a reader still holds an older snapshot that cannot be done, so it is
    retried until it can, and once more at the next start. Of ids and boxes, copies may stay in unused parts of pages.
    On PostgreSQL a deleted row stays in the table's file until VACUUM, which is run after a transaction that erases;
    VACUUM frees the space without zeroing it, and the server's own write-ahead log, its archives, replicas and backups
    keep what they hold until they are recycled. Those belong to whoever runs that server: `VACUUM FULL faces, users`
    followed by `CHECKPOINT` rewrites the files without the deleted rows, and retention of WAL and backups must be
    bounded there. Neither database can speak for what a disk keeps of overwritten blocks.
    """

    def __init__(self, url: str, tables: Tables = GALLERY) -> None:
        """Opens no connection yet, except that SQLite's file is created, readable by its owner only.

        `url` is `sqlite:////absolute/path` or `postgresql://user@host/name`. Raises Misconfigured for anything else.
        """
        parsed = _parse(url)
        self._tables = tables
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self._path = _sqlite_file(parsed) if self.is_sqlite else None
        self._turn = threading.Lock()
        self._erasing = threading.Lock()
        self._retry: threading.Timer | None = None
        self._closed = False
        self._engine = _engine(parsed, tables)
        self._questions: dict[Select[Any], SQLCompiler] = {}
        self._asks, self._turns = _Kept(self._engine), _Kept(self._engine)
        if self.is_sqlite:
            self._reader = self._engine.execution_options(countenance_begin="BEGIN")
            self._writer = self._engine.execution_options(countenance_begin="BEGIN IMMEDIATE")
            self._begin_turn = "BEGIN IMMEDIATE"
        else:
            self._reader = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            self._writer = self._engine.execution_options(isolation_level="READ COMMITTED")
            self._begin_turn = (
                "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; "
                f"SELECT pg_advisory_xact_lock({self._tables.writers_lock})"
            )

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one snapshot: everything committed before its first statement, nothing after."""
        with self._reader.begin() as connection:
            yield connection

    def ask(self, question: Select[Any], **parameters: Any) -> list[tuple[Any, ...]]:
        """The rows that answer one statement, which sees one snapshot by itself: those committed before it began.

        For what every use asks: beside a photo's work, which leaves no code in the processor's caches, SQLAlchemy and a
        transaction take three times as long as the statement. `question` is made once, with a `bindparam` for each
        parameter, expanding where that is a list. Values come as the driver has them, as does what it raises.
        """
        compiled = self._questions.get(question)
        if compiled is None:
            compiled = self._questions[question] = self.compiled(question)
        sql: Any = compiled.string
        if any(isinstance(value, list) for value in parameters.values()):
            expanded = compiled.construct_expanded_state(parameters)
            sql, parameters = expanded.statement, dict(expanded.parameters)
        with self._driver(self._asks) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(sql, parameters)
            return list(cursor.fetchall())

    @contextmanager
    def write(self, *, erases: bool = False) -> Iterator[Connection]:
        """A connection whose work is committed on leaving, or not at all when leaving by an exception.

        No other writer runs meanwhile, and everything committed before is visible. `erases` says that templates are
        deleted, or may be taken back: what is left of them outside the tables is removed afterwards. Does not nest.
        """
        try:
            with self._one_at_a_time(), self._writer.begin() as connection:
                if not self.is_sqlite:
                    connection.execute(select(func.pg_advisory_xact_lock(self._tables.writers_lock)))
                yield connection
        finally:
            if erases:
                self._erase()

    def migrate(self) -> None:
        """Brings the tables to what this version needs. Several processes may do so at once: one does, others wait.

        Raises Misconfigured when there is no database to be reached, or it is of a newer version, or holds somebody
        else's tables.
        """
        try:
            self._engine.connect().close()
        except DBAPIError as error:
            raise Misconfigured(f"The database cannot be opened: {str(error.orig).strip()}") from error
        configuration = Config()
        configuration.set_main_option("script_location", str(self._tables.migrations).replace("%", "%%"))
        configuration.set_main_option("path_separator", "os")
        scripts = ScriptDirectory.from_config(configuration)
        with self.write() as connection:
            if self.is_sqlite:
                _check_pages(connection, self._tables.sqlite_page_bytes)
            history = {"version_table": self._tables.version_table}
            revision = MigrationContext.configure(connection, opts=history).get_current_revision()
            if revision is None:
                taken = sorted(set(inspect(connection).get_table_names()) & set(self._tables.metadata.tables))
                if taken:
                    raise Misconfigured(
                        f"The database already holds tables named {', '.join(taken)} that are not Countenance's: "
                        "give it a database of its own."
                    )
            elif revision not in {script.revision for script in scripts.walk_revisions()}:
                raise Misconfigured(
                    f"The database is at revision {revision}, which this version does not know: it was written by a "
                    "newer one. Run that version, or restore the backup made before upgrading."
                )
            if revision != scripts.get_current_head():
                configuration.attributes["connection"] = connection
                command.upgrade(configuration, "head")
        if self.is_sqlite:
            self._erase()  # what a process that was killed could not

    @property
    def driver_error(self) -> type[Exception]:
        """What the driver's own cursors raise, which SQLAlchemy's do not let through as it is."""
        return self._engine.dialect.loaded_dbapi.Error

    @contextmanager
    def turn(self) -> Iterator[Any]:
        """As `write`, with a cursor of the driver's own: for what every use writes, as `ask` is for what it reads.

        What it executes is `compiled`; what goes wrong comes as the driver raises it.
        """
        with self._one_at_a_time(), self._driver(self._turns) as connection:
            # One that is not closed would keep SQLite's file open.
            with closing(connection.cursor()) as cursor:
                cursor.execute(self._begin_turn)
                yield cursor
            connection.commit()

    def in_one_go(self, cursor: Any) -> AbstractContextManager[Any]:
        """Within it, a driver's cursor waits for the server once, at the end; it has nothing to fetch then."""
        if self.is_sqlite:
            return nullcontext()
        return cast("psycopg.Cursor[Any]", cursor).connection.pipeline()

    def compiled(self, statement: ClauseElement, *columns: str) -> SQLCompiler:
        """A statement as the driver takes it, with parameters by name; `columns` are those that it sets."""
        dialect = sqlite.dialect(paramstyle="named") if self.is_sqlite else self._engine.dialect
        return cast("SQLCompiler", statement.compile(dialect=dialect, column_keys=list(columns) or None))

    def answers(self) -> bool:
        """Whether the database can be read right now."""
        try:
            with self.read() as connection:
                connection.execute(select(1))
        except SQLAlchemyError:
            return False
        return True

    def close(self) -> None:
        """Closes the connections. A pending erasure gets one more try."""
        with self._erasing:
            self._closed = True
            pending = self._retry
        if pending is not None:
            pending.cancel()
            self._empty_log(patience=0)
        for kept in (self._asks, self._turns):
            kept.close()
        self._engine.dispose()

    def _driver(self, kept: _Kept) -> AbstractContextManager[PoolProxiedConnection]:
        # PostgreSQL's may have been cut off since it was used: the pool sees to that.
        return kept.taken() if self.is_sqlite else closing(self._engine.raw_connection())

    def _one_at_a_time(self) -> AbstractContextManager[Any]:
        # SQLite's writers poll for their turn; threads of one process had better queue. PostgreSQL queues by itself.
        return self._turn if self.is_sqlite else nullcontext()

    def _erase(self) -> None:
        if not self.is_sqlite:
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text(f"VACUUM (SKIP_LOCKED) {', '.join(self._tables.erasable)}"))
        elif not self._empty_log(patience=ERASURE_PATIENCE_SECONDS):
            self._erase_later()

    def _erase_later(self) -> None:
        with self._erasing:
            if self._closed or self._retry is not None:
                return
            self._retry = threading.Timer(ERASURE_RETRY_SECONDS, self._erase_again)
            self._retry.daemon = True
            self._retry.start()

    def _erase_again(self) -> None:
        with self._erasing:
            self._retry = None
        if not self._empty_log(patience=0):
            self._erase_later()

    def _empty_log(self, *, patience: float) -> bool:
        """Moves the write-ahead log into the file and truncates it; False while somebody reads an older snapshot."""
        assert self._path is not None
        with self._turn, closing(sqlite3.connect(self._path, timeout=patience)) as connection:
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy


class _Kept:
    """A connection of the driver's for one thread after the other: the pool would take as long as a short statement."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._mutex = threading.Lock()
        self._connection: PoolProxiedConnection | None = None

    @contextmanager
    def taken(self) -> Iterator[PoolProxiedConnection]:
        """The connection, alone. After an error it goes back to the pool, which takes back what is not committed."""
        with self._mutex:
            try:
                self._connection = self._connection or self._engine.raw_connection()
                yield self._connection
            except BaseException:
                self._give_back()
                raise

    def close(self) -> None:
        """Back to the pool with it."""
        with self._mutex:
            self._give_back()

    def _give_back(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise Misconfigured("The database URL is not one: write postgresql://user@host/name.") from error
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername != "sqlite" or parsed.database in {None, "", ":memory:"} or parsed.query:
        raise Misconfigured(
            f"{parsed.drivername} cannot keep this database: use sqlite:////path/of/a/file or postgresql://user@host/name."
        )
    return parsed


def _sqlite_file(url: URL) -> Path:
    path = Path(str(url.database)).absolute()
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, stat.S_IRUSR | stat.S_IWUSR))
    except OSError as error:
        raise Misconfigured(f"The database {path} cannot be opened for writing: {error.strerror}.") from error
    return path


def _engine(url: URL, tables: Tables) -> Engine:
    if url.get_backend_name() == "sqlite":
        engine = create_engine(
            url,
            pool_size=POOL_SIZE,
            max_overflow=POOL_OVERFLOW,
            pool_use_lifo=True,  # the connection used last still has the pages that it read
            hide_parameters=True,  # an error's message must not carry templates and names into a log
            connect_args={"timeout": TURN_TIMEOUT_SECONDS, "check_same_thread": False},
        )
        event.listen(engine, "connect", functools.partial(_prepare_sqlite, page_bytes=tables.sqlite_page_bytes))
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    return create_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        hide_parameters=True,
        pool_pre_ping=True,  # survives a restart of the PostgreSQL server
        connect_args={"options": f"-c lock_timeout={TURN_TIMEOUT_SECONDS}s -c timezone=UTC"},
    )


def _prepare_sqlite(connection: sqlite3.Connection, _record: object, *, page_bytes: int) -> None:
    connection.isolation_level = None  # transactions begin where _begin_sqlite says, not where the driver guesses
    connection.execute(f"PRAGMA page_size={page_bytes}")  # of a new file only
    _switch_to_wal(connection)
    connection.execute("PRAGMA synchronous=FULL")  # a commit that was answered survives a power cut
    connection.execute("PRAGMA secure_delete=ON")  # what is deleted is overwritten with zeros
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA temp_store=MEMORY")  # no template reaches a temporary file


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    # The switch itself does not wait for another process that is switching at the same moment.
    deadline = time.monotonic() + TURN_TIMEOUT_SECONDS
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
            continue
        if mode != "wal":
            raise Misconfigured("SQLite cannot keep a write-ahead log here: put the data folder on a local disk.")
        return


def _check_pages(connection: Connection, largest: int) -> None:
    page_bytes = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
    if page_bytes > largest:
        raise Misconfigured(
            f"The database has pages of {page_bytes} bytes, in which what is deleted may leave traces: run "
            f"PRAGMA journal_mode=DELETE; PRAGMA page_size={largest}; VACUUM; on it with the sqlite3 tool."
        )


def _begin_sqlite(connection: Connection) -> None:
    begin = connection.get_execution_options().get("countenance_begin")
    if begin:
        # Past SQLAlchemy's execution, which takes longer than the statement.
        connection.connection.cursor().execute(begin)
