"""A witness cosigns what only grows, remembers it, and answers as c2sp.org/tlog-witness says."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from countenance.errors import Misconfigured
from countenance.ledger.checkpoints import Checkpoint, read_text, signed
from countenance.ledger.consistency import Fork, Stale
from countenance.ledger.merkle import consistency_proof
from countenance.ledger.notes import CosignerKey, InvalidNote, LogKey, Note, parse, parse_signature
from countenance.ledger.published import Missing, PublishedLog
from countenance.ledger.witness import MAX_REQUEST_BYTES, NotCosigned, Witness, request_body
from countenance.ledger.witness_records import DATABASE, KEY, Records, Unrecorded, open_key
from tests.unit.ledger import logs

ENTRIES = logs.log_of(40)
FORGED = [ENTRIES[0].replace(b"missing_person", b"photo_library"), *ENTRIES[1:]]
OTHER = LogKey("example.org/other", b"\x05" * 32)
NOW = 1_790_000_000


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def opened(folder: Path, clock: Clock) -> Witness:
    key = open_key(folder, "ngo.example/w")
    return Witness(key, [logs.KEY.verifier, OTHER.verifier], Records(folder), folder, clock=clock)


@pytest.fixture
def witness(tmp_path: Path, clock: Clock) -> Iterator[Witness]:
    witness = opened(tmp_path / "state", clock)
    yield witness
    witness.close()


def request(
    old: int, new: int, entries: list[bytes] = ENTRIES, *, key: LogKey = logs.KEY, proof: list[bytes] | None = None
) -> bytes:
    """The one a log sends that grew from `old` to `new`."""
    if proof is None:
        proof = consistency_proof(old, new, logs.reader(entries))
    return request_body(old, proof, logs.note_of(entries[:new], key))


def refused(witness: Witness, body: bytes) -> NotCosigned:
    with pytest.raises(NotCosigned) as refusal:
        witness.add_checkpoint(body)
    return refusal.value


def test_a_log_that_grows_is_cosigned(witness: Witness, clock: Clock) -> None:
    for old, new in ((0, 5), (5, 5), (5, 6), (6, 40)):
        clock.now += 10
        line = witness.add_checkpoint(request(old, new))
        signature = parse_signature(line.removesuffix("\n"))
        assert witness.key.verifier.verify(parse(logs.note_of(ENTRIES[:new])).text, signature)
        assert signature.time == clock.now
    record = witness.newest(logs.ORIGIN)
    assert record is not None
    assert read_text(record.note.text).size == 40
    assert [signature.name for signature in record.note.signatures] == [logs.ORIGIN, "ngo.example/w"]


def test_an_empty_log_may_be_cosigned(witness: Witness) -> None:
    witness.add_checkpoint(request(0, 0))
    witness.add_checkpoint(request(0, 3))


def test_logs_are_kept_apart(witness: Witness) -> None:
    witness.add_checkpoint(request(0, 5))
    witness.add_checkpoint(request(0, 7, FORGED, key=OTHER))
    witness.add_checkpoint(request(5, 6))


def test_other_signatures_on_the_checkpoint_are_ignored(witness: Witness) -> None:
    note = parse(logs.note_of(ENTRIES[:5]))
    stranger = CosignerKey("stranger", b"\x08" * 32).cosign(note.text, 1)
    witness.add_checkpoint(request_body(0, [], str(Note(note.text, (stranger, *note.signatures)))))
    record = witness.newest(logs.ORIGIN)
    assert record is not None
    assert len(record.note.signatures) == 2


def test_404_for_a_log_it_does_not_know(witness: Witness) -> None:
    assert refused(witness, request(0, 5, key=LogKey("example.org/unknown", bytes(32)))).status == 404


def test_403_for_a_checkpoint_the_log_did_not_sign(witness: Witness) -> None:
    assert refused(witness, request(0, 5, key=LogKey(logs.ORIGIN, b"\x09" * 32))).status == 403
    note = logs.note_of(ENTRIES[:5]).replace("\n5\n", "\n6\n")
    assert refused(witness, request_body(0, [], note)).status == 403


def test_400_for_an_old_size_beyond_the_checkpoint(witness: Witness) -> None:
    assert refused(witness, request_body(6, [], logs.note_of(ENTRIES[:5]))).status == 400


def test_409_with_the_size_it_has_cosigned_last(witness: Witness) -> None:
    refusal = refused(witness, request(3, 5))
    assert (refusal.status, refusal.size) == (409, 0)
    witness.add_checkpoint(request(0, 5))
    for old, new in ((0, 5), (0, 40), (4, 6), (3, 4), (6, 40)):
        refusal = refused(witness, request(old, new))
        assert (refusal.status, refusal.size) == (409, 5)


def test_422_for_a_proof_that_proves_nothing(witness: Witness, tmp_path: Path) -> None:
    assert refused(witness, request(0, 5, proof=[bytes(32)])).status == 422
    witness.add_checkpoint(request(0, 5))
    right = consistency_proof(5, 40, logs.reader(ENTRIES))
    for wrong in ([], [bytes(32)], right[:-1], [*right, bytes(32)], right[::-1]):
        assert refused(witness, request(5, 40, proof=wrong)).status == 422
    assert refused(witness, request(5, 5, proof=[bytes(32)])).status == 422
    # None of this shows that the log did anything wrong: anybody can spoil a proof.
    assert not (tmp_path / "state/evidence").exists()
    witness.add_checkpoint(request(5, 40))


def test_422_for_a_fork_and_both_checkpoints_are_kept(witness: Witness, tmp_path: Path) -> None:
    witness.add_checkpoint(request(0, 5))
    assert refused(witness, request(5, 40, FORGED)).status == 422
    for _ in range(3):
        refusal = refused(witness, request(5, 5, FORGED))
        assert (refusal.status, "is forked" in refusal.message) == (422, True)
    (kept,) = (tmp_path / "state/evidence").iterdir()
    assert (kept / "after.checkpoint").read_text() == logs.note_of(FORGED[:5])
    assert (kept / "before.checkpoint").read_text().startswith(logs.note_of(ENTRIES[:5]))
    witness.add_checkpoint(request(5, 6))


HEAD = logs.note_of(ENTRIES[:5]).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n\n",
        b"old 0",
        b"old 0\n\n",
        b"old 0\n" + HEAD,
        b"old 0\r\n\r\n" + HEAD,
        b"new 0\n\n" + HEAD,
        b"old  0\n\n" + HEAD,
        b"old 00\n\n" + HEAD,
        b"old -1\n\n" + HEAD,
        b"old x\n\n" + HEAD,
        b"old 99999999999999999999\n\n" + HEAD,
        b"old 0\n!\n\n" + HEAD,
        b"old 0\nAAAA\n\n" + HEAD,
        b"old 0\n" + b"\xff" * 44 + b"\n\n" + HEAD,
        b"old 0\n" + (b"A" * 43 + b"=\n") * 64 + b"\n" + HEAD,
        b"old 0\n\n" + HEAD[:-1],
        b"old 0\n\n" + HEAD + b"\n",
        b"old 0\n\nno checkpoint\n\n" + HEAD[HEAD.index("—".encode()) :],
        b"old 0\n\n" + HEAD.replace(b"\n5\n", b"\n05\n"),
        b"old 0\n\n" + b"x" * MAX_REQUEST_BYTES + HEAD,
    ],
)
def test_400_for_anything_else(witness: Witness, body: bytes) -> None:
    assert refused(witness, body).status == 400
    assert witness.newest(logs.ORIGIN) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=300))
def test_any_bytes_are_answered(witness: Witness, body: bytes) -> None:
    statuses = set()
    for content in (body, b"old 0\n\n" + body, b"old 0\n" + body + b"\n\n" + HEAD):
        try:
            witness.add_checkpoint(content)
        except NotCosigned as refusal:
            statuses.add(refusal.status)
    assert statuses <= {400, 403, 404, 409, 422}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20)
@given(steps=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.booleans(), st.booleans()), max_size=12))
def test_whatever_is_asked_only_one_history_is_cosigned(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, bool, bool]]
) -> None:
    """Two histories that share nothing, in any order and with restarts in between: one of them wins for good."""
    folder = tmp_path_factory.mktemp("state")
    witness = opened(folder, Clock())
    cosigned: list[tuple[int, bool]] = []
    for old, new, is_forged, is_restarted in steps:
        if is_restarted:
            witness.close()
            witness = opened(folder, Clock())
        try:
            witness.add_checkpoint(request(min(old, new), new, FORGED if is_forged else ENTRIES))
        except NotCosigned:
            continue
        cosigned.append((new, is_forged))
    witness.close()
    sizes = [size for size, _ in cosigned]
    assert sizes == sorted(sizes)
    assert len({is_forged for size, is_forged in cosigned if size}) <= 1


def test_a_witness_that_was_restarted_remembers(tmp_path: Path, clock: Clock) -> None:
    first = opened(tmp_path, clock)
    first.add_checkpoint(request(0, 5))
    first.close()
    again = opened(tmp_path, clock)
    assert again.key.vkey == first.key.vkey
    assert refused(again, request(0, 40)).size == 5
    again.close()


def test_of_many_who_ask_at_once_one_wins_each_step(tmp_path: Path, clock: Clock) -> None:
    """In two processes' worth of connections: the check and the record are one step."""
    witnesses = [opened(tmp_path, clock), opened(tmp_path, clock)]
    won: list[int] = []
    lost: list[int] = []

    def ask(witness: Witness, new: int) -> None:
        try:
            witness.add_checkpoint(request(0, new))
        except NotCosigned as refusal:
            lost.append(refusal.status)
        else:
            won.append(new)

    threads = [threading.Thread(target=ask, args=(witnesses[new % 2], new)) for new in range(1, 21)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), lost) == (1, [409] * 19)
    record = witnesses[0].newest(logs.ORIGIN)
    assert record is not None
    assert read_text(record.note.text).size == won[0]
    for witness in witnesses:
        witness.close()


