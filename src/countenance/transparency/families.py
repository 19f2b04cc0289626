"""What the actions in the ledger are, in families that a reader of the accounts can tell apart.

The grouping is the one that policies decide by. It is written down here once more because the accounts must be the
same on any machine that has the ledger, whatever policies are installed there; a test holds both together.
"""

from __future__ import annotations

SEARCHES = "face searches"
OTHER = "other"

# By the name of the policies' group: what readers are told, and the actions.
FAMILIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "match": (
        SEARCHES,
        (
            "CompareFaces",
            "SearchFaces",
            "SearchFacesByImage",
            "SearchUsers",
            "SearchUsersByImage",
            "StartFaceSearch",
            "AssociateFaces",
        ),
    ),
    "detect": (
        "face detection",
        ("DetectFaces", "StartFaceDetection", "GetFaceDetection", "StartPersonTracking", "GetPersonTracking"),
    ),
    "enrol": ("enrolment", ("IndexFaces", "ImportCollection")),
    "read": (
        "reading collections",
        ("ListFaces", "DescribeCollection", "ListCollections", "ListUsers", "ListTagsForResource", "GetFaceSearch"),
    ),
    "manage": (
        "managing collections",
        (
            "CreateCollection",
            "CreateUser",
            "DeleteUser",
            "DisassociateFaces",
            "DeleteFaces",
            "DeleteCollection",
            "TagResource",
            "UntagResource",
        ),
    ),
    "govern": ("declaring collections", ("GovernCollection",)),
    "export": ("export", ("ExportCollection",)),
    "session": ("sessions", ("AssumeRole", "GetCallerIdentity")),
    "authorize": (
        "authorizations",
        (
            "RequestAuthorization",
            "ApproveAuthorization",
            "RefuseAuthorization",
            "RevokeAuthorization",
            "ListAuthorizations",
        ),
    ),
    "review": ("reviews", ("ListReviews", "ReviewCandidates", "DiscloseReview")),
    "administer": (
        "administration",
        (
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
    ),
    "legislate": ("changes of policy", ("ProposePolicy", "ApprovePolicy", "RejectPolicy", "ListPolicies")),
    "oversee": ("subject access", ("SubjectAccess",)),
    "test": ("independent tests", ("TestPairs",)),
    "qualify": (
        "qualification of face models",
        ("QualifyModel", "WaiveQualification", "RevokeQualification", "ListQualifications"),
    ),
}

_FAMILY_OF = {action: told for told, actions in FAMILIES.values() for action in actions}


def family(action: str) -> str:
    """The family of an action, as readers are told; `OTHER` for one that this version does not know."""
    return _FAMILY_OF.get(action, OTHER)
