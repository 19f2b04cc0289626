"""Face detection, face search and the tracking of people: jobs on videos of the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from countenance.aws.faces import Structure, bounding_box, face_detail, face_match
from countenance.aws.operations.calls import Answer, Call, Operation
from countenance.errors import InvalidParameter
from countenance.service.photos import PhotoObject
from countenance.service.videos import VideoResults, Wishes
from countenance.video.jobs import Job
from countenance.video.results import SeenFace


def start_face_detection(call: Call) -> Answer:
    """The job is begun, or was by the same ClientRequestToken."""
    job_id = call.application.videos.start_face_detection(
        call.caller, _video(call), _wishes(call), **call.chosen(FaceAttributes="attributes")
    )
    return {"JobId": job_id}


def get_face_detection(call: Call) -> Answer:
    """While the job is under way there are no faces yet."""
    results = call.application.videos.get_face_detection(
        call.caller, call.request["JobId"], **call.chosen(MaxResults="max_results", NextToken="token")
    )
    faces = [{"Timestamp": seen.timestamp_ms, "Face": face_detail(seen.detail)} for seen in results.faces]
    return {**_standing(results), "Faces": faces}


def start_face_search(call: Call) -> Answer:
    """The job is begun, or was by the same ClientRequestToken."""
    job_id = call.application.videos.start_face_search(
        call.caller,
        _video(call),
        call.request["CollectionId"],
        _wishes(call),
        **call.chosen(FaceMatchThreshold="threshold"),
    )
    return {"JobId": job_id}


def get_face_search(call: Call) -> Answer:
    """People whom the collection has nobody like are there too, without matches."""
    results = call.application.videos.get_face_search(call.caller, call.request["JobId"], **_wanted(call))
    people = [
        {
            "Timestamp": seen.timestamp_ms,
            "Person": _person(seen),
            "FaceMatches": [
                face_match(similarity, enrolled) for similarity, enrolled in results.matches.get(seen.person or 0, ())
            ],
        }
        for seen in results.faces
    ]
    return {**_standing(results), "Persons": people}


def start_person_tracking(call: Call) -> Answer:
    """The job is begun, or was by the same ClientRequestToken."""
    return {"JobId": call.application.videos.start_person_tracking(call.caller, _video(call), _wishes(call))}


def get_person_tracking(call: Call) -> Answer:
    """A person is told by the face: Rekognition's box was of the whole body."""
    results = call.application.videos.get_person_tracking(call.caller, call.request["JobId"], **_wanted(call))
    people = [{"Timestamp": seen.timestamp_ms, "Person": _person(seen)} for seen in results.faces]
    return {**_standing(results), "Persons": people}


def _person(seen: SeenFace) -> Structure:
    """PersonDetail."""
    return {
        "Index": seen.person,
        "BoundingBox": bounding_box(seen.detail.bounding_box),
        "Face": face_detail(seen.detail),
    }


def _wanted(call: Call) -> dict[str, Any]:
    chosen = call.chosen(MaxResults="max_results", NextToken="token")
    return {**chosen, "by_person": call.request.get("SortBy") == "INDEX"}


def _video(call: Call) -> PhotoObject:
    """Raises `InvalidParameter` unless the request names an object."""
    stored = call.request["Video"].get("S3Object", {})
    if "Bucket" not in stored or "Name" not in stored:
        raise InvalidParameter("Request has invalid parameters: Video.S3Object needs Bucket and Name.")
    return PhotoObject(stored["Bucket"], stored["Name"], stored.get("Version"))


def _wishes(call: Call) -> Wishes:
    request = call.request
    channel = request.get("NotificationChannel", {})
    return Wishes(request.get("ClientRequestToken"), request.get("JobTag"), channel.get("SNSTopicArn"))


def _standing(results: VideoResults) -> Structure:
    """What every Get answers beside what was found."""
    job = results.job
    return {
        "JobStatus": results.state,
        "StatusMessage": job.message if job.recorded else None,
        "VideoMetadata": _metadata(results.metadata) if results.metadata else None,
        "NextToken": results.next_token,
        "JobId": job.job_id,
        "Video": {"S3Object": _object(job)},
        "JobTag": job.job_tag,
    }


def _object(job: Job) -> Structure:
    return {"Bucket": job.bucket, "Name": job.object_name, "Version": job.object_version}


def _metadata(metadata: Mapping[str, Any]) -> Structure:
    """VideoMetadata."""
    return {
        "Codec": metadata["codec"],
        "DurationMillis": metadata["duration_ms"],
        "Format": metadata["format"],
        "FrameRate": metadata["frame_rate"],
        "FrameHeight": metadata["frame_height"],
        "FrameWidth": metadata["frame_width"],
        "ColorRange": metadata["color_range"],
    }


OPERATIONS = {
    "StartFaceDetection": Operation(start_face_detection),
    "GetFaceDetection": Operation(get_face_detection),
    "StartFaceSearch": Operation(start_face_search),
    "GetFaceSearch": Operation(get_face_search),
    "StartPersonTracking": Operation(start_person_tracking),
    "GetPersonTracking": Operation(get_person_tracking),
}
