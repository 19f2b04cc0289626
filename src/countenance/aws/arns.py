"""Names of collections in the form of Amazon Resource Names."""

from __future__ import annotations

import re

from countenance.errors import InvalidParameter, ResourceNotFound
from countenance.settings import Settings

# CreateCollection answers without the "arn:" that every other place has; tag operations take both.
_ARN = re.compile(r"(?:arn:)?aws[a-z-]*:rekognition:([a-z0-9-]*):(\d*):([a-z]+)/([a-zA-Z0-9_.\-/]+)", re.ASCII)


def collection_arn(collection_id: str, settings: Settings) -> str:
    """`arn:aws:rekognition:REGION:ACCOUNT:collection/ID`."""
    return f"arn:aws:rekognition:{settings.region}:{settings.account_id}:collection/{collection_id}"


def collection_id(arn: str, settings: Settings) -> str:
    """The collection an ARN names.

    Raises `InvalidParameter` for what is no ARN, `ResourceNotFound` for one that cannot be of this server.
    """
    match = _ARN.fullmatch(arn)
    if match is None:
        raise InvalidParameter("ResourceArn is not an ARN of Rekognition; DescribeCollection gives a collection's.")
    region, account, kind, name = match.groups()
    if (region, account, kind) != (settings.region, settings.account_id, "collection"):
        raise ResourceNotFound(f"The resource: {arn[:256]} does not exist")
    return name
