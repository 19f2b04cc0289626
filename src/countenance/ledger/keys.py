"""The log's signing key: a file outside the database, in the form of Go's signer keys, and its public half beside it.

    ledger.key       PRIVATE+KEY+<name>+<hash>+<base64>, readable by its owner only
    ledger.vkey      <name>+<hash>+<base64>: for everybody who verifies
    ledger.retired   the vkeys of keys that have handed over; their secrets are destroyed
    ledger.key.next  while a rotation is under way: the successor

Trust: whoever can read the key file can sign checkpoints as this log, and so show different people different logs;
witnesses notice, and nobody else can. Whoever can only write it can at most stop the server: a key that did not sign
what the database holds is refused.
"""

from __future__ import annotations

import secrets
import threading
from pathlib import Path

from countenance.errors import Misconfigured, Unaccountable
from countenance.ledger.notes import InvalidKey, LogKey, Note, Verifier
from countenance.storage import private_files

# An origin is meant to be unique: a made-up one has this many random bytes. RFC 6761 keeps `.invalid` for such names.
RANDOM_NAME_BYTES = 8
RANDOM_NAME = "countenance.invalid/ledger/"

_PUBLIC = 0o644


class KeyFile:
    """The key file of a log. Safe to share between threads and processes.

    `name` is the origin of a log that has no key yet: its address without the scheme, such as
    `faces.example.org/ledger`; a made-up one when it is not given. A log keeps its name.
    """

    def __init__(self, path: Path, *, name: str | None = None) -> None:
        self.path = path
        self._name = name
        self._next = path.with_name(f"{path.name}.next")
        self._public = path.with_suffix(".vkey")
        self._retired = path.with_suffix(".retired")
        self._changing = threading.Lock()
        self._held: tuple[LogKey, list[Verifier]] | None = None

    def open(self, *, creates: bool) -> None:
        """Reads the key; makes one where there is none and `creates` allows it, because nothing was signed yet.

        Raises Unaccountable when the file is missing otherwise, Misconfigured when it is open to others or no key.
        """
        if creates and not self.path.exists():
            self._make()
        self._read()
        self._publish()

    @property
    def key(self) -> LogKey:
        """The key that signs."""
        return self._opened()[0]

    @property
    def verifiers(self) -> list[Verifier]:
        """The log's keys: the one that signs, then those that have handed over."""
        key, retired = self._opened()
        return [key.verifier, *retired]

    def follow(self, note: Note) -> LogKey:
        """The key that signed this note; it is the one in use then, also when another process has rotated it.

        Raises Unaccountable when the key file does not hold that key.
        """
        with self._changing:
            try:
                # A second time, in case the prepared key came into its place between two looks.
                for _ in range(2):
                    if not _is_signed(note, self.key):
                        self._read()
                    if not _is_signed(note, self.key):
                        self._take_prepared(note)
                    if _is_signed(note, self.key):
                        return self.key
            except (Misconfigured, OSError) as error:
                raise Unaccountable(f"The ledger's key cannot be read: {error}") from error
        signer = note.signatures[0]
        raise Unaccountable(
            f"The ledger was signed by the key {signer.name}+{signer.key_id.hex()}, which the key file {self.path} "
            "does not hold: restore the key file that belongs to this ledger, in its newest version."
        )

    def prepare(self, successor: LogKey) -> None:
        """Puts the next key beside the one in use, before anything is signed by it. Raises OSError."""
        private_files.replace(self._next, f"{successor.skey}\n".encode())

    def promote(self, successor: LogKey) -> None:
        """Puts the prepared key in the place of the one in use, and destroys that one's secret."""
        with self._changing:
            prepared = self._prepared()
            if prepared is not None and prepared.vkey == successor.vkey:
                self._promote(successor)
            else:
                self._read()  # another process, which met it first, did

    def _take_prepared(self, note: Note) -> None:
        # Whoever rotated the key has not put it into its place yet, or was killed before.
        successor = self._prepared()
        if successor is not None and _is_signed(note, successor):
            self._promote(successor)

    def _promote(self, successor: LogKey) -> None:
        key, old = self._opened()
        retired = [verifier.vkey for verifier in old]
        if key.vkey not in (successor.vkey, *retired):
            retired.insert(0, key.vkey)
            private_files.replace(self._retired, "".join(f"{vkey}\n" for vkey in retired).encode(), mode=_PUBLIC)
        private_files.supersede(self.path, self._next)
        self._read()
        self._publish()

    def _opened(self) -> tuple[LogKey, list[Verifier]]:
        assert self._held is not None, "the key file has not been opened"
        return self._held

    def _prepared(self) -> LogKey | None:
        try:
            return self._parse(self._next)
        except FileNotFoundError:
            return None

    def _read(self) -> None:
        try:
            key = self._parse(self.path)
        except FileNotFoundError as error:
            raise Unaccountable(
                f"The ledger's key file {self.path} is missing: restore it from its backup. Without the key that "
                "signed the ledger so far nothing can be added to it."
            ) from error
        # After the key: one that has just handed over is in this file before it is out of the other.
        vkeys = self._retired.read_text().split() if self._retired.exists() else []
        self._held = key, [Verifier.from_vkey(vkey) for vkey in vkeys]

    def _parse(self, path: Path) -> LogKey:
        content = private_files.read(path, otherwise="rotate the ledger's key")
        try:
            return LogKey.from_skey(content.decode("ascii", "replace").strip())
        except InvalidKey as error:
            raise Misconfigured(
                f"The key file {path} does not hold the signing key of a log: restore it from its backup."
            ) from error

    def _make(self) -> None:
        name = self._name or RANDOM_NAME + secrets.token_hex(RANDOM_NAME_BYTES)
        try:
            key = LogKey.generate(name)
        except InvalidKey as error:
            raise Misconfigured(f"The ledger cannot be called {name!r}: {error.message}") from error
        private_files.make(self.path, f"{key.skey}\n".encode())

    def _publish(self) -> None:
        content = f"{self.key.vkey}\n".encode()
        if not self._public.exists() or self._public.read_bytes() != content:
            private_files.replace(self._public, content, mode=_PUBLIC)


def _is_signed(note: Note, key: LogKey) -> bool:
    return any(key.verifier.knows(signature) for signature in note.signatures)