def test_a_clock_that_was_set_back_ends_cosigning(witness: Witness, clock: Clock) -> None:
    witness.add_checkpoint(request(0, 5))
    clock.now -= 3
    assert parse_signature(witness.add_checkpoint(request(5, 6))[:-1]).time == NOW
    clock.now -= 60
    refusal = refused(witness, request(6, 7))
    assert (refusal.status, "clock of this witness is 63 seconds behind" in refusal.message) == (500, True)
    clock.now = NOW + 1
    witness.add_checkpoint(request(6, 7))


def test_nothing_is_cosigned_that_cannot_be_recorded(tmp_path: Path, clock: Clock) -> None:
    """Somebody else holds the database; its file is gone, or is none."""
    witness = opened(tmp_path, clock)
    witness.add_checkpoint(request(0, 5))
    with sqlite3.connect(tmp_path / DATABASE) as connection:
        connection.execute("drop table checkpoints")
    connection.close()
    with pytest.raises(Unrecorded, match="cosigns nothing"):
        witness.add_checkpoint(request(5, 6))
    with pytest.raises(Unrecorded):
        witness.newest(logs.ORIGIN)
    witness.close()
    (tmp_path / DATABASE).write_bytes(b"garbage" * 1000)
    with pytest.raises(Misconfigured, match="cannot be used"):
        Records(tmp_path)


