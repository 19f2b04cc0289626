"""boto3, unmodified: every operation on offer, as an application calls it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from countenance.aws.absences import ABSENT
from tests.acceptance.conftest import BUCKET, PRIVATE_BUCKET

if TYPE_CHECKING:
    from types_boto3_rekognition import RekognitionClient
    from types_boto3_s3 import S3Client

    from tests.acceptance.conftest import Server

Photos = dict[str, Path]

NOBODY = "00000000-0000-0000-0000-000000000000"

# A request of each absent operation, as far as boto3 insists on members.
ARN = "arn:aws:rekognition:us-east-1:123456789012:project/p/version/v/1"


def photo(path: Path) -> dict[str, bytes]:
    return {"Bytes": path.read_bytes()}


@pytest.fixture
def faces(rekognition: RekognitionClient, collection: str, portraits: Photos) -> dict[str, str]:
    """FaceIds by name, of three photos of two people."""
    found = {}
    for name in ("obama", "obama2", "biden"):
        answer = rekognition.index_faces(
            CollectionId=collection, Image=photo(portraits[f"{name}.jpg"]), ExternalImageId=name, MaxFaces=1
        )
        found[name] = answer["FaceRecords"][0]["Face"]["FaceId"]
    return found


class TestImages:
    def test_a_face_is_detected_where_it_is(self, rekognition: RekognitionClient, portraits: Photos) -> None:
        (face,) = rekognition.detect_faces(Image=photo(portraits["obama.jpg"]))["FaceDetails"]
        assert face["Confidence"] > 90
        assert 0 < face["BoundingBox"]["Width"] < 1
        assert [landmark["Type"] for landmark in face["Landmarks"]] == [
            "eyeLeft",
            "eyeRight",
            "mouthLeft",
            "mouthRight",
            "nose",
        ]
        assert set(face) == {"BoundingBox", "Confidence", "Landmarks", "Pose", "Quality"}

    def test_all_attributes_are_more(self, rekognition: RekognitionClient, portraits: Photos) -> None:
        (face,) = rekognition.detect_faces(Image=photo(portraits["obama.jpg"]), Attributes=["ALL"])["FaceDetails"]
        assert len(face["Landmarks"]) == 30
        assert face["EyesOpen"]["Value"] is True

    def test_a_single_attribute_comes_with_the_default_ones(
        self, rekognition: RekognitionClient, portraits: Photos
    ) -> None:
        image = photo(portraits["obama.jpg"])
        (face,) = rekognition.detect_faces(Image=image, Attributes=["EYES_OPEN"])["FaceDetails"]
        assert {"EyesOpen", "Pose", "Quality"} <= set(face)
        assert "MouthOpen" not in face

    def test_a_photo_without_a_face_is_an_empty_list(self, rekognition: RekognitionClient, portraits: Photos) -> None:
        assert rekognition.detect_faces(Image=photo(portraits["coffee.png"]))["FaceDetails"] == []

    def test_the_same_person_is_alike_and_another_is_not(
        self, rekognition: RekognitionClient, portraits: Photos
    ) -> None:
        source = photo(portraits["obama.jpg"])
        same = rekognition.compare_faces(SourceImage=source, TargetImage=photo(portraits["obama2.jpg"]))
        assert same["FaceMatches"][0]["Similarity"] > 90
        assert same["UnmatchedFaces"] == []
        assert same["SourceImageFace"]["Confidence"] > 90
        other = rekognition.compare_faces(SourceImage=source, TargetImage=photo(portraits["biden.jpg"]))
        assert other["FaceMatches"] == []
        assert len(other["UnmatchedFaces"]) == 1

    def test_a_threshold_is_inclusive_and_zero_matches_everybody(
        self, rekognition: RekognitionClient, portraits: Photos
    ) -> None:
        both = {"SourceImage": photo(portraits["obama.jpg"]), "TargetImage": photo(portraits["biden.jpg"])}
        (match,) = rekognition.compare_faces(**both, SimilarityThreshold=0)["FaceMatches"]
        assert match["Similarity"] < 80

    @pytest.mark.parametrize("faceless", ["SourceImage", "TargetImage"])
    def test_comparing_a_photo_without_a_face_says_so(
        self, rekognition: RekognitionClient, portraits: Photos, faceless: str
    ) -> None:
        images = dict.fromkeys(("SourceImage", "TargetImage"), photo(portraits["obama.jpg"]))
        with pytest.raises(rekognition.exceptions.InvalidParameterException, match="no faces in the"):
            rekognition.compare_faces(**{**images, faceless: photo(portraits["coffee.png"])})

    @pytest.mark.parametrize("data", [b"GIF89a", b"\xff\xd8\xff", b"not a photo", b"\x89PNG\r\n\x1a\n"])
    def test_what_is_no_photo_is_an_invalid_image_format(self, rekognition: RekognitionClient, data: bytes) -> None:
        with pytest.raises(rekognition.exceptions.InvalidImageFormatException):
            rekognition.detect_faces(Image={"Bytes": data})

    @pytest.mark.parametrize("size", [5 * 1024 * 1024 + 1, 30 * 1024 * 1024])
    def test_a_photo_over_five_megabytes_is_too_large(self, rekognition: RekognitionClient, size: int) -> None:
        with pytest.raises(rekognition.exceptions.ImageTooLargeException):
            rekognition.detect_faces(Image={"Bytes": b"\xff\xd8\xff" + bytes(size)})


class TestCollections:
    def test_a_collection_lives_and_dies(self, rekognition: RekognitionClient, server: Server) -> None:
        created = rekognition.create_collection(CollectionId="Life.of-1", Tags={"unit": "Criminalité Été"})
        assert created["StatusCode"] == 200
        assert created["CollectionArn"] == f"aws:rekognition:{server.region}:000000000000:collection/Life.of-1"
        described = rekognition.describe_collection(CollectionId="Life.of-1")
        assert described["CollectionARN"] == f"arn:{created['CollectionArn']}"
        assert (described["FaceCount"], described["UserCount"]) == (0, 0)
        assert described["FaceModelVersion"] == created["FaceModelVersion"]
        assert abs((described["CreationTimestamp"] - datetime.now(UTC)).total_seconds()) < 300
        assert rekognition.delete_collection(CollectionId="Life.of-1")["StatusCode"] == 200
        with pytest.raises(rekognition.exceptions.ResourceNotFoundException, match=r"The collection id: Life.of-1"):
            rekognition.describe_collection(CollectionId="Life.of-1")

    def test_a_name_is_taken_once_and_minds_its_case(self, rekognition: RekognitionClient, collection: str) -> None:
        with pytest.raises(
            rekognition.exceptions.ResourceAlreadyExistsException,
            match=f"The collection id: {collection} already exists",
        ):
            rekognition.create_collection(CollectionId=collection)
        with pytest.raises(rekognition.exceptions.ResourceNotFoundException):
            rekognition.describe_collection(CollectionId=collection.upper())

    def test_the_paginator_lists_every_collection_once_in_parallel_lists(self, rekognition: RekognitionClient) -> None:
        mine = {f"page-{n}" for n in range(5)}
        for name in mine:
            rekognition.create_collection(CollectionId=name)
        pages = list(rekognition.get_paginator("list_collections").paginate(PaginationConfig={"PageSize": 2}))
        names = [name for page in pages for name in page["CollectionIds"]]
        assert all(len(page["CollectionIds"]) == len(page["FaceModelVersions"]) <= 2 for page in pages)
        assert len(names) == len(set(names))
        assert mine <= set(names)
        for name in mine:
            rekognition.delete_collection(CollectionId=name)

    def test_a_token_of_another_listing_is_refused(
        self, rekognition: RekognitionClient, collection: str, faces: dict[str, str]
    ) -> None:
        token = rekognition.list_faces(CollectionId=collection, MaxResults=1)["NextToken"]
        for stray in (token, "x", "ä", "\0" * 255):
            with pytest.raises(rekognition.exceptions.InvalidPaginationTokenException):
                rekognition.list_collections(NextToken=stray)

    def test_tags_are_kept_overwritten_and_removed_by_either_form_of_the_arn(
        self, rekognition: RekognitionClient, collection: str
    ) -> None:
        arn = rekognition.describe_collection(CollectionId=collection)["CollectionARN"]
        bare = arn.removeprefix("arn:")
        rekognition.tag_resource(ResourceArn=arn, Tags={"case": "1", "unit": "a"})
        rekognition.tag_resource(ResourceArn=bare, Tags={"case": "2", "日本": "", "x:y/z": "=+-@"})
        tags = {"case": "2", "unit": "a", "日本": "", "x:y/z": "=+-@"}
        assert rekognition.list_tags_for_resource(ResourceArn=bare)["Tags"] == tags
        rekognition.untag_resource(ResourceArn=bare, TagKeys=["unit", "日本", "x:y/z", "never"])
        assert rekognition.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"case": "2"}
        with pytest.raises(rekognition.exceptions.ServiceQuotaExceededException):
            rekognition.tag_resource(ResourceArn=arn, Tags={str(n): "" for n in range(200)})
        with pytest.raises(rekognition.exceptions.ResourceNotFoundException):
            rekognition.list_tags_for_resource(ResourceArn=f"{arn}-not")


class TestFaces:
    def test_the_right_person_is_found_again(
        self, rekognition: RekognitionClient, collection: str, faces: dict[str, str], portraits: Photos
    ) -> None:
        answer = rekognition.search_faces_by_image(CollectionId=collection, Image=photo(portraits["obama3.jpg"]))
        assert {match["Face"]["FaceId"] for match in answer["FaceMatches"]} == {faces["obama"], faces["obama2"]}
        scores = [match["Similarity"] for match in answer["FaceMatches"]]
        assert scores == sorted(scores, reverse=True)
        assert answer["SearchedFaceConfidence"] > 90
        assert answer["SearchedFaceBoundingBox"]["Width"] > 0

    def test_a_stranger_is_not_found(
        self, rekognition: RekognitionClient, collection: str, faces: dict[str, str], portraits: Photos
    ) -> None:
        image = photo(portraits["astronaut.png"])
        assert rekognition.search_faces_by_image(CollectionId=collection, Image=image)["FaceMatches"] == []
        everybody = rekognition.search_faces_by_image(CollectionId=collection, Image=image, FaceMatchThreshold=0)
        assert len(everybody["FaceMatches"]) == 3
        few = rekognition.search_faces_by_image(
            CollectionId=collection, Image=image, FaceMatchThreshold=0, MaxFaces=2, QualityFilter="AUTO"
        )
        assert few["FaceMatches"] == everybody["FaceMatches"][:2]

    def test_a_face_is_searched_for_by_id_and_never_finds_itself(
        self, rekognition: RekognitionClient, collection: str, faces: dict[str, str]
    ) -> None:
        answer = rekognition.search_faces(CollectionId=collection, FaceId=faces["obama"])
        assert answer["SearchedFaceId"] == faces["obama"]
        assert [match["Face"]["FaceId"] for match in answer["FaceMatches"]] == [faces["obama2"]]
        assert answer["FaceMatches"][0]["Face"]["ExternalImageId"] == "obama2"
        with pytest.raises(rekognition.exceptions.InvalidParameterException, match="faceId was not found in the coll"):
            rekognition.search_faces(CollectionId=collection, FaceId=NOBODY)

    def test_searching_with_a_photo_without_a_face_says_so(
        self, rekognition: RekognitionClient, collection: str, portraits: Photos
    ) -> None:
        with pytest.raises(
            rekognition.exceptions.InvalidParameterException,
            match=r"There are no faces in the image. Should be at least 1.",
        ):
            rekognition.search_faces_by_image(CollectionId=collection, Image=photo(portraits["coffee.png"]))

    def test_indexing_answers_what_was_enrolled_and_what_was_not(
        self, rekognition: RekognitionClient, collection: str, portraits: Photos
    ) -> None:
        image = photo(portraits["obama.jpg"])
        first = rekognition.index_faces(CollectionId=collection, Image=image, DetectionAttributes=["ALL"])
        (record,) = first["FaceRecords"]
        assert first["UnindexedFaces"] == []
        assert "ExternalImageId" not in record["Face"]
        assert len(record["FaceDetail"]["Landmarks"]) == 30
        again = rekognition.index_faces(CollectionId=collection, Image=image)
        assert again["FaceRecords"][0]["Face"] == record["Face"]
        other = rekognition.index_faces(CollectionId=collection, Image=image, ExternalImageId="a:1")
        assert other["FaceRecords"][0]["Face"]["FaceId"] != record["Face"]["FaceId"]
        assert other["FaceRecords"][0]["Face"]["ImageId"] == record["Face"]["ImageId"]
        assert rekognition.describe_collection(CollectionId=collection)["FaceCount"] == 2
        none = rekognition.index_faces(CollectionId=collection, Image=photo(portraits["coffee.png"]))
        assert (none["FaceRecords"], none["UnindexedFaces"]) == ([], [])

    def test_the_paginator_lists_every_face_once(
        self, rekognition: RekognitionClient, collection: str, faces: dict[str, str]
    ) -> None:
        pages = rekognition.get_paginator("list_faces").paginate(
            CollectionId=collection, PaginationConfig={"PageSize": 2}
        )
        listed = [face["FaceId"] for page in pages for face in page["Faces"]]
        assert sorted(listed) == sorted(faces.values())
        (one,) = rekognition.list_faces(CollectionId=collection, FaceIds=[faces["biden"], NOBODY])["Faces"]
        assert one["ExternalImageId"] == "biden"
        assert len(rekognition.list_faces(CollectionId=collection, MaxResults=0)["Faces"]) == 3

    def test_deleting_names_what_was_not_there(
        self, rekognition: RekognitionClient, collection: str, faces: dict[str, str]
    ) -> None:
        answer = rekognition.delete_faces(CollectionId=collection, FaceIds=[faces["biden"], NOBODY])
        assert answer["DeletedFaces"] == [faces["biden"]]
        assert answer["UnsuccessfulFaceDeletions"] == [{"FaceId": NOBODY, "Reasons": ["FACE_NOT_FOUND"]}]
        assert rekognition.describe_collection(CollectionId=collection)["FaceCount"] == 2

    @pytest.mark.parametrize("operation", ["index_faces", "search_faces_by_image", "search_users_by_image"])
    def test_a_collection_that_is_not_there_is_named(
        self, rekognition: RekognitionClient, portraits: Photos, operation: str
    ) -> None:
        with pytest.raises(
            rekognition.exceptions.ResourceNotFoundException, match="The collection id: nowhere does not exist"
        ):
            getattr(rekognition, operation)(CollectionId="nowhere", Image=photo(portraits["obama.jpg"]))


class TestUsers:
    def test_a_user_gathers_faces_is_found_and_lets_them_go(
        self, rekognition: RekognitionClient, collection: str, faces: dict[str, str], portraits: Photos
    ) -> None:
        here = {"CollectionId": collection, "UserId": "u:1"}
        rekognition.create_user(**here)
        with pytest.raises(rekognition.exceptions.ConflictException, match="already exists"):
            rekognition.create_user(**here)
        assert rekognition.list_users(CollectionId=collection)["Users"] == [{"UserId": "u:1", "UserStatus": "CREATED"}]

        first = rekognition.associate_faces(**here, FaceIds=[faces["obama"], NOBODY])
        assert first["UserStatus"] == "ACTIVE"
        assert first["AssociatedFaces"] == [{"FaceId": faces["obama"]}]
        assert first["UnsuccessfulFaceAssociations"] == [{"FaceId": NOBODY, "Reasons": ["FACE_NOT_FOUND"]}]
        second = rekognition.associate_faces(**here, FaceIds=[faces["obama"], faces["obama2"], faces["biden"]])
        assert second["AssociatedFaces"] == [{"FaceId": faces["obama2"]}]
        (refused,) = second["UnsuccessfulFaceAssociations"]
        assert (refused["FaceId"], refused["Reasons"]) == (faces["biden"], ["LOW_MATCH_CONFIDENCE"])
        assert refused["Confidence"] < 75

        image = photo(portraits["obama3.jpg"])
        by_image = rekognition.search_users_by_image(CollectionId=collection, Image=image)
        (match,) = by_image["UserMatches"]
        assert match["User"] == {"UserId": "u:1", "UserStatus": "ACTIVE"}
        assert by_image["SearchedFace"]["FaceDetail"]["Confidence"] > 90
        assert by_image["UnsearchedFaces"] == []
        by_face = rekognition.search_users(CollectionId=collection, FaceId=faces["obama"])
        assert by_face["SearchedFace"] == {"FaceId": faces["obama"]}
        assert [match["User"]["UserId"] for match in by_face["UserMatches"]] == ["u:1"]
        by_user = rekognition.search_users(**here, MaxUsers=500, UserMatchThreshold=0)
        assert by_user["SearchedUser"] == {"UserId": "u:1"}
        assert by_user["UserMatches"] == []

        mine = rekognition.list_faces(**here)["Faces"]
        assert {face["UserId"] for face in mine} == {"u:1"}
        held = rekognition.delete_faces(CollectionId=collection, FaceIds=[faces["obama"]])
        assert held["DeletedFaces"] == []
        assert held["UnsuccessfulFaceDeletions"] == [
            {"FaceId": faces["obama"], "UserId": "u:1", "Reasons": ["ASSOCIATED_TO_AN_EXISTING_USER"]}
        ]

        let_go = rekognition.disassociate_faces(**here, FaceIds=[faces["obama"], faces["obama2"], NOBODY])
        assert {face["FaceId"] for face in let_go["DisassociatedFaces"]} == {faces["obama"], faces["obama2"]}
        assert let_go["UnsuccessfulFaceDisassociations"] == [{"FaceId": NOBODY, "Reasons": ["FACE_NOT_FOUND"]}]
        assert let_go["UserStatus"] == "CREATED"
        rekognition.delete_user(**here)
        with pytest.raises(rekognition.exceptions.ResourceNotFoundException):
            rekognition.delete_user(**here)

    def test_a_request_token_is_good_for_one_request(self, rekognition: RekognitionClient, collection: str) -> None:
        token = str(uuid.uuid4())
        rekognition.create_user(CollectionId=collection, UserId="a", ClientRequestToken=token)
        rekognition.create_user(CollectionId=collection, UserId="a", ClientRequestToken=token)
        with pytest.raises(rekognition.exceptions.IdempotentParameterMismatchException):
            rekognition.create_user(CollectionId=collection, UserId="b", ClientRequestToken=token)

    def test_the_paginator_lists_every_user_once(self, rekognition: RekognitionClient, collection: str) -> None:
        for n in range(5):
            rekognition.create_user(CollectionId=collection, UserId=f"u{n}")
        pages = rekognition.get_paginator("list_users").paginate(
            CollectionId=collection, PaginationConfig={"PageSize": 2}
        )
        assert [user["UserId"] for page in pages for user in page["Users"]] == [f"u{n}" for n in range(5)]

    def test_a_photo_without_a_face_is_nobody(
        self, rekognition: RekognitionClient, collection: str, portraits: Photos
    ) -> None:
        answer = rekognition.search_users_by_image(CollectionId=collection, Image=photo(portraits["coffee.png"]))
        assert answer["UserMatches"] == []
        assert "SearchedFace" not in answer

    @pytest.mark.parametrize("probe", [{}, {"UserId": "a", "FaceId": NOBODY}])
    def test_users_are_searched_by_exactly_one_thing(
        self, rekognition: RekognitionClient, collection: str, probe: dict[str, str]
    ) -> None:
        with pytest.raises(rekognition.exceptions.InvalidParameterException, match="exactly one"):
            rekognition.search_users(CollectionId=collection, **probe)


class TestStoredPhotos:
    def test_a_photo_is_read_from_the_store(
        self, rekognition: RekognitionClient, s3: S3Client, portraits: Photos
    ) -> None:
        s3.put_object(Bucket=BUCKET, Key="people/obama é.jpg", Body=portraits["obama.jpg"].read_bytes())
        stored = {"S3Object": {"Bucket": BUCKET, "Name": "people/obama é.jpg"}}
        assert len(rekognition.detect_faces(Image=stored)["FaceDetails"]) == 1

    def test_a_version_is_read_when_one_is_named(
        self, rekognition: RekognitionClient, s3: S3Client, portraits: Photos
    ) -> None:
        old = s3.put_object(Bucket=BUCKET, Key="v.jpg", Body=portraits["obama.jpg"].read_bytes())["VersionId"]
        s3.put_object(Bucket=BUCKET, Key="v.jpg", Body=portraits["coffee.png"].read_bytes())
        newest = {"Bucket": BUCKET, "Name": "v.jpg"}
        assert rekognition.detect_faces(Image={"S3Object": newest})["FaceDetails"] == []
        assert len(rekognition.detect_faces(Image={"S3Object": {**newest, "Version": old}})["FaceDetails"]) == 1

    @pytest.mark.parametrize(("bucket", "name"), [(BUCKET, "missing"), (PRIVATE_BUCKET, "x"), ("elsewhere", "x")])
    def test_what_may_not_be_read_is_an_invalid_s3_object(
        self, rekognition: RekognitionClient, s3: S3Client, portraits: Photos, bucket: str, name: str
    ) -> None:
        s3.put_object(Bucket=PRIVATE_BUCKET, Key="x", Body=portraits["obama.jpg"].read_bytes())
        with pytest.raises(rekognition.exceptions.InvalidS3ObjectException):
            rekognition.detect_faces(Image={"S3Object": {"Bucket": bucket, "Name": name}})

    @pytest.mark.parametrize("image", [{}, {"S3Object": {"Bucket": BUCKET}}, {"S3Object": {"Name": "x"}}])
    def test_an_image_must_be_somewhere(self, unchecked: RekognitionClient, image: dict[str, object]) -> None:
        with pytest.raises(unchecked.exceptions.InvalidParameterException, match="Image"):
            unchecked.detect_faces(Image=image)

    def test_an_image_cannot_be_in_two_places(self, rekognition: RekognitionClient) -> None:
        with pytest.raises(rekognition.exceptions.InvalidParameterException, match="either"):
            rekognition.detect_faces(Image={"Bytes": b"x", "S3Object": {"Bucket": BUCKET, "Name": "x"}})


class TestRefusals:
    @pytest.mark.parametrize(
        ("parameters", "said"),
        [
            ({"CollectionId": "bad id"}, "Value 'bad id' at 'collectionId' failed to satisfy constraint: Member must "),
            ({"CollectionId": "a", "MaxFaces": 5000}, "Value '5000' at 'maxFaces'"),
            ({"CollectionId": "a", "FaceMatchThreshold": 101.0}, "Value '101.0' at 'faceMatchThreshold'"),
            ({"CollectionId": "a", "QualityFilter": "BEST"}, "Value 'BEST' at 'qualityFilter'"),
            ({}, "Value null at 'collectionId'"),
        ],
    )
    def test_what_boto3_does_not_check_the_server_does(
        self, unchecked: RekognitionClient, parameters: dict[str, object], said: str
    ) -> None:
        with pytest.raises(unchecked.exceptions.InvalidParameterException) as refused:
            unchecked.search_faces_by_image(Image={"Bytes": b"x"}, **parameters)
        assert refused.value.response["Error"]["Message"].startswith(f"1 validation error detected: {said}")

    @pytest.mark.parametrize("operation", sorted(ABSENT))
    def test_what_is_not_offered_says_so_at_once(self, unchecked: RekognitionClient, operation: str) -> None:
        method = re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
        with pytest.raises(unchecked.exceptions.AccessDeniedException, match=f"{operation} is not offered") as refused:
            getattr(unchecked, method)()
        assert refused.value.response["ResponseMetadata"]["RetryAttempts"] == 0

    def test_a_wrong_secret_and_an_unknown_key_are_told_apart(
        self, server: Server, connect: Callable[..., RekognitionClient]
    ) -> None:
        for key, secret, code in (
            (server.access_key_id, "wrong", "InvalidSignatureException"),
            ("AKIANOBODY", server.secret_access_key, "UnrecognizedClientException"),
        ):
            client = connect(key=(key, secret))
            with pytest.raises(ClientError) as refused:
                client.list_collections()
            assert refused.value.response["Error"]["Code"] == code

    def test_another_region_is_refused(self, connect: Callable[..., RekognitionClient]) -> None:
        with pytest.raises(ClientError, match="valid region: 'us-east-1'"):
            connect(region_name="eu-west-1").list_collections()


class TestConcurrency:
    def test_many_clients_at_once_all_read_what_they_wrote(
        self, rekognition: RekognitionClient, collection: str, portraits: Photos
    ) -> None:
        image = photo(portraits["obama.jpg"])

        def enrol_and_find(n: int) -> bool:
            answer = rekognition.index_faces(CollectionId=collection, Image=image, ExternalImageId=f"n{n}", MaxFaces=1)
            face_id = answer["FaceRecords"][0]["Face"]["FaceId"]
            found = rekognition.search_faces_by_image(CollectionId=collection, Image=image, MaxFaces=4096)
            return face_id in {match["Face"]["FaceId"] for match in found["FaceMatches"]}

        with ThreadPoolExecutor(8) as threads:
            assert all(threads.map(enrol_and_find, range(16)))
        assert rekognition.describe_collection(CollectionId=collection)["FaceCount"] == 16

    def test_identical_calls_in_the_same_second_are_all_answered(self, rekognition: RekognitionClient) -> None:
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: rekognition.list_collections(), range(40)))
        ids = {answer["ResponseMetadata"]["RequestId"] for answer in answers}
        assert len(ids) == 40
