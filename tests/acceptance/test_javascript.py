"""The AWS SDK for JavaScript v3, unmodified: it signs other headers than boto3 and reads errors in another way.

Where there is no Node.js the test is skipped; CI always has it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Server

HERE = Path(__file__).parent / "javascript"


@pytest.fixture(scope="session")
def node() -> str:
    """Node.js, with the SDK installed as the lock file has it."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Node.js is not installed: apt-get install nodejs npm")
    installed = HERE / "node_modules" / ".installed"
    locked = (HERE / "package-lock.json").read_text()
    if not installed.exists() or installed.read_text() != locked:
        done = subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=HERE,
            env=dict(os.environ),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        installed.write_text(locked)
    return node


@pytest.fixture(scope="session")
def report(
    node: str, server: Server, portraits: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What the client printed."""
    photos = [str(portraits[name]) for name in ("obama.jpg", "obama2.jpg", "coffee.png")]
    done = subprocess.run(
        [node, str(HERE / "client.mjs"), "javascript", *photos],
        env=server.environment(tmp_path_factory.mktemp("home")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def test_a_person_is_enrolled_and_found(report: dict[str, Any]) -> None:
    assert report["created"] == "aws:rekognition:us-east-1:000000000000:collection/javascript"
    assert report["createdAt"] is True
    assert report["indexed"] in report["found"]
    assert len(report["found"]) == 2
    assert report["nobody"] == []
    assert report["deleted"] == 200


def test_pages_and_concurrent_calls_are_answered(report: dict[str, Any]) -> None:
    assert report["pages"] == [["known"], ["again"]]
    assert report["together"] == [2] * 20


@pytest.mark.parametrize(
    ("refused", "name", "message"),
    [
        ("noFace", "InvalidParameterException", "There are no faces in the image. Should be at least 1."),
        ("invalid", "InvalidParameterException", "1 validation error detected: Value 'bad id' at 'collectionId'"),
        ("absent", "AccessDeniedException", "DetectLabels is not offered by this server"),
        ("gone", "ResourceNotFoundException", "The collection id: javascript does not exist"),
    ],
)
def test_exceptions_are_of_their_classes_and_not_tried_again(
    report: dict[str, Any], refused: str, name: str, message: str
) -> None:
    error = report[refused]
    assert error["isExpected"] is True
    assert error["name"] == name
    assert error["message"].startswith(message)
    assert error["requestId"]
    assert error["attempts"] == 1
