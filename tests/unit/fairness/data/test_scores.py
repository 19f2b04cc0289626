"""A table of anyone's scores can be audited; a table that says two things, or none, is refused with the row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from countenance.errors import InvalidParameter
from countenance.fairness.data import scores
from countenance.fairness.data.scores import ScoreTable, is_of_scores, read_scores

CARD = """
name = "A vendor's test"
source = "the vendor"
licence = "proprietary"
labels = "observed"

[scores]
file = "pairs.csv"
score = "similarity"
higher = "alike"
left = "one"
right = "other"
groupings = [["gender", "race"], ["age"]]
[scores.columns]
gender = ["gender_1", "gender_2"]
race = ["race_1", "race_2"]
age = "age"
"""

HEADER = "similarity,one,other,gender_1,gender_2,race_1,race_2,age\n"
ROWS = "0.9,ann,ann,f,f,x,x,30\n0.1,ann,bo,f,m,x,y,\n-0.2,bo,cy,m,m,y,,40\n"

Read = Callable[..., ScoreTable]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Writes a card and a table, and reads them."""

    def read(table: str = HEADER + ROWS, *changes: tuple[str, str], **options: object) -> ScoreTable:
        card = CARD
        for old, new in changes:
            assert old in card
            card = card.replace(old, new)
        (tmp_path / "card.toml").write_text(card)
        (tmp_path / "pairs.csv").write_text(table)
        return read_scores(tmp_path / "card.toml", **options)  # type: ignore[arg-type]

    return read


def test_every_row_is_a_comparison_of_two_subjects_and_their_groups(read: Read) -> None:
    table = read()
    assert table.scores.tolist() == [0.9, 0.1, -0.2]
    assert table.mated.tolist() == [True, False, False]
    assert table.left is not None
    assert table.right is not None
    assert (table.left.tolist(), table.right.tolist(), table.subjects) == ([0, 0, 1], [0, 1, 2], 3)
    everyone, both, age = table.groupings
    assert (everyone.name, everyone.groups, everyone.left.tolist()) == ("", ("everyone",), [0, 0, 0])
    assert (both.name, both.groups) == ("gender, race", ("gender=f, race=x", "gender=m, race=y"))
    assert (both.left.tolist(), both.right.tolist()) == ([0, 0, 1], [0, 1, -1])
    assert (age.groups, age.left.tolist(), age.right.tolist()) == (("age=30", "age=40"), [0, -1, 1], [0, -1, 1])
    assert len(table.digest) == 64
    assert table.card.name == "A vendor's test"


def test_distances_are_turned_round(read: Read) -> None:
    assert read(HEADER + ROWS, ('"alike"', '"different"')).scores.tolist() == [-0.9, -0.1, 0.2]


@pytest.mark.parametrize("words", ["1 0 0", "true FALSE false", "yes no No", "True  False  0"])
def test_a_table_may_say_what_is_mated_without_saying_who(read: Read, words: str) -> None:
    table = "similarity,same\n" + "".join(f"0.5,{word}\n" for word in words.split())
    change = ('left = "one"\nright = "other"\ngroupings = [["gender", "race"], ["age"]]\n', 'mated = "same"\n')
    found = read(table, change)
    assert found.mated.tolist() == [True, False, False]
    assert (found.left, found.right, found.subjects, len(found.groupings)) == (None, None, None, 1)


def test_a_table_may_be_parquet(read: Read, tmp_path: Path) -> None:
    columns = {
        "similarity": [0.9, 0.1],
        "one": [7, 7],
        "other": [7, 8],
        "age": pa.array(["30", None]).dictionary_encode(),
    }
    pq.write_table(pa.table(columns), tmp_path / "pairs.parquet")
    table = read("", ("pairs.csv", "pairs.parquet"), groupings=[["age"]])
    assert table.scores.tolist() == [0.9, 0.1]
    assert table.mated.tolist() == [True, False]
    assert table.groupings[1].left.tolist() == [0, -1]


def test_a_score_comes_out_as_it_went_in(tmp_path: Path, read: Read) -> None:
    values = np.random.default_rng(4).normal(size=1000)
    pq.write_table(
        pa.table({"similarity": values, "one": range(1000), "other": range(1, 1001)}), tmp_path / "p.parquet"
    )
    assert np.array_equal(read("", ("pairs.csv", "p.parquet"), groupings=[]).scores, values)


def test_another_grouping_and_another_folder_can_be_asked_for(read: Read, tmp_path: Path) -> None:
    table = read(HEADER + ROWS, groupings=[["race"]], folder=tmp_path)
    assert [grouping.name for grouping in table.groupings] == ["", "race"]
    with pytest.raises(InvalidParameter, match=r"'height'; it has gender, race, age"):
        read(HEADER + ROWS, groupings=[["height"]])
    with pytest.raises(InvalidParameter, match="once"):
        read(HEADER + ROWS, groupings=[["age", "age"]])


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("", "no rows"),
        ("nan,a,b,f,m,x,y,1\n", "row 1 .*finite"),
        ("0.1,a,b,f,m,x,y,1\ninf,a,b,f,m,x,y,1\n", "row 2 .*finite"),
        (",a,b,f,m,x,y,1\n", "row 1 .*no score"),
        ("high,a,b,f,m,x,y,1\n", "row 1 .*no score"),
        ("0.1,,b,f,m,x,y,1\n", "row 1 .*lacks a subject"),
        ("0.1,a,b,f,m,x,y\n", "8 columns, got 7"),
    ],
)
def test_a_row_that_says_nothing_is_refused(read: Read, rows: str, told: str) -> None:
    with pytest.raises(InvalidParameter, match=told):
        read(HEADER + rows)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("0.1,ann,ann,0", "row 2 .* not mated, but of one subject"),
        ("0.1,ann,bo,1", "row 2 .* mated, but of two subjects"),
        ("0.1,ann,bo,maybe", "row 2 .*1 or 0"),
        ("0.1,ann,bo,", "row 2 .*1 or 0"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(read: Read, row: str, told: str) -> None:
    with pytest.raises(InvalidParameter, match=told):
        read(
            f"similarity,one,other,same\n0.9,bo,bo,1\n{row}\n",
            ('left = "one"', 'mated = "same"\nleft = "one"'),
            groupings=[],
        )


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('left = "one"\n', "", "come together"),
        ('left = "one"\nright = "other"\n', "", "say which comparisons are mated"),
        ('"alike"', '"better"', "higher"),
        ('score = "similarity"\n', "", "score"),
        ("[scores]", "[score]", "not the card of a table of scores"),
        ('labels = "observed"', "", "labels"),
        ('name = "A', "name = ", "not a card"),
        ('"pairs.csv"', '"../pairs.csv"', "not in the folder"),
        ('"similarity"', '"cosine"', "lacks the column 'cosine'; it has similarity"),
        ('"pairs.csv"', '"others.csv"', "cannot be read as a CSV file"),
    ],
)
def test_a_card_that_cannot_be_followed_is_refused(read: Read, old: str, new: str, told: str) -> None:
    with pytest.raises(InvalidParameter, match=told):
        read(HEADER + ROWS, (old, new))


def test_more_than_fits_is_refused(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "MAX_COMPARISONS", 2)
    with pytest.raises(InvalidParameter, match="more than 2 rows"):
        read()


def test_a_card_says_whether_it_is_of_scores(read: Read, tmp_path: Path) -> None:
    read()
    assert is_of_scores(tmp_path / "card.toml")
    (tmp_path / "card.toml").write_text(CARD.replace("[scores", "[manifest"))
    assert not is_of_scores(tmp_path / "card.toml")
