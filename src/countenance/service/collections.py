"""Use cases on collections and their tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from countenance.gallery.collections import Collection, Collections
from countenance.service.callers import Caller
from countenance.service.pagination import DEFAULT_PAGE, Listing, position
from countenance.service.uses import Action, use
from countenance.vision.analysis import Vision


class CollectionAdministration:
    """Creates, describes, lists, tags and deletes collections."""

    def __init__(self, vision: Vision, collections: Collections) -> None:
        self._vision = vision
        self._collections = collections

    def create(self, caller: Caller, collection_id: str, tags: Mapping[str, str]) -> Collection:
        """A new, empty collection, bound for good to the recognizer in the settings.

        Raises `ResourceAlreadyExists`, `ServiceQuotaExceeded` (tags).
        """
        version = self._vision.face_model_version
        with use(caller, Action.CREATE_COLLECTION, collection_id, face_model_version=version):
            return self._collections.create(collection_id, version, tags)

    def describe(self, caller: Caller, collection_id: str) -> Collection:
        """The collection with the numbers of its faces and users. Raises `ResourceNotFound`."""
        with use(caller, Action.DESCRIBE_COLLECTION, collection_id):
            return self._collections.get(collection_id)

    def list(self, caller: Caller, max_results: int | None = None, token: str | None = None) -> Listing[Collection]:
        """A page of the collections, in the order of their creation. Raises `InvalidPaginationToken`."""
        with use(caller, Action.LIST_COLLECTIONS) as outcome:
            request = [Action.LIST_COLLECTIONS]
            page = self._collections.list(position(request, token), max_results or DEFAULT_PAGE)
            outcome.state(collections=len(page.items))
            return Listing.of(request, page)

    def delete(self, caller: Caller, collection_id: str) -> None:
        """Erase the collection with its faces, users and tags. Raises `ResourceNotFound`."""
        with use(caller, Action.DELETE_COLLECTION, collection_id):
            self._collections.delete(collection_id)

    def tag(self, caller: Caller, collection_id: str, tags: Mapping[str, str]) -> None:
        """Add or overwrite tags. Raises `ResourceNotFound`, `ServiceQuotaExceeded`."""
        with use(caller, Action.TAG_RESOURCE, collection_id, tags=len(tags)):
            self._collections.tag(collection_id, tags)

    def untag(self, caller: Caller, collection_id: str, tag_keys: Sequence[str]) -> None:
        """Remove tags; those that are not there are ignored. Raises `ResourceNotFound`."""
        with use(caller, Action.UNTAG_RESOURCE, collection_id, tags=len(tag_keys)):
            self._collections.untag(collection_id, tag_keys)

    def tags(self, caller: Caller, collection_id: str) -> Mapping[str, str]:
        """The tags of a collection. Raises `ResourceNotFound`."""
        with use(caller, Action.LIST_TAGS_FOR_RESOURCE, collection_id):
            return self._collections.tags(collection_id)
