"""The operations of Rekognition that are not on offer here, and why.

Each is answered with AccessDeniedException: it is in the model of every operation, SDKs do not retry it, and it says
what is so, that nobody may perform this action here. The parameters are not at fault.
"""

from __future__ import annotations

from countenance.errors import AccessDenied

LIVENESS = "Face Liveness is not offered yet"
STREAMS = "stream processors read Amazon Kinesis, which this server does not"
CELEBRITIES = "no gallery of well-known people comes with this server, and it keeps none: enrol who may be searched for"
NOT_FACES = "this server is about faces; it does not label scenes, text, equipment or unsafe content"
CUSTOM_LABELS = "Custom Labels trains models on things other than faces, which this server does not"

_REASONS = {
    LIVENESS: ["CreateFaceLivenessSession", "GetFaceLivenessSessionResults"],
    STREAMS: [
        "CreateStreamProcessor",
        "DeleteStreamProcessor",
        "DescribeStreamProcessor",
        "ListStreamProcessors",
        "StartStreamProcessor",
        "StopStreamProcessor",
        "UpdateStreamProcessor",
    ],
    CELEBRITIES: [
        "GetCelebrityInfo",
        "GetCelebrityRecognition",
        "RecognizeCelebrities",
        "StartCelebrityRecognition",
    ],
    NOT_FACES: [
        "DetectLabels",
        "DetectModerationLabels",
        "DetectProtectiveEquipment",
        "DetectText",
        "GetContentModeration",
        "GetLabelDetection",
        "GetMediaAnalysisJob",
        "GetSegmentDetection",
        "GetTextDetection",
        "ListMediaAnalysisJobs",
        "StartContentModeration",
        "StartLabelDetection",
        "StartMediaAnalysisJob",
        "StartSegmentDetection",
        "StartTextDetection",
    ],
    CUSTOM_LABELS: [
        "CopyProjectVersion",
        "CreateDataset",
        "CreateProject",
        "CreateProjectVersion",
        "DeleteDataset",
        "DeleteProject",
        "DeleteProjectPolicy",
        "DeleteProjectVersion",
        "DescribeDataset",
        "DescribeProjectVersions",
        "DescribeProjects",
        "DetectCustomLabels",
        "DistributeDatasetEntries",
        "ListDatasetEntries",
        "ListDatasetLabels",
        "ListProjectPolicies",
        "PutProjectPolicy",
        "StartProjectVersion",
        "StopProjectVersion",
        "UpdateDatasetEntries",
    ],
}

# Why, by operation.
ABSENT = {operation: reason for reason, operations in _REASONS.items() for operation in operations}

# For operations that Amazon adds to its model after this was written.
UNHEARD_OF = "it is newer than this server"


def not_offered(operation: str) -> AccessDenied:
    """The answer to a call of an operation that this server does not have."""
    reason = ABSENT.get(operation, UNHEARD_OF)
    return AccessDenied(f"{operation} is not offered by this server: {reason}. COVERAGE.md lists what is.")
