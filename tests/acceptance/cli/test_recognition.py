"""Index, search, compare and detect from the command line."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

from PIL import Image

from countenance.gallery.collections import Collections
from tests.acceptance.cli.conftest import Shell


def test_another_photo_finds_the_person_and_a_stranger_finds_nobody(
    enrolled: Shell, portraits: dict[str, Path]
) -> None:
    """The main job."""
    found = enrolled.json("search", portraits["obama2.jpg"], "--collection", "people")["FaceMatches"]
    assert {match["Face"]["ExternalImageId"] for match in found} >= {"obama.jpg"}
    assert not any("biden" in match["Face"]["ExternalImageId"] for match in found)
    assert enrolled.json("search", portraits["astronaut.png"], "--collection", "people")["FaceMatches"] == []


def test_tables_are_for_people(enrolled: Shell, portraits: dict[str, Path]) -> None:
    """Without --json, the same is said in words."""
    found = enrolled.run("search", portraits["obama2.jpg"], "--collection", "people")
    assert "obama.jpg" in found.stdout
    nobody = enrolled.run("search", portraits["astronaut.png"], "--collection", "people")
    assert nobody.stdout == "Nobody in the collection matches.\n"


def test_at_most_as_many_matches_as_asked_for(enrolled: Shell, portraits: dict[str, Path]) -> None:
    """--max-faces bounds the answer, --threshold 0 lets everybody in."""
    arguments = ("search", portraits["obama2.jpg"], "--collection", "people", "--threshold", "0")
    everybody = enrolled.json(*arguments)["FaceMatches"]
    assert len(everybody) == 3
    assert enrolled.json(*arguments, "--max-faces", "1")["FaceMatches"] == everybody[:1]


def test_users_are_searched_by_their_faces(shell: Shell, people: Path, portraits: dict[str, Path]) -> None:
    """A user has several faces and is found by another."""
    shell.collection("people")
    shell.json("index", people, "-c", "people", "--external-image-id", "stem")
    listed = shell.faces("people")
    his = [face.face_id for face in listed if "obama" in face.external_image_id]
    (other,) = [face.face_id for face in listed if face.face_id not in his]
    assert len(his) == 2
    shell.json("users", "create", "people", "potus44")
    assert sorted(shell.json("users", "associate", "people", "potus44", *his)["Changed"]) == sorted(his)
    found = shell.json("search", portraits["obama2.jpg"], "-c", "people", "--users")["UserMatches"]
    assert [match["User"]["UserId"] for match in found] == ["potus44"]
    stranger = shell.run("users", "associate", "people", "potus44", other, "--json")
    assert stranger.returncode == 1
    assert json.loads(stranger.stdout)["Unchanged"][0]["Reasons"] == ["LOW_MATCH_CONFIDENCE"]
    kept = shell.run("faces", "delete", "people", his[0])
    assert (kept.returncode, "ASSOCIATED_TO_AN_EXISTING_USER" in kept.stdout) == (1, True)
    shell.json("users", "disassociate", "people", "potus44", *his)
    assert shell.json("users", "list", "people") == {"Users": [{"UserId": "potus44", "UserStatus": "CREATED"}]}
    assert shell.json("faces", "delete", "people", his[0]) == {
        "DeletedFaces": [his[0]],
        "UnsuccessfulFaceDeletions": [],
    }
    shell.json("users", "delete", "people", "potus44")
    assert len(shell.faces("people")) == 2


def test_compare_says_how_alike_two_people_are(enrolled: Shell, portraits: dict[str, Path]) -> None:
    """One person twice, two people, and nobody at all."""
    same = enrolled.json("compare", portraits["obama.jpg"], portraits["obama2.jpg"])
    assert len(same["FaceMatches"]) == 1
    assert same["UnmatchedFaces"] == []
    different = enrolled.json("compare", portraits["obama.jpg"], portraits["biden.jpg"])
    assert (different["FaceMatches"], len(different["UnmatchedFaces"])) == ([], 1)
    assert "no faces in the target" in enrolled.refused("compare", portraits["obama.jpg"], portraits["coffee.png"])


def test_detect_draws_what_it_found(shell: Shell, portraits: dict[str, Path]) -> None:
    """The annotated photo has the size of the photo, and differs from it where the face is."""
    drawing = shell.home / "drawn.png"
    (face,) = shell.json("detect", portraits["astronaut.png"], "--draw", drawing)["FaceDetails"]
    assert len(face["Landmarks"]) == 5
    photo, drawn = (Image.open(path).convert("RGB") for path in (portraits["astronaut.png"], drawing))
    assert photo.size == drawn.size
    corner = (
        round(face["BoundingBox"]["Left"] * photo.width),
        round((face["BoundingBox"]["Top"] + face["BoundingBox"]["Height"] / 2) * photo.height),
    )
    assert drawn.getpixel(corner) != photo.getpixel(corner)
    assert drawn.getpixel((0, 0)) == photo.getpixel((0, 0))
    content = drawing.read_bytes()
    assert "overwrite the photo itself" in shell.refused("detect", drawing, "--draw", drawing)
    assert drawing.read_bytes() == content


def test_detect_measures_what_it_is_asked_for(shell: Shell, portraits: dict[str, Path]) -> None:
    """Attributes are those of DetectFaces."""
    (face,) = shell.json("detect", portraits["astronaut.png"], "--attributes", "ALL")["FaceDetails"]
    assert len(face["Landmarks"]) == 30
    assert face["EyesOpen"]["Value"] is True
    assert "there are DEFAULT, ALL" in " ".join(
        shell.run("detect", portraits["astronaut.png"], "--attributes", "SOUL").stderr.replace("│", "").split()
    )


def test_a_photo_without_a_face_is_no_failure(shell: Shell, portraits: dict[str, Path]) -> None:
    """Detecting nobody is an answer."""
    assert shell.json("detect", portraits["coffee.png"])["FaceDetails"] == []
    assert shell.run("detect", portraits["coffee.png"]).stdout == "No face was found.\n"


def test_indexing_reports_what_was_left_out_and_why(shell: Shell, people: Path) -> None:
    """Unreadable files do not stop it; each has its line in the report."""
    shell.collection("people")
    (people_copy := shell.home / "copy").mkdir()
    shutil.copytree(people, people_copy, dirs_exist_ok=True)
    (people_copy / "=formula.jpg").symlink_to(shell.home / "nowhere.jpg")
    report = shell.home / "report.csv"
    summary = shell.json("index", people_copy, "--collection", "people", "--report", report)
    assert (summary["Photos"], summary["PhotosWithFaces"], summary["Faces"]) == (5, 3, 3)
    with report.open() as file:
        rows = {row["photo"]: row for row in csv.DictReader(file)}
    assert {name: row["reason"] for name, row in rows.items()} == {
        "coffee.png": "NO_FACE",
        "torn.jpg": "InvalidImageFormatException",
    }
    assert summary["NotIndexed"] == {"NO_FACE": 1, "InvalidImageFormatException": 1}
    assert "ends before the image does" in rows["torn.jpg"]["message"]


def test_the_report_names_faces_that_were_not_good_enough(shell: Shell, portraits: dict[str, Path]) -> None:
    """Rekognition's reasons, with the place in the photo, as JSON lines when the file is so named."""
    folder = shell.home / "photos"
    folder.mkdir()
    with Image.open(portraits["obama.jpg"]) as photo:
        pair = Image.new("RGB", (photo.width * 2, photo.height))
        pair.paste(photo, (0, 0))
        pair.paste(photo, (photo.width, 0))
        pair.save(folder / "twice.jpg")
    shell.collection("people")
    report = shell.home / "report.jsonl"
    summary = shell.json("index", folder, "-c", "people", "--max-faces", "1", "--report", report)
    assert summary["Faces"] == 1
    (row,) = map(json.loads, report.read_text().splitlines())
    assert (row["photo"], row["reason"]) == ("twice.jpg", "EXCEEDS_MAX_FACES")
    assert 0 < row["width"] < 1


