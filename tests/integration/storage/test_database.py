"""Migrations, snapshots, turns, and what remains of what was deleted."""

from __future__ import annotations

import multiprocessing
import sqlite3
import stat
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import bindparam, insert, select, text

from countenance.errors import Misconfigured
from countenance.storage import schema
from countenance.storage.database import Database


def _migrate(url: str) -> None:
    database = Database(url)
    database.migrate()
    database.close()


def _note(database: Database, collection_key: int) -> None:
    with database.write() as connection:
        connection.execute(insert(schema.changes).values(collection_key=collection_key, at=0.0))


def _noted(database: Database) -> list[int]:
    with database.read() as connection:
        return list(connection.execute(select(schema.changes.c.collection_key)).scalars())


def test_the_migrations_make_exactly_the_tables_of_the_schema(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []


def test_migrating_again_changes_nothing(database: Database) -> None:
    _note(database, 7)
    database.migrate()
    assert _noted(database) == [7]


def test_several_processes_may_start_at_once_on_an_empty_database(database_url: str) -> None:
    processes = multiprocessing.get_context("spawn")
    starters = [processes.Process(target=_migrate, args=(database_url,)) for _ in range(4)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    assert [starter.exitcode for starter in starters] == [0, 0, 0, 0]


def test_a_database_of_a_newer_version_is_refused(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Misconfigured, match=r"9999.*newer"):
        database.migrate()


def test_tables_of_somebody_else_are_left_alone(database_url: str) -> None:
    database = Database(database_url)
    with database.write() as connection:
        connection.execute(text("CREATE TABLE users (name text)"))
    with pytest.raises(Misconfigured, match=r"users.*database of its own"):
        database.migrate()
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM users")).scalar_one() == 0
    database.close()


@pytest.mark.parametrize("url", ["", "nonsense", "sqlite://", "sqlite:///:memory:", "mysql://localhost/faces"])
def test_only_a_sqlite_file_or_postgresql_can_be_the_database(url: str) -> None:
    with pytest.raises(Misconfigured):
        Database(url)


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="missing"):
        Database(f"sqlite:///{tmp_path / 'missing' / 'countenance.sqlite'}")


def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "countenance.sqlite"
    path.write_bytes(b"a photo, perhaps" * 100)
    database = Database(f"sqlite:///{path}")
    with pytest.raises(Misconfigured, match="cannot be opened: file is not a database"):
        database.migrate()
    database.close()
    assert path.read_bytes() == b"a photo, perhaps" * 100


def test_a_server_that_is_not_there_is_a_sentence_without_the_password(tmp_path: Path) -> None:
    database = Database(f"postgresql://ann:open-sesame@/faces?host={tmp_path}")
    with pytest.raises(Misconfigured, match=r"The database cannot be opened: .*No such file") as refused:
        database.migrate()
    assert "open-sesame" not in refused.value.message
    database.close()


def test_what_fails_half_way_leaves_nothing(database: Database) -> None:
    def fail_half_way() -> None:
        with database.write() as connection:
            connection.execute(insert(schema.changes).values(collection_key=1, at=0.0))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert _noted(database) == []


def test_a_read_sees_one_snapshot(database: Database) -> None:
    _note(database, 1)
    with database.read() as connection:
        before = connection.execute(select(schema.changes.c.collection_key)).scalars().all()
        _note(database, 2)
        after = connection.execute(select(schema.changes.c.collection_key)).scalars().all()
    assert before == after == [1]
    assert _noted(database) == [1, 2]


def test_a_question_is_answered_by_what_is_committed_and_holds_nothing_up(database: Database) -> None:
    changes = schema.changes.c
    by_key = select(changes.collection_key).where(changes.collection_key == bindparam("key"))
    among = select(changes.collection_key).where(changes.collection_key.in_(bindparam("keys", expanding=True)))
    for _ in range(2):
        assert database.ask(by_key, key=7) == []
    _note(database, 7)
    with database.write() as connection:
        connection.execute(insert(schema.changes).values(collection_key=8, at=0.0))
        assert [tuple(row) for row in database.ask(by_key, key=7)] == [(7,)]
        assert database.ask(by_key, key=8) == []
    assert sorted(key for (key,) in database.ask(among, keys=[7, 8, 9])) == [7, 8]
    assert database.ask(among, keys=[]) == []
    assert [key for (key,) in database.ask(among, keys=[8])] == [8]


def test_a_follower_never_misses_a_change_of_concurrent_writers(database: Database) -> None:
    writers, each = 8, 25

    def write(number: int) -> None:
        for _ in range(each):
            with database.write() as connection:
                connection.execute(insert(schema.changes).values(collection_key=number, at=0.0))
                time.sleep(0.0005)  # others number their changes meanwhile, unless they wait

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    followed: list[int] = []
    last = 0
    while True:
        writing = any(thread.is_alive() for thread in threads)
        with database.read() as connection:
            query = select(schema.changes.c.seq).where(schema.changes.c.seq > last).order_by(schema.changes.c.seq)
            followed.extend(connection.execute(query).scalars())
        last = followed[-1] if followed else 0
        if not writing:
            break
    with database.read() as connection:
        everything = connection.execute(select(schema.changes.c.seq).order_by(schema.changes.c.seq)).scalars().all()
    assert len(everything) == writers * each
    assert followed == everything


class TestSQLite:
    """What only the embedded database promises."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "countenance.sqlite"

    def test_the_file_and_its_log_are_readable_by_their_owner_only(self, path: Path) -> None:
        database = Database(f"sqlite:///{path}")
        database.migrate()
        _note(database, 1)
        files = sorted(path.parent.iterdir())
        assert [file.name for file in files] == [path.name, f"{path.name}-shm", f"{path.name}-wal"]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        database.close()

    def test_every_connection_is_durable_and_erases(self, path: Path) -> None:
        database = Database(f"sqlite:///{path}")
        with database.read() as one, database.read() as other:
            for connection in (one, other):
                pragmas = {
                    name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                    for name in ("journal_mode", "synchronous", "secure_delete", "foreign_keys", "temp_store")
                }
                full, on, memory = 2, 1, 2
                assert pragmas == {
                    "journal_mode": "wal",
                    "synchronous": full,
                    "secure_delete": on,
                    "foreign_keys": on,
                    "temp_store": memory,
                }
        database.close()

    def test_a_file_in_which_templates_leave_traces_is_refused_with_the_way_to_mend_it(self, path: Path) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA page_size=4096")
            connection.execute("VACUUM")
        database = Database(f"sqlite:///{path}")
        with pytest.raises(Misconfigured, match="pages of 4096 bytes"):
            database.migrate()
        database.close()
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for statement in ("PRAGMA journal_mode=DELETE", "PRAGMA page_size=1024", "VACUUM"):
                connection.execute(statement)
        database.migrate()
        database.close()

    def test_the_log_is_emptied_once_the_last_reader_of_an_older_snapshot_has_gone(self, path: Path) -> None:
        database = Database(f"sqlite:///{path}")
        database.migrate()
        log = path.with_name(f"{path.name}-wal")
        reader = sqlite3.connect(path, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM changes").fetchone()
        with database.write(erases=True) as connection:
            connection.execute(insert(schema.changes).values(collection_key=1, at=0.0))
        assert log.stat().st_size > 0
        reader.close()
        deadline = time.monotonic() + 30
        while log.stat().st_size and time.monotonic() < deadline:
            time.sleep(0.02)
        assert log.stat().st_size == 0
        database.close()

    def test_what_a_killed_process_left_in_the_log_is_cleared_at_the_next_start(self, path: Path) -> None:
        database = Database(f"sqlite:///{path}")
        database.migrate()
        _note(database, 1)
        again = Database(f"sqlite:///{path}")
        again.migrate()
        assert path.with_name(f"{path.name}-wal").stat().st_size == 0
        again.close()
        database.close()
