"""Collections and their faces, kept from the command line."""

from __future__ import annotations

import json

from tests.acceptance.cli.conftest import Shell


def test_a_collection_from_its_beginning_to_its_end(shell: Shell) -> None:
    """Created, tagged, described, listed, and erased only when it is meant."""
    created = shell.json("collections", "create", "people", "--tag", "team=press", "--tag", "year=2024")
    assert (created["CollectionId"], created["FaceCount"], created["UserCount"]) == ("people", 0, 0)
    assert "already exists" in shell.refused("collections", "create", "people")
    assert shell.json("collections", "tag", "people", "team=news")["Tags"] == {"team": "news", "year": "2024"}
    assert shell.json("collections", "untag", "people", "year", "never-there")["Tags"] == {"team": "news"}
    described = shell.json("collections", "describe", "people")
    assert described == {**created, "Tags": {"team": "news"}}
    assert shell.json("collections", "list") == {"Collections": [created]}
    unsure = shell.run("collections", "delete", "people", answer="n\n")
    assert unsure.returncode == 1
    assert shell.run("collections", "delete", "people", answer="y\n").returncode == 0
    assert "does not exist" in shell.refused("collections", "describe", "people")


def test_the_same_is_said_in_tables(enrolled: Shell) -> None:
    """For people."""
    faces = enrolled.faces("people")
    listed = [json.loads(line) for line in enrolled.run("faces", "list", "people", "--json").stdout.splitlines()]
    assert [face["FaceId"] for face in listed] == [face.face_id for face in faces]
    table = enrolled.run("faces", "list", "people").stdout
    assert all(face.face_id in table and str(face.external_image_id) in table for face in faces)
    assert "from=demo" in enrolled.run("collections", "describe", "people").stdout


def test_ids_are_held_against_rekognitions_patterns(shell: Shell) -> None:
    """Before anything is opened: the command line itself is wrong, and no folder is made."""
    for arguments in (
        ("collections", "create", "no spaces"),
        ("collections", "create", "x" * 256),
        ("collections", "create", "people", "--tag", "novalue"),
        ("faces", "delete", "people", "not-a-face-id"),
        ("users", "create", "people", "a/b"),
    ):
        assert "Invalid value" in shell.refused(*arguments, status=2)
    assert not shell.data.exists()


def test_a_data_folder_that_is_not_there_is_not_made_by_looking(shell: Shell) -> None:
    """A mistyped --data is a mistake, not a new installation."""
    assert "There is no data folder" in shell.refused("collections", "list")
    assert not shell.data.exists()
