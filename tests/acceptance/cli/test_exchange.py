"""A collection in a file, and a collection moved here from another Rekognition endpoint."""

from __future__ import annotations

import csv
import shutil
import signal
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.acceptance.cli.conftest import HANG, Shell


def test_what_was_exported_is_found_elsewhere(enrolled: Shell, shell: Shell, portraits: dict[str, Path]) -> None:
    """The same faces with the same ids, and the same answers to the same searches, on another installation."""
    file = shell.home / "people.parquet"
    assert enrolled.json("export", "people", file)["FaceCount"] == 3
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert shell.json("import", file)["CollectionId"] == "people"
    assert shell.faces("people") == enrolled.faces("people")
    search = ("search", portraits["obama2.jpg"], "--collection", "people", "--threshold", "0")
    answers = [installation.json(*search) for installation in (shell, enrolled)]
    assert all(answer.pop("Receipt") > 0 for answer in answers)
    assert answers[0] == answers[1]
    assert shell.json("collections", "describe", "people")["Tags"] == {"from": "demo"}


def test_nothing_is_overwritten(enrolled: Shell, shell: Shell) -> None:
    """Neither a file by an export nor a collection by an import."""
    file = shell.home / "people.parquet"
    enrolled.json("export", "people", file)
    assert "already exists" in enrolled.refused("export", "people", file)
    nowhere = shell.home / "nowhere" / "people.parquet"
    assert enrolled.refused("export", "people", nowhere) == (
        f"countenance: The file {nowhere} cannot be made: No such file or directory."
    )
    shell.json("import", file)
    assert "already exists" in shell.refused("import", file)
    assert shell.json("import", file, "--as", "copy")["CollectionId"] == "copy"


def test_a_damaged_file_leaves_nothing_behind(enrolled: Shell, shell: Shell) -> None:
    """All of it or nothing."""
    file = shell.home / "people.parquet"
    enrolled.json("export", "people", file)
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 0xFF
    file.write_bytes(content)
    assert "amaged" in shell.refused("import", file)
    assert shell.json("collections", "list") == {"Collections": []}


@pytest.fixture(scope="module")
def source(shells: Callable[..., Shell], portraits: dict[str, Path]) -> Iterator[Shell]:
    """A running server with a collection as people have it at Amazon: external ids, users, tags, a face of no user."""
    shell = shells()
    with shell.serving() as rekognition:
        rekognition.create_collection(CollectionId="officials", Tags={"team": "press"})
        ids = {}
        for name, file in (("44-a", "obama.jpg"), ("44-b", "obama3.jpg"), ("46", "biden.jpg"), ("lost", "obama2.jpg")):
            answer = rekognition.index_faces(
                CollectionId="officials",
                ExternalImageId=name,
                Image={"Bytes": portraits[file].read_bytes()},
            )
            ids[name] = answer["FaceRecords"][0]["Face"]["FaceId"]
        rekognition.create_user(CollectionId="officials", UserId="obama")
        rekognition.associate_faces(
            CollectionId="officials", UserId="obama", FaceIds=[ids["44-a"], ids["44-b"], ids["lost"]]
        )
        rekognition.create_user(CollectionId="officials", UserId="nobody-yet")
        yield shell


@pytest.fixture
def originals(portraits: dict[str, Path], tmp_path: Path) -> Path:
    """The photos behind the source's faces; of one the file is missing, and one shows somebody else by now."""
    for name, file in (("44-a", "obama.jpg"), ("46", "biden.jpg")):
        shutil.copy(portraits[file], tmp_path / f"{name}.jpg")
    shutil.copy(portraits["coffee.png"], tmp_path / "44-b.png")
    return tmp_path


