"""Logs for tests: entries of whole uses, and a folder that publishes them as c2sp.org/tlog-tiles has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from countenance.ledger import checkpoints, entries, merkle
from countenance.ledger.checkpoints import Checkpoint
from countenance.ledger.entries import Actor, Decision, Entry, Intent, Outcome
from countenance.ledger.notes import LogKey
from countenance.ledger.tiles import TILE_WIDTH, Tile, encode_bundle

ORIGIN = "example.org/log"
KEY = LogKey(ORIGIN, b"\x01" * 32)
NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


def uid(letter: str, number: int) -> str:
    return f"{letter}-{number:032x}"


ACTOR = Actor(
    principal=uid("p", 1),
    organization=uid("o", 1),
    organization_kind="child_protection",
    role="member",
    credential="access_key",
)


def intent(number: int) -> Intent:
    return Intent(
        use=uid("u", number),
        action="SearchFacesByImage",
        actor=ACTOR,
        purpose="missing_person",
        threshold=90.0,
        software="1.0.0",
    )


def decision(number: int, effect: str = "allow") -> Decision:
    return Decision.model_validate({"use": uid("u", number), "effect": effect, "policy_set": "0" * 64})


def outcome(number: int, **more: object) -> Outcome:
    return Outcome.model_validate({"use": uid("u", number), "faces": 1, "candidates": (), **more})


def uses(count: int) -> Iterator[Entry]:
    """Three entries a use."""
    for number in range(count):
        yield intent(number)
        yield decision(number)
        yield outcome(number)


def leaves(entries_: Sequence[Entry] | Iterator[Entry]) -> list[bytes]:
    """As the ledger writes them, a millisecond apart."""
    return [entries.written(entry, NOON + timedelta(milliseconds=place)) for place, entry in enumerate(entries_)]


def log_of(size: int) -> list[bytes]:
    """The first `size` entries of a log of whole uses."""
    return leaves(list(uses(size // 3 + 1))[:size])


def note_of(content: Sequence[bytes], key: LogKey = KEY) -> str:
    tree = merkle.CompactRange()
    for leaf in content:
        tree.append(merkle.leaf_hash(leaf))
    return checkpoints.signed(Checkpoint(key.name, tree.size, tree.root()), key)


def publish(folder: Path, content: Sequence[bytes], key: LogKey = KEY, note: str | None = None) -> Path:
    """Writes bundles, tiles, the verifier key and a checkpoint, over what is there."""
    for index, group in enumerate(groups(content)):
        put(folder, Tile(None, index, len(group)).path, encode_bundle(group))
    level, hashes = 0, [merkle.leaf_hash(leaf) for leaf in content]
    while hashes:
        whole = []
        for index, group in enumerate(groups(hashes)):
            put(folder, Tile(level, index, len(group)).path, b"".join(group))
            if len(group) == TILE_WIDTH:
                whole.append(merkle.complete_root(group))
        level, hashes = level + 1, whole
    put(folder, "log.vkey", f"{key.vkey}\n".encode())
    put(folder, "checkpoint", (note or note_of(content, key)).encode())
    return folder


def groups(items: Sequence[bytes]) -> list[list[bytes]]:
    return [list(items[start : start + TILE_WIDTH]) for start in range(0, len(items), TILE_WIDTH)]


def put(folder: Path, path: str, content: bytes) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(content)


def flip(file: Path, place: int, bit: int = 0) -> None:
    """Changes one bit of a file."""
    content = bytearray(file.read_bytes())
    content[place] ^= 1 << bit
    file.write_bytes(content)


def reader(content: Sequence[bytes]) -> merkle.ReadSubtree:
    """The tree over these entries, from no files."""
    hashes = [merkle.leaf_hash(leaf) for leaf in content]

    def read(level: int, index: int) -> bytes:
        return merkle.complete_root(hashes[index << level : (index + 1) << level])

    return read
