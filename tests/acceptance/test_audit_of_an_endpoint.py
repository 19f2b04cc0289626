"""An auditor with photos and a key measures a service from outside: ours here, any that speaks Rekognition's API."""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from countenance.errors import InvalidParameter, Misconfigured
from countenance.fairness.data.datasets import DataSet, read_data_set
from countenance.fairness.data.journal import Journal, key_of
from countenance.fairness.endpoints.endpoint import Endpoint
from countenance.fairness.endpoints.inquiries import Answers, inquire
from countenance.fairness.endpoints.plans import Way, plan

from .conftest import Server

CARD = """
name = "Presidents"
source = "official portraits"
licence = "public domain"
labels = "observed"

[manifest]
file = "manifest.csv"
images = ["{file}"]
subject = "{who}"
groupings = [["office"]]
"""

WHO = {
    "obama.jpg": "o,president",
    "obama2.jpg": "o,president",
    "biden.jpg": "b,president",
    "astronaut.png": "c,astronaut",
    "wall.png": "w,president",
    "note.jpg": "n,president",
}


@pytest.fixture(scope="module")
def photos(portraits: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    """Two photos of one president, one of another, an astronaut, a wall, and what is no photo at all."""
    folder = tmp_path_factory.mktemp("photos")
    for name in WHO:
        if name in portraits:
            with Image.open(portraits[name]) as photo:
                photo.thumbnail((320, 320))
                photo.save(folder / name)
    Image.new("RGB", (320, 240), "grey").save(folder / "wall.png")
    (folder / "note.jpg").write_text("not a photo")
    (folder / "card.toml").write_text(CARD)
    (folder / "manifest.csv").write_text("file,who,office\n" + "".join(f"{name},{who}\n" for name, who in WHO.items()))
    return read_data_set(folder / "card.toml", folder)


@pytest.fixture
def auditor(server: Server, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Endpoint]:
    """Makes clients as an auditor would: the address, and a key in the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.secret_access_key)
    monkeypatch.setenv("AWS_DEFAULT_REGION", server.region)
    return lambda url=server.endpoint_url: Endpoint(url, rate=1000)


def _counted(endpoint: Endpoint) -> list[str]:
    """What is sent from now on."""
    sent: list[str] = []
    endpoint.client.meta.events.register("before-call.rekognition.*", lambda model, **_: sent.append(model.name))
    return sent


def _by_subjects(answers: Answers) -> dict[tuple[int, int], list[float]]:
    table = answers.table
    assert table.left is not None
    assert table.right is not None
    scores: dict[tuple[int, int], list[float]] = {}
    for left, right, score in zip(table.left.tolist(), table.right.tolist(), table.scores.tolist(), strict=True):
        scores.setdefault((left, right), []).append(score)
    return scores


def _collections(endpoint: Endpoint) -> list[str]:
    names = endpoint.client.list_collections()["CollectionIds"]
    return [name for name in names if name.startswith("countenance-audit-")]


def test_comparing_and_searching_tell_the_same(auditor: Callable[..., Endpoint], photos: DataSet) -> None:
    endpoint = auditor()
    sent = _counted(endpoint)
    compared = inquire(endpoint, plan(photos, Way.COMPARE))
    assert sent == ["CompareFaces"] * (6 + 3), "the images without a face are compared with nobody"
    searched = inquire(endpoint, plan(photos, Way.SEARCH))
    assert not _collections(endpoint)
    for answers in (compared, searched):
        assert [image.name for image in answers.failures] == ["wall.png", "note.jpg"]
        assert [image.name for image in answers.images] == ["obama.jpg", "obama2.jpg", "biden.jpg", "astronaut.png"]
        table = answers.table
        assert table.mated.sum() == 1
        assert table.scores[table.mated].min() > 95
        assert table.scores[~table.mated].max() < 80
        assert table.subjects == len(set(WHO.values()))
        assert [grouping.name for grouping in table.groupings] == ["", "office"]
    assert (len(compared.table.scores), len(searched.table.scores)) == (3, 6)
    president = compared.table.groupings[1].groups.index("office=president")
    assert set(compared.table.groupings[1].left.tolist()) == {president}, "strangers are compared within groups"
    of_all = _by_subjects(searched)
    for subjects, score in _by_subjects(compared).items():
        assert of_all[subjects] == pytest.approx(score, abs=0.01)
    assert searched.face_model_version is not None
    assert "within groups" in compared.notes


@pytest.mark.parametrize("way", list(Way))
def test_a_run_that_was_stopped_pays_for_no_comparison_twice(
    auditor: Callable[..., Endpoint], photos: DataSet, tmp_path: Path, way: Way
) -> None:
    journal, planned = tmp_path / "journal", plan(photos, way)

    def stop(done: int, _all: int) -> None:
        if done == planned.calls - 1:
            raise KeyboardInterrupt

    endpoint = auditor()
    with pytest.raises(KeyboardInterrupt):
        inquire(endpoint, planned, journal=journal, progress=stop)
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600
    assert not _collections(endpoint), "what it enrolled is gone, also after it was stopped"
    sent = _counted(endpoint)
    heard: list[tuple[int, int]] = []
    answers = inquire(endpoint, planned, journal=journal, progress=lambda done, of: heard.append((done, of)))
    assert len(answers.table.scores) == {Way.COMPARE: 3, Way.SEARCH: 6}[way]
    assert sent.count("CompareFaces") <= 1
    assert sent.count("SearchFaces") <= 1
    assert answers.table.scores.tolist() == inquire(endpoint, planned, journal=journal).table.scores.tolist()
    assert heard[-1] == (planned.calls, planned.calls)


def test_a_collection_that_a_killed_run_left_behind_is_deleted_by_the_next(
    auditor: Callable[..., Endpoint], photos: DataSet, tmp_path: Path
) -> None:
    endpoint = auditor()
    endpoint.client.create_collection(CollectionId="countenance-audit-killed")
    with Journal(tmp_path / "journal") as journal:
        journal.record(key_of(endpoint.name, "collection"), b"countenance-audit-killed")
    inquire(endpoint, plan(photos, Way.SEARCH), journal=tmp_path / "journal")
    assert not _collections(endpoint)


def test_a_key_that_is_refused_is_told(
    auditor: Callable[..., Endpoint], photos: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAXXXXXXXXXXXXXXXX")
    for way in Way:
        with pytest.raises(Misconfigured, match=r"The endpoint answered \w+Exception"):
            inquire(auditor(), plan(photos, way))


def test_an_endpoint_that_is_not_there_is_told(
    auditor: Callable[..., Endpoint], photos: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidParameter, match="https://"):
        auditor("localhost:1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    with pytest.raises(Misconfigured, match=r"cannot be asked.*credentials"):
        inquire(auditor(), plan(photos, Way.COMPARE))


@contextmanager
def _service(*answers: tuple[int, dict[str, Any]]) -> Iterator[str]:
    """A service that gives these answers in turn, and the last for ever."""
    waiting = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


FACE = {"BoundingBox": {"Left": 0.1, "Top": 0.1, "Width": 0.2, "Height": 0.2}}
ALIKE = {"FaceMatches": [{"Similarity": 50.0, "Face": FACE}], "UnmatchedFaces": []}


def test_a_service_that_throttles_is_asked_again(auditor: Callable[..., Endpoint], photos: DataSet) -> None:
    throttled = {"__type": "ThrottlingException", "message": "Slow down"}
    with _service((400, throttled), (500, {}), (200, ALIKE)) as url:
        assert set(inquire(auditor(url), plan(photos, Way.COMPARE)).table.scores.tolist()) == {50}


@pytest.mark.parametrize(
    "answer",
    [
        {"FaceMatches": [{"Similarity": 101.0, "Face": FACE}]},
        {"FaceMatches": [{"Face": FACE}]},
        {"FaceMatches": [{"Similarity": 50.0, "Face": {}}]},
    ],
)
def test_a_service_that_answers_nonsense_is_not_believed(
    auditor: Callable[..., Endpoint], photos: DataSet, answer: dict[str, Any]
) -> None:
    with _service((200, answer)) as url, pytest.raises(Misconfigured, match=r"impossible Similarity|BoundingBox"):
        inquire(auditor(url), plan(photos, Way.COMPARE))


def test_of_several_faces_in_a_photo_the_largest_is_compared(auditor: Callable[..., Endpoint], photos: DataSet) -> None:
    large = {"BoundingBox": {**FACE["BoundingBox"], "Width": 0.5}}
    matched = {"FaceMatches": [{"Similarity": 99.0, "Face": FACE}, {"Similarity": 7.0, "Face": large}]}
    with _service((200, matched)) as url:
        assert set(inquire(auditor(url), plan(photos, Way.COMPARE)).table.scores.tolist()) == {7}
    with _service((200, {"FaceMatches": matched["FaceMatches"][:1], "UnmatchedFaces": [large]})) as url:
        assert set(inquire(auditor(url), plan(photos, Way.COMPARE)).table.scores.tolist()) == {0}


def test_a_service_that_finds_no_face_anywhere_shows_nothing(auditor: Callable[..., Endpoint], photos: DataSet) -> None:
    nobody = {"FaceMatches": [], "UnmatchedFaces": []}
    with _service((200, nobody)) as url, pytest.raises(InvalidParameter, match="no two faces"):
        inquire(auditor(url), plan(photos, Way.COMPARE))
