"""Everything a caller may be told went wrong.

    CountenanceError
    ├── InvalidParameter
    │   └── InvalidVideo
    ├── InvalidImageFormat
    ├── ImageTooLarge
    ├── VideoTooLarge
    ├── InvalidS3Object
    ├── ResourceNotFound
    ├── ResourceAlreadyExists
    ├── ResourceConflict
    ├── IdempotentParameterMismatch
    ├── InvalidPaginationToken
    ├── ServiceQuotaExceeded
    ├── LimitExceeded
    ├── AccessDenied
    ├── Unaccountable
    └── Misconfigured

A message is one sentence a person can act on; it never repeats an image, a template or a secret.
`code` is the name of the exception in Rekognition's own service model (`Misconfigured` never reaches the wire).
"""

from __future__ import annotations


class CountenanceError(Exception):
    """The request could not be carried out."""

    code: str

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)

    @property
    def message(self) -> str:
        """The sentence for the caller."""
        return str(self.args[0])


class InvalidParameter(CountenanceError):
    """Request has invalid parameters."""

    code = "InvalidParameterException"


class InvalidVideo(InvalidParameter):
    """The video is in a format that is not accepted, or damaged."""


class InvalidImageFormat(CountenanceError):
    """Request has invalid image format."""

    code = "InvalidImageFormatException"


class ImageTooLarge(CountenanceError):
    """Image size is too large."""

    code = "ImageTooLargeException"


class VideoTooLarge(CountenanceError):
    """Video size is too large."""

    code = "VideoTooLargeException"


class InvalidS3Object(CountenanceError):
    """Unable to get object metadata from S3. Check object key, region and/or access permissions."""

    code = "InvalidS3ObjectException"


class ResourceNotFound(CountenanceError):
    """The resource does not exist."""

    code = "ResourceNotFoundException"


class ResourceAlreadyExists(CountenanceError):
    """The resource already exists."""

    code = "ResourceAlreadyExistsException"


class ResourceConflict(CountenanceError):
    """The resource is in a state that does not allow the request."""

    code = "ConflictException"


class IdempotentParameterMismatch(CountenanceError):
    """The ClientRequestToken was used before with different parameters."""

    code = "IdempotentParameterMismatchException"


class InvalidPaginationToken(CountenanceError):
    """Invalid pagination token. Use the NextToken of the previous response, with the same parameters."""

    code = "InvalidPaginationTokenException"


class ServiceQuotaExceeded(CountenanceError):
    """A limit of this service would be exceeded."""

    code = "ServiceQuotaExceededException"


class LimitExceeded(CountenanceError):
    """Too many jobs are open at once."""

    code = "LimitExceededException"


class AccessDenied(CountenanceError):
    """The caller may not do this."""

    code = "AccessDeniedException"


class Unaccountable(CountenanceError):
    """What is done cannot be recorded, so nothing is done."""

    code = "InternalServerError"


class Misconfigured(CountenanceError):
    """The server cannot start as configured."""

    code = "Misconfigured"
