"""What the public sees of a running server, and that anybody can compute it again."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from PIL import Image

from countenance.ledger.tiles import TILE_WIDTH, Tile
from tests.acceptance.conftest import COMMAND, Server, serving

if TYPE_CHECKING:
    from types_boto3_rekognition import RekognitionClient

SECONDS = 60
FORMS = {"html": "/transparency", "json": "/transparency.json", "csv": "/transparency.csv"}

_grey = io.BytesIO()
Image.new("RGB", (200, 200), "grey").save(_grey, "png")
NO_FACE = _grey.getvalue()

# The command, with the runtimes of the face models out of its reach.
WITHOUT_MODELS = (
    sys.executable,
    "-c",
    "import sys; sys.modules.update(dict.fromkeys(('openvino', 'cv2', 'faiss', 'onnx')))\n"
    "from countenance.cli import main; main()",
)

Ask = Callable[..., tuple[int, dict[str, str], bytes]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[Server]:
    """One that does nothing but what is asked of it here: small numbers of others' uses would hide those that count."""
    with serving(tmp_path_factory.mktemp("reported"), {"COUNTENANCE_MODEL_STORE": str(models)}) as served:
        yield served


@pytest.fixture
def rekognition(server: Server) -> RekognitionClient:
    """A boto3 client of that server."""
    session = boto3.Session(server.access_key_id, server.secret_access_key, region_name=server.region)
    return session.client("rekognition", endpoint_url=server.endpoint_url)


