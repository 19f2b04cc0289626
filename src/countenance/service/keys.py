"""Use cases on access keys, and the operator's own key of the first start."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from countenance.service.callers import Caller
from countenance.service.uses import Action, use
from countenance.settings import Settings
from countenance.storage.keys import AccessKey, AccessKeys, Credentials

OPERATOR = "operator"

# The command line acts for whoever may read the data folder; the record names that person so.
LOCAL_ACCESS_KEY_ID = "local"


class KeyAdministration:
    """Issues and revokes access keys. A secret is shown once, when its key is issued."""

    def __init__(self, keys: AccessKeys) -> None:
        self._keys = keys

    def create(self, caller: Caller, organization: str, principal: str) -> Credentials:
        """A new key of a named principal, both created when new."""
        with use(caller, Action.CREATE_ACCESS_KEY) as outcome:
            key = self._keys.create(organization, principal)
            outcome.state(issued=key.access_key_id)
            return key

    def list(self, caller: Caller) -> Sequence[AccessKey]:
        """All keys, revoked ones too, without their secrets."""
        with use(caller, Action.LIST_ACCESS_KEYS):
            return self._keys.list()

    def revoke(self, caller: Caller, access_key_id: str) -> None:
        """End a key at once. Raises `ResourceNotFound`."""
        with use(caller, Action.REVOKE_ACCESS_KEY, revoked=access_key_id):
            self._keys.revoke(access_key_id)


def local_caller() -> Caller:
    """Who the command line acts as: the operator of this machine."""
    return Caller(LOCAL_ACCESS_KEY_ID, OPERATOR, OPERATOR)


def ensure_operator(settings: Settings, keys: AccessKeys) -> Path | None:
    """On the first start, issue the operator's key and write it to `operator.json` (mode 600) in the data folder.

    A file that was taken away is not written again, since its secret is nowhere in the clear. Returns the file's path
    while it exists.
    """
    path = settings.data / "operator.json"
    if keys.list():
        return path if path.exists() else None
    key = keys.create(OPERATOR, OPERATOR)
    credentials = {"aws_access_key_id": key.access_key_id, "aws_secret_access_key": key.secret}
    _write(path, {**credentials, "endpoint_url": settings.endpoint_url, "region": settings.region})
    return path


def publish_endpoint(settings: Settings, operator_file: Path) -> None:
    """Bring `operator.json` up to date with where the server listens. For the server alone: nobody else knows."""
    kept = json.loads(operator_file.read_text())
    published = {**kept, "endpoint_url": settings.endpoint_url, "region": settings.region}
    if published != kept:
        _write(operator_file, published)


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
