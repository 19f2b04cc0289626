"""Packs as folders, and what is refused as one."""

from __future__ import annotations

import hashlib
import json
import shutil
from importlib import resources
from pathlib import Path

import pytest
import rfc8785

from countenance.errors import InvalidParameter
from countenance.policy.packs import MAX_PACK_BYTES, Pack, shipped, with_required
from tests.unit.policy.asking import pack

SHIPPED = Path(str(resources.files("countenance.policy"))) / "packs"
PERMIT = '@id("all") @source("a test") permit (principal, action, resource);'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of a pack that ships, to be spoiled."""
    return Path(shutil.copytree(SHIPPED / "moratorium-2020", tmp_path / "moratorium-2020"))


def test_a_folder_and_its_files_are_the_same_pack(folder: Path) -> None:
    from_folder = Pack.from_folder(folder)
    from_files = Pack.from_files(dict(reversed(from_folder.files.items())))
    assert from_folder == from_files == shipped()["moratorium-2020"]
    assert from_folder.sha256 == hashlib.sha256(rfc8785.dumps(dict(from_folder.files))).hexdigest()


def test_any_change_of_any_file_is_another_pack(folder: Path) -> None:
    before = Pack.from_folder(folder).sha256
    readme = folder / "README.md"
    readme.write_text(readme.read_text("utf-8") + "\n", "utf-8")
    assert Pack.from_folder(folder).sha256 != before


def test_hidden_files_are_left_out(folder: Path) -> None:
    before = Pack.from_folder(folder)
    (folder / ".policies.cedar.swp").write_bytes(b"\xff\xfe")
    (folder / "DENY" / ".DS_Store").write_bytes(b"\x00")
    assert Pack.from_folder(folder) == before


def test_a_policy_is_pinned_by_what_it_says_and_not_how_it_is_laid_out() -> None:
    one = '@id("one") @source("a test") permit (principal, action, resource) when { context.real_time };'
    laid_out = f"// A comment.\n\n{one.replace('when', chr(10) + 'when')}\n"
    other = one.replace("context.real_time", "!context.real_time")
    annotated = one.replace('@source("a test")', '@source("another")')
    after_another = f'@id("zero") @source("a test") permit (principal, action, resource) when {{ false }};{one}'
    pins = [pack(text).policies[-1].reference.sha256 for text in (one, laid_out, after_another, other, annotated)]
    assert pins[0] == pins[1] == pins[2]
    assert len(set(pins)) == 3


def test_policies_keep_their_order() -> None:
    """Cedar numbers them, and sorts the numbers as text."""
    text = "".join(f'@id("p{number}") @source("a test") permit (principal, action, resource);' for number in range(12))
    assert [policy.reference.id for policy in pack(text).policies] == [f"p{number}" for number in range(12)]


@pytest.mark.parametrize(
    ("policies", "complaint"),
    [
        ("permit (principal, action, resource)", "policies.cedar cannot be read"),
        ("permit (principal, action, resource);", "@id ''"),
        ('@id("Two Words") permit (principal, action, resource);', "@id 'Two Words'"),
        (PERMIT + PERMIT, "two policies with the id all"),
        ('@id("a") permit (principal == ?principal, action, resource);', "has a template"),
        (
            '@id("a") permit (principal, action, resource) when { context.purpos == "x" };',
            "extra/a does not hold.*purpos",
        ),
        ('@id("a") permit (principal, action, resource) when { context.threshold > 99 };', "extra/a does not hold"),
        ('@id("a") permit (principal, action == Countenance::Action::"Guess", resource);', "extra/a does not hold"),
        (
            '@id("a") permit (principal, action, resource) '
            'when { context.now > datetime("2026-01-01T00:00:00+02:00") };',
            "extra/a does not hold",
        ),
        (
            '@id("a") permit (principal, action, resource) '
            'when { context.now < datetime("2026-01-01").offset(duration("1w")) };',
            "extra/a does not hold",
        ),
        (
            '@id("a") permit (principal, action, resource) when { principal.debts < 9007199254740993 };',
            "extra/a cannot be pinned",
        ),
        ("@id(" * 10_000, "cannot be read"),
        (f"{'(' * 5_000}", "cannot be read"),
    ],
)
def test_what_is_no_cedar_or_speaks_of_what_there_is_not_is_refused(policies: str, complaint: str) -> None:
    """By name, and with what is wrong."""
    with pytest.raises(InvalidParameter, match=complaint):
        pack(policies)


def test_what_may_be_absent_is_asked_for_first() -> None:
    """The validator refuses a policy that would fail where there is no authorization."""
    with pytest.raises(InvalidParameter, match="does not hold"):
        pack('@id("a") permit (principal, action, resource) when { context.authorization.targeted };')


def test_obligations_permit_and_do_nothing_else() -> None:
    with pytest.raises(InvalidParameter, match="extra/a forbids"):
        pack("", '@id("a") @source("a test") forbid (principal, action, resource);')
    with pytest.raises(InvalidParameter, match=r"stands in policies.cedar and in obligations.cedar"):
        pack(PERMIT, PERMIT)


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"obligation.cedar": ""}, "no file obligation.cedar"),
        ({"ALLOW/deeper/one.json": "{}"}, "no file ALLOW/deeper/one.json"),
        ({"../base/policies.cedar": ""}, "no file ../base"),
        ({"README.md": "x" * MAX_PACK_BYTES}, "at most"),
        ({"README.md": "\ud800"}, "text in UTF-8"),
        ({"pack.toml": "name = "}, "no TOML"),
        ({"pack.toml": 'name = "Two Words"\ntitle = "x"\nversion = "1"'}, "pack.toml, name"),
        ({"pack.toml": 'name = "extra"\ntitle = "x"'}, "pack.toml, version"),
        ({"pack.toml": 'name = "extra"\ntitle = "x"\nversion = "1"\nclaim = []'}, "pack.toml, claim"),
        ({"moratorium.toml": "title = 1"}, "moratorium.toml"),
    ],
)
def test_what_is_no_pack_is_refused(files: dict[str, str], complaint: str) -> None:
    """A misspelled obligations.cedar must not go unnoticed."""
    with pytest.raises(InvalidParameter, match=complaint):
        Pack.from_files({**pack(PERMIT).files, **files})


def test_a_pack_has_a_manifest_and_policies() -> None:
    for required in ("pack.toml", "policies.cedar"):
        with pytest.raises(InvalidParameter, match=required):
            Pack.from_files({path: text for path, text in pack(PERMIT).files.items() if path != required})


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "policies.cedar").write_bytes(b"\xff")
    with pytest.raises(InvalidParameter, match="UTF-8"):
        Pack.from_folder(tmp_path)
    (tmp_path / "policies.cedar").write_bytes(b"x" * (MAX_PACK_BYTES + 1))
    with pytest.raises(InvalidParameter, match="at most"):
        Pack.from_folder(tmp_path)
    (tmp_path / "policies.cedar").unlink()
    (tmp_path / "ALLOW" / "more").mkdir(parents=True)
    with pytest.raises(InvalidParameter, match="no folder ALLOW/more"):
        Pack.from_folder(tmp_path)


def test_what_is_required_comes_by_itself_and_first() -> None:
    first = pack(name="first")
    second = pack(name="second", requires=("first", "base"))
    found = with_required([second], {**shipped(), "first": first})
    assert [one.name for one in found] == ["first", "base", "second"]
    with pytest.raises(InvalidParameter, match="second requires first, which there is none of"):
        with_required([second], shipped())
    circular = pack(name="first", requires=("second",))
    with pytest.raises(InvalidParameter, match="requires"):
        with_required([second, circular], shipped())
    with pytest.raises(InvalidParameter, match="one name"):
        with_required([first, first], shipped())


def test_packs_survive_being_kept_as_json() -> None:
    """As the database keeps them."""
    for one in shipped().values():
        assert Pack.from_files(json.loads(json.dumps(dict(one.files)))) == one
