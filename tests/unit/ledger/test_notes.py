"""Notes are those of c2sp.org/signed-note: the keys and signatures of Go's own tests are read and written alike."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given
from hypothesis import strategies as st

from countenance.ledger import notes
from countenance.ledger.notes import Algorithm, CosignerKey, InvalidKey, InvalidNote, LogKey, Verifier

# From golang.org/x/mod/sumdb/note's tests.
PETER_SKEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PETER_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
ENOCH_VKEY = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
ENOCH = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"

# From github.com/transparency-dev/formats' tests: a witness that works.
REMORA = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"

CHECKPOINT = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

peter, enoch = Verifier.from_vkey(PETER_VKEY), Verifier.from_vkey(ENOCH_VKEY)
witness = CosignerKey("witness.example/w1", b"\x07" * 32)


def test_a_note_is_signed_as_go_signs_it() -> None:
    key = LogKey.from_skey(PETER_SKEY)
    assert (key.name, key.vkey, key.skey) == ("PeterNeumann", PETER_VKEY, PETER_SKEY)
    assert str(notes.Note(TEXT, (key.sign(TEXT),))) == TEXT + "\n" + PETER


def test_a_note_is_read_as_go_reads_it() -> None:
    """Signatures of unknown keys are kept, and mean nothing."""
    both = notes.opened(TEXT + "\n" + PETER + ENOCH, [peter, enoch])
    assert (both.text, len(both.verified), both.unknown) == (TEXT, 2, ())
    one = notes.opened((TEXT + "\n" + PETER + ENOCH).encode(), [peter])
    assert [signature.line() for signature in one.verified] == [PETER]
    assert [signature.line() for signature in one.unknown] == [ENOCH]
    assert one.by(peter) is not None
    assert one.by(enoch) is None


def test_repeated_signatures_of_a_key_count_once() -> None:
    note = notes.opened(TEXT + "\n" + PETER + PETER + ENOCH, [peter])
    assert len(note.verified) == 1


def test_a_note_no_known_key_has_signed_is_refused() -> None:
    for verifiers in ([enoch], []):
        with pytest.raises(InvalidNote, match="is not signed by"):
            notes.opened(TEXT + "\n" + PETER, verifiers)


def test_a_false_signature_of_a_known_key_refuses_the_note() -> None:
    """Also where another known key has signed it well."""
    false = PETER[:60] + "ABCD" + PETER[60:]
    for lines in (false, ENOCH + false, PETER + false):
        with pytest.raises(InvalidNote, match="signature of PeterNeumann on the note is not valid"):
            notes.opened(TEXT + "\n" + lines, [peter, enoch])
    with pytest.raises(InvalidNote, match="not valid"):
        notes.opened("Another text.\n\n" + PETER, [peter])


def test_a_key_of_the_same_name_or_the_same_hash_alone_is_unknown() -> None:
    """And so refuses nothing."""
    same_name = LogKey("PeterNeumann", bytes(32)).sign(TEXT).line()
    signature = notes.parse_signature(PETER[:-1])
    same_hash = notes.Signature("Peter", signature.key_id, signature.content).line()
    note = notes.opened(TEXT + "\n" + same_name + same_hash + PETER, [peter])
    assert (len(note.verified), len(note.unknown)) == (1, 2)


def test_sixteen_signatures_are_read_and_a_hundred_and_one_are_not() -> None:
    others = "".join(LogKey(f"w{number}", bytes([number]) * 32).sign(TEXT).line() for number in range(15))
    assert len(notes.opened(TEXT + "\n" + others + PETER, [peter]).unknown) == 15
    with pytest.raises(InvalidNote, match="at most 100 signatures"):
        notes.parse(TEXT + "\n" + PETER * 101)


def test_a_text_may_have_empty_lines() -> None:
    text = "first\n\nsecond\n"
    key = LogKey.from_skey(PETER_SKEY)
    assert notes.opened(str(notes.Note(text, (key.sign(text),))), [peter]).text == text


@pytest.mark.parametrize(
    "malformed",
    [
        b"",
        b"\n",
        b"text\n",
        TEXT.encode(),
        f"{TEXT}{PETER}".encode(),
        f"{TEXT}\n".encode(),
        f"{TEXT}\n\n".encode(),
        f"{TEXT}\n{PETER[:-1]}".encode(),
        f"{TEXT}\n{PETER}\n".encode(),
        f"{TEXT}\n{PETER[2:]}".encode(),
        f"{TEXT}\n{PETER.replace('—', '-')}".encode(),
        f"{TEXT}\n{PETER.replace(' x08', '  x08')}".encode(),
        f"{TEXT}\n{PETER.replace('=', '')}".encode(),
        f"{TEXT}\n{PETER.replace('nAM=', 'nAN=')}".encode(),  # another encoding of the same bytes
        f"{TEXT}\n{PETER.replace('Peter', 'Peter+')}".encode(),
        (TEXT + "\n" + PETER.replace("PeterN", "Peter\u2003N")).encode(),
        f"{TEXT}\n— PeterNeumann \n".encode(),
        f"{TEXT}\n— PeterNeumann x08gow==\n".encode(),  # a key id and no signature
        f"{TEXT}\n{PETER}garbage\n".encode(),
        f"{TEXT}\r\n\r\n{PETER}".encode(),
        f"a\tb\n\n{PETER}".encode(),
        f"a\x00b\n\n{PETER}".encode(),
        b"\xff\xfe\n\n" + PETER.encode(),
        b"a\xed\xa0\x80\n\n" + PETER.encode(),  # a surrogate
        b"a" * notes.MAX_NOTE_BYTES + f"\n\n{PETER}".encode(),
    ],
)
def test_malformed_notes_are_refused(malformed: bytes) -> None:
    with pytest.raises(InvalidNote):
        notes.parse(malformed)


@given(st.binary(max_size=300) | st.text(max_size=300))
@example("\ud800\n\n" + PETER)
def test_any_bytes_are_a_note_or_refused(data: bytes | str) -> None:
    try:
        note = notes.parse(data)
    except InvalidNote:
        return
    assert str(note) == (data if isinstance(data, str) else data.decode())


@given(st.data())
def test_no_flipped_bit_passes(data: st.DataObject) -> None:
    """In the text, the signature or between them."""
    whole = (TEXT + "\n" + PETER).encode()
    place, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7))
    flipped = whole[:place] + bytes([whole[place] ^ (1 << bit)]) + whole[place + 1 :]
    with pytest.raises(InvalidNote):
        notes.opened(flipped, [peter])


@given(st.text(max_size=50), st.binary(min_size=32, max_size=32))
def test_keys_survive_being_written(name: str, seed: bytes) -> None:
    try:
        key = LogKey(name, seed)
    except InvalidKey:
        assert not name or any(c.isspace() or c < " " or c == "+" or "\ud800" <= c <= "\udfff" for c in name)
        return
    assert LogKey.from_skey(key.skey).vkey == key.vkey
    verifier = Verifier.from_vkey(key.vkey)
    assert verifier.verify("text\n", key.sign("text\n"))
    assert not verifier.verify("texT\n", key.sign("text\n"))


@pytest.mark.parametrize("read", [Verifier.from_vkey, LogKey.from_skey, CosignerKey.from_skey])
@given(st.text(max_size=80))
def test_other_text_is_no_key(read: object, text: str) -> None:
    assert callable(read)
    with pytest.raises(InvalidKey):
        read(text)


@pytest.mark.parametrize(("key", "read"), [(PETER_VKEY, Verifier.from_vkey), (PETER_SKEY, LogKey.from_skey)])
def test_no_part_of_a_key_passes_and_no_changed_character(key: str, read: object) -> None:
    """Every proper slice, and every character moved on by one, as in Go's tests."""
    assert callable(read)
    for start in range(len(key)):
        for stop in range(start, len(key) + 1):
            if (start, stop) != (0, len(key)):
                with pytest.raises(InvalidKey):
                    read(key[start:stop])
    for place, character in enumerate(key):
        with pytest.raises(InvalidKey):
            read(key[:place] + chr(ord(character) + 1) + key[place + 1 :])


