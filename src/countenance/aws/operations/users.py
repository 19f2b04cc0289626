"""CreateUser, DeleteUser, ListUsers, AssociateFaces, DisassociateFaces, SearchUsers and SearchUsersByImage."""

from __future__ import annotations

from countenance.aws.faces import Structure, face_detail
from countenance.aws.operations.calls import Answer, Call, Operation
from countenance.gallery.users import User


def create_user(call: Call) -> Answer:
    """An existing UserId is a ConflictException."""
    call.application.users.create(
        call.caller, call.request["CollectionId"], call.request["UserId"], **call.chosen(ClientRequestToken="token")
    )
    return {}


def delete_user(call: Call) -> Answer:
    """The user's faces stay in the collection."""
    call.application.users.delete(
        call.caller, call.request["CollectionId"], call.request["UserId"], **call.chosen(ClientRequestToken="token")
    )
    return {}


def list_users(call: Call) -> Answer:
    """A page of users."""
    page = call.application.users.list(
        call.caller, call.request["CollectionId"], **call.chosen(MaxResults="max_results", NextToken="token")
    )
    return {"Users": [_user(user) for user in page.items], "NextToken": page.next_token}


def associate_faces(call: Call) -> Answer:
    """Faces that are the user's already are in neither list."""
    association = call.application.users.associate(
        call.caller,
        call.request["CollectionId"],
        call.request["UserId"],
        call.request["FaceIds"],
        **call.chosen(UserMatchThreshold="threshold", ClientRequestToken="token"),
    )
    return {
        "AssociatedFaces": [{"FaceId": face_id} for face_id in association.changed],
        "UnsuccessfulFaceAssociations": [
            {
                "FaceId": failure.face_id,
                "UserId": failure.user_id,
                "Confidence": failure.confidence,
                "Reasons": failure.reasons,
            }
            for failure in association.unchanged
        ],
        "UserStatus": association.status,
    }


def disassociate_faces(call: Call) -> Answer:
    """Faces that are nobody's already are in neither list."""
    disassociation = call.application.users.disassociate(
        call.caller,
        call.request["CollectionId"],
        call.request["UserId"],
        call.request["FaceIds"],
        **call.chosen(ClientRequestToken="token"),
    )
    return {
        "DisassociatedFaces": [{"FaceId": face_id} for face_id in disassociation.changed],
        "UnsuccessfulFaceDisassociations": [
            {"FaceId": failure.face_id, "UserId": failure.user_id, "Reasons": failure.reasons}
            for failure in disassociation.unchanged
        ],
        "UserStatus": disassociation.status,
    }


def search_users(call: Call) -> Answer:
    """By UserId (itself left out) or by FaceId."""
    search = call.application.searches.search_users(
        call.caller,
        call.request["CollectionId"],
        **call.chosen(UserId="user_id", FaceId="face_id", MaxUsers="max_users", UserMatchThreshold="threshold"),
    )
    return {
        "UserMatches": [_user_match(similarity, user) for similarity, user in search.matches],
        "FaceModelVersion": search.face_model_version,
        "SearchedFace": call.chosen(FaceId="FaceId") or None,
        "SearchedUser": call.chosen(UserId="UserId") or None,
    }


def search_users_by_image(call: Call) -> Answer:
    """No face matches nobody. The model spells `SearchedFace.FaceDetail` and `UnsearchedFaces[].FaceDetails`."""
    search = call.application.searches.search_users_by_image(
        call.caller,
        call.request["CollectionId"],
        call.photo(),
        **call.chosen(MaxUsers="max_users", UserMatchThreshold="threshold"),
        **call.quality_filter(),
    )
    searched = search.searched
    return {
        "UserMatches": [_user_match(similarity, user) for similarity, user in search.matches],
        "FaceModelVersion": search.face_model_version,
        "SearchedFace": searched and {"FaceDetail": face_detail(searched)},
        "UnsearchedFaces": [
            {"FaceDetails": face_detail(detail), "Reasons": list(reasons)} for reasons, detail in search.unsearched
        ],
    }


def _user(user: User) -> Structure:
    return {"UserId": user.user_id, "UserStatus": user.status}


def _user_match(similarity: float, user: User) -> Structure:
    return {"Similarity": similarity, "User": _user(user)}


OPERATIONS = {
    "CreateUser": Operation(create_user),
    "DeleteUser": Operation(delete_user),
    "ListUsers": Operation(list_users),
    "AssociateFaces": Operation(associate_faces),
    "DisassociateFaces": Operation(disassociate_faces),
    "SearchUsers": Operation(search_users),
    "SearchUsersByImage": Operation(search_users_by_image, recognises=True),
}
