"""The cards that the documentation shows are cards."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from countenance.fairness.data.datasets import read_data_set
from countenance.fairness.data.scores import is_of_scores, read_scores

DOCUMENT = Path(__file__).parents[3] / "docs" / "fairness.md"
CARDS = re.findall(r"```toml\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)

SAID = 'name = "N"\nsource = "S"\nlicence = "L"\nlabels = "none"\n'


@pytest.mark.parametrize("text", CARDS)
def test_a_documented_card_is_taken_as_it_stands(text: str, tmp_path: Path) -> None:
    card = tmp_path / "card.toml"
    card.write_text(text if "name =" in text else SAID + text)
    (tmp_path / "people.csv").write_text("id,year,gender,ethnicity,age_band\n1,2024,f,x,20-29\n")
    (tmp_path / "scores.csv").write_text("score,subject_1,subject_2,gender_1,gender_2\n0.5,a,b,f,m\n")
    for name in ("front/1.jpg", "side/1.jpg", "x/f/1/photo.jpg"):
        if name.startswith("x/") == ("folders" in text):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
    if is_of_scores(card):
        assert read_scores(card).groupings[1].groups == ("gender=f", "gender=m")
    else:
        assert all(group for image in read_data_set(card, tmp_path).images for group in image.groups)