def test_a_refused_signer_key_is_not_repeated() -> None:
    """A secret must not reach a log by way of a typing mistake."""
    for spoilt in (PETER_SKEY + "A", PETER_SKEY.replace("c74f", "c74e"), PETER_SKEY[:-4] + "KDFy"):
        with pytest.raises(InvalidKey) as refusal:
            LogKey.from_skey(spoilt)
        assert "AYEK" not in str(refusal.value)
    assert "AYEK" not in repr(LogKey.from_skey(PETER_SKEY))


def test_a_cosignature_signs_the_time_and_the_checkpoint() -> None:
    """The message, the key id and the bytes are those of c2sp.org/tlog-cosignature, put together here by hand."""
    signature = witness.cosign(CHECKPOINT, 1679315147)
    message = b"cosignature/v1\ntime 1679315147\n" + CHECKPOINT.encode()
    private_key = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
    public_key = private_key.public_key().public_bytes_raw()
    key_id = hashlib.sha256(b"witness.example/w1\n\x04" + public_key).digest()[:4]
    content = (1679315147).to_bytes(8, "big") + private_key.sign(message)
    assert signature.line() == f"— witness.example/w1 {base64.b64encode(key_id + content).decode()}\n"
    assert signature.time == 1679315147
    assert witness.vkey == (f"witness.example/w1+{key_id.hex()}+{base64.b64encode(bytes([4]) + public_key).decode()}")
    assert CosignerKey.from_skey(witness.skey).vkey == witness.vkey


