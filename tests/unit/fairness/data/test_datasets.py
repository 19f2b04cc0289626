"""Any folder of photos with a manifest and a card is a data set; what is unclear about it is refused."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from countenance.errors import InvalidParameter
from countenance.fairness.data.datasets import DataSet, read_data_set

CARD = """
name = "Neighbours"
source = "the street"
licence = "CC0-1.0"
labels = "self-reported"

[manifest]
file = "people.csv"
images = ["front/{id}.jpg", "side/{id}.jpg"]
subject = "{id}"
groupings = [["gender", "street"], ["age"]]
"""

MANIFEST = "id,gender,street,age\n1,female,north,30\n2,male,south,4\n3,female,south,50\n"


class Folder:
    """A data set on disk, to be damaged at will."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.card = root / "cards" / "neighbours.toml"
        self.photos = root / "photos"
        for folder in (self.card.parent, self.photos / "front", self.photos / "side"):
            folder.mkdir(parents=True)
        for person in "123":
            (self.photos / "front" / f"{person}.jpg").touch()
            (self.photos / "side" / f"{person}.jpg").touch()
        self.card.write_text(CARD)
        self.manifest(MANIFEST)

    def manifest(self, text: str) -> None:
        (self.photos / "people.csv").write_text(text)

    def edit(self, old: str, new: str) -> None:
        assert old in self.card.read_text()
        self.card.write_text(self.card.read_text().replace(old, new))

    def read(self) -> DataSet:
        return read_data_set(self.card, self.photos)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_every_row_gives_the_images_of_one_person_and_their_groups(folder: Folder) -> None:
    data_set = folder.read()
    assert data_set.name == "Neighbours"
    assert data_set.subjects == 3
    assert data_set.has_mates
    assert [image.name for image in data_set.images[:2]] == ["front/1.jpg", "side/1.jpg"]
    assert {image.subject for image in data_set.images[:2]} == {"1"}
    assert data_set.images[0].groups == ("gender=female, street=north", "age=30")


def test_without_a_subject_every_image_is_a_person(folder: Folder) -> None:
    folder.edit('subject = "{id}"\n', "")
    data_set = folder.read()
    assert data_set.subjects == 6
    assert not data_set.has_mates


def test_who_is_outside_belongs_to_no_other_group(folder: Folder) -> None:
    folder.card.write_text(CARD + '\n[manifest.outside]\nage = ["4", "5"]\n')
    images = folder.read().images
    assert [image.outside for image in images] == [False, False, True, True, False, False]
    assert images[2].groups == ("age=4",)


def test_people_found_to_be_one_are_never_strangers_to_each_other(folder: Folder) -> None:
    folder.edit('subject = "{id}"\n', 'same_identity = "same.csv"\n')
    (folder.card.parent / "same.csv").write_text(
        "image,other,reason\nfront/1.jpg,side/1.jpg,same coat\nside/1.jpg,front/3.jpg,same coat\n"
    )
    data_set = folder.read()
    identity = {image.name: image.identity for image in data_set.images}
    assert identity["front/1.jpg"] == identity["side/1.jpg"] == identity["front/3.jpg"] != identity["side/3.jpg"]
    assert data_set.subjects == 4
    assert data_set.corrections == 2
    assert data_set.corrections_sha256 is not None
    assert len({image.subject for image in data_set.images}) == 6, "nor are they counted as mates"


def test_a_correction_of_an_unknown_image_is_refused(folder: Folder) -> None:
    folder.edit("groupings", 'same_identity = "same.csv"\ngroupings')
    (folder.card.parent / "same.csv").write_text("image,other,reason\nfront/1.jpg,front/9.jpg,same coat\n")
    with pytest.raises(InvalidParameter, match=r"front/9\.jpg"):
        folder.read()


