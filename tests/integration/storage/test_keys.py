"""Access keys, sealed so that the database alone gives no secret away."""

from __future__ import annotations

import multiprocessing
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from countenance.errors import Misconfigured, ResourceNotFound
from countenance.storage import schema
from countenance.storage.database import Database
from countenance.storage.keys import AccessKeys, SealingKey, SigningKey
from countenance.storage.principals import Principal, Principals


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "secrets.key"


@pytest.fixture
def keys(database: Database, key_file: Path) -> AccessKeys:
    return AccessKeys(database, SealingKey.open(key_file))


@pytest.fixture
def principals(database: Database) -> Principals:
    principals = Principals(database)
    principals.create_organization("Missing Persons Unit", "child_protection", "US-WA")
    principals.create_organization("police", "law_enforcement")
    return principals


@pytest.fixture
def ann(principals: Principals) -> Principal:
    return principals.create("ann", "Missing Persons Unit", trained_until=1234.5, roles=("examiner", "reviewer"))


def library(keys: AccessKeys, principal: Principal) -> SigningKey:
    """A key for a photo library."""
    return keys.create(principal, purpose="photo_library")


def _sealed(path: Path) -> bytes:
    SealingKey.open(path)
    return path.read_bytes()


class TestSealingKey:
    def test_the_file_is_made_once_and_belongs_to_its_owner(self, key_file: Path) -> None:
        SealingKey.open(key_file)
        first = key_file.read_bytes()
        SealingKey.open(key_file)
        assert key_file.read_bytes() == first
        assert len(first) == 32
        assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
        assert list(key_file.parent.iterdir()) == [key_file]

    def test_processes_that_start_at_once_agree_on_one_key(self, key_file: Path) -> None:
        with multiprocessing.get_context("spawn").Pool(4) as pool:
            seen = pool.map(_sealed, [key_file] * 8, chunksize=1)
        assert set(seen) == {key_file.read_bytes()}
        assert list(key_file.parent.iterdir()) == [key_file]

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602, 0o610])
    def test_a_file_open_to_others_is_refused_with_the_way_to_mend_it(self, key_file: Path, mode: int) -> None:
        SealingKey.open(key_file)
        key_file.chmod(mode)
        with pytest.raises(Misconfigured, match=f"chmod 600 {key_file}"):
            SealingKey.open(key_file)

    @pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33])
    def test_a_file_that_holds_no_key_is_refused_and_kept(self, key_file: Path, content: bytes) -> None:
        key_file.write_bytes(content)
        key_file.chmod(0o600)
        with pytest.raises(Misconfigured, match="does not hold 32 bytes"):
            SealingKey.open(key_file)
        assert key_file.read_bytes() == content

    def test_a_folder_that_does_not_exist_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(Misconfigured, match="missing"):
            SealingKey.open(tmp_path / "missing" / "secrets.key")

    def test_a_secret_opens_only_for_its_own_access_key(self, key_file: Path) -> None:
        key = SealingKey.open(key_file)
        sealed = key.seal("secret", "AKIAONE")
        assert key.unseal(sealed, "AKIAONE") == "secret"
        assert sealed != key.seal("secret", "AKIAONE")
        tampered = bytes([sealed[0] ^ 1]) + sealed[1:]
        for other, access_key_id in ((sealed, "AKIATWO"), (tampered, "AKIAONE"), (sealed[:-1], "AKIAONE"), (b"", "A")):
            with pytest.raises(Misconfigured):
                key.unseal(other, access_key_id)


