"""Whether a checkpoint of a log grew out of another one. Where it did not, the log tells people different things."""

from __future__ import annotations

from countenance.errors import CountenanceError
from countenance.ledger.checkpoints import Checkpoint, read_text
from countenance.ledger.merkle import InvalidProof, consistency_proof, verify_consistency
from countenance.ledger.notes import Note
from countenance.ledger.published import PublishedLog


class Fork(CountenanceError):
    """A log has signed two checkpoints that contradict each other. Both notes are evidence, as they were signed."""

    code = "Fork"

    def __init__(self, message: str, *, before: Note, after: Note) -> None:
        super().__init__(message)
        self.before = before
        self.after = after


class Stale(CountenanceError):
    """The log shows an older checkpoint than it did: it lags behind, or was rolled back."""

    code = "StaleCheckpoint"


def check_growth(log: PublishedLog, before: Note, after: Note) -> None:
    """Checks by a log's tiles that the later checkpoint's tree begins with the earlier one's.

    Both notes are of this log, with its signature verified. Raises Fork when they contradict each other, Stale when the
    later one is smaller and does not. Damaged and Missing tiles prove nothing either way.
    """
    old, new = read_text(before.text), read_text(after.text)
    if not _is_consistent(log, *sorted((old, new), key=_size)):
        raise contradiction(before, after)
    if new.size < old.size:
        raise Stale(
            f"{log.name} shows a checkpoint of {new.size} entries after one of {old.size}: it lags behind, or the log "
            "was rolled back."
        )


def contradiction(before: Note, after: Note) -> Fork:
    """The fork that two notes, signed by one log, are evidence of."""
    old, new = read_text(before.text), read_text(after.text)
    return Fork(
        f"{new.origin} is forked: its checkpoint of {new.size} entries contradicts the one of {old.size} that it "
        "signed before.",
        before=before,
        after=after,
    )


def _size(checkpoint: Checkpoint) -> int:
    return checkpoint.size


def _is_consistent(log: PublishedLog, old: Checkpoint, new: Checkpoint) -> bool:
    if old.size == new.size:
        return old.root == new.root
    proof = consistency_proof(old.size, new.size, log.subtrees(new.size))
    try:
        verify_consistency(old.size, new.size, old.root, new.root, proof)
    except InvalidProof:
        return False
    return True
