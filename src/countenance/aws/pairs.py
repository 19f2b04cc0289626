"""Independent tests over HTTP: `POST /fairness/pairs`, JSON, signed and answered as Rekognition's own operations are.

    {"Photos": [{"Bytes": "<base64>"}, ...], "Pairs": [{"Left": 0, "Right": 1}, ...], "FaceModelVersion": "2.0"}

docs/independent-testing.md is for testers.
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

from botocore.model import ShapeResolver, StructureShape
from starlette.requests import Request
from starlette.responses import Response

from countenance.aws.errors import (
    RequestEntityTooLargeException,
    SerializationException,
    UnknownOperationException,
    error_response,
)
from countenance.aws.model import SERVICE
from countenance.aws.protocols import Undertaking, media_type
from countenance.aws.validation import read_request
from countenance.fairness.testing.terms import MAX_PAIRS, MAX_PHOTOS, PATH
from countenance.service.application import Application
from countenance.service.callers import Caller
from countenance.service.photos import PhotoBytes

CONTENT_TYPE = "application/json"

# As a service model would have it.
_SHAPES: dict[str, Any] = {
    "Request": {
        "type": "structure",
        "required": ["Photos", "Pairs"],
        "members": {
            "Photos": {"shape": "Photos"},
            "Pairs": {"shape": "Pairs"},
            "FaceModelVersion": {"shape": "FaceModelVersion"},
        },
    },
    "Photos": {"type": "list", "min": 2, "max": MAX_PHOTOS, "member": {"shape": "Photo"}},
    "Photo": {"type": "structure", "required": ["Bytes"], "members": {"Bytes": {"shape": "Bytes"}}},
    "Bytes": {"type": "blob", "min": 1},
    "Pairs": {"type": "list", "min": 1, "max": MAX_PAIRS, "member": {"shape": "Pair"}},
    "Pair": {
        "type": "structure",
        "required": ["Left", "Right"],
        "members": {"Left": {"shape": "Place"}, "Right": {"shape": "Place"}},
    },
    "Place": {"type": "integer", "min": 0, "max": MAX_PHOTOS - 1},
    "FaceModelVersion": {"type": "string", "min": 1, "max": 32, "pattern": r"[0-9]{1,9}(\.[0-9]{1,9}){0,2}"},
}


class PairTesting:
    """The protocol of independent tests."""

    service: ClassVar[str] = SERVICE
    path: ClassVar[str] = PATH
    media_type: ClassVar[str] = CONTENT_TYPE

    def begin(self, request: Request) -> Undertaking:
        """Raises `UnknownOperationException` and `SerializationException` for what is no JSON."""
        if request.url.query:
            raise UnknownOperationException("This API takes no query string; presigned requests are not accepted.")
        if media_type(request) != CONTENT_TYPE:
            raise SerializationException(f"Content-Type must be {CONTENT_TYPE}.")
        if "content-encoding" in request.headers:
            raise SerializationException("A body with a Content-Encoding is not accepted.")
        return Undertaking(_carry_out, too_large=RequestEntityTooLargeException, recognises=True)

    def error_response(self, error: Exception, request_id: str) -> Response:
        """As Rekognition's."""
        return error_response(error, request_id)


@cache
def _shape() -> StructureShape:
    shape = ShapeResolver(_SHAPES).get_shape_by_name("Request")
    assert isinstance(shape, StructureShape)
    return shape


def _carry_out(application: Application, caller: Caller, body: bytes) -> bytes:
    request = read_request(body, _shape())
    result = application.testing.pairs(
        caller,
        [PhotoBytes(photo["Bytes"]) for photo in request["Photos"]],
        [(pair["Left"], pair["Right"]) for pair in request["Pairs"]],
        face_model_version=request.get("FaceModelVersion"),
    )
    return result.text()
