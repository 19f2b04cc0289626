"""Signed notes (c2sp.org/signed-note): text with the signatures of those who vouch for it, in lines a person can read.

Keys are Ed25519. A log signs the text itself (type 0x01); a cosigner signs the text and the time at which it saw it
(type 0x04, c2sp.org/tlog-cosignature). Verifier keys and signer keys are the strings Go's golang.org/x/mod/sumdb/note
reads and writes, so its tools work on ours.
Trust: a note says nothing until a signature of a known key on it has been verified.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from countenance.errors import CountenanceError

# Both as in Go's package: the specification wants at least 16 signatures to be read.
MAX_NOTE_BYTES = 1_000_000
MAX_SIGNATURES = 100
# A verifier key of ours has some 60 characters beside its name.
MAX_KEY_CHARACTERS = 1_000

KEY_ID_BYTES = 4
SEED_BYTES = 32
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64
TIME_BYTES = 8
MAX_TIME = 2**63 - 1

_SIGNATURE_PREFIX = "\N{EM DASH} "
_PRIVATE_PREFIX = "PRIVATE+KEY+"
_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f]")


class Algorithm(IntEnum):
    """How a key signs, by the type byte of the specification."""

    ED25519 = 0x01
    COSIGNATURE_V1 = 0x04


class InvalidNote(CountenanceError):
    """The note is malformed, or not signed as it must be."""

    code = "InvalidNote"


class InvalidKey(CountenanceError):
    """The text is no key of a signed note."""

    code = "InvalidKey"


@dataclass(frozen=True, slots=True)
class Signature:
    """One line of a note: who claims to have signed, by name and 4-byte key id, and the bytes of the signature."""

    name: str
    key_id: bytes
    content: bytes

    def line(self) -> str:
        """The line as it stands in the note, with its newline."""
        return f"{_SIGNATURE_PREFIX}{self.name} {encoded_base64(self.key_id + self.content)}\n"

    @property
    def time(self) -> int:
        """When a cosignature (and nothing else) was made: POSIX seconds, at most 2**63 - 1."""
        return int.from_bytes(self.content[:TIME_BYTES], "big")


@dataclass(frozen=True, slots=True)
class Note:
    """A text, which ends with a newline, and its signatures, none of them verified yet."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        """The note as it is stored and sent."""
        return self.text + "\n" + "".join(signature.line() for signature in self.signatures)


@dataclass(frozen=True, slots=True)
class Verifier:
    """A known key, and how it signs."""

    name: str
    public_key: bytes
    algorithm: Algorithm = Algorithm.ED25519

    @classmethod
    def from_vkey(cls, vkey: str) -> Verifier:
        """The key of `name+hash+base64(type || public key)`. Raises InvalidKey for anything else."""
        name, algorithm, public_key = _parsed_key(vkey, "verifier key")
        verifier = cls(name, public_key, algorithm)
        try:
            Ed25519PublicKey.from_public_bytes(public_key)
        except ValueError as error:
            raise InvalidKey(f"The verifier key of {name} is no Ed25519 key.") from error
        if verifier.vkey != vkey:
            raise InvalidKey(f"The verifier key of {name} does not match its hash.")
        return verifier

    def as_cosigner(self) -> Verifier:
        """The same key as one that cosigns: some witnesses publish theirs under the type of ordinary signatures."""
        return Verifier(self.name, self.public_key, Algorithm.COSIGNATURE_V1)

    @property
    def key_id(self) -> bytes:
        """The first four bytes of the hash that tells this key from others of the same name."""
        return _key_id(self.name, self.algorithm, self.public_key)

    @property
    def vkey(self) -> str:
        """The key as text: `name+hash+base64(type || public key)`."""
        return _key_text(self.name, self.key_id, self.algorithm, self.public_key)

    def knows(self, signature: Signature) -> bool:
        """Whether the signature claims to be of this key."""
        return signature.name == self.name and signature.key_id == self.key_id

    def verify(self, text: str, signature: Signature) -> bool:
        """Whether the signature is of this key on this text."""
        if not self.knows(signature):
            return False
        content, message = signature.content, text
        if self.algorithm is Algorithm.COSIGNATURE_V1:
            if len(content) != TIME_BYTES + SIGNATURE_BYTES or signature.time > MAX_TIME:
                return False
            content, message = content[TIME_BYTES:], _cosigned(text, signature.time)
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(content, message.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


class _Signer:
    """A name and an Ed25519 key that signs under it."""

    algorithm: Algorithm

    def __init__(self, name: str, seed: bytes) -> None:
        if not _is_name(name):
            raise InvalidKey("A key's name is not empty and has no spaces, no plus and no control characters.")
        if len(seed) != SEED_BYTES:
            raise InvalidKey(f"The seed of an Ed25519 key has {SEED_BYTES} bytes, not {len(seed)}.")
        self.name = name
        self._seed = seed
        self._private_key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = Verifier(name, self._private_key.public_key().public_bytes_raw(), self.algorithm)

    @property
    def vkey(self) -> str:
        """The verifier key, which everybody may know."""
        return self.verifier.vkey

    @property
    def skey(self) -> str:
        """The signer key as Go has it, which nobody else may know: `PRIVATE+KEY+name+hash+base64(type || seed)`."""
        return _PRIVATE_PREFIX + _key_text(self.name, self.verifier.key_id, self.algorithm, self._seed)

    def _read(self, skey: str) -> None:
        if self.skey != skey:
            raise InvalidKey(f"The signer key of {self.name} does not match its hash.")


class LogKey(_Signer):
    """The key of a log: it signs checkpoints. Its representation shows the name and nothing else."""

    algorithm = Algorithm.ED25519

    @classmethod
    def generate(cls, name: str) -> LogKey:
        """A new key."""
        return cls(name, os.urandom(SEED_BYTES))

    @classmethod
    def from_skey(cls, skey: str) -> LogKey:
        """The key of a signer key. Raises InvalidKey for anything else; its message never repeats the key."""
        key = cls(*_parsed_signer(skey, cls.algorithm))
        key._read(skey)
        return key

    def sign(self, text: str) -> Signature:
        """The signature on a text, which must end with a newline."""
        return Signature(self.name, self.verifier.key_id, self.sign_bytes(_checked_text(text).encode()))

    def sign_bytes(self, message: bytes) -> bytes:
        """The 64-byte Ed25519 signature on bytes that are no note: the caller keeps them apart from notes."""
        return self._private_key.sign(message)


class CosignerKey(_Signer):
    """The key of a witness: it signs checkpoints with the time at which it saw them."""

    algorithm = Algorithm.COSIGNATURE_V1

    @classmethod
    def generate(cls, name: str) -> CosignerKey:
        """A new key."""
        return cls(name, os.urandom(SEED_BYTES))

    @classmethod
    def from_skey(cls, skey: str) -> CosignerKey:
        """The key of a signer key. Raises InvalidKey for anything else; its message never repeats the key."""
        key = cls(*_parsed_signer(skey, cls.algorithm))
        key._read(skey)
        return key

    def cosign(self, text: str, time: int) -> Signature:
        """The cosignature on a checkpoint's text, seen at this POSIX time in seconds."""
        if not 0 <= time <= MAX_TIME:
            raise ValueError(f"{time} is no time of a cosignature")
        content = time.to_bytes(TIME_BYTES, "big") + self._private_key.sign(
            _cosigned(_checked_text(text), time).encode()
        )
        return Signature(self.name, self.verifier.key_id, content)


