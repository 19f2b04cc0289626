"""Access keys, and the key that seals their secrets.

A secret must be known to verify a signature, so it cannot be hashed as a password is. It is sealed by AES-256-GCM
(NIST SP 800-38D) under a key that lies in a file outside the database, with the access key's id as associated data.
Trust: whoever reads the database alone learns no secret; whoever reads the key file alone learns nothing; whoever
reads both can sign as every principal.
"""

from __future__ import annotations

import base64
import os
import secrets
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Row, Select, insert, update

from countenance.errors import Misconfigured, ResourceNotFound
from countenance.storage import schema
from countenance.storage.database import Database
from countenance.storage.principals import Organization, Principal, select_principals, to_principal

KEY_BYTES = 32
NONCE_BYTES = 12

# The shape of AWS's own: 20 characters beginning with AKIA, and 30 random bytes in 40 characters of base64.
ID_PREFIX = "AKIA"
ID_RANDOM_BYTES = 10
SECRET_RANDOM_BYTES = 30

# Every request looks its key up. An answer is used again for this long, so a revocation counts everywhere within it.
LOOKUP_LIFETIME_SECONDS = 0.5
LOOKUPS_KEPT = 1024

# The organizations once more, as those on whose behalf keys are used.
_BENEFICIARIES = schema.organizations.alias("beneficiaries")


class SealingKey:
    """The key that seals secrets: 32 random bytes in a file that only its owner can read."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    @classmethod
    def open(cls, path: Path) -> SealingKey:
        """The key in the file, which is made when there is none; processes that start at once agree on one.

        Raises Misconfigured when others than the owner may use the file, or it cannot be read or holds no key.
        """
        if not path.exists():
            _make_key_file(path)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise Misconfigured(f"The key file {path} cannot be read: {error.strerror}.") from error
        with os.fdopen(descriptor, "rb") as file:
            mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise Misconfigured(
                    f"The key file {path} is open to others (mode {mode:03o}): run chmod 600 {path}, and replace the "
                    "access keys if anybody may have read it."
                )
            key = file.read(KEY_BYTES + 1)
        if len(key) != KEY_BYTES:
            raise Misconfigured(f"The key file {path} does not hold {KEY_BYTES} bytes: restore it from its backup.")
        return cls(key)

    def seal(self, secret: str, access_key_id: str) -> bytes:
        """The secret, readable again only with this key and for this access key: nonce || ciphertext || tag."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret.encode(), access_key_id.encode())

    def unseal(self, sealed: bytes, access_key_id: str) -> str:
        """The secret. Raises Misconfigured when it was sealed with another key, for another id, or was altered."""
        try:
            secret = self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], access_key_id.encode())
        except (InvalidTag, ValueError) as error:
            raise Misconfigured(
                f"The secret of {access_key_id} was sealed with another key: restore the key file that belongs to this "
                "database."
            ) from error
        return secret.decode()


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key without its secret. Times are UTC seconds since the epoch; `revoked_at` is None while it works.

    `purpose`, `authorization` (a uid) and `beneficiary` are what it is used for where a session says nothing else.
    """

    access_key_id: str
    principal: Principal
    purpose: str
    authorization: str | None
    beneficiary: Organization | None
    created_at: float
    revoked_at: float | None


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key, with the secret that signs."""

    key: AccessKey
    secret: str = field(repr=False)


