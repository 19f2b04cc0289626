"""Face models held against what an investigation requires, from the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from countenance.fairness.qualification.statements import TITLE, Statement
from countenance.ledger import notes
from countenance.ledger.entries import Model
from countenance.service.pins import Pins
from countenance.settings import Settings
from tests.acceptance.cli.conftest import Shell
from tests.audits import BLACK_WOMEN, audit

INVESTIGATION = ("--purpose", "criminal_investigation", "--similarity", "99")
SOON = f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%d}"
REASON = "No other model is here yet."


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Shell:
    """An installation with an ombudsman."""
    shell = Shell(tmp_path_factory.mktemp("qualifications"), models)
    shell.json("organization", "create", "Ombudsman", "--kind", "oversight")
    shell.json("principal", "create", "Olu", "--organization", "Ombudsman", "--trained-until", "2100-01-01")
    return shell


@pytest.fixture
def model(shell: Shell) -> Model:
    return Pins(Settings(data=shell.data)).in_use()[0]


def written(shell: Shell, model: Model, times: Mapping[str, float] | None = None) -> Path:
    """A report of today, as an audit writes it."""
    path = shell.home / f"report-{'biased' if times else 'fair'}.json"
    path.write_text(audit(model, times=times, made_on=f"{datetime.now(UTC):%Y-%m-%d}").text(), encoding="utf-8")
    return path


def test_a_biased_model_is_refused_waived_by_another_and_the_waiver_revoked(shell: Shell, model: Model) -> None:
    report = written(shell, model, {BLACK_WOMEN: 1200.0})
    done = shell.run("fairness", "qualify", report, *INVESTIGATION, "--json")
    assert done.returncode == 1
    refused = json.loads(done.stdout)
    assert refused["state"] == "refused"
    assert refused["reasons"][0].startswith("gender=Female, race=Black: FMR 1.2e-3, at most 1.5e-3 by its interval, 15")
    waiver = (
        "fairness",
        "waive",
        refused["id"],
        report,
        "--reason",
        REASON,
        "--until",
        SOON,
    )
    done = shell.run(*waiver, "--principal", "operator")
    assert done.returncode == 1
    assert "Whoever had a face model judged cannot waive" in done.stderr
    assert shell.json(*waiver, "--principal", "Olu")["state"] == "waived"
    # Anybody with the verifier key can check what was signed, without the server.
    note = shell.run("fairness", "qualifications", "show", refused["id"]).stdout
    text = notes.opened(note, [notes.Verifier.from_vkey((shell.data / "ledger.vkey").read_text().strip())]).text
    assert text.startswith(TITLE)
    said = Statement.read(text)
    assert said.waiver is not None
    assert (said.waiver.reason, said.reasons) == (REASON, tuple(refused["reasons"]))
    told = " ".join(shell.run("transparency").stdout.split())
    assert f"did not pass, and serves the purpose criminal_investigation at Similarity 99 until {SOON} by" in told
    assert f"(oversight): {REASON} It did not pass because: gender=Female, race=Black: FMR 1.2e-3" in told
    revoked = shell.json("fairness", "qualifications", "revoke", refused["id"], "--reason", "Mistaken.")
    assert revoked["state"] == "revoked"
    listed = shell.json("fairness", "qualifications", "list")
    assert [(one["id"], one["state"]) for one in listed] == [(refused["id"], "revoked")]


def test_a_fair_model_is_qualified_and_told_so(shell: Shell, model: Model) -> None:
    done = shell.run("fairness", "qualify", written(shell, model), *INVESTIGATION, "--until", SOON)
    assert done.returncode == 0, done.stderr
    assert "is qualified: face model 1.0 for criminal_investigation at Similarity 99 until" in done.stdout
    assert "are compared at Similarity 90" in done.stdout


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{}", "is no report of an audit"),
        ("not JSON", "is no report of an audit"),
        ("\xff", "is no report of an audit"),
        (None, "is not as countenance fairness audit wrote it"),
    ],
)
def test_only_a_report_as_it_was_written_is_taken(shell: Shell, model: Model, content: str | None, told: str) -> None:
    """Otherwise its hash would be that of nothing anybody has."""
    report = written(shell, model)
    text = json.dumps(json.loads(report.read_text())) if content is None else content
    report.write_text(text, encoding="latin-1")
    done = shell.run("fairness", "qualify", report, *INVESTIGATION)
    assert done.returncode == 1
    assert told in done.stderr


def test_what_there_is_none_of_is_told(shell: Shell) -> None:
    done = shell.run("fairness", "qualifications", "show", "q-0")
    assert done.returncode == 1
    assert "There is no qualification q-0" in done.stderr
