"""Checkpoints are those of c2sp.org/tlog-checkpoint, and nothing that merely looks like one."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countenance.ledger.checkpoints import Checkpoint, InvalidCheckpoint, read_text, signed, verified
from countenance.ledger.merkle import EMPTY_ROOT
from countenance.ledger.notes import CosignerKey, InvalidNote, LogKey, Note, parse

# The specification's own example.
EXAMPLE = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="

KEY = LogKey("example.com/behind-the-sofa", b"\x01" * 32)
WITNESS = CosignerKey("witness.example/w1", b"\x02" * 32)


def test_the_specifications_example() -> None:
    checkpoint = read_text(EXAMPLE)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.root == base64.b64decode(ROOT)
    assert checkpoint.text == EXAMPLE


def test_extension_lines_are_kept() -> None:
    """They are signed, whatever they mean."""
    checkpoint = read_text(EXAMPLE + "something else\nand more\n")
    assert checkpoint.extensions == ("something else", "and more")
    assert checkpoint.text == EXAMPLE + "something else\nand more\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "origin\n",
        "origin\n1\n",
        f"origin\n1\n{ROOT}",
        f"\n1\n{ROOT}\n",
        f"origin\n\n{ROOT}\n",
        f"origin\n1\n{ROOT}\n\n",
        f"origin\n1\n{ROOT}\n\nextension\n",
        f"origin\n01\n{ROOT}\n",
        f"origin\n+1\n{ROOT}\n",
        f"origin\n-1\n{ROOT}\n",
        f"origin\n1_000\n{ROOT}\n",
        f"origin\n 1\n{ROOT}\n",
        f"origin\n1.0\n{ROOT}\n",
        f"origin\n\u0661\n{ROOT}\n",  # a digit, but not ASCII's
        f"origin\n{2**63}\n{ROOT}\n",
        f"origin\n{'9' * 5000}\n{ROOT}\n",
        f"origin\n1\n{ROOT[:-4]}\n",
        f"origin\n1\n{ROOT} \n",
        f"origin\n1\n{ROOT.replace('2I=', '2J=')}\n",  # another encoding of the same bytes
        f"origin\n1\n{ROOT.rstrip('=')}\n",
        f"origin\n1\n{base64.b64encode(bytes(33)).decode()}\n",
        f"origin\n0\n{ROOT}\n",
    ],
)
def test_malformed_checkpoints_are_refused(text: str) -> None:
    with pytest.raises(InvalidCheckpoint):
        read_text(text)


def test_an_empty_log_has_the_root_of_nothing() -> None:
    checkpoint = Checkpoint("origin", 0, EMPTY_ROOT)
    assert read_text(checkpoint.text) == checkpoint


@given(st.text(max_size=200))
def test_any_text_is_a_checkpoint_or_refused(text: str) -> None:
    try:
        checkpoint = read_text(text)
    except InvalidCheckpoint:
        return
    assert checkpoint.text == text


@given(st.integers(1, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_what_is_signed_is_what_is_read(size: int, root: bytes) -> None:
    checkpoint = Checkpoint(KEY.name, size, root)
    opened = verified(signed(checkpoint, KEY), [KEY.verifier])
    assert (opened.checkpoint, opened.vkey, opened.cosignatures) == (checkpoint, KEY.vkey, ())


def test_cosignatures_of_known_witnesses_are_told() -> None:
    note = parse(signed(read_text(EXAMPLE), KEY))
    cosigned = Note(note.text, (*note.signatures, WITNESS.cosign(note.text, 1679315147)))
    assert [s.time for s in verified(cosigned, [KEY.verifier], [WITNESS.verifier]).cosignatures] == [1679315147]
    assert verified(cosigned, [KEY.verifier]).cosignatures == ()


def test_a_witness_alone_does_not_make_a_checkpoint() -> None:
    cosigned = Note(EXAMPLE, (WITNESS.cosign(EXAMPLE, 1),))
    with pytest.raises(InvalidNote, match="not signed by the log"):
        verified(cosigned, [KEY.verifier], [WITNESS.verifier])
    with pytest.raises(InvalidNote, match="is not signed by"):
        verified(cosigned, [KEY.verifier])


def test_a_log_does_not_sign_for_another() -> None:
    other = LogKey("example.com/other", b"\x03" * 32)
    note = Note(EXAMPLE, (other.sign(EXAMPLE),))
    with pytest.raises(InvalidCheckpoint, match=r"is of example\.com/behind-the-sofa, not of example\.com/other"):
        verified(note, [other.verifier])
    with pytest.raises(ValueError, match="cannot be signed by"):
        signed(read_text(EXAMPLE), other)


def test_a_signed_text_that_is_no_checkpoint_is_refused() -> None:
    with pytest.raises(InvalidCheckpoint):
        verified(Note("something else\n", (KEY.sign("something else\n"),)), [KEY.verifier])
