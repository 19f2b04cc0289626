"""What can be asked for, and what each use owes the ledger when it is over."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from countenance.policy.actions import GROUPS


class Action(StrEnum):
    """By Rekognition's names where it has one."""

    DETECT_FACES = "DetectFaces"
    START_FACE_DETECTION = "StartFaceDetection"
    GET_FACE_DETECTION = "GetFaceDetection"
    COMPARE_FACES = "CompareFaces"
    START_FACE_SEARCH = "StartFaceSearch"
    GET_FACE_SEARCH = "GetFaceSearch"
    START_PERSON_TRACKING = "StartPersonTracking"
    GET_PERSON_TRACKING = "GetPersonTracking"
    INDEX_FACES = "IndexFaces"
    SEARCH_FACES = "SearchFaces"
    SEARCH_FACES_BY_IMAGE = "SearchFacesByImage"
    SEARCH_USERS = "SearchUsers"
    SEARCH_USERS_BY_IMAGE = "SearchUsersByImage"
    LIST_FACES = "ListFaces"
    DELETE_FACES = "DeleteFaces"
    CREATE_COLLECTION = "CreateCollection"
    DESCRIBE_COLLECTION = "DescribeCollection"
    LIST_COLLECTIONS = "ListCollections"
    DELETE_COLLECTION = "DeleteCollection"
    GOVERN_COLLECTION = "GovernCollection"
    CREATE_USER = "CreateUser"
    DELETE_USER = "DeleteUser"
    LIST_USERS = "ListUsers"
    ASSOCIATE_FACES = "AssociateFaces"
    DISASSOCIATE_FACES = "DisassociateFaces"
    TAG_RESOURCE = "TagResource"
    UNTAG_RESOURCE = "UntagResource"
    LIST_TAGS_FOR_RESOURCE = "ListTagsForResource"
    EXPORT_COLLECTION = "ExportCollection"
    IMPORT_COLLECTION = "ImportCollection"
    ASSUME_ROLE = "AssumeRole"
    GET_CALLER_IDENTITY = "GetCallerIdentity"
    CREATE_ORGANIZATION = "CreateOrganization"
    DECLARE_ORGANIZATION = "DeclareOrganization"
    CREATE_PRINCIPAL = "CreatePrincipal"
    TRAIN_PRINCIPAL = "TrainPrincipal"
    LIST_PRINCIPALS = "ListPrincipals"
    CREATE_ACCESS_KEY = "CreateAccessKey"
    LIST_ACCESS_KEYS = "ListAccessKeys"
    REVOKE_ACCESS_KEY = "RevokeAccessKey"
    ROTATE_LOG_KEY = "RotateLogKey"
    REQUEST_AUTHORIZATION = "RequestAuthorization"
    APPROVE_AUTHORIZATION = "ApproveAuthorization"
    REFUSE_AUTHORIZATION = "RefuseAuthorization"
    REVOKE_AUTHORIZATION = "RevokeAuthorization"
    LIST_AUTHORIZATIONS = "ListAuthorizations"
    LIST_REVIEWS = "ListReviews"
    REVIEW_CANDIDATES = "ReviewCandidates"
    DISCLOSE_REVIEW = "DiscloseReview"
    PROPOSE_POLICY = "ProposePolicy"
    APPROVE_POLICY = "ApprovePolicy"
    REJECT_POLICY = "RejectPolicy"
    LIST_POLICIES = "ListPolicies"
    SUBJECT_ACCESS = "SubjectAccess"
    TEST_PAIRS = "TestPairs"
    QUALIFY_MODEL = "QualifyModel"
    WAIVE_QUALIFICATION = "WaiveQualification"
    REVOKE_QUALIFICATION = "RevokeQualification"
    LIST_QUALIFICATIONS = "ListQualifications"


# Those that compare faces: their answers, or what they do, depend on who is like whom.
MATCHES = frozenset(map(Action, GROUPS["match"]))

# Those that answer what was asked for before: it is decided again, as it stands now.
DECIDED_AS: Mapping[Action, Action] = {Action.GET_FACE_SEARCH: Action.START_FACE_SEARCH}

# Those that compare and can keep their candidates back until people have looked at them. A job on a video cannot.
WITHHOLDS = frozenset(map(Action, GROUPS["search"])) - {Action.START_FACE_SEARCH}

# Those that are closed by another entry than an outcome.
ENROLS = frozenset({Action.INDEX_FACES, Action.IMPORT_COLLECTION})
ERASES = frozenset({Action.DELETE_FACES, Action.DELETE_USER, Action.DELETE_COLLECTION})
EXPORTS = frozenset({Action.EXPORT_COLLECTION})