def test_a_cosignature_counts_for_its_time_only() -> None:
    signature = witness.cosign(CHECKPOINT, 1679315147)
    later = notes.Signature(signature.name, signature.key_id, (1679315148).to_bytes(8, "big") + signature.content[8:])
    assert witness.verifier.verify(CHECKPOINT, signature)
    assert not witness.verifier.verify(CHECKPOINT, later)
    for content in (b"", b"x", signature.content[:-1], signature.content + b"x", b"\xff" * 72):
        assert not witness.verifier.verify(CHECKPOINT, notes.Signature(signature.name, signature.key_id, content))
    for time in (-1, 2**63):
        with pytest.raises(ValueError, match="no time"):
            witness.cosign(CHECKPOINT, time)


def test_a_key_that_works_elsewhere_is_read() -> None:
    verifier = Verifier.from_vkey(REMORA)
    assert (verifier.algorithm, verifier.vkey) == (Algorithm.COSIGNATURE_V1, REMORA)


def test_a_witness_may_be_known_by_an_ordinary_key() -> None:
    """As older witnesses publish theirs: the same Ed25519 key, under type 1."""
    ordinary = Verifier(witness.name, witness.verifier.public_key)
    assert ordinary.vkey != witness.vkey
    assert ordinary.as_cosigner().vkey == witness.vkey
    assert witness.verifier.as_cosigner() == witness.verifier


def test_the_same_secret_signs_differently_as_a_log_and_as_a_witness() -> None:
    log = LogKey(witness.name, b"\x07" * 32)
    assert not witness.verifier.verify(CHECKPOINT, log.sign(CHECKPOINT))
    assert not log.verifier.verify(CHECKPOINT, witness.cosign(CHECKPOINT, 1))
    with pytest.raises(InvalidKey, match="not one that signs as this program needs it"):
        CosignerKey.from_skey(log.skey)


def test_new_keys_differ() -> None:
    assert LogKey.generate("log").skey != LogKey.generate("log").skey
    assert CosignerKey.generate("w").vkey != CosignerKey.generate("w").vkey


def test_only_whole_lines_are_signed() -> None:
    for text in ("", "no newline", "a\tb\n"):
        with pytest.raises(ValueError, match="ends with a newline"):
            witness.cosign(text, 1)
    with pytest.raises(InvalidKey, match="has 32 bytes"):
        LogKey("log", b"short")
