"""A collection that is moved takes with it what it is, and nobody moves it away from what it owes."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, cast

import pytest
from sqlalchemy import select

from countenance.errors import AccessDenied
from countenance.gallery.collections import Collection, Collections
from countenance.gallery.faces import AdoptedFace, Face, Faces, Kept
from countenance.gallery.users import Users
from countenance.ledger import entries
from countenance.policy.vocabulary import LegalBasis, Purpose
from countenance.service.administration import Administration
from countenance.service.collections import PURPOSES_TAG, SENSITIVITY_TAG, CollectionAdministration
from countenance.service.exchange import Exchange
from countenance.service.migration import Migration
from countenance.service.photos import Photos
from countenance.service.pins import Pins
from countenance.settings import Settings
from countenance.storage import schema
from countenance.vision.analysis import Vision

from .conftest import Clock, People
from .doings import DIMENSION, asked, deletions, new_faces, told_by

GOVERNED = {SENSITIVITY_TAG: "watchlist", PURPOSES_TAG: "bias_test", "colour": "blue"}


@dataclass(frozen=True)
class Recognizer:
    """All that moving a collection needs of the models: what they are called, and how long their templates are."""

    face_model_version: str
    dimension: int = DIMENSION

    def recognizer(self, face_model_version: str) -> Self:
        assert face_model_version == self.face_model_version
        return self


@pytest.fixture
def version(settings: Settings) -> str:
    (model,) = Pins(settings).in_use()
    return model.face_model_version


@pytest.fixture
def vision(version: str) -> Vision:
    return cast(Vision, Recognizer(version))


@pytest.fixture
def collections(administration: Administration, vision: Vision) -> CollectionAdministration:
    return CollectionAdministration(administration.uses, vision, Collections(administration.database))


@pytest.fixture
def exchange(administration: Administration, vision: Vision) -> Exchange:
    return Exchange(administration.uses, administration.database, vision)


def filled(administration: Administration, collection: Collection, number: int = 3) -> list[Face]:
    """So many faces of strangers in a collection."""
    version = collection.face_model_version
    new = [replace(face, template=replace(face.template, face_model_version=version)) for face in new_faces(number)]
    return Faces(administration.database).index(collection.collection_id, str(uuid.uuid4()), None, new)


@pytest.fixture
def plain(
    administration: Administration,
    people: People,
    collections: CollectionAdministration,
    exchange: Exchange,
    tmp_path: Path,
) -> Path:
    """The file of an ordinary collection of three faces, which is still there."""
    filled(administration, collections.create(people(), "plain", {"colour": "blue"}))
    exchange.export(people(), "plain", tmp_path / "plain.parquet")
    return tmp_path / "plain.parquet"


@pytest.fixture
def governed(people: People, collections: CollectionAdministration, exchange: Exchange, tmp_path: Path) -> Path:
    """The file of a collection that is kept for one purpose."""
    collections.create(people(), "governed", GOVERNED)
    exchange.export(people(), "governed", tmp_path / "governed.parquet")
    return tmp_path / "governed.parquet"


class TestGovernance:
    def test_it_is_what_its_tags_say_it_is(
        self, administration: Administration, people: People, exchange: Exchange, governed: Path
    ) -> None:
        """Or a copy would be open for what the original is closed for."""
        size = administration.ledger.size()
        copy = exchange.import_(people(), governed, "copy")
        assert (copy.sensitivity, copy.purposes) == ("watchlist", ("bias_test",))
        assert copy.owner == people().principal.organization.uid
        assert Collections(administration.database).tags("copy") == GOVERNED
        intents = [entry.action for entry in told_by(administration, size, entries.Intent)]
        assert intents == ["GovernCollection", "ImportCollection"]

    @pytest.mark.parametrize("name", ["sam", "ann", "liv"])
    def test_nobody_says_what_a_collection_is_by_importing_it(
        self, administration: Administration, people: People, exchange: Exchange, governed: Path, name: str
    ) -> None:
        with pytest.raises(AccessDenied, match="GovernCollection is denied"):
            exchange.import_(people(name), governed, "copy")
        assert Collections(administration.database).find("copy") is None

    def test_nor_by_moving_it_from_another_endpoint(
        self, administration: Administration, people: People, settings: Settings, vision: Vision
    ) -> None:
        database = administration.database
        migration = Migration(
            uses=administration.uses,
            photos=cast(Photos, None),
            vision=vision,
            collections=Collections(database),
            faces=Faces(database),
            users=Users(database),
        )
        with pytest.raises(AccessDenied, match="GovernCollection is denied"):
            migration.begin(people("liv"), "moved", GOVERNED)
        assert Collections(database).find("moved") is None
        for _ in range(2):  # one that was interrupted goes on
            migration.begin(people(None, Purpose.BIAS_TEST), "moved", GOVERNED)
            moved = Collections(database).get("moved")
            assert (moved.sensitivity, moved.purposes) == ("watchlist", ("bias_test",))

    def test_it_belongs_to_whoever_moves_it_here(
        self, people: People, exchange: Exchange, plain: Path, tmp_path: Path
    ) -> None:
        copy = exchange.import_(people("liv"), plain, "copy")
        assert copy.owner == people("liv").principal.organization.uid
        assert (copy.sensitivity, copy.purposes) == ("general", ())
        assert exchange.export(people("liv"), "copy", tmp_path / "again").face_count == 3
        with pytest.raises(AccessDenied, match="belongs to another organization"):
            exchange.export(people("ann"), "copy", tmp_path / "theirs")
        assert not (tmp_path / "theirs").exists()


class TestDebts:
    @pytest.fixture
    def under(self, administration: Administration, people: People) -> Any:
        """Sam, who acts under an emergency of his."""
        emergency = asked(administration, people("sam"), basis=LegalBasis.EMERGENCY, emergency_hours=24)
        return people("sam", Purpose.CRIMINAL_INVESTIGATION, authorization=emergency.uid)

    def test_what_was_imported_under_an_emergency_goes_with_its_refusal(
        self, administration: Administration, people: People, exchange: Exchange, plain: Path, under: Any
    ) -> None:
        copy = exchange.import_(under, plain, "copy")
        assert copy.face_count == 3
        size = administration.ledger.size()
        administration.authorizations.refuse(people("pat"), under.authorization)
        (told,) = deletions(administration, size)
        assert (told.reason, told.collection, told.faces) == ("refusal", copy.uid, 3)
        collections = Collections(administration.database)
        assert (collections.get("copy").face_count, collections.get("plain").face_count) == (0, 3)
        with administration.database.read() as connection:
            assert len(connection.execute(select(schema.faces.c.key)).all()) == 3
            assert connection.execute(select(schema.limited_faces)).all() == []

    def test_so_does_what_was_adopted_from_another_endpoint(
        self,
        administration: Administration,
        people: People,
        collections: CollectionAdministration,
        under: Any,
        clock: Clock,
    ) -> None:
        """Also where it is due one day; faces that were there before stay."""
        collection = collections.create(people(), "moved", {})
        (before,) = filled(administration, collection, 1)
        version = collection.face_model_version
        new = [replace(face, template=replace(face.template, face_model_version=version)) for face in new_faces(2)]
        adopted = [AdoptedFace(before.face_id, before.image_id, None, new[0])]
        adopted += [AdoptedFace(str(uuid.uuid4()), str(uuid.uuid4()), None, face) for face in new]
        faces = Faces(administration.database)
        kept = Kept(under.authorization, clock.now.timestamp() + 1)
        assert faces.adopt("moved", adopted, kept=kept) == 2
        assert administration.sweeper.sweep() == []
        administration.authorizations.refuse(people("pat"), under.authorization)
        assert [face.face_id for face in faces.list("moved", None, 10).items] == [before.face_id]
        clock.passes(seconds=1)
        assert administration.sweeper.sweep() == []
