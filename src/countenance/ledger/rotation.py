"""How a log's key hands over to the next: by an entry that the old key signs, so that trust in it leads to the new one.

Trust: who holds an old key can name a successor of their own, but only in entries of a tree that the key in force
signs; a stolen key is worth nothing from the entry on that hands over to another.
"""

from __future__ import annotations

from collections.abc import Sequence

from countenance.errors import CountenanceError
from countenance.ledger.entries import KeyChange
from countenance.ledger.notes import Algorithm, InvalidKey, Signature, Verifier, decoded_base64

# Keeps what is signed apart from checkpoints, whose first line is an origin.
HANDOVER = "countenance log key rotation\n"


class InvalidHandover(CountenanceError):
    """The entry does not hand the log's key over."""

    code = "InvalidHandover"


def handover(old_vkey: str, new_vkey: str) -> str:
    """What the old key signs, as text."""
    return f"{HANDOVER}{old_vkey}\n{new_vkey}\n"


class Succession:
    """The keys a log has had, as its entries tell, seen from the keys that somebody trusts."""

    def __init__(self, trusted: Sequence[Verifier]) -> None:
        self._trusted = list(trusted)
        self._keys: list[Verifier] = []
        self.handovers = 0

    def copy(self) -> Succession:
        """Another one that has followed the same entries."""
        twin = Succession(self._trusted)
        twin._keys, twin.handovers = list(self._keys), self.handovers
        return twin

    def follow(self, entry: KeyChange) -> None:
        """Takes account of an entry. Raises InvalidHandover when it is one of the log's key and not valid."""
        if entry.subject != "log_key":
            return
        new = _log_key(entry.new_vkey)
        if entry.change == "created" and not self._keys and entry.old_vkey is None:
            self._keys.append(new)
            return
        old = _log_key(entry.old_vkey)
        if entry.change != "rotated" or (self._keys and self._keys[-1] != old):
            raise InvalidHandover(f"The key of {new.name} is handed over by another one than the key in force.")
        if new.name != old.name or not _is_signed(old, new, entry.signature):
            raise InvalidHandover(f"The old key of {old.name} did not sign that it hands over to {new.vkey}.")
        if not self._keys:
            self._keys.append(old)
        self._keys.append(new)
        self.handovers += 1

    def in_force(self) -> list[Verifier]:
        """The keys that may sign a checkpoint over all entries so far.

        The last one to which a trusted key has handed over, directly or through others; and those of the trusted keys
        that have handed over to nobody.
        """
        replaced = self._keys[:-1]
        keys = [key for key in self._trusted if key not in replaced]
        if any(key in replaced for key in self._trusted) and self._keys[-1] not in keys:
            keys.append(self._keys[-1])
        return keys


def _is_signed(old: Verifier, new: Verifier, signature: str | None) -> bool:
    content = decoded_base64(signature or "")
    return content is not None and old.verify(handover(old.vkey, new.vkey), Signature(old.name, old.key_id, content))


def _log_key(vkey: str | None) -> Verifier:
    try:
        verifier = Verifier.from_vkey(vkey or "")
    except InvalidKey as error:
        raise InvalidHandover("The entry about the log's key does not name it.") from error
    if verifier.algorithm is not Algorithm.ED25519:
        raise InvalidHandover("The entry about the log's key names the key of a witness.")
    return verifier
