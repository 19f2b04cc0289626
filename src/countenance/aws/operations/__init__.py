"""The operations on offer, by family."""

from countenance.aws.operations import collections, faces, image, tags, users
from countenance.aws.operations.calls import Operation

OPERATIONS: dict[str, Operation] = {
    **image.OPERATIONS,
    **collections.OPERATIONS,
    **faces.OPERATIONS,
    **users.OPERATIONS,
    **tags.OPERATIONS,
}

__all__ = ["OPERATIONS", "Operation"]
