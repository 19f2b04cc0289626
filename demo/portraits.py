"""Sample photos: official portraits that pinned packages of the registry carry. None is committed here.

The packages are fetched by exact version and SHA-256 with pip itself; only the photos are taken out of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Package:
    """A registry archive, the pip options that select exactly it, and the photos to take out: {member: name}."""

    requirement: str
    sha256: str
    options: tuple[str, ...]
    photos: dict[str, str]


# Portraits of two presidents of the United States: works of the federal government, public domain.
FACE_RECOGNITION = Package(
    "face_recognition==1.3.0",
    "5e5efdd1686aa566af0d3cc1313b131e4b197657a8ffd03669e6d3fad92705ec",
    ("--no-binary", "face_recognition"),
    {
        f"face_recognition-1.3.0/tests/test_images/{name}": name
        for name in ("biden.jpg", "obama.jpg", "obama2.jpg", "obama3.jpg", "obama_partial_face.jpg")
    },
)

# NASA's portrait of Eileen Collins (public domain), and three photos without a human face (CC0).
SCIKIT_IMAGE = Package(
    "scikit-image==0.26.0",
    "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
    (
        *("--only-binary", ":all:", "--implementation", "cp", "--python-version", "3.11", "--abi", "cp311"),
        *("--platform", "manylinux_2_24_x86_64", "--platform", "manylinux_2_28_x86_64"),
    ),
    {f"skimage/data/{name}": name for name in ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")},
)


def default_folder() -> Path:
    """Where fetched photos are kept between runs."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "countenance" / "portraits"


def fetch(folder: Path | None = None) -> dict[str, Path]:
    """Return the sample photos by file name, fetching those that are not in `folder` yet.

    Raises `subprocess.CalledProcessError` when the registry cannot be reached or an archive's hash differs.
    """
    folder = folder or default_folder()
    folder.mkdir(parents=True, exist_ok=True)
    for package in (FACE_RECOGNITION, SCIKIT_IMAGE):
        if not all((folder / name).exists() for name in package.photos.values()):
            for name, content in _download(package):
                partial = folder / f".{name}.{os.getpid()}"
                partial.write_bytes(content)
                partial.replace(folder / name)
    return {name: folder / name for package in (FACE_RECOGNITION, SCIKIT_IMAGE) for name in package.photos.values()}


def _download(package: Package) -> Iterator[tuple[str, bytes]]:
    with tempfile.TemporaryDirectory() as scratch:
        requirements = Path(scratch) / "requirements.txt"
        requirements.write_text(f"{package.requirement} --hash=sha256:{package.sha256}\n")
        archives = Path(scratch) / "archives"
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"),
                *("--require-hashes", "--requirement", str(requirements), "--dest", str(archives)),
                *package.options,
            ],
            check=True,
        )
        (archive,) = archives.iterdir()
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                yield from ((name, wheel.read(member)) for member, name in package.photos.items())
        else:
            with tarfile.open(archive) as sdist:
                for member, name in package.photos.items():
                    content = sdist.extractfile(member)
                    assert content is not None, f"{member} is a file of {package.requirement}"
                    yield name, content.read()
