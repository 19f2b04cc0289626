"""Use cases on access keys, and the operator's own key of the first start."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from countenance.errors import ResourceAlreadyExists
from countenance.ledger.entries import KeyChange
from countenance.policy.authorizations import Authorizations
from countenance.policy.vocabulary import OrganizationKind, Purpose
from countenance.service.actions import Action
from countenance.service.callers import Caller
from countenance.service.records import actor
from countenance.service.uses import Use, Uses
from countenance.settings import Settings
from countenance.storage.keys import AccessKey, AccessKeys, SigningKey
from countenance.storage.principals import Principal, Principals

OPERATOR = "operator"

# What the operator's key is for where nothing else is said.
OPERATOR_PURPOSE = Purpose.PHOTO_LIBRARY


class KeyAdministration:
    """Issues and revokes access keys. A secret is shown once, when its key is issued."""

    def __init__(self, uses: Uses, keys: AccessKeys, principals: Principals, authorizations: Authorizations) -> None:
        self._uses = uses
        self._keys = keys
        self._principals = principals
        self._authorizations = authorizations

    def create(
        self,
        caller: Caller,
        principal: str,
        *,
        organization: str | None = None,
        purpose: Purpose,
        authorization: str | None = None,
        beneficiary: str | None = None,
    ) -> SigningKey:
        """A new key of a principal, for a purpose, and where there is one under an authorization and for a beneficiary.

        Raises `ResourceNotFound`, and `InvalidParameter` where several organizations have such a principal.
        """
        with self._uses.use(caller, Action.CREATE_ACCESS_KEY) as use:
            holder = self._principals.find(principal, organization)
            acted_for = None if beneficiary is None else self._principals.organization(beneficiary)
            if authorization is not None:
                self._authorizations.get(authorization, self._uses.now())
            key = self._keys.create(holder, purpose=purpose, authorization=authorization, beneficiary=acted_for)
            _note(use, key.key, "created")
            use.state(issued=key.key.access_key_id)
            return key

    def list(self, caller: Caller) -> Sequence[AccessKey]:
        """All keys, revoked ones too, without their secrets."""
        with self._uses.use(caller, Action.LIST_ACCESS_KEYS):
            return self._keys.list()

    def revoke(self, caller: Caller, access_key_id: str) -> None:
        """End a key at once. Raises `ResourceNotFound`."""
        with self._uses.use(caller, Action.REVOKE_ACCESS_KEY, revoked=access_key_id) as use:
            _note(use, self._keys.revoke(access_key_id), "revoked")


def ensure_operator(settings: Settings, keys: AccessKeys, principals: Principals) -> Path | None:
    """On the first start, issue the operator's key and write it to `operator.json` (mode 600) in the data folder.

    A file that was taken away is not written again, since its secret is nowhere in the clear. Returns the file's path
    while it exists.
    """
    path = settings.data / "operator.json"
    if keys.list():
        return path if path.exists() else None
    # Another process may begin at the same moment, or one that was killed may have come as far as this.
    with suppress(ResourceAlreadyExists):
        principals.create_organization(OPERATOR, OrganizationKind.OPERATOR)
    with suppress(ResourceAlreadyExists):
        # Nobody trains whoever runs the server, and no consequential purpose is theirs.
        principals.create(OPERATOR, OPERATOR, trained_until=0.0)
    key = keys.create(principals.find(OPERATOR, OPERATOR), purpose=OPERATOR_PURPOSE)
    credentials = {"aws_access_key_id": key.key.access_key_id, "aws_secret_access_key": key.secret}
    _write(path, {**credentials, "endpoint_url": settings.endpoint_url, "region": settings.region})
    return path


def publish_endpoint(settings: Settings, operator_file: Path) -> None:
    """Bring `operator.json` up to date with where the server listens. For the server alone: nobody else knows."""
    kept = json.loads(operator_file.read_text())
    published = {**kept, "endpoint_url": settings.endpoint_url, "region": settings.region}
    if published != kept:
        _write(operator_file, published)


def installed(operator: Principal) -> list[KeyChange]:
    """The entries of the first start: who runs this server."""
    organization = operator.organization
    who: dict[str, Any] = {"organization": organization.uid, "organization_kind": organization.kind}
    return [
        KeyChange(subject="organization", change="created", **who),
        KeyChange(subject="principal", change="created", principal=operator.uid, **who),
        KeyChange(subject="access_key", change="created", principal=operator.uid, purpose=OPERATOR_PURPOSE, **who),
    ]


def _note(use: Use, key: AccessKey, change: Literal["created", "revoked"]) -> None:
    organization = key.principal.organization
    use.record.others.append(
        KeyChange(
            subject="access_key",
            change=change,
            organization=organization.uid,
            organization_kind=organization.kind,
            principal=key.principal.uid,
            purpose=key.purpose,
            actor=actor(use.record.caller),
        )
    )


def _write(path: Path, content: dict[str, str]) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
