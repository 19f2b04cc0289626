"""The AWS CLI, unmodified."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Server

AWS = Path(sysconfig.get_path("scripts")) / "aws"


class Aws:
    """Runs `aws rekognition`, configured by environment variables alone."""

    def __init__(self, server: Server, home: Path) -> None:
        self._environment = server.environment(home)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(AWS), "rekognition", *arguments, "--output", "json", "--no-cli-pager"]
        command.remove("--no-cli-pager")  # version 1 has no pager
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)

    def __call__(self, *arguments: str) -> Any:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None


@pytest.fixture
def aws(server: Server, tmp_path: Path) -> Aws:
    return Aws(server, tmp_path)


def test_a_person_is_enrolled_and_found_from_the_shell(aws: Aws, collection: str, portraits: dict[str, Path]) -> None:
    here = ("--collection-id", collection)
    enrolled = aws(
        "index-faces", *here, "--image-bytes", f"fileb://{portraits['obama.jpg']}", "--external-image-id", "president"
    )
    face_id = enrolled["FaceRecords"][0]["Face"]["FaceId"]
    found = aws("search-faces-by-image", *here, "--image-bytes", f"fileb://{portraits['obama2.jpg']}")
    assert [match["Face"]["FaceId"] for match in found["FaceMatches"]] == [face_id]
    listed = aws("list-faces", *here)
    assert [face["ExternalImageId"] for face in listed["Faces"]] == ["president"]


def test_two_files_are_compared(aws: Aws, portraits: dict[str, Path]) -> None:
    compared = aws(
        "compare-faces",
        "--source-image-bytes",
        f"fileb://{portraits['obama.jpg']}",
        "--target-image-bytes",
        f"fileb://{portraits['biden.jpg']}",
    )
    assert compared["FaceMatches"] == []


def test_an_error_is_printed_with_its_name(aws: Aws) -> None:
    done = aws.run("describe-collection", "--collection-id", "nowhere")
    assert done.returncode != 0
    assert "ResourceNotFoundException" in done.stderr
    assert "The collection id: nowhere does not exist" in done.stderr
