"""Use cases on the users of a collection: create, delete, list, associate, disassociate."""

from __future__ import annotations

from collections.abc import Sequence

from countenance.gallery.collections import Collections
from countenance.gallery.users import Association, Disassociation, User, Users
from countenance.service.callers import Caller
from countenance.service.pagination import Page, next_token, position
from countenance.service.uses import Action, use
from countenance.vision.analysis import Vision

# Rekognition's documented default of AssociateFaces.
DEFAULT_USER_MATCH_THRESHOLD = 75.0

# Rekognition's largest page of users, taken where the request names none.
MAX_USERS_PAGE = 500


class UserAdministration:
    """Keeps the users of collections: one template each, made of the faces associated with them."""

    def __init__(self, vision: Vision, collections: Collections, users: Users) -> None:
        self._vision = vision
        self._collections = collections
        self._users = users

    def create(self, caller: Caller, collection_id: str, user_id: str, token: str | None = None) -> None:
        """A new user without faces.

        Raises `ResourceNotFound`, `ResourceConflict` (the user exists), `IdempotentParameterMismatch`.
        """
        with use(caller, Action.CREATE_USER, collection_id):
            self._users.create(self._collections.get(collection_id), user_id, token)

    def delete(self, caller: Caller, collection_id: str, user_id: str, token: str | None = None) -> None:
        """Erase a user; its faces stay, disassociated. Raises `ResourceNotFound`, `IdempotentParameterMismatch`."""
        with use(caller, Action.DELETE_USER, collection_id):
            self._users.delete(self._collections.get(collection_id), user_id, token)

    def list(
        self, caller: Caller, collection_id: str, max_results: int | None = None, token: str | None = None
    ) -> Page[User]:
        """A page of the users, in the order of their creation.

        Raises `ResourceNotFound`, `InvalidPaginationToken`.
        """
        with use(caller, Action.LIST_USERS, collection_id) as outcome:
            collection = self._collections.get(collection_id)
            request = [Action.LIST_USERS, collection_id]
            limit = max_results or MAX_USERS_PAGE
            found = self._users.list(collection, position(request, token), limit + 1)
            page = found[:limit]
            outcome.state(users=len(page))
            return Page(page, next_token(request, page[-1].key) if len(found) > limit else None)

    def associate(
        self,
        caller: Caller,
        collection_id: str,
        user_id: str,
        face_ids: Sequence[str],
        *,
        threshold: float = DEFAULT_USER_MATCH_THRESHOLD,
        token: str | None = None,
    ) -> Association:
        """Give faces to a user; each must match the faces the user already has, if any.

        Raises `ResourceNotFound`, `ServiceQuotaExceeded` (100 faces a user), `IdempotentParameterMismatch`.
        """
        with use(
            caller, Action.ASSOCIATE_FACES, collection_id, threshold=threshold, requested=len(face_ids)
        ) as outcome:
            collection = self._collections.get(collection_id)
            similarity = self._vision.calibration(collection.face_model_version).similarity
            association = self._users.associate(
                collection, user_id, face_ids, lambda cosine: float(similarity(cosine)), threshold, token
            )
            outcome.state(associated=len(association.associated), unsuccessful=len(association.unsuccessful))
            return association

    def disassociate(
        self, caller: Caller, collection_id: str, user_id: str, face_ids: Sequence[str], token: str | None = None
    ) -> Disassociation:
        """Take faces from a user. Raises `ResourceNotFound`, `IdempotentParameterMismatch`."""
        with use(caller, Action.DISASSOCIATE_FACES, collection_id, requested=len(face_ids)) as outcome:
            disassociation = self._users.disassociate(self._collections.get(collection_id), user_id, face_ids, token)
            outcome.state(
                disassociated=len(disassociation.disassociated), unsuccessful=len(disassociation.unsuccessful)
            )
            return disassociation