def test_done_photos_are_skipped_unless_asked_again(shell: Shell, people: Path) -> None:
    """A second run works on what is new or was refused; --again on everything, without a second copy of any face."""
    shell.collection("people")
    first = shell.json("index", people, "-c", "people")
    assert first["PhotosDoneEarlier"] == 0
    second = shell.json("index", people, "-c", "people")
    # The torn photo is tried again: it may have been mended.
    assert second["PhotosDoneEarlier"] == second["Photos"] - 1
    assert (second["Faces"], second["NotIndexed"]) == (first["Faces"], first["NotIndexed"])
    again = shell.json("index", people, "-c", "people", "--again")
    assert (again["PhotosDoneEarlier"], again["Faces"]) == (0, first["Faces"])
    assert len(shell.faces("people")) == first["Faces"]


def test_a_collection_made_anew_is_filled_anew(shell: Shell, people: Path) -> None:
    """What was done for a collection that is gone counts nothing for its namesake."""
    for _ in range(2):
        shell.collection("people")
        assert shell.json("index", people, "-c", "people")["PhotosDoneEarlier"] == 0
        with shell.database() as database:
            Collections(database).delete("people")


def test_faces_lead_back_to_their_files(shell: Shell, people: Path) -> None:
    """The ExternalImageId is the path below the folder; one that had to be altered ends in a digest."""
    shell.collection("people")
    shell.json("index", people, "-c", "people")
    named = sorted(str(face.external_image_id) for face in shell.faces("people"))
    assert named[:2] == ["biden.jpg", "obama.jpg"]
    assert re.fullmatch(r"older_photos:obama3\.jpg-[0-9a-f]{8}", named[2])