def test_a_correction_without_a_reason_is_refused(folder: Folder) -> None:
    folder.edit("groupings", 'same_identity = "same.csv"\ngroupings')
    (folder.card.parent / "same.csv").write_text("image,other\nfront/1.jpg,front/3.jpg\n")
    with pytest.raises(InvalidParameter, match="reason"):
        folder.read()


def test_a_correction_that_nobody_gave_a_reason_for_is_refused(folder: Folder) -> None:
    folder.edit("groupings", 'same_identity = "same.csv"\ngroupings')
    (folder.card.parent / "same.csv").write_text("image,other,reason\nfront/1.jpg,front/3.jpg, \n")
    with pytest.raises(InvalidParameter, match=r"no reason why 'front/1\.jpg'"):
        folder.read()


@pytest.mark.parametrize("field", ["name", "source", "licence", "labels"])
def test_a_card_must_say_who_where_from_under_which_licence_and_how_it_is_known(folder: Folder, field: str) -> None:
    lines = [line for line in CARD.splitlines() if not line.startswith(f"{field} =")]
    folder.card.write_text("\n".join(lines))
    with pytest.raises(InvalidParameter, match=field):
        folder.read()


@pytest.mark.parametrize(
    "card", ["", "name = ", "[manifest]\nfile = 3", CARD.replace("self-reported", "guessed"), CARD + "\nfoo = 1\n"]
)
def test_what_is_no_card_is_refused(folder: Folder, card: str) -> None:
    folder.card.write_text(card)
    with pytest.raises(InvalidParameter, match="not a data set card"):
        folder.read()


def test_a_card_that_is_not_there_is_refused(folder: Folder) -> None:
    folder.card.unlink()
    with pytest.raises(InvalidParameter, match="not a data set card"):
        folder.read()


def test_a_photo_that_is_not_there_is_refused_unless_rows_may_lack_some(folder: Folder) -> None:
    (folder.photos / "side" / "2.jpg").unlink()
    with pytest.raises(InvalidParameter, match=r"side/2\.jpg"):
        folder.read()
    folder.edit("groupings", "skip_missing = true\ngroupings")
    assert len(folder.read().images) == 5


@pytest.mark.parametrize("name", ["../../cards/neighbours.toml", "/etc/hostname"])
def test_a_manifest_cannot_reach_out_of_its_folder(folder: Folder, name: str) -> None:
    folder.edit('images = ["front/{id}.jpg", "side/{id}.jpg"]', 'images = ["{id}"]')
    folder.manifest(f"id,gender,street,age\n{name},female,north,30\n")
    with pytest.raises(InvalidParameter, match="not in the folder"):
        folder.read()


def test_a_link_cannot_lead_out_of_the_folder_either(folder: Folder) -> None:
    (folder.photos / "front" / "1.jpg").unlink()
    (folder.photos / "front" / "1.jpg").symlink_to("/etc/hostname")
    with pytest.raises(InvalidParameter, match="not in the folder"):
        folder.read()


def test_a_column_the_card_speaks_of_must_be_there(folder: Folder) -> None:
    folder.manifest("id,gender,age\n1,female,30\n")
    with pytest.raises(InvalidParameter, match="street"):
        folder.read()


@pytest.mark.parametrize("pattern", ["{id.__class__}", "{id[0]}", "{0}", "{id", "{id!x}"])
def test_a_pattern_names_columns_and_does_nothing_else(folder: Folder, pattern: str) -> None:
    folder.edit('subject = "{id}"', f'subject = "{pattern}"')
    with pytest.raises(InvalidParameter, match="pattern"):
        folder.read()


def test_an_image_named_twice_is_refused(folder: Folder) -> None:
    folder.manifest(MANIFEST + "1,female,north,30\n")
    with pytest.raises(InvalidParameter, match="twice"):
        folder.read()


