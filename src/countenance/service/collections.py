"""Use cases on collections, their tags, and what policies may know of them.

Two tags govern: `countenance:sensitivity` says what a collection holds, `countenance:purposes` what it was made for
(words of the closed lists, several separated by spaces). Setting one is a use of its own, GovernCollection, since
whoever could call a gallery of arrest photos one of missing persons could walk around the policies. Whoever may govern
may do so with what others own, whose other tags are none of their business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from countenance.errors import InvalidParameter
from countenance.gallery.collections import DEFAULT_SENSITIVITY, Collection, Collections, Governance
from countenance.policy.vocabulary import Purpose, Sensitivity
from countenance.service.actions import Action
from countenance.service.callers import Caller
from countenance.service.pagination import DEFAULT_PAGE, Listing, position
from countenance.service.uses import Uses
from countenance.vision.analysis import Vision

SENSITIVITY_TAG = "countenance:sensitivity"
PURPOSES_TAG = "countenance:purposes"
GOVERNING = frozenset({SENSITIVITY_TAG, PURPOSES_TAG})


@dataclass(frozen=True, slots=True)
class Declaration:
    """What tags declare of a collection; None is not said."""

    sensitivity: Sensitivity | None
    purposes: tuple[Purpose, ...] | None

    @classmethod
    def of(cls, tags: Mapping[str, str]) -> Declaration | None:
        """What these tags declare; None when they declare nothing. Raises `InvalidParameter` for unknown words."""
        sensitivity, purposes = tags.get(SENSITIVITY_TAG), tags.get(PURPOSES_TAG)
        if sensitivity is None and purposes is None:
            return None
        return cls(
            None if sensitivity is None else _word(Sensitivity, sensitivity, SENSITIVITY_TAG),
            None if purposes is None else tuple(_word(Purpose, word, PURPOSES_TAG) for word in purposes.split()),
        )


class CollectionAdministration:
    """Creates, describes, lists, tags, governs and deletes collections."""

    def __init__(self, uses: Uses, vision: Vision, collections: Collections) -> None:
        self._uses = uses
        self._vision = vision
        self._collections = collections

    def create(self, caller: Caller, collection_id: str, tags: Mapping[str, str]) -> Collection:
        """A new, empty collection of the caller's organization, bound for good to the recognizer in the settings.

        Raises `ResourceAlreadyExists`, `ServiceQuotaExceeded` (tags), and `InvalidParameter` for tags that govern with
        words nobody knows.
        """
        version = self._vision.face_model_version
        governance = declared_by(self._uses, caller, collection_id, tags)
        with self._uses.use(caller, Action.CREATE_COLLECTION, collection_id, face_model_version=version) as use:
            created = self._collections.create(collection_id, version, tags, governance)
            use.details(collection=created.uid, sensitivity=created.sensitivity, purposes=created.purposes)
            return created

    def describe(self, caller: Caller, collection_id: str) -> Collection:
        """The collection with the numbers of its faces and users. Raises `ResourceNotFound`."""
        with self._uses.use(caller, Action.DESCRIBE_COLLECTION, collection_id) as use:
            return use.collection

    def list(self, caller: Caller, max_results: int | None = None, token: str | None = None) -> Listing[Collection]:
        """A page of the collections, in the order of their creation. Raises `InvalidPaginationToken`."""
        with self._uses.use(caller, Action.LIST_COLLECTIONS) as use:
            request = [Action.LIST_COLLECTIONS]
            page = self._collections.list(position(request, token), max_results or DEFAULT_PAGE)
            use.state(collections=len(page.items))
            return Listing.of(request, page)

    def delete(self, caller: Caller, collection_id: str) -> None:
        """Erase the collection with its faces, users and tags. Raises `ResourceNotFound`."""
        with self._uses.use(caller, Action.DELETE_COLLECTION, collection_id) as use:
            collection = use.collection
            self._collections.delete(collection_id)
            use.erased(faces=collection.face_count, users=collection.user_count, collections=1)

    def tag(self, caller: Caller, collection_id: str, tags: Mapping[str, str]) -> None:
        """Add or overwrite tags.

        Raises `ResourceNotFound`, `ServiceQuotaExceeded`, and `InvalidParameter` for tags that govern with words nobody
        knows.
        """
        declared = Declaration.of(tags)
        if declared is None or not tags.keys() <= GOVERNING:
            with self._uses.use(caller, Action.TAG_RESOURCE, collection_id, tags=len(tags)) as use:
                if declared is None:
                    self._collections.tag(use.collection.collection_id, tags)
        if declared is not None:
            with self._uses.use(caller, Action.GOVERN_COLLECTION, collection_id) as use:
                self._collections.tag(use.collection.collection_id, tags)
                governed = self._collections.govern(
                    collection_id, sensitivity=declared.sensitivity, purposes=declared.purposes
                )
                use.details(collection=governed.uid, sensitivity=governed.sensitivity, purposes=governed.purposes)

    def untag(self, caller: Caller, collection_id: str, tag_keys: Sequence[str]) -> None:
        """Remove tags; those that are not there are ignored, and what a tag declared is undone.

        Raises `ResourceNotFound`.
        """
        governing = GOVERNING.intersection(tag_keys)
        if not governing or not GOVERNING.issuperset(tag_keys):
            with self._uses.use(caller, Action.UNTAG_RESOURCE, collection_id, tags=len(tag_keys)) as use:
                if not governing:
                    self._collections.untag(use.collection.collection_id, tag_keys)
        if governing:
            with self._uses.use(caller, Action.GOVERN_COLLECTION, collection_id) as use:
                self._collections.untag(use.collection.collection_id, tag_keys)
                governed = self._collections.govern(
                    collection_id,
                    sensitivity=DEFAULT_SENSITIVITY if SENSITIVITY_TAG in governing else None,
                    purposes=() if PURPOSES_TAG in governing else None,
                )
                use.details(collection=governed.uid, sensitivity=governed.sensitivity, purposes=governed.purposes)

    def tags(self, caller: Caller, collection_id: str) -> Mapping[str, str]:
        """The tags of a collection. Raises `ResourceNotFound`."""
        with self._uses.use(caller, Action.LIST_TAGS_FOR_RESOURCE, collection_id):
            return self._collections.tags(collection_id)


def declared_by(uses: Uses, caller: Caller, collection_id: str, tags: Mapping[str, str]) -> Governance:
    """What a new collection of the caller's is declared to be by its tags: a use of its own where they govern.

    Raises `AccessDenied`, and `InvalidParameter` for words nobody knows.
    """
    declared = Declaration.of(tags)
    owner = caller.principal.organization.key
    if declared is None:
        return Governance(owner_key=owner)
    with uses.use(caller, Action.GOVERN_COLLECTION, collection_id) as use:
        use.details(sensitivity=declared.sensitivity, purposes=declared.purposes)
    return Governance(declared.sensitivity or DEFAULT_SENSITIVITY, declared.purposes or (), owner)


def _word(words: type[Sensitivity | Purpose], word: str, tag: str) -> Any:
    try:
        return words(word)
    except ValueError:
        known = ", ".join(words)
        raise InvalidParameter(f"The tag {tag} takes words of a closed list: {known}.") from None
