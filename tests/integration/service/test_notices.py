"""Whoever wants to know is told that a job is over, by a webhook that can be checked, sooner or later."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from pydantic import SecretStr

from countenance.errors import CountenanceError
from countenance.policy.vocabulary import Purpose
from countenance.service.notices import SIGNATURE, Announcer
from countenance.settings import Settings
from countenance.storage.database import Database
from countenance.storage.principals import Principals
from countenance.storage.topics import Topics
from countenance.video.jobs import JobKind, Jobs, NewJob
from countenance.video.notices import BACK_OFF_SECONDS, Notices

NOW = 1_764_000_000.0
SECRET = "only the receiver knows"


class Receiver:
    """A webhook's server, which refuses what comes while it is told to."""

    def __init__(self) -> None:
        self.status = 204
        self.received: list[tuple[str, dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks/jobs"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """With a job that has just succeeded, of which the webhook is to be told."""
    database = Database(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    database.migrate()
    principals, jobs = Principals(database), Jobs(database)
    principals.create_organization("archive", "commercial")
    liv = principals.create("liv", "archive", trained_until=NOW)
    new = NewJob(JobKind.FACE_DETECTION, liv, Purpose.PHOTO_LIBRARY, "u-0", "videos", "a.mp4", job_tag="holiday")
    jobs.start(new, NOW, token=None, parameters="", object_tag=None)
    job = jobs.claim("w", NOW)
    assert job is not None
    jobs.finish(job, "w", NOW)
    jobs.record(job, "w", NOW, webhook=True)
    yield database
    database.close()


def announcer(database: Database, tmp_path: Path, url: str) -> Announcer:
    settings = Settings(data=tmp_path / "data", webhook_url=url, webhook_secret=SecretStr(SECRET))
    return Announcer(Notices(database), Topics(settings), settings)


def test_the_webhook_is_told_once_with_a_signature(database: Database, tmp_path: Path, receiver: Receiver) -> None:
    telling = announcer(database, tmp_path, receiver.url)
    assert telling.announce(NOW + 5) == 1
    assert telling.announce(NOW + 10**6) == 0
    ((path, headers, body),) = receiver.received
    assert path == "/hooks/jobs"
    assert headers["content-type"] == "application/json"
    time, _, sent = headers[SIGNATURE].partition(",")
    assert time == f"t={int(NOW + 5)}"
    expected = hmac.digest(SECRET.encode(), f"{int(NOW + 5)}.".encode() + body, "sha256").hex()
    assert sent == f"v1={expected}"
    told = json.loads(body)
    assert len(told.pop("JobId")) == 64
    assert told == {
        "Status": "SUCCEEDED",
        "API": "StartFaceDetection",
        "JobTag": "holiday",
        "Timestamp": round(NOW * 1000),
        "Video": {"S3ObjectName": "a.mp4", "S3Bucket": "videos"},
    }


def test_a_webhook_that_fails_is_told_later(database: Database, tmp_path: Path, receiver: Receiver) -> None:
    telling = announcer(database, tmp_path, receiver.url)
    receiver.status = 503
    assert telling.announce(NOW) == 0
    assert telling.announce(NOW + BACK_OFF_SECONDS[0] - 1) == 0
    assert len(receiver.received) == 1, "it is not tried again before its time"
    receiver.status = 200
    assert telling.announce(NOW + BACK_OFF_SECONDS[0]) == 1


def test_a_webhook_that_never_answers_is_given_up(database: Database, tmp_path: Path) -> None:
    receiver = Receiver()
    receiver.close()
    telling = announcer(database, tmp_path, receiver.url)
    now = NOW
    for wait in (*BACK_OFF_SECONDS, BACK_OFF_SECONDS[-1]):
        assert telling.announce(now) == 0
        now += wait
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM video_notices").scalar_one() == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"webhook_url": "https://example.org/hook"},
        {"webhook_url": "ftp://example.org", "webhook_secret": SecretStr("s")},
        {"webhook_url": "https://example.org/?a=b", "webhook_secret": SecretStr("s")},
        {"sns_access_key_id": "a"},
    ],
)
def test_half_of_it_is_no_setting(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises((ValueError, CountenanceError)):
        Settings(data=tmp_path, **wrong)  # type: ignore[arg-type]
