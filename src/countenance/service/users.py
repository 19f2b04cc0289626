"""Use cases on the users of a collection: create, delete, list, associate, disassociate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from countenance.gallery.users import Association, User, Users
from countenance.service.actions import Action
from countenance.service.callers import Caller
from countenance.service.pagination import Listing, position
from countenance.service.uses import Uses
from countenance.vision.analysis import Vision

# Rekognition's documented default of AssociateFaces.
DEFAULT_USER_MATCH_THRESHOLD = 75.0

# Rekognition's largest page of users, taken where the request names none.
MAX_USERS_PAGE = 500


class UserAdministration:
    """Keeps the users of collections: one template each, made of the faces associated with them."""

    def __init__(self, uses: Uses, vision: Vision, users: Users) -> None:
        self._uses = uses
        self._vision = vision
        self._users = users

    def create(self, caller: Caller, collection_id: str, user_id: str, token: str | None = None) -> None:
        """A new user without faces.

        Raises `ResourceNotFound`, `ResourceConflict` (the user exists), `IdempotentParameterMismatch`.
        """
        with self._uses.use(caller, Action.CREATE_USER, collection_id):
            self._users.create(collection_id, user_id, token=token)

    def delete(self, caller: Caller, collection_id: str, user_id: str, token: str | None = None) -> None:
        """Erase a user; its faces stay, disassociated. Raises `ResourceNotFound`, `IdempotentParameterMismatch`."""
        with self._uses.use(caller, Action.DELETE_USER, collection_id) as use:
            self._users.delete(collection_id, user_id, token=token)
            use.erased(users=1)

    def list(
        self, caller: Caller, collection_id: str, max_results: int | None = None, token: str | None = None
    ) -> Listing[User]:
        """A page of the users, in the order of their creation.

        Raises `ResourceNotFound`, `InvalidPaginationToken`.
        """
        with self._uses.use(caller, Action.LIST_USERS, collection_id) as use:
            request = [Action.LIST_USERS, collection_id]
            page = self._users.list(collection_id, position(request, token), max_results or MAX_USERS_PAGE)
            use.state(users=len(page.items))
            return Listing.of(request, page)

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
        asked: dict[str, Any] = {"threshold": threshold, "requested": len(face_ids)}
        with self._uses.use(caller, Action.ASSOCIATE_FACES, collection_id, **asked) as use:
            version = use.collection.face_model_version
            use.by(version)
            similarity = self._vision.calibration(version).similarity
            association = self._users.associate(
                collection_id,
                user_id,
                face_ids,
                threshold=use.threshold,
                similarity=lambda cosine: float(similarity(cosine)),
                token=token,
            )
            use.state(associated=len(association.changed), unsuccessful=len(association.unchanged))
            return association

    def disassociate(
        self, caller: Caller, collection_id: str, user_id: str, face_ids: Sequence[str], token: str | None = None
    ) -> Association:
        """Take faces from a user. Raises `ResourceNotFound`, `IdempotentParameterMismatch`."""
        with self._uses.use(caller, Action.DISASSOCIATE_FACES, collection_id, requested=len(face_ids)) as use:
            disassociation = self._users.disassociate(collection_id, user_id, face_ids, token=token)
            use.state(disassociated=len(disassociation.changed), unsuccessful=len(disassociation.unchanged))
            return disassociation
