"""Jobs on videos, by boto3 on a served server: asked for, told by SNS, answered in pages."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.films import film, still

from .conftest import BUCKET, TOPIC

if TYPE_CHECKING:
    from types_boto3_rekognition import RekognitionClient
    from types_boto3_s3 import S3Client

# A job of two seconds of video that is not over by then never will be.
PATIENCE_SECONDS = 60

ROLE = "arn:aws:iam::123456789012:role/publisher"


@pytest.fixture(scope="module")
def video(s3: S3Client, portraits: dict[str, Path]) -> dict[str, Any]:
    """Two seconds of one person, in the store."""
    s3.put_object(Bucket=BUCKET, Key="obama.mp4", Body=film([(still(portraits["obama.jpg"]), 2.0)]))
    return {"S3Object": {"Bucket": BUCKET, "Name": "obama.mp4"}}


@pytest.fixture
def inbox(store: str) -> Iterator[Any]:
    """Gives the messages of the topic, as one who subscribed gets them."""
    access = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
    sns, sqs = (boto3.client(service, endpoint_url=store, **access) for service in ("sns", "sqs"))
    topic = sns.create_topic(Name=TOPIC.rpartition(":")[2])["TopicArn"]
    queue = sqs.create_queue(QueueName="jobs")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def messages() -> list[dict[str, Any]]:
        found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(json.loads(message["Body"])["Message"]) for message in found]

    yield messages
    sqs.delete_queue(QueueUrl=queue)
    sns.delete_topic(TopicArn=topic)


def until(condition: Any) -> Any:
    """What the condition comes to, once it comes to something."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return found


def is_over(answer: dict[str, Any]) -> dict[str, Any] | None:
    return None if answer["JobStatus"] == "IN_PROGRESS" else answer


def test_faces_are_detected_in_a_video(rekognition: RekognitionClient, video: Any, inbox: Any) -> None:
    started: Any = {
        "Video": video,
        "JobTag": "holiday",
        "ClientRequestToken": "once",
        "NotificationChannel": {"SNSTopicArn": TOPIC, "RoleArn": ROLE},
    }
    job_id = rekognition.start_face_detection(**started)["JobId"]
    assert rekognition.start_face_detection(**started)["JobId"] == job_id
    with pytest.raises(rekognition.exceptions.IdempotentParameterMismatchException):
        rekognition.start_face_detection(**started | {"JobTag": "work"})
    answer = until(lambda: is_over(rekognition.get_face_detection(JobId=job_id)))
    assert (answer["JobStatus"], answer["JobTag"], answer["Video"]) == ("SUCCEEDED", "holiday", video)
    assert answer["VideoMetadata"]["Codec"] == "h264"
    assert [face["Timestamp"] for face in answer["Faces"]] == [0, 500, 1000, 1500]
    assert answer["Faces"][0]["Face"]["Confidence"] > 90
    (told,) = until(inbox)
    assert isinstance(told.pop("Timestamp"), int)
    assert told == {
        "JobId": job_id,
        "Status": "SUCCEEDED",
        "API": "StartFaceDetection",
        "JobTag": "holiday",
        "Video": {"S3ObjectName": "obama.mp4", "S3Bucket": BUCKET},
    }


def test_results_are_read_in_pages(rekognition: RekognitionClient, video: Any) -> None:
    job_id = rekognition.start_face_detection(Video=video)["JobId"]
    until(lambda: is_over(rekognition.get_face_detection(JobId=job_id)))
    pages, more = [], {}
    while True:
        page = rekognition.get_face_detection(JobId=job_id, MaxResults=3, **more)
        pages.append([face["Timestamp"] for face in page["Faces"]])
        if "NextToken" not in page:
            break
        more = {"NextToken": page["NextToken"]}
    assert pages == [[0, 500, 1000], [1500]]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"Video": {}}, "InvalidParameterException"),
        ({"Video": {"S3Object": {"Bucket": BUCKET, "Name": "nowhere.mp4"}}}, "InvalidS3ObjectException"),
        ({"Video": {"S3Object": {"Bucket": "payroll", "Name": "a.mp4"}}}, "InvalidS3ObjectException"),
    ],
)
def test_what_cannot_be_read_is_refused(rekognition: RekognitionClient, request_: Any, code: str) -> None:
    with pytest.raises(ClientError) as refused:
        rekognition.start_face_detection(**request_)
    assert refused.value.response["Error"]["Code"] == code


def test_an_unknown_job_is_not_found(rekognition: RekognitionClient) -> None:
    with pytest.raises(rekognition.exceptions.ResourceNotFoundException):
        rekognition.get_face_detection(JobId=64 * "0")


def test_people_are_searched_for_and_tracked(
    rekognition: RekognitionClient, collection: str, video: Any, portraits: dict[str, Path]
) -> None:
    """Whoever is enrolled is found in the video; tracking says who is seen, and of nobody who it is."""
    photo = {"Bytes": portraits["obama2.jpg"].read_bytes()}
    rekognition.index_faces(CollectionId=collection, Image=photo, ExternalImageId="obama")
    job_id = rekognition.start_face_search(Video=video, CollectionId=collection, FaceMatchThreshold=90)["JobId"]
    found = until(lambda: is_over(rekognition.get_face_search(JobId=job_id, SortBy="TIMESTAMP")))
    assert found["JobStatus"] == "SUCCEEDED"
    assert [person["Timestamp"] for person in found["Persons"]] == [0, 500, 1000, 1500]
    for person in found["Persons"]:
        assert person["Person"]["Index"] == 0
        assert person["Person"]["BoundingBox"] == person["Person"]["Face"]["BoundingBox"]
        (match,) = person["FaceMatches"]
        assert match["Face"]["ExternalImageId"] == "obama"
        assert match["Similarity"] >= 90
    job_id = rekognition.start_person_tracking(Video=video)["JobId"]
    tracked = until(lambda: is_over(rekognition.get_person_tracking(JobId=job_id, SortBy="INDEX")))
    assert [person["Person"]["Index"] for person in tracked["Persons"]] == [0, 0, 0, 0]
    assert not any("FaceMatches" in person for person in tracked["Persons"])


def test_an_unknown_collection_is_not_found(rekognition: RekognitionClient, video: Any) -> None:
    with pytest.raises(rekognition.exceptions.ResourceNotFoundException):
        rekognition.start_face_search(Video=video, CollectionId="nowhere")
