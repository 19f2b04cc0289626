"""The ledger in an object store: what strangers verify there is what was published here."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer
from structlog.testing import capture_logs

from countenance.ledger.keys import KeyFile
from countenance.ledger.log import Ledger
from countenance.ledger.mirror import Foreign, Mirror, _grown
from countenance.ledger.notes import Verifier
from countenance.ledger.published import PublishedLog
from countenance.ledger.tiles import TILE_HEIGHT, TileFolder, tile_at
from countenance.ledger.verify import verify
from countenance.settings import Settings
from countenance.storage.database import Database
from countenance.storage.objects import S3Folder, UnreachableStore
from tests.integration.ledger.conftest import erasure


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str) -> str:
    """An empty bucket of this test's own, which everybody may read."""
    name = f"ledger-{uuid.uuid4()}"
    client(endpoint).create_bucket(Bucket=name)
    reading = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [reading]})
    client(endpoint).put_bucket_policy(Bucket=name, Policy=policy)
    return name


def client(endpoint: str) -> Any:
    return boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )


def store(endpoint: str, bucket: str, tmp_path: Path) -> S3Folder:
    settings = Settings.model_validate(
        {
            "data": tmp_path,
            "s3_endpoint_url": endpoint,
            "s3_access_key_id": "a",
            "s3_secret_access_key": "b",
        }
    )
    return S3Folder(settings, bucket)


def test_what_is_in_the_store_verifies_and_grows_with_the_ledger(
    ledger_database: Database, tmp_path: Path, endpoint: str, bucket: str
) -> None:
    folder = TileFolder(tmp_path / "public")
    ledger = Ledger(ledger_database, folder.path, KeyFile(tmp_path / "ledger.key", name="example.org/log"))
    mirror = Mirror(folder, store(endpoint, bucket, tmp_path))
    mirror.update()  # nothing is published yet
    size = 0
    for number in (3, 300, 1, 400):
        ledger.append([erasure() for _ in range(number)])
        ledger.publish()
        mirror.update()
        size += number
        with PublishedLog.at(f"{endpoint}/{bucket}") as log:
            report = verify(log, [Verifier.from_vkey(ledger.vkey)], [])
        assert report.checkpoint.size == size
    # Another process goes on where the first one was.
    ledger.append([erasure()])
    ledger.publish()
    Mirror(folder, store(endpoint, bucket, tmp_path)).update()
    with PublishedLog.at(f"{endpoint}/{bucket}") as log:
        assert verify(log, [Verifier.from_vkey(ledger.vkey)], []).checkpoint.size == size + 1
    ledger.close()


def test_a_server_keeps_it_up_to_date_and_goes_on_when_the_store_does_not_answer(
    ledger_database: Database, tmp_path: Path, endpoint: str, bucket: str
) -> None:
    with capture_logs() as logs:
        ledger = Ledger(
            ledger_database,
            tmp_path / "public",
            KeyFile(tmp_path / "ledger.key", name="example.org/log"),
            store=store(endpoint, "no-such-bucket", tmp_path),
        )
        ledger.append([erasure()])
        ledger.close()
    (told,) = [entry for entry in logs if entry["event"] == "the ledger could not be mirrored"]
    assert "NoSuchBucket" in told["why"]
    again = Ledger(
        ledger_database,
        tmp_path / "public",
        KeyFile(tmp_path / "ledger.key"),
        store=store(endpoint, bucket, tmp_path),
    )
    again.append([erasure()])
    again.close()
    with PublishedLog.at(f"{endpoint}/{bucket}") as log:
        assert verify(log, [Verifier.from_vkey(again.vkey)], []).checkpoint.size == 2


def test_another_logs_mirror_is_left_as_it_is(
    ledger_database: Database, tmp_path: Path, endpoint: str, bucket: str
) -> None:
    folder = TileFolder(tmp_path / "public")
    ledger = Ledger(ledger_database, folder.path, KeyFile(tmp_path / "ledger.key", name="example.org/log"))
    ledger.append([erasure()])
    ledger.publish()
    other = (folder.read_note() or b"").replace(b"example.org/log\n1\n", b"example.org/else\n1\n")
    client(endpoint).put_object(Bucket=bucket, Key="checkpoint", Body=other)
    with pytest.raises(Foreign, match="a bucket of its own"):
        Mirror(folder, store(endpoint, bucket, tmp_path)).update()
    assert client(endpoint).get_object(Bucket=bucket, Key="checkpoint")["Body"].read() == other
    ledger.close()


def test_a_store_that_cannot_be_reached_is_a_sentence(tmp_path: Path) -> None:
    nowhere = store("http://127.0.0.1:1", "bucket", tmp_path)
    with pytest.raises(UnreachableStore, match="does not give checkpoint"):
        nowhere.read("checkpoint", 100)
    with pytest.raises(UnreachableStore, match="cannot be reached"):
        nowhere.write("checkpoint", b"", immutable=False)


@given(before=st.integers(0, 200_000), growth=st.integers(0, 70_000))
def test_what_has_grown_is_exactly_what_is_copied(before: int, growth: int) -> None:
    after = before + growth
    copied = {tile for tile in _grown(before, after) if tile.level is not None}
    level, owed = 0, set()
    while hashes := after >> TILE_HEIGHT * level:
        for index in range(-(-hashes // 256)):
            tile = tile_at(level, index, after)
            old = min(256, max(0, (before >> TILE_HEIGHT * level) - index * 256))
            if old != tile.width:
                owed.add(tile)
        level += 1
    assert copied == owed
