"""Policies, checked, compared and explained from the command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from tests.acceptance.cli.conftest import COUNTENANCE, HANG

PACKS = Path(str(resources.files("countenance.policy"))) / "packs"
DENIED = PACKS / "moratorium-2020" / "DENY" / "police-with-everything.json"


def run(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command by itself: nothing is loaded and no data folder is named."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [COUNTENANCE, "policy", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )


def test_all_packs_that_ship_pass(tmp_path: Path) -> None:
    """As a table and as JSON; no data folder is made."""
    done = run(tmp_path, "check")
    assert done.returncode == 0, done.stderr
    for name in (folder.name for folder in PACKS.iterdir()):
        assert any(
            line.split()[0] == name and line.split()[-1] == "passed"
            for line in done.stdout.splitlines()[3:]
            if line.split()
        )
    reports = json.loads(run(tmp_path, "check", "base", "moratorium-2020", "--json").stdout)
    assert [(report["pack"], report["passed"], report["problems"]) for report in reports] == [
        ("base", True, []),
        ("moratorium-2020", True, []),
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_pack_whose_examples_would_not_notice_fails(tmp_path: Path) -> None:
    """The policy is named, and the exit status is 1."""
    folder = Path(shutil.copytree(PACKS / "public-safety", tmp_path / "mine"))
    for example in (folder / "DENY").iterdir():
        if example.name.startswith("real-time"):
            example.unlink()
    done = run(tmp_path, "check", "mine")
    assert done.returncode == 1
    assert "failed" in done.stdout
    assert "No example notices when the policy public-safety/surveillance is left out." in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        (("check", "no-such-pack"), 2, "neither a folder nor a pack"),
        (("diff", "base", "base,no-such-pack"), 2, "neither a folder nor a pack"),
        (("explain", "absent.json"), 2, "does not exist"),
    ],
)
def test_what_is_no_pack_or_request_is_told(
    tmp_path: Path, arguments: tuple[str, ...], status: int, complaint: str
) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode == status
    assert complaint in " ".join(done.stderr.replace("│", " ").split())


def test_a_pack_that_is_broken_is_told_in_a_sentence(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(PACKS / "public-safety", tmp_path / "mine"))
    (folder / "policies.cedar").write_text("permit (principal, action, resource)", "utf-8")
    done = run(tmp_path, "check", folder)
    assert done.returncode == 1
    assert "The policy pack public-safety: policies.cedar cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_change_is_told_in_words(tmp_path: Path) -> None:
    done = run(tmp_path, "diff", "base", "base,moratorium-2020")
    assert done.returncode == 0, done.stderr
    assert "Becomes denied: match, by " in done.stdout
    assert "They vary: action, kind, purpose, sensitivity, beneficiary and now." in done.stdout
    same = run(tmp_path, "diff", "base", "base")
    assert same.stdout == "Nothing is decided differently.\n"
    comparison = json.loads(run(tmp_path, "diff", "base", "moratorium-2020", "--json").stdout)
    assert {difference["effect"] for difference in comparison["differences"]} == {"denied"}


def test_a_decision_is_explained(tmp_path: Path) -> None:
    """By the packs of a new installation, unless others are named."""
    done = run(tmp_path, "explain", DENIED)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Denied.\nmoratorium-2020/police (")
    assert "What would unlock it: the moratorium moratorium-2020 must be ended by a logged decision." in done.stdout
    allowed = run(tmp_path, "explain", DENIED, "--packs", "base")
    assert allowed.stdout.startswith("Allowed.\nbase/law-enforcement (")
    assert "It owes confirmation by 2 people." in allowed.stdout
    answer = json.loads(run(tmp_path, "explain", DENIED, "--json").stdout)
    assert (answer["allowed"], answer["moratoria"], answer["errors"]) == (False, ["moratorium-2020"], 0)
    assert answer["policies"][0]["id"] == "police"
    assert len(answer["policy_set"]) == 64


def test_policies_need_no_face_models() -> None:
    """Nor the database, nor a data folder."""
    loaded = (
        "import sys, countenance.cli.policy; print([name for name in sys.modules if name in "
        + repr(["countenance.vision", "openvino", "cv2", "faiss", "onnx", "countenance.service.application"])
        + "])"
    )
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, timeout=HANG, check=True)
    assert done.stdout == "[]\n"
