"""Whoever wants to know is told that a job is over: by SNS, as Rekognition tells it, and by a signed webhook.

Nothing waits for a notice, and none is lost by a restart: what could not be delivered is tried again, later and later.
It may come twice.
"""

from __future__ import annotations

import hmac
import json
from urllib.parse import unquote, urlsplit

import structlog

from countenance.errors import CountenanceError
from countenance.ledger.fetching import Server, Unreachable
from countenance.settings import Settings
from countenance.storage.topics import Topics
from countenance.video.notices import BACK_OFF_SECONDS, Notice, Notices

# What the webhook's receiver checks: the time of signing in UTC seconds, and HMAC-SHA-256 of "TIME.BODY" in hex.
SIGNATURE = "x-countenance-signature"
WEBHOOK_SECONDS = 10.0
MAX_ANSWER_BYTES = 65_536

log = structlog.get_logger("countenance.notices")


class Announcer:
    """Delivers the notices of a database; for one thread."""

    def __init__(self, notices: Notices, topics: Topics, settings: Settings) -> None:
        self._notices = notices
        self._topics = topics
        self._settings = settings

    def announce(self, now: float) -> int:
        """Try everything that is due at `now`, in UTC seconds; how many were delivered."""
        delivered = 0
        while (notice := self._notices.take(now)) is not None:
            try:
                self._deliver(notice, now)
            except CountenanceError as error:
                given_up = notice.attempts > len(BACK_OFF_SECONDS)
                log.warning("not_told", job=notice.job_id, reason=error.message, given_up=given_up)
                if given_up:
                    self._notices.done(notice)
                continue
            self._notices.done(notice)
            delivered += 1
        return delivered

    def _deliver(self, notice: Notice, now: float) -> None:
        body = message(notice)
        if notice.topic is not None:
            self._topics.publish(notice.topic, body)
            return
        url, secret = self._settings.webhook_url, self._settings.webhook_secret
        if url is None or secret is None:
            return  # it was taken out of the settings since
        parts = urlsplit(url)
        server = Server(f"{parts.scheme}://{parts.netloc}", seconds=WEBHOOK_SECONDS)
        headers = {
            "Content-Type": "application/json",
            SIGNATURE: signature(secret.get_secret_value(), int(now), body),
        }
        try:
            answer = server.post(unquote(parts.path.lstrip("/")), body.encode(), MAX_ANSWER_BYTES, headers)
        finally:
            server.close()
        if answer.status // 100 != 2:
            raise Unreachable(f"The webhook answers with status {answer.status}.")


def message(notice: Notice) -> str:
    """What Rekognition publishes to a topic: the job, how it ended, and when, in milliseconds of the epoch."""
    told = {
        "JobId": notice.job_id,
        "Status": notice.state,
        "API": f"Start{notice.kind}",
        "JobTag": notice.job_tag,
        "Timestamp": round(notice.finished_at * 1000),
        "Video": {"S3ObjectName": notice.object_name, "S3Bucket": notice.bucket},
    }
    return json.dumps({name: value for name, value in told.items() if value is not None})


def signature(secret: str, at: int, body: str) -> str:
    """`t=TIME,v1=HEX`: HMAC-SHA-256, keyed by the secret, of the time of signing, a point and the body."""
    signed = hmac.digest(secret.encode(), f"{at}.{body}".encode(), "sha256").hex()
    return f"t={at},v1={signed}"
