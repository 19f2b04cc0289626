"""Use cases on stored video: jobs are started, and asked later what they found.

A job is one use: decided and recorded when it is started, closed when it is over by `service.video_work`. To be told
its results is a use of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from countenance.errors import AccessDenied, ResourceNotFound
from countenance.gallery.faces import Face
from countenance.service.actions import Action
from countenance.service.callers import Caller
from countenance.service.pagination import passing_token, place
from countenance.service.photos import PhotoObject
from countenance.service.recognition import DEFAULT_THRESHOLD
from countenance.service.uses import Use, Uses
from countenance.settings import Settings
from countenance.storage.objects import S3Photos
from countenance.storage.topics import Topics
from countenance.video.jobs import Job, JobKind, Jobs, JobState, NewJob
from countenance.video.results import Results, SeenFace

# Rekognition's page of video results, which is also the largest.
MAX_RESULTS = 1000

# Faces that one person of a video may be like, at most. Rekognition names no such limit.
MAX_MATCHES = 100

ALL = "ALL"
DEFAULT = "DEFAULT"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What every Start takes beside the video: a token that makes it happen once, a tag, and a topic (ARN) to tell."""

    token: str | None = None
    job_tag: str | None = None
    topic: str | None = None


@dataclass(frozen=True, slots=True)
class VideoResults:
    """How a job stands, and a page of what it found. `state` is IN_PROGRESS until the ledger has what it came to.

    `matches` are whom the people of this page are like, by their numbers: Similarity and face, best first.
    """

    job: Job
    state: JobState
    faces: Sequence[SeenFace] = ()
    next_token: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    matches: Mapping[int, Sequence[tuple[float, Face]]] = field(default_factory=dict)


