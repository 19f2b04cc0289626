"""One worker's work on one job: the video is fetched, looked at segment by segment, and what it came to is recorded."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from countenance.errors import CountenanceError, InvalidVideo, Unaccountable
from countenance.policy.vocabulary import Purpose
from countenance.service.actions import Action
from countenance.service.callers import Caller
from countenance.service.uses import Use, Uses
from countenance.service.videos import ALL
from countenance.settings import Settings
from countenance.storage.objects import Found, S3Photos
from countenance.video.decoding import Video, VideoLimits, opened
from countenance.video.jobs import LEASE_SECONDS, Job, Jobs, JobState, LeaseLost
from countenance.video.results import SeenFace
from countenance.vision.analysis import Vision
from countenance.vision.details import Attribute, FaceDetail
from countenance.vision.images import Photo

# Rekognition looks at about two frames a second.
EVERY_MS = 500
# What is repeated at most when a worker is killed: so much of the video.
SEGMENT_MS = 10_000

# What stands for an access key in the log of what a job comes to.
JOB = "job"

# How often a job that is under way says so.
HEARTBEAT_SECONDS = LEASE_SECONDS / 4


class Stopped(CountenanceError):
    """The server is told to stop; whoever comes next goes on."""

    code = "Stopped"


class Abandoned(CountenanceError):
    """The server failed on this video several times."""

    code = "InternalServerError"


@dataclass(frozen=True, slots=True)
class Tools:
    """What a worker works with."""

    uses: Uses
    jobs: Jobs
    objects: S3Photos
    vision: Vision
    settings: Settings

    @property
    def folder(self) -> Path:
        """Where videos are while they are worked on."""
        return self.settings.data / "videos"

    @property
    def limits(self) -> VideoLimits:
        """What a video may cost."""
        settings = self.settings
        return VideoLimits(settings.max_video_bytes, settings.max_video_seconds, settings.max_frame_pixels)


class Shift:
    """One worker's work on one job."""

    def __init__(self, tools: Tools, job: Job, worker: str, stop: threading.Event) -> None:
        self._tools = tools
        self._job = job
        self._worker = worker
        self._stop = stop
        self._renewed = time.monotonic()

    def carry_out(self) -> None:
        """To the end, or as far as it comes."""
        job, jobs = self._job, self._tools.jobs
        if job.state is JobState.IN_PROGRESS:
            failure: CountenanceError | None = None
            try:
                if jobs.is_abandoned(job):
                    raise Abandoned(f"The server failed on the video several times, at {job.reached_ms} ms.")
                self._see()
            except (LeaseLost, Stopped, Unaccountable):
                raise
            except CountenanceError as error:
                failure = error
            jobs.finish(self._job, self._worker, self._now(), failure=failure)
            self._job = dataclasses.replace(
                self._job,
                state=JobState.SUCCEEDED if failure is None else JobState.FAILED,
                failure=None if failure is None else failure.code,
            )
        self._record()

    def _see(self) -> None:
        with self._fetched() as (path, digest), opened(path, self._tools.limits) as video:
            metadata = dataclasses.asdict(video.metadata)
            self._tools.jobs.opened(self._job, self._worker, metadata=metadata, digest=digest)
            self._job = dataclasses.replace(self._job, digest=digest)
            self._detect(video)

    def _detect(self, video: Video) -> None:
        """The first frame of every half second, from where the last segment ended."""
        due = self._job.reached_ms
        segment_ends = due + SEGMENT_MS
        seen: list[SeenFace] = []
        try:
            for frame in video.frames(from_ms=due):
                self._live()
                if frame.timestamp_ms < due:
                    continue
                if frame.timestamp_ms >= segment_ends:
                    self._advance(due, seen)
                    seen, segment_ends = [], due + SEGMENT_MS
                due = (frame.timestamp_ms // EVERY_MS + 1) * EVERY_MS
                seen += [SeenFace(frame.timestamp_ms, detail) for detail in self._described(frame.photo)]
        except InvalidVideo:
            # What a damaged video has shown is kept.
            self._advance(due, seen)
            raise
        self._advance(due, seen)

    def _described(self, photo: Photo) -> list[FaceDetail]:
        vision = self._tools.vision
        asked = frozenset({Attribute.ALL}) if self._job.attributes == ALL else frozenset[Attribute]()
        details = vision.describe(photo, vision.detect(photo), asked)
        # Rekognition says neither of faces in videos.
        return [dataclasses.replace(detail, face_occluded=None, eye_direction=None) for detail in details]

    def _advance(self, reached_ms: int, faces: list[SeenFace]) -> None:
        self._tools.jobs.advance(self._job, self._worker, self._now(), reached_ms=reached_ms, faces=faces)
        self._renewed = time.monotonic()

    def _record(self) -> None:
        """The ledger first; only then anybody is told that the job is over."""
        job, tools = self._job, self._tools
        if tools.uses.is_open(job.use):
            with tools.uses.rest_of(_caller(job), Action(f"Start{job.kind}"), job.use, job.collection_uid) as use:
                self._tell(use)
        webhook = tools.settings.webhook_url is not None
        tools.jobs.record(job, self._worker, self._now(), webhook=webhook)

    def _tell(self, use: Use) -> None:
        job = self._job
        if job.digest is not None:
            use.saw_file(job.digest)
        use.saw(self._tools.jobs.faces(job))
        use.state(job=job.job_id)
        if job.failure is not None:
            use.came_to_nothing(job.failure)

    @contextmanager
    def _fetched(self) -> Iterator[tuple[Path, str]]:
        """The video as a file of our own, and its SHA-256; it is gone after the block."""
        tools, job = self._tools, self._job
        tools.folder.mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{os.getpid()}-", dir=tools.folder) as folder:
            path, digest = Path(folder) / "video", hashlib.sha256()

            def each(piece: bytes) -> None:
                self._live()
                digest.update(piece)

            with path.open("wb") as file:
                found = Found(job.object_tag, job.object_version)
                tools.objects.save(job.bucket, job.object_name, found, file, tools.settings.max_video_bytes, each=each)
            yield path, digest.hexdigest()

    def _live(self) -> None:
        """Between two pieces of work: whether to go on, and that it is being worked on."""
        if self._stop.is_set():
            raise Stopped
        if time.monotonic() - self._renewed > HEARTBEAT_SECONDS:
            self._tools.jobs.renew(self._job, self._worker, self._now())
            self._renewed = time.monotonic()

    def _now(self) -> float:
        return self._tools.uses.now().timestamp()


def _caller(job: Job) -> Caller:
    """Who started the job, for the log."""
    return Caller(JOB, job.principal, job.principal.roles[0], Purpose(job.purpose))