@pytest.mark.parametrize("manifest", [b"id,gender,street,age\n", b"\xff\xfe\x00", b'id,gender,street,age\n"1,2\n'])
def test_a_manifest_that_says_nothing_is_refused(folder: Folder, manifest: bytes) -> None:
    (folder.photos / "people.csv").write_bytes(manifest)
    with pytest.raises(InvalidParameter):
        folder.read()


def test_a_manifest_may_be_parquet(folder: Folder) -> None:
    folder.edit("people.csv", "people.parquet")
    folder.edit("groupings", 'taken = ["{born}"]\ngroupings')
    people = {"id": [1, 2, 3], "gender": ["female", "male", None], "street": ["north", "south", "south"]}
    born = [date(1990, 7, 2), date(1960, 1, 1), None]
    pq.write_table(pa.table({**people, "age": [30, 4, 50], "born": born}), folder.photos / "people.parquet")
    images = folder.read().images
    assert [image.name for image in images[:3]] == ["front/1.jpg", "side/1.jpg", "front/2.jpg"]
    assert images[0].groups == ("gender=female, street=north", "age=30")
    assert images[0].years == pytest.approx(1990.5, abs=0.01)
    assert images[2].years == 1960
    assert (images[4].groups, images[4].years) == (("", "age=50"), None)


def test_what_is_no_parquet_is_refused(folder: Folder) -> None:
    folder.edit("people.csv", "people.parquet")
    for content in (b"", b"id,gender\n", b"PAR1" + b"\xff" * 64 + b"PAR1"):
        (folder.photos / "people.parquet").write_bytes(content)
        with pytest.raises(InvalidParameter, match="Parquet"):
            folder.read()


def test_photos_in_a_column_are_no_labels(folder: Folder) -> None:
    folder.edit("people.csv", "people.parquet")
    pq.write_table(pa.table({"id": [[1, 2], [3]], "gender": ["f", "m"]}), folder.photos / "people.parquet")
    with pytest.raises(InvalidParameter, match="no label"):
        folder.read()


def test_who_says_nothing_is_in_no_group(folder: Folder) -> None:
    folder.manifest("id,gender,street,age\n1,female,north,30\n2,,south,4\n3, ,south,\n")
    groups = [image.groups for image in folder.read().images[::2]]
    assert groups == [("gender=female, street=north", "age=30"), ("", "age=4"), ("", "")]


def test_a_row_without_all_its_values_is_refused(folder: Folder) -> None:
    folder.manifest("id,gender,street,age\n1,female,north\n")
    with pytest.raises(InvalidParameter, match="4 columns, got 3"):
        folder.read()


def test_a_column_that_is_there_twice_is_refused(folder: Folder) -> None:
    folder.manifest("id,gender,gender,street,age\n1,female,male,north,30\n")
    with pytest.raises(InvalidParameter, match="two columns"):
        folder.read()


def test_another_grouping_than_that_of_the_card_can_be_asked_for(folder: Folder) -> None:
    data_set = read_data_set(folder.card, folder.photos, groupings=[["street"], ["age", "gender"], ["street"]])
    assert data_set.images[0].groups == ("street=north", "age=30, gender=female")
    assert data_set.description.manifest.groupings == (("street",), ("age", "gender"))
    with pytest.raises(InvalidParameter, match=r"'height'.*it has id, gender, street, age"):
        read_data_set(folder.card, folder.photos, groupings=[["height"]])
    with pytest.raises(InvalidParameter, match="once"):
        read_data_set(folder.card, folder.photos, groupings=[["age", "age"]])
    with pytest.raises(InvalidParameter, match="one or more"):
        read_data_set(folder.card, folder.photos, groupings=[[]])


@pytest.mark.parametrize(
    ("taken", "years"),
    [
        ('["2015", "2024"]', [2015, 2024]),
        ('["2015-01-01", "2015-12-31"]', [2015, pytest.approx(2015.9966, abs=1e-4)]),
        ('["{age}"]', [30, 30]),
        ('["{age}", "31.5"]', [30, 31.5]),
        ('["", "40"]', [None, 40]),
    ],
)
def test_the_card_says_when_photos_were_taken(folder: Folder, taken: str, years: list[float | None]) -> None:
    folder.edit("groupings", f"taken = {taken}\ngroupings")
    assert [image.years for image in folder.read().images[:2]] == years