def credentials(source: Shell) -> dict[str, str]:
    """The environment by which the AWS SDK knows who asks the source."""
    operator = source.operator()
    return {
        "AWS_ACCESS_KEY_ID": operator["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": operator["aws_secret_access_key"],
        "AWS_DEFAULT_REGION": operator["region"],
    }


def test_a_collection_moves_here_with_its_ids_and_users(
    shells: Callable[..., Shell], source: Shell, originals: Path, portraits: dict[str, Path]
) -> None:
    """Faces keep FaceId, ImageId, ExternalImageId and user; those that cannot be moved are reported with reasons."""
    shell = shells(**credentials(source))
    report = shell.home / "report.csv"
    move = (
        *("import-rekognition", "officials", "--endpoint-url", source.operator()["endpoint_url"]),
        *("--images", originals, "--into", "moved", "--report", report),
    )
    summary = shell.json(*move)
    assert (summary["SourceFaces"], summary["Faces"], summary["Users"]) == (4, 2, 2)
    theirs = {face.external_image_id: face for face in source.faces("officials")}
    ours = {face.external_image_id: face for face in shell.faces("moved")}
    assert set(ours) == {"44-a", "46"}
    for name, face in ours.items():
        there = theirs[name]
        assert (face.face_id, face.image_id, face.user_id) == (there.face_id, there.image_id, there.user_id)
    with report.open() as file:
        reasons = {row["external_image_id"]: row["reason"] for row in csv.DictReader(file)}
    assert reasons == {"lost": "NO_PHOTO", "44-b": "NO_FACE_THERE"}
    described = shell.json("collections", "describe", "moved")
    assert (described["UserCount"], described["Tags"]) == (2, {"team": "press"})
    found = shell.json("search", portraits["obama2.jpg"], "-c", "moved", "--users")["UserMatches"]
    assert [match["User"]["UserId"] for match in found] == ["obama"]
    # Once the missing photos are found, the same command brings the rest.
    shutil.copy(portraits["obama2.jpg"], originals / "lost.jpg")
    (originals / "44-b.png").unlink()
    shutil.copy(portraits["obama3.jpg"], originals / "44-b.jpg")
    summary = shell.json(*move)
    assert (summary["Faces"], summary["FacesDoneEarlier"], summary["NotImported"]) == (4, 2, {})
    assert len([face for face in shell.faces("moved") if face.user_id == "obama"]) == 3


def test_a_manifest_says_which_photo_is_whose(
    shells: Callable[..., Shell], source: Shell, portraits: dict[str, Path]
) -> None:
    """By ImageId and by ExternalImageId, with paths relative to the manifest."""
    shell = shells(**credentials(source))
    theirs = {face.external_image_id: face for face in source.faces("officials")}
    shutil.copy(portraits["obama.jpg"], shell.home / "first.jpg")
    shutil.copy(portraits["biden.jpg"], shell.home / "second.jpg")
    manifest = shell.home / "manifest.csv"
    manifest.write_text(f"image,image_id,external_image_id\nfirst.jpg,{theirs['44-a'].image_id},\nsecond.jpg,,46\n")
    endpoint = source.operator()["endpoint_url"]
    summary = shell.json("import-rekognition", "officials", "--endpoint-url", endpoint, "--manifest", manifest)
    assert (summary["Faces"], summary["NotImported"]) == (2, {"NO_PHOTO": 2})
    assert {face.face_id for face in shell.faces("officials")} == {theirs[name].face_id for name in ("44-a", "46")}


def test_two_photos_of_one_name_are_not_guessed_between(
    shells: Callable[..., Shell], source: Shell, originals: Path, portraits: dict[str, Path]
) -> None:
    """Whichever is right is for a person to say."""
    shell = shells(**credentials(source))
    (originals / "more").mkdir()
    shutil.copy(portraits["biden.jpg"], originals / "more" / "46.jpg")
    endpoint = source.operator()["endpoint_url"]
    summary = shell.json("import-rekognition", "officials", "--endpoint-url", endpoint, "--images", originals)
    assert summary["NotImported"]["AMBIGUOUS_PHOTO"] == 1


def test_a_move_that_is_killed_goes_on(shells: Callable[..., Shell], source: Shell, portraits: dict[str, Path]) -> None:
    """kill -9 after the first face; the same command brings the others, and no face twice."""
    shell = shells(**credentials(source))
    folder = shell.home / "originals"
    folder.mkdir()
    for name, file in (("44-a", "obama.jpg"), ("44-b", "obama3.jpg"), ("46", "biden.jpg"), ("lost", "obama2.jpg")):
        shutil.copy(portraits[file], folder / f"{name}.jpg")
    endpoint = source.operator()["endpoint_url"]
    move = ("import-rekognition", "officials", "--endpoint-url", endpoint, "--images", folder, "--workers", "1")
    run = shell.start(*move)
    database = shell.data / "countenance.sqlite"
    deadline = time.monotonic() + HANG
    before: list[tuple[str]] = []
    while not before:
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < deadline
        if database.exists():
            with closing(sqlite3.connect(database)) as connection:
                if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'faces'").fetchone():
                    before = connection.execute("SELECT face_id FROM faces").fetchall()
        time.sleep(0.002)
    run.send_signal(signal.SIGKILL)
    run.communicate(timeout=HANG)
    summary = shell.json(*move)
    assert summary["Faces"] == 4
    assert summary["FacesDoneEarlier"] >= len(before)
    assert {face_id for (face_id,) in before} <= {face.face_id for face in shell.faces("officials")}
    assert {face.face_id: face.user_id for face in shell.faces("officials")} == {
        face.face_id: face.user_id for face in source.faces("officials")
    }


def test_a_source_that_refuses_is_told_in_one_sentence(
    shells: Callable[..., Shell], source: Shell, originals: Path
) -> None:
    """Unknown collection, wrong secret, nobody there, no photos named."""
    shell = shells(**credentials(source))
    there = ("--endpoint-url", source.operator()["endpoint_url"])
    here = ("--images", originals)
    assert "ResourceNotFoundException" in shell.refused("import-rekognition", "unknown", *there, *here)
    stranger = replace(shell, settings={**shell.settings, "AWS_SECRET_ACCESS_KEY": "wrong"})
    assert "InvalidSignatureException" in stranger.refused("import-rekognition", "officials", *there, *here)
    nobody = ("--endpoint-url", "http://127.0.0.1:9")
    assert "cannot be read" in shell.refused("import-rekognition", "officials", *nobody, *here)
    assert "--images" in shell.refused("import-rekognition", "officials", *there, status=2)
