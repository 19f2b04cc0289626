"""CreateCollection, DescribeCollection, ListCollections and DeleteCollection."""

from __future__ import annotations

from countenance.aws.arns import collection_arn
from countenance.aws.operations.calls import Answer, Call, Operation


def create_collection(call: Call) -> Answer:
    """The ARN comes without its `arn:`, as Rekognition gives it here and nowhere else."""
    collection = call.application.collections.create(
        call.caller, call.request["CollectionId"], call.request.get("Tags", {})
    )
    return {
        "StatusCode": 200,
        "CollectionArn": collection_arn(collection.collection_id, call.application.settings).removeprefix("arn:"),
        "FaceModelVersion": collection.face_model_version,
    }


def describe_collection(call: Call) -> Answer:
    """Counts are exact, at once."""
    collection = call.application.collections.describe(call.caller, call.request["CollectionId"])
    return {
        "FaceCount": collection.face_count,
        "FaceModelVersion": collection.face_model_version,
        "CollectionARN": collection_arn(collection.collection_id, call.application.settings),
        "CreationTimestamp": collection.created_at,
        "UserCount": collection.user_count,
    }


def list_collections(call: Call) -> Answer:
    """Two parallel lists."""
    page = call.application.collections.list(call.caller, **call.chosen(MaxResults="max_results", NextToken="token"))
    return {
        "CollectionIds": [collection.collection_id for collection in page.items],
        "FaceModelVersions": [collection.face_model_version for collection in page.items],
        "NextToken": page.next_token,
    }


def delete_collection(call: Call) -> Answer:
    """Faces, users and tags go with it."""
    call.application.collections.delete(call.caller, call.request["CollectionId"])
    return {"StatusCode": 200}


OPERATIONS = {
    "CreateCollection": Operation(create_collection),
    "DescribeCollection": Operation(describe_collection),
    "ListCollections": Operation(list_collections),
    "DeleteCollection": Operation(delete_collection),
}