@pytest.mark.parametrize(
    ("taken", "told"),
    [
        ('["last year"]', "'last year' is not when"),
        ('["2015-02-30"]', "2015-02-30"),
        ('["nan"]', "'nan' is not when"),
        ('["-3"]', "'-3' is not when"),
        ('["500"]', "'500' is not when"),
        ('["30", "2024"]', "one or the other"),
        ('["1", "2", "3"]', "one pattern for all images"),
        ('["{height}"]', "'height'"),
    ],
)
def test_what_is_no_time_is_refused(folder: Folder, taken: str, told: str) -> None:
    folder.edit("groupings", f"taken = {taken}\ngroupings")
    with pytest.raises(InvalidParameter, match=told):
        folder.read()


FOLDERS_CARD = CARD[: CARD.index("[manifest]")] + '[manifest]\nfolders = ["gender", "subject"]\n'


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Card and folder of photos in folders, one of each subject."""
    for name in ("woman/ann/1.jpg", "woman/ann/2.png", "man/bo/1.jpg", "man/ann/1.JPG"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "photos" / "woman" / "notes.txt").touch()
    (tmp_path / "card.toml").write_text(FOLDERS_CARD + 'groupings = [["gender"]]\n')
    return tmp_path


def test_folders_may_say_who_is_who(tree: Path) -> None:
    data_set = read_data_set(tree / "card.toml", tree / "photos")
    assert data_set.has_mates
    assert {(image.name, image.subject, image.groups) for image in data_set.images} == {
        ("man/ann/1.JPG", "man/ann", ("gender=man",)),
        ("man/bo/1.jpg", "man/bo", ("gender=man",)),
        ("woman/ann/1.jpg", "woman/ann", ("gender=woman",)),
        ("woman/ann/2.png", "woman/ann", ("gender=woman",)),
    }


def test_folders_without_a_subject_hold_one_photo_of_each_person(tree: Path) -> None:
    (tree / "card.toml").write_text(FOLDERS_CARD.replace('"subject"', '"street"') + 'groupings = [["street"]]\n')
    data_set = read_data_set(tree / "card.toml", tree / "photos")
    assert not data_set.has_mates
    assert data_set.subjects == 4


def test_a_photo_that_lies_elsewhere_in_the_folders_is_refused(tree: Path) -> None:
    (tree / "photos" / "woman" / "stray.jpg").touch()
    with pytest.raises(InvalidParameter, match=r"woman/stray\.jpg lies in 1 folders, but the card names 2"):
        read_data_set(tree / "card.toml", tree / "photos")


def test_a_link_in_the_folders_cannot_lead_out_of_them(tree: Path) -> None:
    (tree / "photos" / "man" / "bo" / "2.jpg").symlink_to("/etc/hostname")
    with pytest.raises(InvalidParameter, match="leads out"):
        read_data_set(tree / "card.toml", tree / "photos")


@pytest.mark.parametrize("more", ['file = "people.csv"', 'images = ["{id}.jpg"]'])
def test_who_is_who_is_said_by_folders_or_by_rows_and_not_by_both(tree: Path, more: str) -> None:
    (tree / "card.toml").write_text(FOLDERS_CARD + more)
    with pytest.raises(InvalidParameter, match="either file and images, or folders"):
        read_data_set(tree / "card.toml", tree / "photos")


def test_a_manifest_outside_the_folder_of_photos_is_refused(folder: Folder) -> None:
    folder.edit('file = "people.csv"', 'file = "../cards/neighbours.toml"')
    with pytest.raises(InvalidParameter, match="not in the folder"):
        folder.read()
