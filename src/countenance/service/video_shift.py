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

from countenance.errors import CountenanceError, InvalidVideo, ResourceNotFound, Unaccountable
from countenance.gallery.collections import Collection, Collections
from countenance.gallery.search import Search
from countenance.policy.vocabulary import Purpose
from countenance.service.actions import Action
from countenance.service.callers import Caller
from countenance.service.records import Candidate
from countenance.service.searches import COSINE_SLACK
from countenance.service.uses import Use, Uses
from countenance.service.videos import ALL
from countenance.settings import Settings
from countenance.storage.keys import SealingKey
from countenance.storage.objects import Found, S3Photos, StoreFailed
from countenance.storage.salts import face_subject
from countenance.video.decoding import Video, VideoLimits, opened
from countenance.video.jobs import LEASE_SECONDS, Job, JobKind, Jobs, JobState, LeaseLost
from countenance.video.results import MatchedFace, Results, SeenFace
from countenance.video.tracking import Tracking
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
    results: Results
    objects: S3Photos
    vision: Vision
    collections: Collections
    search: Search
    sealing_key: SealingKey
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
        self._tracking: Tracking | None = None
        self._renewed = time.monotonic()

    def carry_out(self) -> None:
        """To the end, or as far as it comes."""
        job, jobs = self._job, self._tools.jobs
        if job.state is JobState.IN_PROGRESS:
            failure: CountenanceError | None = None
            matches: list[MatchedFace] = []
            try:
                if jobs.is_abandoned(job):
                    raise Abandoned(f"The server failed on the video several times, at {job.reached_ms} ms.")
                self._see()
            except InvalidVideo as error:
                # Whom the part that could be read shows is found all the same.
                failure = error
            except (LeaseLost, Stopped, Unaccountable):
                raise
            except StoreFailed as error:
                if jobs.is_last_attempt(job):
                    failure = error
                else:
                    raise
            except CountenanceError as error:
                failure = error
            if failure is None or isinstance(failure, InvalidVideo):
                try:
                    matches = self._matches()
                except ResourceNotFound as error:
                    failure = error
            jobs.finish(self._job, self._worker, self._now(), failure=failure, matches=matches)
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
            if self._job.kind is JobKind.FACE_DETECTION:
                self._detect(video)
            else:
                self._track(video)

    def _detect(self, video: Video) -> None:
        """The first frame of every half second, from where the last segment ended."""
        due = self._job.reached_ms
        segment_ends = due + SEGMENT_MS
        seen: list[SeenFace] = []
        try:
            for frame in video.frames(from_ms=due, every_ms=EVERY_MS):
                self._live()
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

    def _track(self, video: Video) -> None:
        """Who is seen when; where people are searched for, with what each is searched by, in `self._tracking`."""
        tracking = self._tracking = self._begun_tracking()
        segment_ends = tracking.reached_ms + SEGMENT_MS
        seen: list[SeenFace] = []
        try:
            for _, faces in tracking.follow(video):
                self._live()
                seen += [
                    SeenFace(face.timestamp_ms, _as_in_video(face.detail), face.person)
                    for face in faces
                    if face.detail is not None
                ]
                if tracking.reached_ms >= segment_ends:
                    self._advance(tracking.reached_ms, seen, tracking.state())
                    seen, segment_ends = [], tracking.reached_ms + SEGMENT_MS
        except InvalidVideo:
            self._advance(tracking.reached_ms, seen, tracking.state())
            raise
        self._advance(tracking.reached_ms, seen, tracking.state())

    def _begun_tracking(self) -> Tracking:
        """A new one, or the one that whoever worked on the job before had come to."""
        job, collection = self._job, self._collection()
        state = None
        if job.progress is not None:
            state = self._tools.sealing_key.unseal(job.progress, _sealed_as(job)).encode()
        version = None if collection is None else collection.face_model_version
        return Tracking(self._tools.vision, version, state=state)

    def _matches(self) -> list[MatchedFace]:
        """Whom each person of the video is like. Raises `ResourceNotFound` when the collection is gone."""
        job, tools, tracking = self._job, self._tools, self._tracking
        collection = self._collection()
        if collection is None or tracking is None:
            return []
        calibration = tools.vision.calibration(collection.face_model_version)
        threshold = job.threshold or 0.0
        least = float(calibration.cosine(threshold)) - COSINE_SLACK
        found: list[MatchedFace] = []
        for person in tracking.templates():
            for face, cosine in tools.search.faces(collection, person.template, least, job.match_limit):
                similarity = float(calibration.similarity(cosine))
                if similarity >= threshold:
                    found.append(MatchedFace(person.person, face.key, similarity))
        return found

    def _collection(self) -> Collection | None:
        """The one that is searched, None where none is. Raises `ResourceNotFound` when it is gone."""
        name = self._job.collection_id
        if name is None:
            return None
        found = self._tools.collections.find(name)
        if found is None or found.uid != self._job.collection_uid:
            raise ResourceNotFound(f"The collection id: {name} does not exist")
        return found

    def _described(self, photo: Photo) -> list[FaceDetail]:
        vision = self._tools.vision
        asked = frozenset({Attribute.ALL}) if self._job.attributes == ALL else frozenset[Attribute]()
        details = vision.describe(photo, vision.detect(photo), asked)
        return [_as_in_video(detail) for detail in details]

    def _advance(self, reached_ms: int, faces: list[SeenFace], state: bytes | None = None) -> None:
        """A segment is done. Raises `ResourceNotFound` when the collection went meanwhile."""
        self._collection()
        # It holds templates of whoever is seen.
        progress = None if state is None else self._tools.sealing_key.seal(state.decode(), _sealed_as(self._job))
        self._tools.jobs.advance(
            self._job, self._worker, self._now(), reached_ms=reached_ms, faces=faces, progress=progress
        )
        self._job = dataclasses.replace(self._job, progress=progress)
        self._renewed = time.monotonic()

    def _record(self) -> None:
        """The ledger first; only then anybody is told that the job is over."""
        job, tools = self._job, self._tools
        if tools.uses.is_open(job.use):
            with tools.uses.rest_of(
                _caller(job),
                Action(f"Start{job.kind}"),
                job.use,
                collection=job.collection_uid,
                threshold=job.threshold,
            ) as use:
                self._tell(use)
        webhook = tools.settings.webhook_url is not None
        tools.jobs.record(job, self._worker, self._now(), webhook=webhook)

    def _tell(self, use: Use) -> None:
        job = self._job
        if job.digest is not None:
            use.saw_file(job.digest)
        use.saw(self._tools.jobs.faces(job))
        use.state(job=job.job_id)
        if job.kind is JobKind.FACE_SEARCH:
            self._disclose(use)
        if job.failure is not None:
            use.came_to_nothing(job.failure)

    def _disclose(self, use: Use) -> None:
        """Say who was found: each face once, as like as it is to the person that it is most like."""
        tools, job = self._tools, self._job
        best: dict[int, float] = {}
        for match in tools.results.matches(job.key):
            best[match.face_key] = max(match.similarity, best.get(match.face_key, 0.0))
        enrolled = tools.results.enrolled(list(best))
        # Of a face that was deleted since, the salt is gone: nobody can be told who it was.
        ids = {key: enrolled[key].face_id if key in enrolled else "" for key in best}
        found = [Candidate(similarity, ids[key], face_subject(key), {}) for key, similarity in best.items()]
        use.disclose(sorted(found, key=lambda candidate: -candidate.similarity))
        collection = tools.collections.find(job.collection_id or "")
        if collection is not None and collection.uid == job.collection_uid:
            use.by(collection.face_model_version)

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


def _as_in_video(detail: FaceDetail) -> FaceDetail:
    # Rekognition says neither of faces in videos.
    return dataclasses.replace(detail, face_occluded=None, eye_direction=None)


def _sealed_as(job: Job) -> str:
    """What the progress of a job is sealed for, so that it is of use to no other."""
    return f"video-job:{job.job_id}"


def _caller(job: Job) -> Caller:
    """Who started the job, for the log."""
    return Caller(JOB, job.principal, job.principal.roles[0], Purpose(job.purpose))
