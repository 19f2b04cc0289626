"""A real server process, and the clients people use against it, unmodified."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.model import OperationModel
from moto.server import ThreadedMotoServer

from tests.acceptance.answers import check_answer

if TYPE_CHECKING:
    from types_boto3_rekognition import RekognitionClient
    from types_boto3_s3 import S3Client

# What the `countenance` script runs.
COMMAND = (sys.executable, "-c", "from countenance.cli import main; main()")

BUCKET = "photos"
PRIVATE_BUCKET = "payroll"

# Who may be told that a job on a video is over; the account is the one that moto has.
TOPIC = "arn:aws:sns:us-east-1:123456789012:AmazonRekognitionJobs"

# A server that has not said where it listens by then never will. Loading the models takes a few seconds.
START_SECONDS = 120
STOP_SECONDS = 60


@dataclass(frozen=True)
class Server:
    """A running server and the operator's key, as it stands in operator.json."""

    process: subprocess.Popen[str]
    data: Path
    endpoint_url: str
    region: str
    access_key_id: str
    secret_access_key: str

    @property
    def host(self) -> str:
        """HOST:PORT."""
        return self.endpoint_url.partition("://")[2]

    def environment(self, home: Path) -> dict[str, str]:
        """The environment that any AWS client finds its way by, and nothing else of the machine's."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(home),
            "AWS_ENDPOINT_URL_REKOGNITION": self.endpoint_url,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@pytest.fixture(scope="session")
def store() -> Iterator[str]:
    """The endpoint of an S3-compatible store."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def s3(store: str) -> S3Client:
    """A client of the store, which has a bucket that the server may read and one that it may not."""
    client = boto3.client(
        "s3", endpoint_url=store, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    for bucket in (BUCKET, PRIVATE_BUCKET):
        client.create_bucket(Bucket=bucket)
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return client


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, models: Path, store: str, s3: S3Client) -> Iterator[Server]:
    """`countenance serve` on an empty folder, one for all tests; they keep apart by the names of their collections."""
    home = tmp_path_factory.mktemp("server")
    settings = {
        "COUNTENANCE_MODEL_STORE": str(models),
        "COUNTENANCE_S3_ENDPOINT_URL": store,
        "COUNTENANCE_S3_ACCESS_KEY_ID": "test",
        "COUNTENANCE_S3_SECRET_ACCESS_KEY": "test",
        "COUNTENANCE_S3_BUCKETS": json.dumps([BUCKET]),
        "COUNTENANCE_SNS_ENDPOINT_URL": store,
        "COUNTENANCE_SNS_ACCESS_KEY_ID": "test",
        "COUNTENANCE_SNS_SECRET_ACCESS_KEY": "test",
        "COUNTENANCE_SNS_TOPICS": json.dumps([TOPIC]),
    }
    with serving(home, settings) as served:
        yield served


@contextmanager
def serving(home: Path, settings: dict[str, str]) -> Iterator[Server]:
    """`countenance serve` on an empty folder in `home`, with these settings in the environment."""
    data = home / "data"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COUNTENANCE_", "AWS_"))}
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [*COMMAND, "serve", "--json", "--data", str(data), "--listen", "127.0.0.1:0"],
            env=environment | settings,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert process.stdout is not None
        said = process.stdout.readline()
        if not said:
            process.wait(START_SECONDS)
            pytest.fail(f"the server did not start:\n{(home / 'log').read_text()}")
        operator = json.loads((data / "operator.json").read_text())
        yield Server(
            process,
            data,
            operator["endpoint_url"],
            operator["region"],
            operator["aws_access_key_id"],
            operator["aws_secret_access_key"],
        )
        process.terminate()
        status = process.wait(STOP_SECONDS)
        process.stdout.close()
    assert status == 0, (home / "log").read_text()


@pytest.fixture(scope="session")
def connect(server: Server) -> Callable[..., RekognitionClient]:
    """Makes boto3 clients of the server. Whatever they are answered is held against Rekognition's model."""

    def check(http_response: Any, model: OperationModel, **_: Any) -> None:
        check_answer(http_response.content, http_response.status_code, dict(http_response.headers), model)

    def make(key: tuple[str, str] | None = None, **config: Any) -> RekognitionClient:
        session = boto3.Session(*(key or (server.access_key_id, server.secret_access_key)))
        settings = Config(**{"region_name": server.region, **config})
        client = session.client("rekognition", endpoint_url=server.endpoint_url, config=settings)
        client.meta.events.register("after-call.rekognition.*", check)
        return client

    return make


@pytest.fixture(scope="session")
def rekognition(connect: Callable[..., RekognitionClient]) -> RekognitionClient:
    """A boto3 client with its defaults."""
    return connect()


@pytest.fixture
def unchecked(connect: Callable[..., RekognitionClient]) -> RekognitionClient:
    """A boto3 client that sends whatever it is given: only the server validates."""
    return connect(parameter_validation=False)


@pytest.fixture
def collection(rekognition: RekognitionClient, request: pytest.FixtureRequest) -> Iterator[str]:
    """A collection of this test's own."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)[:200]
    rekognition.create_collection(CollectionId=name)
    yield name
    rekognition.delete_collection(CollectionId=name)
