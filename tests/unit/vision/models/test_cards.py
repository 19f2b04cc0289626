from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from countenance.errors import Misconfigured
from countenance.vision.models.cards import Catalogue, Role

CONTENT = b"weights"

CARD = f"""
name = "ours"
role = "recognizer"
title = "Our own recognizer"
licence = "proprietary"
provenance = "Trained on photos of people who agreed."

[[files]]
name = "ours.onnx"
sha256 = "{hashlib.sha256(CONTENT).hexdigest()}"

[input]
layout = "NCHW"
colour = "BGR"
height = 112
width = 112
mean = [127.5, 127.5, 127.5]
scale = [127.5, 127.5, 127.5]

[outputs]
embedding = "683"

[recognition]
face_model_version = "7.5"
dimension = 512
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ours.toml").write_text(CARD)
    (tmp_path / "ours.onnx").write_bytes(CONTENT)
    return tmp_path


def test_a_server_as_it_comes_has_a_model_for_every_role_pinned_and_accounted_for() -> None:
    cards = Catalogue().defaults()
    assert {card.role for card in cards} == set(Role) - {Role.EMOTION}  # for that, operators bring their own
    assert len(cards) == len(Role) - 1
    for card in cards:
        assert card.licence
        assert len(card.provenance) > 80, f"{card.name}: say where the training data came from"
        for file in card.files:
            assert file.wheel is not None, f"{card.name} comes out of a pinned package"


def test_no_packaged_model_bears_a_licence_that_forbids_commercial_use() -> None:
    assert {card.licence for card in Catalogue()} <= {"MIT", "Apache-2.0", "CC0-1.0"}


def test_an_operators_card_joins_the_packaged_ones(folder: Path, tmp_path: Path) -> None:
    catalogue = Catalogue(folder)
    card = catalogue.recognizer("7.5")
    assert card is catalogue.card("ours")
    assert card.face_model_version == "7.5"
    assert card.read(card.files[0], store=tmp_path / "elsewhere") == CONTENT


def test_a_file_that_is_not_the_pinned_one_is_not_read(folder: Path) -> None:
    (folder / "ours.onnx").write_bytes(CONTENT + b"\0")
    card = Catalogue(folder).card("ours")
    with pytest.raises(Misconfigured, match=r"ours\.onnx is not the file that the card of Our own recognizer pins"):
        card.read(card.files[0], store=folder)


def test_a_missing_file_is_named_with_what_to_do(folder: Path) -> None:
    card = Catalogue().card("sface")
    with pytest.raises(Misconfigured, match="is missing: run `countenance models install`"):
        card.read(card.files[0], store=folder)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('name = "ours"', 'name = "sface"', "Two model cards are named 'sface'"),
        ('"7.5"', '"1.0"', "Two recognizers claim face model version '1.0'"),
        ('name = "ours"', 'name = "../ours"', "is not valid: name"),
        ('name = "ours.onnx"', 'name = "../../etc/passwd"', r"is not valid: files\.0\.name"),
        ("[outputs]", "[output]", "is not valid: outputs|is not valid: output|is not valid: the card"),
        ("height = 112", "height = 160", "a recognizer takes 112x112 pixels"),
        ("scale = [127.5, 127.5, 127.5]", "scale = [0.0, 1.0, 1.0]", "scale divides"),
        ('licence = "proprietary"', "", "is not valid: licence"),
        ("dimension = 512", "dimension = 512\nthreshold = 0.4", "threshold"),
        ("[recognition]", "[recognition", "is not TOML"),
        ('role = "recognizer"', 'role = "detector"', "only a recognizer"),
        (hashlib.sha256(CONTENT).hexdigest(), "unknown", r"is not valid: files\.0\.sha256"),
    ],
)
def test_a_card_that_contradicts_itself_or_others_stops_the_server(
    folder: Path, old: str, new: str, complaint: str
) -> None:
    assert old in CARD
    (folder / "ours.toml").write_text(CARD.replace(old, new))
    with pytest.raises(Misconfigured, match=complaint):
        Catalogue(folder)


def test_a_folder_that_is_not_there_stops_the_server(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="COUNTENANCE_MODELS names, is not a folder"):
        Catalogue(tmp_path / "gone")


def test_unknown_names_and_versions_are_answered_with_what_there_is() -> None:
    with pytest.raises(Misconfigured, match=r"no model card named 'arcface'; there are .*sface"):
        Catalogue().card("arcface")
    with pytest.raises(Misconfigured, match=r"face model version '7\.0'"):
        Catalogue().recognizer("7.0")
    with pytest.raises(Misconfigured, match="'yunet' is no recognizer"):
        _ = Catalogue().card("yunet").face_model_version
