"""docs/purpose-over-aws.md, word by word: its profiles, its commands and its programs, with the real clients."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import COMMAND, Server
from tests.acceptance.test_javascript import HERE as JAVASCRIPT
from tests.acceptance.test_javascript import node

__all__ = ["node"]

DOCUMENT = Path(__file__).parents[2] / "docs" / "purpose-over-aws.md"
SCRIPTS = sysconfig.get_path("scripts")
ENDPOINT = "https://faces.example.org:8750"
ORGANIZATION = "Found Children"
IN_ROLE = "arn:aws:sts::000000000000:assumed-role/examiner/night-shift"


def blocks(language: str) -> list[str]:
    """What the document shows in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def countenance(server: Server, *arguments: str) -> Any:
    """What a command of the operator's answers."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COUNTENANCE_", "AWS_"))}
    done = subprocess.run(
        [*COMMAND, *arguments, "--data", str(server.data), "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@dataclass(frozen=True)
class Desk:
    """Somebody's home folder, with the document's profiles and a key of the organization's."""

    server: Server
    home: Path
    access_key_id: str

    def run(self, *command: str, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{SCRIPTS}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "HOME": str(self.home),
            "AWS_EC2_METADATA_DISABLED": "true",
            **more,
        }
        return subprocess.run(
            command, env=environment, cwd=cwd or self.home, capture_output=True, text=True, check=False
        )

    def program(self, *command: str, cwd: Path | None = None, **more: str) -> str:
        """What a command that succeeds prints."""
        done = self.run(*command, cwd=cwd, **more)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def here(self, text: str) -> str:
        """What the document says, for this server."""
        return text.replace(ENDPOINT, self.server.endpoint_url)


@pytest.fixture(scope="module")
def desk(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    countenance(server, "organization", "create", ORGANIZATION, "--kind", "child_protection")
    countenance(server, "principal", "create", "Ada", "--organization", ORGANIZATION, "--trained-until", "2100-01-01")
    key = countenance(server, "keys", "create", "--principal", "Ada", "--purpose", "missing_child")
    home = tmp_path_factory.mktemp("home")
    desk = Desk(server, home, key["aws_access_key_id"])
    (profiles,) = blocks("ini")
    profiles = desk.here(profiles)
    profiles = profiles.replace("AKIAEXAMPLE", key["aws_access_key_id"])
    profiles = profiles.replace("EXAMPLESECRET", key["aws_secret_access_key"])
    (home / ".aws").mkdir()
    (home / ".aws" / "config").write_text(profiles)
    return desk


def test_the_command_line_knows_who_it_is_in_each_profile(desk: Desk) -> None:
    (commands,) = blocks("sh")
    key, role, session = commands.strip().splitlines()
    identity = json.loads(desk.program("sh", "-c", key))
    assert identity["Arn"] == "arn:aws:iam::000000000000:user/found-children/ada"
    identity = json.loads(desk.program("sh", "-c", role))
    assert identity["Arn"] == IN_ROLE
    assert "CollectionIds" in json.loads(desk.program("sh", "-c", session))


def test_a_profile_with_a_command_begins_sessions_with_tags(desk: Desk) -> None:
    identity = json.loads(desk.program("aws", "sts", "get-caller-identity", "--profile", "case-4711"))
    assert identity["Arn"] == IN_ROLE


def test_the_command_line_assumes_a_role(desk: Desk) -> None:
    assumed = json.loads(
        desk.program(
            "aws", "sts", "assume-role", "--profile", "found-children", "--duration-seconds", "900",
            "--role-arn", "arn:aws:iam::000000000000:role/found-children/examiner", "--role-session-name", "by-hand",
            "--tags", "Key=purpose,Value=missing_child", "Key=case,Value=NCMEC 4711",
        )
    )  # fmt: skip
    given = assumed["Credentials"]
    assert assumed["AssumedRoleUser"]["Arn"].endswith("assumed-role/examiner/by-hand")
    credentials = {
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
        "AWS_ENDPOINT_URL": desk.server.endpoint_url,
        "AWS_DEFAULT_REGION": desk.server.region,
    }
    identity = json.loads(desk.program("aws", "sts", "get-caller-identity", **credentials))
    assert identity["Arn"].endswith("assumed-role/examiner/by-hand")
    assert "CollectionIds" in json.loads(desk.program("aws", "rekognition", "list-collections", **credentials))


def test_the_command_line_prints_refusals(desk: Desk) -> None:
    done = desk.run(
        "aws", "sts", "assume-role", "--profile", "found-children", "--role-session-name", "by-hand",
        "--role-arn", "arn:aws:iam::000000000000:role/found-children/examiner", "--tags", "Key=mood,Value=good",
    )  # fmt: skip
    assert done.returncode != 0
    assert "(ValidationError)" in done.stderr
    assert "There is no session tag mood: a session has purpose, case, authorization and beneficiary." in done.stderr


@pytest.mark.parametrize("n", range(2))
def test_the_programs_in_python_run(desk: Desk, n: int) -> None:
    printed = desk.program(sys.executable, "-c", desk.here(blocks("python")[n])).splitlines()
    assert printed[0].startswith("[")
    assert n == 1 or printed[1].isdecimal()


def test_the_program_in_javascript_runs(desk: Desk, node: str) -> None:
    (program,) = blocks("js")
    printed = desk.program(
        node, "--input-type=module", "-e", desk.here(program), cwd=JAVASCRIPT, AWS_PROFILE="found-children"
    )
    assert printed.startswith("[")


def test_sessions_end_with_the_access_key(desk: Desk) -> None:
    key = countenance(desk.server, "keys", "create", "--principal", "Ada", "--purpose", "missing_child")
    credentials = {
        "AWS_ACCESS_KEY_ID": key["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": key["aws_secret_access_key"],
        "AWS_ENDPOINT_URL": desk.server.endpoint_url,
        "AWS_DEFAULT_REGION": desk.server.region,
    }
    role = "arn:aws:iam::000000000000:role/found-children/examiner"
    begin = ("aws", "sts", "assume-role", "--role-arn", role, "--role-session-name", "last")
    given = json.loads(desk.program(*begin, **credentials))["Credentials"]
    session = {
        **credentials,
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
    }
    desk.program("aws", "rekognition", "list-collections", **session)
    countenance(desk.server, "keys", "revoke", key["aws_access_key_id"])
    done = desk.run("aws", "rekognition", "list-collections", **session)
    assert "(UnrecognizedClientException)" in done.stderr
    done = desk.run("aws", "sts", "get-caller-identity", **session)
    assert "(InvalidClientTokenId)" in done.stderr
    done = desk.run(*begin, **credentials)
    assert "(InvalidClientTokenId)" in done.stderr


def test_everything_the_document_names_is_there() -> None:
    """Tags, parameters, headers."""
    from countenance.aws import app  # noqa: PLC0415 -- the server's imports take a while
    from countenance.aws.sts.operations import NOT_HONOURED, SESSION_TAGS  # noqa: PLC0415

    text = DOCUMENT.read_text("utf-8")
    for name in (*SESSION_TAGS, *(set(NOT_HONOURED) - {"MinimumSessionTokenSize"})):
        assert f"`{name}`" in text, name
    assert set(re.findall(r"x-countenance-[a-z]+", text)) == {app.RECEIPT, app.REVIEW, app.THRESHOLD}