def test_the_key_is_made_once_and_for_its_owner(tmp_path: Path) -> None:
    key = open_key(tmp_path / "state", "ngo.example/w")
    assert (tmp_path / "state" / KEY).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "state/witness.vkey").read_text() == f"{key.vkey}\n"
    assert open_key(tmp_path / "state", None).vkey == key.vkey


def test_keys_that_will_not_do(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="needs a name"):
        open_key(tmp_path, None)
    with pytest.raises(Misconfigured, match="cannot be called 'a b'"):
        open_key(tmp_path, "a b")
    open_key(tmp_path, "ngo.example/w")
    with pytest.raises(Misconfigured, match="keeps its name"):
        open_key(tmp_path, "ngo.example/other")
    (tmp_path / KEY).chmod(0o644)
    with pytest.raises(Misconfigured, match="open to others"):
        open_key(tmp_path, None)
    (tmp_path / KEY).chmod(0o600)
    (tmp_path / KEY).write_text(f"{logs.KEY.skey}\n")
    with pytest.raises(Misconfigured, match="does not hold the key of a witness") as refusal:
        open_key(tmp_path, None)
    assert logs.KEY.skey[-20:] not in str(refusal.value)


def test_a_published_log_is_observed(witness: Witness, clock: Clock, tmp_path: Path) -> None:
    folder = tmp_path / "log"
    for size in (0, 5, 5, 40):
        clock.now += 60
        logs.publish(folder, ENTRIES[:size])
        assert witness.observe(PublishedLog.at(str(folder))).size == size
        record = witness.newest(logs.ORIGIN)
        assert record is not None
        assert record.time == clock.now


def test_a_published_fork_is_found_and_kept(witness: Witness, tmp_path: Path) -> None:
    witness.observe(PublishedLog.at(str(logs.publish(tmp_path / "log", ENTRIES[:5]))))
    for number, size in enumerate((5, 9, 40), start=1):
        forked = logs.publish(tmp_path / f"fork{size}", FORGED[:size])
        with pytest.raises(Fork, match="is forked"):
            witness.observe(PublishedLog.at(str(forked)))
        assert len(list((tmp_path / "state/evidence").iterdir())) == number
    witness.observe(PublishedLog.at(str(logs.publish(tmp_path / "log", ENTRIES[:6]))))


def test_a_log_that_went_back_is_not_cosigned(witness: Witness, tmp_path: Path) -> None:
    witness.observe(PublishedLog.at(str(logs.publish(tmp_path / "log", ENTRIES))))
    logs.publish(tmp_path / "log", ENTRIES[:5])
    with pytest.raises(Stale):
        witness.observe(PublishedLog.at(str(tmp_path / "log")))
    with pytest.raises(Missing):
        witness.observe(PublishedLog.at(str(logs.publish(tmp_path / "restored", ENTRIES[:5]))))
    assert not (tmp_path / "state/evidence").exists()


def test_a_log_of_another_key_is_not_cosigned(witness: Witness, tmp_path: Path) -> None:
    stranger = LogKey("example.org/stranger", bytes(32))
    with pytest.raises(InvalidNote, match="not signed by"):
        witness.observe(PublishedLog.at(str(logs.publish(tmp_path / "log", ENTRIES, stranger))))


def test_a_size_nobody_can_prove_is_not_cosigned(witness: Witness, tmp_path: Path) -> None:
    log = logs.publish(tmp_path / "log", ENTRIES)
    witness.observe(PublishedLog.at(str(log)))
    (log / "checkpoint").write_text(signed(Checkpoint(logs.ORIGIN, 2**62, bytes(32)), logs.KEY))
    with pytest.raises(Missing):
        witness.observe(PublishedLog.at(str(log)))