class TestAccessKeys:
    def test_a_key_looks_like_one_of_aws_and_is_found(self, keys: AccessKeys, ann: Principal) -> None:
        created = library(keys, ann)
        access_key_id = created.key.access_key_id
        assert access_key_id.startswith("AKIA")
        assert len(access_key_id) == 20
        assert access_key_id.isalnum()
        assert len(created.secret) == 40
        assert created.key.principal == ann
        assert keys.lookup(access_key_id) == created
        assert keys.lookup("AKIAUNKNOWN000000000") is None

    def test_a_key_says_what_it_is_for_under_which_authorization_and_for_whom(
        self, keys: AccessKeys, ann: Principal, principals: Principals
    ) -> None:
        police, authorization = principals.organization("police"), "a-" + "1" * 32
        created = keys.create(ann, purpose="missing_child", authorization=authorization, beneficiary=police)
        found = keys.lookup(created.key.access_key_id)
        assert found == created
        assert found.key in keys.list()
        assert (found.key.purpose, found.key.authorization, found.key.beneficiary) == (
            "missing_child",
            authorization,
            police,
        )
        plain = library(keys, ann).key
        assert (plain.purpose, plain.authorization, plain.beneficiary) == ("photo_library", None, None)

    def test_what_becomes_of_its_principal_is_seen_within_a_second(
        self, keys: AccessKeys, ann: Principal, principals: Principals
    ) -> None:
        """Whoever is suspended, and for whom: in this process as in any other."""
        police = principals.organization("police")
        access_key_id = keys.create(ann, purpose="missing_child", beneficiary=police).key.access_key_id
        assert keys.lookup(access_key_id) is not None
        principals.change("ann", trained_until=0.0, suspended=True)
        principals.declare_organization("Missing Persons Unit", kind="commercial")
        principals.declare_organization("police", suspended=True)
        time.sleep(1)
        found = keys.lookup(access_key_id)
        assert found is not None
        assert (found.key.principal.suspended, found.key.principal.trained_until) == (True, 0.0)
        assert found.key.principal.organization.kind == "commercial"
        assert found.key.beneficiary is not None
        assert found.key.beneficiary.suspended

    def test_secrets_are_shown_by_accident_nowhere(self, keys: AccessKeys, ann: Principal) -> None:
        created = library(keys, ann)
        assert created.secret not in repr(created)
        assert created.secret not in repr(keys.list())

    def test_each_is_its_own_and_all_are_listed_oldest_first(
        self, keys: AccessKeys, ann: Principal, principals: Principals
    ) -> None:
        bob = principals.create("bob", "police", trained_until=0.0)
        made = [library(keys, one) for one in (ann, bob, ann)]
        assert [key.access_key_id for key in keys.list()] == [one.key.access_key_id for one in made]
        assert [key.principal for key in keys.list()] == [ann, bob, ann]
        assert len({one.secret for one in made}) == 3

    def test_a_revoked_key_is_over_at_once_and_for_good(self, keys: AccessKeys, ann: Principal) -> None:
        created, other = library(keys, ann), library(keys, ann)
        access_key_id = created.key.access_key_id
        assert keys.lookup(access_key_id) is not None
        before = time.time()
        revoked = keys.revoke(access_key_id)
        assert keys.lookup(access_key_id) is None
        assert keys.lookup(other.key.access_key_id) == other
        assert revoked.revoked_at is not None
        assert before <= revoked.revoked_at <= time.time()
        assert keys.revoke(access_key_id) == revoked
        assert [key.revoked_at for key in keys.list()] == [revoked.revoked_at, None]

    def test_a_revocation_by_another_process_is_seen_within_a_second(
        self, keys: AccessKeys, ann: Principal, database: Database, key_file: Path
    ) -> None:
        access_key_id = library(keys, ann).key.access_key_id
        assert keys.lookup(access_key_id) is not None
        AccessKeys(database, SealingKey.open(key_file)).revoke(access_key_id)
        time.sleep(1)
        assert keys.lookup(access_key_id) is None

    def test_an_unknown_key_cannot_be_revoked(self, keys: AccessKeys) -> None:
        with pytest.raises(ResourceNotFound, match="AKIAUNKNOWN"):
            keys.revoke("AKIAUNKNOWN")

    def test_a_database_with_another_key_file_is_noticed_at_the_start(
        self, keys: AccessKeys, ann: Principal, database: Database, key_file: Path
    ) -> None:
        keys.verify()
        library(keys, ann)
        keys.verify()
        key_file.unlink()
        with pytest.raises(Misconfigured, match="sealed with another key"):
            AccessKeys(database, SealingKey.open(key_file)).verify()

    def test_a_sealed_secret_cannot_be_moved_to_another_key(
        self, keys: AccessKeys, ann: Principal, principals: Principals, database: Database
    ) -> None:
        victim, thief = library(keys, ann), library(keys, principals.create("eve", "police", trained_until=0.0))
        table = schema.access_keys
        with database.write() as connection:
            stolen = select(table.c.sealed_secret).where(table.c.access_key_id == victim.key.access_key_id)
            connection.execute(
                update(table)
                .where(table.c.access_key_id == thief.key.access_key_id)
                .values(sealed_secret=connection.execute(stolen).scalar_one())
            )
        with pytest.raises(Misconfigured):
            keys.lookup(thief.key.access_key_id)


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'countenance.sqlite'}")
    database.migrate()
    yield database
    database.close()


def test_no_secret_is_in_the_files_of_the_database(sqlite: Database, tmp_path: Path, key_file: Path) -> None:
    keys, principals = AccessKeys(sqlite, SealingKey.open(key_file)), Principals(sqlite)
    principals.create_organization("police", "law_enforcement")
    sam = principals.create("sam", "police", trained_until=0.0)
    created = [library(keys, sam) for _ in range(5)]
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("countenance.sqlite*"))
    assert created[0].key.access_key_id.encode() in kept
    assert not [key for key in created if key.secret.encode() in kept]
    assert key_file.read_bytes() not in kept


def test_a_key_file_that_cannot_be_read_is_not_replaced(key_file: Path) -> None:
    key_file.symlink_to(key_file)
    with pytest.raises(Misconfigured, match="cannot be"):
        SealingKey.open(key_file)
    assert key_file.is_symlink()