@pytest.fixture(scope="module")
def ask(server: Server) -> Ask:
    """Asks the server for a page, without any key."""

    def get(path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        request = urllib.request.Request(f"{server.endpoint_url}{path}", method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                return answer.status, {n.lower(): v for n, v in answer.headers.items()}, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, {n.lower(): v for n, v in error.headers.items()}, error.read()

    return get


@pytest.fixture
def reported(ask: Ask) -> Callable[[], dict[str, Any]]:
    """The report on everything that was done so far: it may rest for some seconds after one was made."""

    def get() -> dict[str, Any]:
        size = int(ask("/ledger/checkpoint")[2].splitlines()[1])
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            report: dict[str, Any] = json.loads(ask("/transparency.json")[2])
            if report["checkpoint"]["size"] >= size:
                return report
            time.sleep(0.2)
        raise AssertionError("the report never caught up")

    return get


def run(command: tuple[str, ...], *arguments: str) -> subprocess.CompletedProcess[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COUNTENANCE_", "AWS_"))}
    return subprocess.run([*command, *arguments], env=environment, capture_output=True, timeout=SECONDS, check=False)


def first_bundle(ask: Ask) -> str:
    """The path of the first entries below the newest checkpoint."""
    size = int(ask("/ledger/checkpoint")[2].splitlines()[1])
    return Tile(None, 0, min(size, TILE_WIDTH)).path


def count(report: dict[str, Any], table: str, row: str, column: str) -> int | str | None:
    (found,) = (one for one in report["tables"] if one["name"] == table)
    cells = {(cell["row"], cell["column"]): cell for cell in found["cells"]}
    cell = cells.get((row, column), {"value": 0, "suppressed": None})
    return cell["suppressed"] or cell["value"]


def test_searches_show_in_the_report(
    rekognition: RekognitionClient,
    collection: str,
    portraits: dict[str, Path],
    reported: Callable[[], dict[str, Any]],
) -> None:
    photo = {"Bytes": portraits["obama.jpg"].read_bytes()}
    # Whatever this server did before: enough of every result, so that no small number hides another one.
    for _ in range(6):
        rekognition.search_faces_by_image(CollectionId=collection, Image=photo)
        with pytest.raises(rekognition.exceptions.InvalidParameterException):
            rekognition.search_faces_by_image(CollectionId=collection, Image={"Bytes": NO_FACE})
    rekognition.index_faces(CollectionId=collection, Image=photo)
    for _ in range(6):
        rekognition.search_faces_by_image(CollectionId=collection, Image=photo)
    before = reported()
    for _ in range(7):
        rekognition.search_faces_by_image(CollectionId=collection, Image=photo)
    after = reported()
    found = ("searches_by_result", "operator", "candidates found")
    assert count(after, *found) == count(before, *found) + 7  # type: ignore[operator]
    assert after["checkpoint"]["size"] == before["checkpoint"]["size"] + 7 * 3
    assert "operator" in {cell["column"] for table in after["tables"] for cell in table["cells"]}
    assert count(after, "irregularities", "a result that nobody had decided to permit", "count") == 0
    assert after["headlines"][-1].endswith("All entries fit together.")
    (moratorium,) = after["moratoria"]
    assert (moratorium["name"], moratorium["in_force"], moratorium["held"]) == ("moratorium-2020", True, True)


@pytest.mark.parametrize("form", FORMS)
def test_anybody_computes_the_same_bytes_from_the_published_files(
    server: Server, ask: Ask, reported: Callable[[], dict[str, Any]], form: str, tmp_path: Path
) -> None:
    size = reported()["checkpoint"]["size"]
    out = tmp_path / "report"
    key = ask("/ledger/log.vkey")[2].decode().strip()
    place = f"{server.endpoint_url}/ledger"
    done = run(WITHOUT_MODELS, "transparency", "--ledger", place, "--key", key, "--format", form, "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert f"The report on {size:,} entries is in".encode() in done.stderr
    status, _, body = ask(FORMS[form])
    assert status == 200
    assert out.read_bytes() == body
    from_folder = run(COMMAND, "transparency", "--data", str(server.data), "--format", form)
    assert from_folder.stdout == body


def test_people_at_a_terminal_read_sentences_and_tables(server: Server) -> None:
    done = run(COMMAND, "transparency", "--ledger", f"{server.endpoint_url}/ledger")
    text = done.stdout.decode()
    assert done.returncode == 0, done.stderr
    assert text.startswith("* From ")
    assert "Face searches: Who searched for faces, and what came of it" in text
    assert "No setting changes this." in text
    # Without a key it says whom it trusts.
    assert b"No --key was given" in done.stderr


def test_tables_can_be_written_into_a_file(server: Server, tmp_path: Path) -> None:
    out = tmp_path / "report.txt"
    done = run(COMMAND, "transparency", "--data", str(server.data), "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert done.stdout == b""
    assert out.read_text().startswith("* From ")


def test_a_ledger_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = run(COMMAND, "transparency", "--ledger", str(tmp_path / "nowhere"))
    assert done.returncode == 1
    assert b"nowhere is no folder" in done.stderr


def test_another_log_is_not_counted(server: Server, tmp_path: Path) -> None:
    other = "faces.example.org/ledger+8d4e5b1a+AR3kWYJcTGNAaVGvXDPPf1tJfL8/nK1mUS0/gCu7EOkx"
    done = run(COMMAND, "transparency", "--ledger", f"{server.endpoint_url}/ledger", "--key", other)
    assert done.returncode != 0
    assert done.stdout == b""


def test_a_folder_that_was_changed_is_not_counted(server: Server, ask: Ask, tmp_path: Path) -> None:
    path = first_bundle(ask)
    copy = tmp_path / "ledger"
    subprocess.run(["cp", "-r", str(server.data / "ledger"), str(copy)], check=True)
    content = bytearray((copy / path).read_bytes())
    content[40] ^= 1
    (copy / path).write_bytes(content)
    key = ask("/ledger/log.vkey")[2].decode().strip()
    done = run(COMMAND, "transparency", "--ledger", str(copy), "--key", key, "--format", "json")
    assert done.returncode == 1
    assert done.stdout == b""
    assert b"The first bad entry is 0" in done.stderr


def test_the_ledger_is_served_as_others_read_it(server: Server, ask: Ask) -> None:
    """By our own reader here; by Go's in the ledger's tests."""
    done = run(COMMAND, "ledger", "verify", f"{server.endpoint_url}/ledger", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verified"] is True
    status, headers, body = ask(f"/ledger/{first_bundle(ask)}", **{"Accept-Encoding": "identity"})
    assert (status, headers["content-type"]) == (200, "application/octet-stream")
    assert b'"kind":"policy_change"' in body


def test_the_receipt_of_an_answer_can_be_checked_by_who_has_it(
    rekognition: RekognitionClient, server: Server, ask: Ask, tmp_path: Path
) -> None:
    answer = rekognition.list_collections()
    index = answer["ResponseMetadata"]["HTTPHeaders"]["x-countenance-receipt"]
    status, _, body = ask(f"/ledger/receipt/{index}")
    assert status == 200
    file = tmp_path / f"{index}.tlog-proof"
    file.write_bytes(body)
    key = ask("/ledger/log.vkey")[2].decode().strip()
    assert run(COMMAND, "ledger", "verify", str(file), "--key", key).returncode == 0


def test_the_csv_is_read_by_anything_that_reads_csv(ask: Ask) -> None:
    lines = list(csv.DictReader(io.StringIO(ask("/transparency.csv")[2].decode(), newline="")))
    assert {tuple(line) for line in lines} == {("table", "row", "column", "value", "suppressed")}
    tables = {line["table"] for line in lines}
    assert {"checkpoint", "rates", "searches_by_result", "irregularities"} <= tables


@pytest.mark.parametrize(
    "path", ["/", "/ledger", "/ledger/tile/0/../../ledger.key", "/operator.json", "/transparency.txt"]
)
def test_nothing_else_is_there(ask: Ask, path: str) -> None:
    status, headers, body = ask(path)
    assert status in {404, 405}
    assert json.loads(body)["__type"] == headers["x-amzn-errortype"] == "UnknownOperationException"


def test_a_web_page_elsewhere_may_read_it(ask: Ask) -> None:
    _, headers, _ = ask("/transparency.json", Origin="https://example.org")
    assert headers["access-control-allow-origin"] == "*"
