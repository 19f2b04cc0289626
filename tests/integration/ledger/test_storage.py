"""The ledger's tables beside the gallery's."""

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import delete, insert, select, text

from countenance.errors import Misconfigured
from countenance.storage import ledger_schema, schema
from countenance.storage.database import Database
from countenance.storage.ledger_schema import LEDGER


def _migrate_both(gallery_url: str, ledger_url: str) -> None:
    for database in (Database(gallery_url), Database(ledger_url, LEDGER)):
        database.migrate()
        database.close()


def _note(database: Database) -> None:
    with database.write() as connection:
        connection.execute(insert(ledger_schema.salts).values(use="u", salt=b"salt"))


def test_the_migrations_make_exactly_the_tables_of_the_schema(ledger_database: Database, ledger_url: str) -> None:
    with ledger_database.read() as connection:
        own = {"compare_type": True, "version_table": LEDGER.version_table}
        context = MigrationContext.configure(connection, opts=own)
        assert compare_metadata(context, LEDGER.metadata) == []


def test_both_sets_of_tables_are_kept_side_by_side(database: Database, ledger_database: Database) -> None:
    _note(ledger_database)
    for each in (database, ledger_database):
        each.migrate()
    with ledger_database.read() as connection:
        assert connection.execute(select(ledger_schema.salts.c.salt)).scalars().all() == [b"salt"]
    with database.read() as connection:
        assert connection.execute(select(schema.faces)).all() == []


def test_several_processes_may_start_at_once_on_nothing(database_url: str, ledger_url: str) -> None:
    processes = multiprocessing.get_context("spawn")
    starters = [processes.Process(target=_migrate_both, args=(database_url, ledger_url)) for _ in range(3)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    assert [starter.exitcode for starter in starters] == [0, 0, 0]


def test_a_long_write_to_the_gallery_does_not_hold_up_the_ledger(database: Database, ledger_database: Database) -> None:
    with database.write() as connection:
        connection.execute(insert(schema.changes).values(collection_key=1, at=0.0))
        writer = threading.Thread(target=_note, args=(ledger_database,), daemon=True)
        writer.start()
        writer.join(timeout=30)
        assert not writer.is_alive()


def test_tables_of_somebody_else_are_left_alone(ledger_url: str) -> None:
    database = Database(ledger_url, LEDGER)
    with database.write() as connection:
        connection.execute(text("CREATE TABLE ledger_entries (name text)"))
    with pytest.raises(Misconfigured, match=r"ledger_entries.*database of its own"):
        database.migrate()
    database.close()


def test_a_ledger_of_a_newer_version_is_refused(ledger_database: Database) -> None:
    with ledger_database.write() as connection:
        connection.execute(text("UPDATE ledger_alembic_version SET version_num = '9999'"))
    with pytest.raises(Misconfigured, match=r"9999.*newer"):
        ledger_database.migrate()


def test_erasing_from_the_ledger_empties_its_own_log(ledger_database: Database, tmp_path: Path) -> None:
    _note(ledger_database)
    with ledger_database.write(erases=True) as connection:
        connection.execute(delete(ledger_schema.salts))
    if ledger_database.is_sqlite:
        assert (tmp_path / "ledger.sqlite-wal").stat().st_size == 0
