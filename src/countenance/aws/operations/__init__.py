"""The operations on offer, by family."""

from countenance.aws.operations import collections, faces, image, tags, users, video
from countenance.aws.operations.calls import Operation

OPERATIONS: dict[str, Operation] = {
    **image.OPERATIONS,
    **collections.OPERATIONS,
    **faces.OPERATIONS,
    **users.OPERATIONS,
    **tags.OPERATIONS,
    **video.OPERATIONS,
}

__all__ = ["OPERATIONS", "Operation"]