class Videos:
    """Starts jobs on videos of the store, and answers what they found to the organization that started them."""

    def __init__(
        self, *, uses: Uses, jobs: Jobs, results: Results, objects: S3Photos, topics: Topics, settings: Settings
    ) -> None:
        self._uses = uses
        self._jobs = jobs
        self._results = results
        self._objects = objects
        self._topics = topics
        self._settings = settings

    def start_face_detection(
        self, caller: Caller, video: PhotoObject, wishes: Wishes = Wishes(), *, attributes: str = DEFAULT
    ) -> str:
        """The JobId. `attributes` is DEFAULT or ALL.

        Raises `InvalidS3Object`, `VideoTooLarge`, `IdempotentParameterMismatch`, `LimitExceeded`, and
        `InvalidParameter` for a topic that is not listed.
        """
        with self._uses.use(caller, Action.START_FACE_DETECTION) as use:
            new = self._job(JobKind.FACE_DETECTION, caller, use.id, video, wishes, attributes=attributes)
            return self._begin(use, new, wishes)

    def get_face_detection(
        self, caller: Caller, job_id: str, *, max_results: int = MAX_RESULTS, token: str | None = None
    ) -> VideoResults:
        """How the job stands; its faces by time once it is over.

        Raises `ResourceNotFound` for a job that this organization has not, `InvalidPaginationToken`.
        """
        with self._uses.use(caller, Action.GET_FACE_DETECTION) as use:
            results = self._page(JobKind.FACE_DETECTION, caller, job_id, max_results, token)
            use.saw(len(results.faces))
            use.state(job=job_id)
            return results

    def start_face_search(
        self,
        caller: Caller,
        video: PhotoObject,
        collection_id: str,
        wishes: Wishes = Wishes(),
        *,
        threshold: float = DEFAULT_THRESHOLD,
    ) -> str:
        """The JobId. Whom the collection has of the people of the video is searched for, at `threshold` (0 to 100).

        Raises `ResourceNotFound` for the collection, and what `start_face_detection` does.
        """
        asked: dict[str, Any] = {"threshold": threshold, "limit": MAX_MATCHES}
        with self._uses.use(caller, Action.START_FACE_SEARCH, collection_id, **asked) as use:
            found: dict[str, Any] = {"collection_id": collection_id, "collection_uid": use.collection.uid}
            limits: dict[str, Any] = {"threshold": use.threshold, "match_limit": use.limit}
            new = self._job(JobKind.FACE_SEARCH, caller, use.id, video, wishes, **found, **limits)
            return self._begin(use, new, wishes)

    def get_face_search(
        self,
        caller: Caller,
        job_id: str,
        *,
        max_results: int = MAX_RESULTS,
        token: str | None = None,
        by_person: bool = False,
    ) -> VideoResults:
        """How the job stands; once it is over, who is seen when, and whom of the collection each is like.

        Whether the matches may be told is decided again, as it stands now; faces that were deleted are told of no
        more. Raises what `get_face_detection` does, and `AccessDenied` where the caller asks for another purpose, or
        under another authorization, than what the search was permitted for.
        """
        now = self._uses.now().timestamp()
        job = self._jobs.find(JobKind.FACE_SEARCH, job_id, caller.principal.organization.key, now)
        searched = None if job is None else job.collection_id
        asked: dict[str, Any] = {} if job is None else {"threshold": job.threshold, "limit": job.match_limit}
        with self._uses.use(caller, Action.GET_FACE_SEARCH, searched, **asked) as use:
            use.state(job=job_id)
            results = self._page(JobKind.FACE_SEARCH, caller, job_id, max_results, token, by_person=by_person)
            _check_terms(results.job, caller)
            matches: dict[int, list[tuple[float, Face]]] = {}
            if results.faces:
                matches = self._matches(results.job, use, {seen.person for seen in results.faces})
            use.saw(len(results.faces))
            return replace(results, matches=matches)

    def start_person_tracking(self, caller: Caller, video: PhotoObject, wishes: Wishes = Wishes()) -> str:
        """The JobId. Whoever is seen gets a number that stays theirs; nobody is recognised, and no face embedded.

        Raises what `start_face_detection` does.
        """
        with self._uses.use(caller, Action.START_PERSON_TRACKING) as use:
            new = self._job(JobKind.PERSON_TRACKING, caller, use.id, video, wishes)
            return self._begin(use, new, wishes)

    def get_person_tracking(
        self,
        caller: Caller,
        job_id: str,
        *,
        max_results: int = MAX_RESULTS,
        token: str | None = None,
        by_person: bool = False,
    ) -> VideoResults:
        """How the job stands; once it is over, who is seen when. Raises what `get_face_detection` does."""
        with self._uses.use(caller, Action.GET_PERSON_TRACKING) as use:
            use.state(job=job_id)
            results = self._page(JobKind.PERSON_TRACKING, caller, job_id, max_results, token, by_person=by_person)
            use.saw(len(results.faces))
            return results

    def _matches(self, job: Job, use: Use, people: Container[int | None]) -> dict[int, list[tuple[float, Face]]]:
        """The matches of these people that may be told today, best first."""
        kept = [match for match in self._results.matches(job.key) if match.person in people]
        enrolled = self._results.enrolled([match.face_key for match in kept])
        matches: dict[int, list[tuple[float, Face]]] = {}
        for match in kept:
            own = matches.setdefault(match.person, [])
            if match.similarity >= use.threshold and match.face_key in enrolled and len(own) < use.limit:
                own.append((match.similarity, enrolled[match.face_key]))
        return matches

    def _begin(self, use: Use, new: NewJob, wishes: Wishes) -> str:
        """The JobId; the use goes on if the job is a new one."""
        job_id, is_new = self._start(new, wishes)
        use.state(job=job_id)
        if is_new:
            use.goes_on()
        return job_id

    def _job(self, kind: JobKind, caller: Caller, use: str, video: PhotoObject, wishes: Wishes, **more: Any) -> NewJob:
        return NewJob(
            kind=kind,
            principal=caller.principal,
            purpose=caller.purpose,
            use=use,
            bucket=video.bucket,
            object_name=video.name,
            object_version=video.version,
            authorization=caller.authorization,
            beneficiary=None if caller.beneficiary is None else caller.beneficiary.uid,
            job_tag=wishes.job_tag,
            topic=wishes.topic,
            **more,
        )

    def _start(self, new: NewJob, wishes: Wishes) -> tuple[str, bool]:
        """The JobId, and whether it is a new job."""
        if wishes.topic is not None:
            self._topics.check(wishes.topic)
        parameters = _digest(new)
        known = self._jobs.started(new.principal.organization.key, new.kind, wishes.token, parameters)
        if known is not None:
            return known, False
        limit = self._settings.max_video_bytes
        found = self._objects.look(new.bucket, new.object_name, new.object_version, limit)
        now = self._uses.now().timestamp()
        return self._jobs.start(new, now, token=wishes.token, parameters=parameters, object_tag=found.tag)

    def _find(self, kind: JobKind, caller: Caller, job_id: str) -> Job:
        now = self._uses.now().timestamp()
        job = self._jobs.find(kind, job_id, caller.principal.organization.key, now)
        if job is None:
            raise ResourceNotFound(f"The job id: {job_id} does not exist, or its results are kept no longer")
        return job

    def _page(
        self, kind: JobKind, caller: Caller, job_id: str, wanted: int, token: str | None, *, by_person: bool = False
    ) -> VideoResults:
        job = self._find(kind, caller, job_id)
        now = self._uses.now().timestamp()
        request = [kind, job_id, caller.principal.organization.uid, by_person]
        start, limit = place(request, token, now), min(wanted, MAX_RESULTS)
        if not job.recorded:
            return VideoResults(job, JobState.IN_PROGRESS)
        # One more than is answered tells whether there are more.
        faces = self._results.faces(job.key, start, limit + 1, by_person=by_person)
        more = passing_token(request, start + limit, now) if len(faces) > limit else None
        return VideoResults(job, job.state, faces[:limit], more, job.metadata or {})


def _check_terms(job: Job, caller: Caller) -> None:
    """Raises `AccessDenied` unless the caller asks on the terms that the search was permitted on."""
    beneficiary = None if caller.beneficiary is None else caller.beneficiary.uid
    asked = (caller.purpose, caller.authorization, beneficiary)
    if asked != (job.purpose, job.authorization, job.beneficiary):
        raise AccessDenied(
            "What a search found is told for what it was permitted for: ask with the purpose, the authorization and "
            "the beneficiary that the job was started with."
        )


def _digest(new: NewJob) -> str:
    """SHA-256 of what must be the same for a ClientRequestToken to be the same request."""
    asked = [
        new.bucket,
        new.object_name,
        new.object_version,
        new.job_tag,
        new.topic,
        new.attributes,
        new.collection_id,
        new.threshold,
        new.purpose,
        new.authorization,
        new.beneficiary,
    ]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()
