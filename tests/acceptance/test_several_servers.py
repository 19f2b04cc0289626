"""Two servers on one PostgreSQL database: one gallery, one policy, one ledger, whoever is asked."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.acceptance.conftest import COMMAND
from tests.integration.conftest import PostgreSQL

if TYPE_CHECKING:
    from types_boto3_rekognition import RekognitionClient


class Servers:
    """Servers with a data folder each, that share a database, the key files and the published ledger."""

    def __init__(self, home: Path, models: Path, url: str) -> None:
        self._home = home
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        shared = {
            "COUNTENANCE_MODEL_STORE": str(models),
            "COUNTENANCE_DATABASE_URL": url,
            "COUNTENANCE_SECRETS_KEY": str(home / "secrets.key"),
            "COUNTENANCE_LEDGER_KEY": str(home / "ledger.key"),
            "COUNTENANCE_LEDGER_FOLDER": str(home / "ledger"),
        }
        self._environment = kept | shared
        self._running: list[subprocess.Popen[str]] = []
        self.endpoints: list[str] = []

    def start(self, name: str) -> None:
        """One more server."""
        with (self._home / f"{name}.log").open("w") as log:
            server = subprocess.Popen(
                [*COMMAND, "serve", "--json", "--listen", "127.0.0.1:0", "--data", str(self._home / name)],
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._running.append(server)
        assert server.stdout is not None
        announced = server.stdout.readline()
        assert announced, (self._home / f"{name}.log").read_text()
        self.endpoints.append(json.loads(announced)["endpoint_url"])

    def client(self, number: int) -> RekognitionClient:
        """boto3 at one of the servers, with the operator's key."""
        operator = json.loads((self._home / "one" / "operator.json").read_text())
        return boto3.client(
            "rekognition",
            endpoint_url=self.endpoints[number],
            region_name=operator["region"],
            aws_access_key_id=operator["aws_access_key_id"],
            aws_secret_access_key=operator["aws_secret_access_key"],
        )

    def run(self, *arguments: str, on_data: bool = True) -> Any:
        """What a command answers with --json."""
        where = ["--data", str(self._home / "one")] if on_data else []
        done = subprocess.run(
            [*COMMAND, *arguments, *where, "--json"],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def kill(self, number: int) -> None:
        """End one of the servers by SIGKILL."""
        self._running[number].kill()
        self._running[number].wait(60)

    def stop(self) -> None:
        """End all that still run."""
        for server in self._running:
            if server.poll() is None:
                server.send_signal(signal.SIGTERM)
                assert server.wait(60) == 0
            assert server.stdout is not None
            server.stdout.close()


@pytest.fixture
def servers(tmp_path: Path, models: Path) -> Iterator[Servers]:
    folder = Path(tempfile.mkdtemp(prefix="cpg-", dir="/tmp"))  # socket paths end at 107 characters
    database = PostgreSQL(folder)
    try:
        servers = Servers(tmp_path, models, database.empty_database())
        for name in ("one", "two"):
            servers.start(name)
        yield servers
        servers.stop()
    finally:
        database.stop()
        shutil.rmtree(folder)


def test_two_servers_keep_one_ledger_and_one_law_and_outlive_each_other(
    servers: Servers, portraits: dict[str, Path]
) -> None:
    one, two = servers.client(0), servers.client(1)
    one.create_collection(CollectionId="portraits")
    one.index_faces(CollectionId="portraits", Image={"Bytes": portraits["obama.jpg"].read_bytes()})
    photo = {"Bytes": portraits["obama2.jpg"].read_bytes()}
    receipts: list[int] = []

    def search(client: RekognitionClient) -> None:
        for _ in range(4):
            answer = client.search_faces_by_image(CollectionId="portraits", Image=photo)
            assert len(answer["FaceMatches"]) == 1
            receipts.append(int(answer["ResponseMetadata"]["HTTPHeaders"]["x-countenance-receipt"]))

    threads = [threading.Thread(target=search, args=(client,)) for client in (one, two, one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(receipts)) == 16
    for endpoint in servers.endpoints:
        report = servers.run("ledger", "verify", f"{endpoint}/ledger", on_data=False)
        assert report["size"] > max(receipts)

    # What two people decide at one server binds the other at once.
    servers.run("organization", "create", "Ombudsman", "--kind", "oversight")
    servers.run("principal", "create", "olu", "--organization", "Ombudsman", "--trained-until", "2100-01-01")
    declared = servers.run("moratorium", "declare", "all-hands-off", "--sunset", "2100-01-01", "--on", "operator")
    servers.run("policy", "approve", declared["id"], "--principal", "olu")
    for client in (one, two):
        with pytest.raises(ClientError, match="all-hands-off"):
            client.search_faces_by_image(CollectionId="portraits", Image=photo)

    servers.kill(0)
    assert two.list_collections()["CollectionIds"] == ["portraits"]
    assert servers.run("ledger", "verify", f"{servers.endpoints[1]}/ledger", on_data=False)["verified"]
