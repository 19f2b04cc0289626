"""The card that the documentation shows is one."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from countenance.vision.models.cards import Catalogue, Classification

DOCUMENT = Path(__file__).parents[3] / "docs" / "models.md"


def test_the_documented_recognizer_card_is_taken_as_it_stands(tmp_path: Path) -> None:
    card, classification = re.findall(r"```toml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    (tmp_path / "house.toml").write_text(card)
    assert Catalogue(tmp_path).card("house").face_model_version == "20.0"
    Classification.model_validate(tomllib.loads(classification)["classification"])