class AccessKeys:
    """The access keys of a database. Safe to share between threads."""

    def __init__(self, database: Database, sealing_key: SealingKey) -> None:
        self._database = database
        self._sealing_key = sealing_key
        self._lookups: dict[str, tuple[float, SigningKey]] = {}

    def verify(self) -> None:
        """Raises Misconfigured when the sealing key is not the one this database's secrets were sealed with."""
        with self._database.read() as connection:
            row = connection.execute(_select_keys().limit(1)).one_or_none()
        if row is not None:
            self._sealing_key.unseal(row.sealed_secret, row.access_key_id)

    def create(
        self,
        principal: Principal,
        *,
        purpose: str,
        authorization: str | None = None,
        beneficiary: Organization | None = None,
    ) -> SigningKey:
        """A new key of a principal. This is the only time the secret is shown."""
        access_key_id = ID_PREFIX + base64.b32encode(os.urandom(ID_RANDOM_BYTES)).decode()
        secret = base64.b64encode(secrets.token_bytes(SECRET_RANDOM_BYTES)).decode()
        now = time.time()
        with self._database.write() as connection:
            connection.execute(
                insert(schema.access_keys).values(
                    access_key_id=access_key_id,
                    principal_key=principal.key,
                    sealed_secret=self._sealing_key.seal(secret, access_key_id),
                    created_at=now,
                    purpose=purpose,
                    authorization=authorization,
                    beneficiary_key=None if beneficiary is None else beneficiary.key,
                )
            )
        return SigningKey(AccessKey(access_key_id, principal, purpose, authorization, beneficiary, now, None), secret)

    def lookup(self, access_key_id: str) -> SigningKey | None:
        """Who signs with this key; None when it is unknown or revoked.

        A revocation, and any other change to the key's principal, in whichever process, is seen within half a second.
        """
        now = time.monotonic()
        kept = self._lookups.get(access_key_id)
        if kept is not None and kept[0] > now:
            return kept[1]
        with self._database.read() as connection:
            row = connection.execute(
                _select_keys().where(
                    schema.access_keys.c.access_key_id == access_key_id, schema.access_keys.c.revoked_at.is_(None)
                )
            ).one_or_none()
        if row is None:
            self._lookups.pop(access_key_id, None)
            return None
        signing = SigningKey(_to_access_key(row), self._sealing_key.unseal(row.sealed_secret, access_key_id))
        if len(self._lookups) >= LOOKUPS_KEPT:
            self._lookups.clear()
        self._lookups[access_key_id] = (now + LOOKUP_LIFETIME_SECONDS, signing)
        return signing

    def revoke(self, access_key_id: str) -> AccessKey:
        """Ends a key for good; one that is revoked stays so. Raises ResourceNotFound for an unknown one."""
        keys = schema.access_keys
        with self._database.write() as connection:
            connection.execute(
                update(keys)
                .where(keys.c.access_key_id == access_key_id, keys.c.revoked_at.is_(None))
                .values(revoked_at=time.time())
            )
            row = connection.execute(_select_keys().where(keys.c.access_key_id == access_key_id)).one_or_none()
        if row is None:
            raise ResourceNotFound(f"The access key {access_key_id} does not exist.")
        self._lookups.pop(access_key_id, None)
        return _to_access_key(row)

    def list(self) -> Sequence[AccessKey]:
        """All keys, revoked ones too, oldest first."""
        keys = schema.access_keys
        with self._database.read() as connection:
            rows = connection.execute(_select_keys().order_by(keys.c.created_at, keys.c.access_key_id)).all()
        return [_to_access_key(row) for row in rows]


def _make_key_file(path: Path) -> None:
    # Written elsewhere first and then linked, which fails where a file is: nobody ever reads half a key.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, stat.S_IRUSR | stat.S_IWUSR)
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(KEY_BYTES))
            file.flush()
            os.fsync(descriptor)
        os.link(draft, path)
    except FileExistsError:
        pass  # another process was first; its key is the key
    except OSError as error:
        raise Misconfigured(f"The key file {path} cannot be made: {error.strerror}.") from error
    finally:
        draft.unlink(missing_ok=True)


def _select_keys() -> Select[Any]:
    keys, beneficiaries = schema.access_keys, _BENEFICIARIES
    return (
        select_principals()
        .join(keys, keys.c.principal_key == schema.principals.c.key)
        .outerjoin(beneficiaries, keys.c.beneficiary_key == beneficiaries.c.key)
        .add_columns(
            keys.c.access_key_id,
            keys.c.sealed_secret,
            keys.c.created_at,
            keys.c.revoked_at,
            keys.c.purpose,
            keys.c.authorization,
            *(column.label(f"beneficiary_{column.name}") for column in beneficiaries.c),
        )
    )


def _to_access_key(row: Row[Any]) -> AccessKey:
    beneficiary = None
    if row.beneficiary_key is not None:
        beneficiary = Organization(
            **{field_.name: getattr(row, f"beneficiary_{field_.name}") for field_ in fields(Organization)}
        )
    return AccessKey(
        access_key_id=row.access_key_id,
        principal=to_principal(row),
        purpose=row.purpose,
        authorization=row.authorization,
        beneficiary=beneficiary,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )
