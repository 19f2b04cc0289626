"""The published schemas stand by themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from countenance.ledger.entries import AuthorizationChange, KeyChange, timestamp, written
from countenance.transparency.schemas import ENTRY_FILE, REPORT_FILE, entry_schema, main
from tests.unit.transparency.ledgers import START, actor, beneficiary, half_a_year, uid

Examples = dict[str, Any]


def leaves() -> list[bytes]:
    story = half_a_year()
    story.authorize("one", "pending", beneficiary=beneficiary("oversight"), actor=actor("operator"))
    story.add(KeyChange(subject="log_key", change="rotated", old_vkey="a+b+c", new_vkey="d+e+f", signature="g"))
    story.judge("refused")
    story.judge("waived", waived_by="cleo")
    return story.leaves()


def definitions() -> list[dict[str, Any]]:
    """The members of every structure of the schema."""
    return [definition["properties"] for definition in json.loads(entry_schema())["$defs"].values()]


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json.loads(entry_schema())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.fixture(scope="module")
def examples() -> Examples:
    """An entry of each kind."""
    return {entry["kind"]: entry for entry in map(json.loads, leaves())}


def test_entries_of_every_kind_are_what_the_schema_says(validator: Draft202012Validator, examples: Examples) -> None:
    kinds = [members["kind"] for members in definitions() if "kind" in members]
    assert set(examples) == {kind["const"] for kind in kinds}
    # The second half of the story is the first once more.
    for leaf in leaves()[::2]:
        validator.validate(json.loads(leaf))


@pytest.mark.parametrize("member", ["kind", "version", "at"])
def test_an_entry_says_its_kind_its_version_and_its_time(
    validator: Draft202012Validator, examples: Examples, member: str
) -> None:
    for entry in examples.values():
        with pytest.raises(ValidationError):
            validator.validate({name: value for name, value in entry.items() if name != member})


@pytest.mark.parametrize(
    "wrong",
    [{"name": "Ann"}, {"at": "2026-01-01"}, {"at": None}, {"kind": "note"}, {"version": 2}, {"use": "u-1"}],
)
def test_nothing_else_is_an_entry(validator: Draft202012Validator, examples: Examples, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        validator.validate({**examples["intent"], **wrong})


def test_members_without_a_value_are_absent_and_never_null(validator: Draft202012Validator) -> None:
    entry = AuthorizationChange(
        authorization=uid("a", 1), state="pending", basis="warrant", purpose="missing_child", organization=uid("o", 1),
        valid_from=timestamp(START), valid_until=timestamp(START),
    )  # fmt: skip
    leaf = json.loads(written(entry, START))
    validator.validate(leaf)
    with pytest.raises(ValidationError):
        validator.validate({**leaf, "deadline": None})
    assert '"null"' not in entry_schema()


def test_the_files_in_the_repository_are_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[3])
    assert main(["--check"]) == 0


def test_a_missing_or_stale_file_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    assert main(["--check"]) == 1
    assert main([]) == 0
    assert main(["--check"]) == 0
    for file in (ENTRY_FILE, REPORT_FILE):
        before = file.read_text()
        file.write_text("stale")
        assert main(["--check"]) == 1
        assert str(file) in capsys.readouterr().err
        file.write_text(before)
