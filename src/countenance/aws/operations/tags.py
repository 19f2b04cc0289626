"""TagResource, UntagResource and ListTagsForResource, of collections."""

from __future__ import annotations

from countenance.aws.arns import collection_id
from countenance.aws.operations.calls import Answer, Call, Operation


def tag_resource(call: Call) -> Answer:
    """Tags of the same key are overwritten."""
    call.application.collections.tag(call.caller, _tagged(call), call.request["Tags"])
    return {}


def untag_resource(call: Call) -> Answer:
    """Keys that are not there are ignored."""
    call.application.collections.untag(call.caller, _tagged(call), call.request["TagKeys"])
    return {}


def list_tags_for_resource(call: Call) -> Answer:
    """All tags."""
    return {"Tags": call.application.collections.tags(call.caller, _tagged(call))}


def _tagged(call: Call) -> str:
    return collection_id(call.request["ResourceArn"], call.application.settings)


OPERATIONS = {
    "TagResource": Operation(tag_resource),
    "UntagResource": Operation(untag_resource),
    "ListTagsForResource": Operation(list_tags_for_resource),
}
