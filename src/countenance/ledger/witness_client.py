"""How a log asks a witness for its cosignature (c2sp.org/tlog-witness).

Trust: a witness that lies can withhold its cosignature and nothing else; what it answers is verified by the key it was
configured with.
"""

from __future__ import annotations

from collections.abc import Sequence

from countenance.errors import CountenanceError
from countenance.ledger.checkpoints import InvalidCheckpoint, read_number
from countenance.ledger.cosigning import AnotherSize
from countenance.ledger.fetching import Server
from countenance.ledger.notes import InvalidNote, Note, Signature, Verifier, parse, parse_signature
from countenance.ledger.witness import request_body

# A log does not wait for a witness longer than it publishes checkpoints.
TIMEOUT_SECONDS = 10.0
MAX_ANSWER_BYTES = 64 * 1024
MAX_LINES = 16

SIZE = "text/x.tlog.size"


class Refused(CountenanceError):
    """The witness does not cosign the checkpoint."""

    code = "WitnessRefused"


class WitnessClient:
    """One witness: its submission URL, and its verifier key (an ordinary Ed25519 one is taken for a cosigner's).

    Safe to share between threads. Raises InvalidKey and Unreachable when either is none.
    """

    def __init__(self, url: str, vkey: str, *, seconds: float = TIMEOUT_SECONDS) -> None:
        self.verifier = Verifier.from_vkey(vkey).as_cosigner()
        self.url = Server(url).url
        self._seconds = seconds

    @property
    def name(self) -> str:
        """The name of its key."""
        return self.verifier.name

    def cosign(self, note: str, old_size: int, consistency: Sequence[bytes]) -> str:
        """The cosignature's line, verified, for a signed checkpoint and the proof from a tree of `old_size` to it.

        Raises AnotherSize, with the size the proof must begin at, when that is not the one this witness knows; Refused
        when it does not cosign for another reason, or its answer is no cosignature of its key; Unreachable when it does
        not answer in time.
        """
        server = Server(self.url, seconds=self._seconds)
        try:
            answer = server.post("add-checkpoint", request_body(old_size, consistency, note), MAX_ANSWER_BYTES)
        finally:
            server.close()
        text = answer.content.decode("utf-8", "replace")
        match answer.status:
            case 200:
                return self._cosignature(parse(note), text).line()
            case 409 if answer.content_type == SIZE:
                raise self._other_size(text)
            case _:
                raise Refused(f"The witness {self.name} answers {answer.status}: {_first_line(text)}")

    def _cosignature(self, note: Note, text: str) -> Signature:
        for line in text.split("\n")[:MAX_LINES]:
            try:
                signature = parse_signature(line)
            except InvalidNote:
                continue
            if self.verifier.verify(note.text, signature):
                return signature
        raise Refused(f"The witness {self.name} answers without a cosignature of its key.")

    def _other_size(self, text: str) -> CountenanceError:
        try:
            size = read_number(text.removesuffix("\n"))
        except InvalidCheckpoint:
            return Refused(f"The witness {self.name} does not say which size it has cosigned.")
        return AnotherSize(size)


def _first_line(text: str) -> str:
    line = text.partition("\n")[0][:200]
    return line if line.isprintable() and line else "it gives no reason."
