"""The `countenance` command as people run it: its own environment, a data folder of its own."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import boto3
import pytest
import structlog

from countenance.cli import main
from countenance.gallery.collections import Collections
from countenance.gallery.faces import Face, Faces
from countenance.settings import Settings
from countenance.storage.database import Database
from countenance.vision.models.cards import Catalogue

if TYPE_CHECKING:
    from types_boto3_rekognition import RekognitionClient

# What installing the package puts beside the interpreter.
COUNTENANCE = Path(sys.executable).with_name("countenance")

# Seconds after which a process hangs rather than works.
HANG = 120


@dataclass(frozen=True)
class Done:
    """What a command that ended left behind."""

    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Shell:
    """Runs commands in a folder, on one data folder."""

    home: Path
    models: Path
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.home / "data"

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the developer's own."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        ours = {"COUNTENANCE_DATA": str(self.data), "COUNTENANCE_MODEL_STORE": str(self.models)}
        return kept | ours | self.settings

    def run(self, *arguments: str | Path, answer: str = "") -> Done:
        """Run to the end what the command runs, in this process: loading everything anew takes seconds each time."""
        output, complaint = io.StringIO(), io.StringIO()
        with (
            own_log(),
            mock.patch.dict(os.environ, self.environment, clear=True),
            mock.patch.object(sys, "argv", ["countenance", *map(str, arguments)]),
            mock.patch.object(sys, "stdin", io.StringIO(answer)),
            contextlib.chdir(self.home),
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(complaint),
            pytest.raises(SystemExit) as ended,
        ):
            main()
        return Done(int(ended.value.code or 0), output.getvalue(), complaint.getvalue())

    def json(self, *arguments: str | Path) -> Any:
        """What a command that succeeds answers with --json."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def refused(self, *arguments: str | Path, status: int = 1) -> str:
        """The one sentence a command that is refused says."""
        done = self.run(*arguments)
        assert done.returncode == status, (done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        assert done.stdout == ""
        return done.stderr.strip()

    @contextlib.contextmanager
    def database(self) -> Iterator[Database]:
        """The database behind the data folder, past the command: quick, where the command is not what is tested."""
        self.data.mkdir(mode=0o700, exist_ok=True)
        database = Database(f"sqlite:///{self.data / 'countenance.sqlite'}")
        try:
            database.migrate()
            yield database
        finally:
            database.close()

    def collection(self, collection_id: str) -> None:
        """Make an empty collection for the default recognizer."""
        with self.database() as database:
            version = Catalogue().card(Settings(data=self.data).recognizer).face_model_version
            Collections(database).create(collection_id, version)

    def faces(self, collection_id: str) -> list[Face]:
        """The faces of a collection, in the order of their enrolment; where they stand in it does not matter."""
        with self.database() as database:
            return [replace(face, key=0) for face in Faces(database).list(collection_id, None, 1000).items]

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start the command as a process of its own, without waiting for the end."""
        return subprocess.Popen(
            [COUNTENANCE, *arguments],
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @contextlib.contextmanager
    def serving(self, *arguments: str | Path) -> Iterator[RekognitionClient]:
        """A server on the data folder and a free port, and a client with the operator's key."""
        server = self.start("serve", "--listen", "127.0.0.1:0", "--json", *arguments)
        try:
            assert server.stdout is not None
            assert server.stdout.readline(), server.communicate()[1]
            yield self.client()
        finally:
            server.send_signal(signal.SIGTERM)
            _, log = server.communicate(timeout=HANG)
        assert server.returncode == 0, log

    def operator(self) -> dict[str, str]:
        """What operator.json says."""
        content: dict[str, str] = json.loads((self.data / "operator.json").read_text())
        return content

    def client(self) -> RekognitionClient:
        """boto3 with what operator.json says."""
        operator = self.operator()
        return boto3.client(
            "rekognition",
            endpoint_url=operator["endpoint_url"],
            region_name=operator["region"],
            aws_access_key_id=operator["aws_access_key_id"],
            aws_secret_access_key=operator["aws_secret_access_key"],
        )


@contextlib.contextmanager
def own_log() -> Iterator[None]:
    """What a command sets up for its log is gone when it ends, as with its process."""
    root = logging.getLogger()
    handlers, level, configuration = root.handlers[:], root.level, structlog.get_config()
    try:
        yield
    finally:
        structlog.configure(**configuration)
        root.handlers[:] = handlers
        root.setLevel(level)


@pytest.fixture(scope="session")
def shells(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Shell]:
    """Makes shells, each in a folder of its own, with these settings in the environment."""

    def make(**settings: str) -> Shell:
        return Shell(tmp_path_factory.mktemp("shell"), models, settings)

    return make


@pytest.fixture
def shell(shells: Callable[..., Shell]) -> Shell:
    """A shell with nothing done in it yet."""
    return shells()


@pytest.fixture(scope="session")
def enrolled(shells: Callable[..., Shell], people: Path) -> Shell:
    """A shell whose data folder has the collection `people` with the faces of the folder `people`. Only to be read."""
    shell = shells()
    shell.json("collections", "create", "people", "--tag", "from=demo")
    shell.json("index", people, "--collection", "people")
    return shell


@pytest.fixture(scope="session")
def people(portraits: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of photos as folders are: people, one below, one without a face, and files that are no photos."""
    folder = tmp_path_factory.mktemp("people")
    for name in ("obama.jpg", "biden.jpg", "coffee.png"):
        shutil.copy(portraits[name], folder)
    (folder / "older photos").mkdir()
    shutil.copy(portraits["obama3.jpg"], folder / "older photos")
    (folder / "torn.jpg").write_bytes(portraits["obama2.jpg"].read_bytes()[:20_000])
    (folder / "notes.txt").write_text("not a photo")
    (folder / ".hidden.jpg").write_bytes(b"not a photo either")
    return folder
