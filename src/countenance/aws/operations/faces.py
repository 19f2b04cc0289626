"""IndexFaces, ListFaces, DeleteFaces, SearchFaces and SearchFacesByImage."""

from __future__ import annotations

from countenance.aws.faces import bounding_box, face, face_detail, face_match
from countenance.aws.operations.calls import Answer, Call, Operation
from countenance.vision.details import Attribute


def index_faces(call: Call) -> Answer:
    """No face is an empty list."""
    indexing = call.application.enrolment.index_faces(
        call.caller,
        call.request["CollectionId"],
        call.photo(),
        attributes=frozenset(map(Attribute, call.request.get("DetectionAttributes", []))),
        **call.chosen(ExternalImageId="external_image_id", MaxFaces="max_faces"),
        **call.quality_filter(),
    )
    return {
        "FaceRecords": [
            {"Face": face(enrolled), "FaceDetail": face_detail(detail)} for enrolled, detail in indexing.records
        ],
        "FaceModelVersion": indexing.face_model_version,
        "UnindexedFaces": [
            {"Reasons": list(reasons), "FaceDetail": face_detail(detail)} for reasons, detail in indexing.unindexed
        ],
    }


def list_faces(call: Call) -> Answer:
    """A page of what the collection keeps."""
    face_model_version, page = call.application.enrolment.list_faces(
        call.caller,
        call.request["CollectionId"],
        **call.chosen(UserId="user_id", FaceIds="face_ids", MaxResults="max_results", NextToken="token"),
    )
    return {
        "Faces": [face(enrolled) for enrolled in page.items],
        "NextToken": page.next_token,
        "FaceModelVersion": face_model_version,
    }


def delete_faces(call: Call) -> Answer:
    """What cannot be deleted is named with its reasons; the call succeeds all the same."""
    deletion = call.application.enrolment.delete_faces(
        call.caller, call.request["CollectionId"], call.request["FaceIds"]
    )
    return {
        "DeletedFaces": deletion.deleted,
        "UnsuccessfulFaceDeletions": [
            {"FaceId": failure.face_id, "UserId": failure.user_id, "Reasons": [failure.reason]}
            for failure in deletion.failed
        ],
    }


def search_faces(call: Call) -> Answer:
    """The face itself is never among its matches."""
    search = call.application.searches.search_faces(
        call.caller,
        call.request["CollectionId"],
        call.request["FaceId"],
        **call.chosen(MaxFaces="max_faces", FaceMatchThreshold="threshold"),
    )
    return {
        "SearchedFaceId": call.request["FaceId"],
        "FaceMatches": [face_match(similarity, enrolled) for similarity, enrolled in search.matches],
        "FaceModelVersion": search.face_model_version,
    }


def search_faces_by_image(call: Call) -> Answer:
    """Only the largest face of the photo is searched for."""
    search = call.application.searches.search_faces_by_image(
        call.caller,
        call.request["CollectionId"],
        call.photo(),
        **call.chosen(MaxFaces="max_faces", FaceMatchThreshold="threshold"),
        **call.quality_filter(),
    )
    searched = search.searched
    return {
        "SearchedFaceBoundingBox": searched and bounding_box(searched.bounding_box),
        "SearchedFaceConfidence": searched and searched.confidence,
        "FaceMatches": [face_match(similarity, enrolled) for similarity, enrolled in search.matches],
        "FaceModelVersion": search.face_model_version,
    }


OPERATIONS = {
    "IndexFaces": Operation(index_faces, recognises=True),
    "ListFaces": Operation(list_faces),
    "DeleteFaces": Operation(delete_faces),
    "SearchFaces": Operation(search_faces),
    "SearchFacesByImage": Operation(search_faces_by_image, recognises=True),
}
