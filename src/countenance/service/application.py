"""The one place where the rooms are joined: settings in, use cases out."""

from __future__ import annotations

from countenance.gallery.collections import Collections
from countenance.gallery.faces import Faces
from countenance.gallery.search import Search
from countenance.gallery.users import Users
from countenance.service.collections import CollectionAdministration
from countenance.service.enrolment import Enrolment
from countenance.service.exchange import Exchange
from countenance.service.keys import KeyAdministration, ensure_operator
from countenance.service.migration import Migration
from countenance.service.photos import Photos
from countenance.service.recognition import Recognition
from countenance.service.searches import Searches
from countenance.service.users import UserAdministration
from countenance.settings import Settings
from countenance.storage.database import Database
from countenance.storage.keys import AccessKeys, SealingKey
from countenance.storage.objects import S3Photos
from countenance.vision.analysis import Vision


class Application:
    """Everything Countenance can do, built once and used from many threads.

    Raises `Misconfigured` when it cannot be built; then nothing is served.
    """

    def __init__(self, settings: Settings) -> None:
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.settings = settings
        self.database = Database(settings.effective_database_url)
        self.database.migrate()
        self.access_keys = AccessKeys(self.database, SealingKey.open(settings.effective_secrets_key))
        self.access_keys.verify()
        self.operator_file = ensure_operator(settings, self.access_keys)
        self.vision = Vision(settings)
        # Without it no Similarity could be told: better known now than at the first search.
        self.vision.calibration(self.vision.face_model_version)
        photos = self.photos = Photos(settings, S3Photos(settings))
        collections = Collections(self.database)
        faces = Faces(self.database)
        users = Users(self.database)
        search = self._search = Search(self.database)
        self.recognition = Recognition(photos, self.vision)
        self.searches = Searches(
            photos=photos, vision=self.vision, collections=collections, faces=faces, users=users, search=search
        )
        self.enrolment = Enrolment(photos, self.vision, collections, faces)
        self.collections = CollectionAdministration(self.vision, collections)
        self.users = UserAdministration(self.vision, collections, users)
        self.keys = KeyAdministration(self.access_keys)
        self.exchange = Exchange(self.database, self.vision)
        self.migration = Migration(photos=photos, vision=self.vision, collections=collections, faces=faces, users=users)

    def ready(self) -> bool:
        """Whether requests can be served: the database answers."""
        return self.database.answers()

    def close(self) -> None:
        """Let go of the threads and the database."""
        self._search.close()
        self.database.close()
