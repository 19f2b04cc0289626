"""One call of one operation, and what its handlers share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from countenance.errors import InvalidParameter
from countenance.service.application import Application
from countenance.service.callers import Caller
from countenance.service.photos import PhotoBytes, PhotoObject, PhotoSource
from countenance.vision.quality import QualityFilter

Request = dict[str, Any]
Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls, and what there is to call. `request` is valid against the operation's input shape."""

    application: Application
    caller: Caller
    request: Request

    def chosen(self, **arguments: str) -> dict[str, Any]:
        """Arguments, by member, for the members the request names; for the others the use case has its default."""
        return {argument: self.request[member] for member, argument in arguments.items() if member in self.request}

    def photo(self, member: str = "Image") -> PhotoSource:
        """The photo that an Image structure stands for. Raises `InvalidParameter` unless it names exactly one."""
        image = self.request[member]
        data, stored = image.get("Bytes"), image.get("S3Object")
        if (data is None) == (stored is None):
            raise InvalidParameter(f"Request has invalid parameters: {member} takes either Bytes or S3Object.")
        if data is not None:
            return PhotoBytes(data)
        if "Bucket" not in stored or "Name" not in stored:
            raise InvalidParameter(f"Request has invalid parameters: {member}.S3Object needs Bucket and Name.")
        return PhotoObject(stored["Bucket"], stored["Name"], stored.get("Version"))

    def quality_filter(self) -> dict[str, Any]:
        """The argument for QualityFilter, if the request names it."""
        chosen = self.request.get("QualityFilter")
        return {} if chosen is None else {"quality_filter": QualityFilter(chosen)}


@dataclass(frozen=True, slots=True)
class Operation:
    """How one operation is carried out. `recognises`: whether a photo is worked on, which takes a worker."""

    handle: Callable[[Call], Answer]
    recognises: bool = False
