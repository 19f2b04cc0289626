"""A ledger is verified by a program that has nothing of ours: Go's own packages, which guard go.sum."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from countenance.ledger.merkle import leaf_hash
from countenance.ledger.notes import CosignerKey, LogKey
from countenance.ledger.tiles import Tile, decode_bundle, encode_bundle

from .conftest import Installation, closing, intended, use

SOURCE = Path(__file__).parent / "verifier" / "main.go"

# Where Debian's golang-golang-x-mod-dev has the packages.
GOPATH = "/usr/share/gocode"

SIZE = 50_000

BUILD_SECONDS = 30
ATTEMPTS = 3


@dataclass(frozen=True)
class Log:
    """A published ledger, and the program that verifies it."""

    folder: Path
    vkey: str
    program: Path

    def verified(self, vkey: str | None = None) -> str:
        """What the program says."""
        command = [self.program, self.folder, vkey or self.vkey]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed: apt install golang-go golang-golang-x-mod-dev")
    folder = tmp_path_factory.mktemp("verifier")
    environment = os.environ | {"GO111MODULE": "off", "GOPATH": GOPATH, "GOCACHE": str(folder), "GOFLAGS": ""}
    # It takes a second. Go 1.19's compiler was seen to spin for minutes beside other work: so it works on one thread
    # and collects no garbage; and killed with all that it had started, it gets another chance.
    environment |= {"GOMAXPROCS": "1", "GOGC": "off"}
    build = ["timeout", "--signal=KILL", f"{BUILD_SECONDS}", go, "build", "-o", str(folder / "verifier"), str(SOURCE)]
    for _ in range(ATTEMPTS - 1):
        if subprocess.run(build, env=environment, check=False).returncode == 0:
            break
    else:
        subprocess.run(build, env=environment, check=True)
    return folder / "verifier"


@pytest.fixture(scope="module")
def published(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Log:
    """A ledger of 50,000 entries that grew in several steps."""
    folder = tmp_path_factory.mktemp("log")
    installation = Installation(f"sqlite:///{folder / 'ledger.sqlite'}", folder)
    ledger = installation.open()
    while (size := ledger.size()) < SIZE:
        entries = [entry for name in (use() for _ in range(3_333)) for entry in (*intended(name), *closing(name))]
        ledger.append(entries[: SIZE - size])
        ledger.publish()
    installation.close()
    return Log(installation.folder, ledger.vkey, program)


@pytest.fixture
def log(published: Log, tmp_path: Path) -> Log:
    """A copy to be altered."""
    shutil.copytree(published.folder, tmp_path / "log")
    return Log(tmp_path / "log", published.vkey, published.program)


def _flip(file: Path, place: int) -> None:
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)


def test_go_verifies_the_checkpoint_all_tiles_and_all_entries(published: Log) -> None:
    assert published.verified() == f"VERIFIED {SIZE} entries of example.org/ledger"


@pytest.mark.parametrize("index", [0, 255, 256, 25_600, 25_733, SIZE - 1])
def test_go_names_the_first_entry_that_was_tampered_with(log: Log, index: int) -> None:
    width = min(256, SIZE - index // 256 * 256)
    file = log.folder / Tile(None, index // 256, width).path
    before = decode_bundle(file.read_bytes(), width)[: index % 256]
    _flip(file, sum(len(entry) + 2 for entry in before) + 100)
    assert log.verified() == f"TAMPERED entry {index}: not what was logged"


@pytest.mark.parametrize("tile", [Tile(0, 100), Tile(0, SIZE // 256, SIZE % 256)], ids=lambda tile: tile.path)
def test_go_finds_hashes_of_leaves_that_were_tampered_with(log: Log, tile: Tile) -> None:
    _flip(log.folder / tile.path, 40)
    assert log.verified() == "TAMPERED tiles: they do not give the root that was signed"


def test_go_names_an_upper_tile_that_was_tampered_with(log: Log) -> None:
    tile = Tile(1, 0, SIZE // 256)
    _flip(log.folder / tile.path, 40)
    assert log.verified() == f"TAMPERED {tile.path.replace('tile/', 'tile/8/')}"


def test_go_is_not_fooled_by_an_entry_that_was_replaced_together_with_its_hash(log: Log) -> None:
    bundle, tile = log.folder / Tile(None, 100).path, log.folder / Tile(0, 100).path
    entries = decode_bundle(bundle.read_bytes(), 256)
    entries[7] = entries[8]
    bundle.write_bytes(encode_bundle(entries))
    tile.write_bytes(b"".join(leaf_hash(entry) for entry in entries))
    assert log.verified() == "TAMPERED tiles: they do not give the root that was signed"


def test_go_finds_a_checkpoint_that_was_tampered_with_or_is_of_somebody_else(log: Log) -> None:
    assert log.verified(LogKey.generate("example.org/ledger").vkey).startswith("UNSIGNED checkpoint")
    file = log.folder / "checkpoint"
    file.write_bytes(file.read_bytes().replace(b"\n50000\n", b"\n49999\n"))
    assert log.verified().startswith("UNSIGNED checkpoint")


def test_go_is_not_confused_by_cosignatures(log: Log) -> None:
    file = log.folder / "checkpoint"
    text = file.read_text().partition("\n\n")[0] + "\n"
    with file.open("a") as checkpoint:
        checkpoint.write(CosignerKey.generate("witness.example").cosign(text, 1_800_000_000).line())
    assert log.verified().startswith(f"VERIFIED {SIZE}")