@dataclass(frozen=True, slots=True)
class Opened:
    """A note of which at least one signature is verified. `verified` has one signature of each known key at most."""

    text: str
    verified: tuple[Signature, ...]
    unknown: tuple[Signature, ...] = field(repr=False)

    def by(self, verifier: Verifier) -> Signature | None:
        """The verified signature of this key, if it signed."""
        return next((signature for signature in self.verified if verifier.knows(signature)), None)


def parse(data: bytes | str) -> Note:
    """The note of these bytes, with nothing verified. Raises InvalidNote for anything else than one note."""
    if len(data) > MAX_NOTE_BYTES:
        raise InvalidNote(f"A note has at most {MAX_NOTE_BYTES:,} bytes, not {len(data):,}.")
    try:
        content = data.decode() if isinstance(data, bytes) else data.encode().decode()
    except ValueError as error:
        raise InvalidNote("The note is not UTF-8.") from error
    if _CONTROLS.search(content):
        raise InvalidNote("The note contains control characters.")
    text, blank, rest = content.rpartition("\n\n")
    if not blank or not rest.endswith("\n"):
        raise InvalidNote("The note has no lines of signatures after its last empty line.")
    lines = rest[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise InvalidNote(f"A note has at most {MAX_SIGNATURES} signatures, not {len(lines)}.")
    return Note(text + "\n", tuple(parse_signature(line) for line in lines))


def parse_signature(line: str) -> Signature:
    """The signature of one line, without its newline. Raises InvalidNote for anything else."""
    name, space, encoded = line.removeprefix(_SIGNATURE_PREFIX).partition(" ")
    content = decoded_base64(encoded)
    if (
        not (line.startswith(_SIGNATURE_PREFIX) and space and _is_name(name))
        or content is None
        or len(content) <= KEY_ID_BYTES
    ):
        raise InvalidNote("The note has a line that is no signature where signatures are expected.")
    return Signature(name, content[:KEY_ID_BYTES], content[KEY_ID_BYTES:])


def opened(note: Note | bytes | str, verifiers: Iterable[Verifier]) -> Opened:
    """The note, verified with the known keys; signatures of other keys are ignored.

    Raises InvalidNote when the note is malformed, when a signature that claims to be of a known key is not, and when
    no known key has signed.
    """
    if not isinstance(note, Note):
        note = parse(note)
    known = list(verifiers)
    verified: dict[tuple[str, bytes], Signature] = {}
    unknown: list[Signature] = []
    for signature in note.signatures:
        claimed = [verifier for verifier in known if verifier.knows(signature)]
        if not claimed:
            unknown.append(signature)
        elif not any(verifier.verify(note.text, signature) for verifier in claimed):
            raise InvalidNote(f"The signature of {signature.name} on the note is not valid.")
        else:
            verified.setdefault((signature.name, signature.key_id), signature)
    if not verified:
        names = ", ".join(dict.fromkeys(verifier.vkey for verifier in known)) or "any known key"
        raise InvalidNote(f"The note is not signed by {names}.")
    return Opened(note.text, tuple(verified.values()), tuple(unknown))


def encoded_base64(content: bytes) -> str:
    """Bytes in standard base64."""
    return base64.b64encode(content).decode()


def decoded_base64(text: str) -> bytes | None:
    """The bytes of standard base64 in the one form that encoding them gives; None for anything else."""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return content if encoded_base64(content) == text else None


def _cosigned(text: str, time: int) -> str:
    return f"cosignature/v1\ntime {time}\n{text}"


def _checked_text(text: str) -> str:
    if not text.endswith("\n") or _CONTROLS.search(text):
        raise ValueError("the text of a note ends with a newline and has no control characters")
    return text


def _is_name(name: str) -> bool:
    # Spaces are Unicode's; surrogates cannot be written as UTF-8.
    return bool(name) and not any(c == "+" or c < " " or c.isspace() or "\ud800" <= c <= "\udfff" for c in name)


def _key_id(name: str, algorithm: Algorithm, public_key: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + bytes([algorithm]) + public_key).digest()[:KEY_ID_BYTES]


def _key_text(name: str, key_id: bytes, algorithm: Algorithm, key: bytes) -> str:
    return f"{name}+{key_id.hex()}+{encoded_base64(bytes([algorithm]) + key)}"


def _parsed_key(text: str, noun: str) -> tuple[str, Algorithm, bytes]:
    malformed = InvalidKey(f"A {noun} has the form name+hash+key, with an Ed25519 key in base64.")
    parts = text.split("+", 2)
    if len(text) > MAX_KEY_CHARACTERS or len(parts) != 3 or not _is_name(parts[0]):
        raise malformed
    content = decoded_base64(parts[2])
    if content is None or len(content) != 1 + PUBLIC_KEY_BYTES:
        raise malformed
    try:
        algorithm = Algorithm(content[0])
        parts[0].encode()
    except ValueError:
        raise malformed from None
    return parts[0], algorithm, content[1:]


def _parsed_signer(skey: str, algorithm: Algorithm) -> tuple[str, bytes]:
    name, found, seed = _parsed_key(skey.removeprefix(_PRIVATE_PREFIX), "signer key")
    if not skey.startswith(_PRIVATE_PREFIX) or found is not algorithm:
        raise InvalidKey(f"The signer key of {name} is not one that signs as this program needs it.")
    return name, seed
