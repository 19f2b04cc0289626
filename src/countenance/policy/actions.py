"""What can be done, in the groups that policies speak of."""

from __future__ import annotations

from collections.abc import Mapping

# As in schema.cedarschema, which says the same to Cedar; `search` is part of `match`.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "search": (
        "CompareFaces",
        "SearchFaces",
        "SearchFacesByImage",
        "SearchUsers",
        "SearchUsersByImage",
        "StartFaceSearch",
    ),
    "match": (
        "CompareFaces",
        "SearchFaces",
        "SearchFacesByImage",
        "SearchUsers",
        "SearchUsersByImage",
        "StartFaceSearch",
        "AssociateFaces",
    ),
    "detect": (
        "DetectFaces",
        "StartFaceDetection",
        "GetFaceDetection",
        "StartPersonTracking",
        "GetPersonTracking",
    ),
    "enrol": ("IndexFaces", "ImportCollection"),
    "read": ("ListFaces", "DescribeCollection", "ListCollections", "ListUsers", "ListTagsForResource", "GetFaceSearch"),
    "manage": (
        "CreateCollection",
        "CreateUser",
        "DeleteUser",
        "DisassociateFaces",
        "DeleteFaces",
        "DeleteCollection",
        "TagResource",
        "UntagResource",
    ),
    "govern": ("GovernCollection",),
    "export": ("ExportCollection",),
    "session": ("AssumeRole", "GetCallerIdentity"),
    "authorize": (
        "RequestAuthorization",
        "ApproveAuthorization",
        "RefuseAuthorization",
        "RevokeAuthorization",
        "ListAuthorizations",
    ),
    "review": ("ListReviews", "ReviewCandidates", "DiscloseReview"),
    "administer": (
        "CreateOrganization",
        "DeclareOrganization",
        "CreatePrincipal",
        "TrainPrincipal",
        "ListPrincipals",
        "CreateAccessKey",
        "ListAccessKeys",
        "RevokeAccessKey",
        "RotateLogKey",
    ),
    "legislate": ("ProposePolicy", "ApprovePolicy", "RejectPolicy", "ListPolicies"),
    "oversee": ("SubjectAccess",),
    "test": ("TestPairs",),
    "qualify": ("QualifyModel", "WaiveQualification", "RevokeQualification", "ListQualifications"),
}

ACTIONS: tuple[str, ...] = tuple(dict.fromkeys(action for actions in GROUPS.values() for action in actions))


def names_of(action: str) -> frozenset[str]:
    """The action and the groups it is in: what a policy can call it by. Only itself when there is no such action."""
    return frozenset({action, *(group for group, actions in GROUPS.items() if action in actions)})
