"""The one place where the rooms are joined: settings in, use cases out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from countenance.gallery.collections import Collections
from countenance.gallery.faces import Faces
from countenance.gallery.search import Search
from countenance.gallery.users import Users
from countenance.ledger.log import utc_now
from countenance.service.administration import Administration
from countenance.service.clips import Clips
from countenance.service.collections import CollectionAdministration
from countenance.service.enrolment import Enrolment
from countenance.service.exchange import Exchange
from countenance.service.migration import Migration
from countenance.service.notices import Announcer
from countenance.service.photos import Photos
from countenance.service.recognition import Recognition
from countenance.service.searches import Searches
from countenance.service.subjects import Subjects
from countenance.service.testing import IndependentTesting
from countenance.service.users import UserAdministration
from countenance.service.video_shift import Tools
from countenance.service.video_work import VideoWork
from countenance.service.videos import Videos
from countenance.settings import Settings
from countenance.storage.objects import S3Photos
from countenance.storage.topics import Topics
from countenance.video.jobs import Jobs
from countenance.video.notices import Notices
from countenance.video.results import Results
from countenance.vision.analysis import Vision


class Application(Administration):
    """Everything Countenance can do, built once and used from many threads.

    Raises `Misconfigured` when it cannot be built, and `Unaccountable` when the ledger cannot be relied on; then
    nothing is served.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], datetime] = utc_now) -> None:
        self.vision = Vision(settings)
        # Without it no Similarity could be told: better known now than at the first search.
        self.vision.calibration(self.vision.face_model_version)
        super().__init__(settings, clock=clock)
        uses, vision = self.uses, self.vision
        objects = S3Photos(settings)
        photos = self.photos = Photos(settings, objects)
        collections = Collections(self.database)
        faces, users = Faces(self.database), Users(self.database)
        search = self._search = Search(self.database)
        self.recognition = Recognition(uses, photos, vision)
        self.testing = IndependentTesting(uses, photos, vision)
        self.searches = Searches(uses=uses, photos=photos, vision=vision, faces=faces, users=users, search=search)
        self.clips = Clips(uses=uses, vision=vision, collections=collections, searches=self.searches, settings=settings)
        self.enrolment = Enrolment(uses, photos, vision, faces)
        self.collections = CollectionAdministration(uses, vision, collections)
        self.users = UserAdministration(uses, vision, users)
        self.exchange = Exchange(uses, self.database, vision)
        self.migration = Migration(
            uses=uses, photos=photos, vision=vision, collections=collections, faces=faces, users=users
        )
        jobs, results, topics = Jobs(self.database), Results(self.database), Topics(settings)
        self.videos = Videos(
            uses=uses,
            jobs=jobs,
            results=results,
            objects=objects,
            topics=topics,
            settings=settings,
        )
        self.video_work = VideoWork(
            Tools(
                uses=uses,
                jobs=jobs,
                results=results,
                objects=objects,
                vision=vision,
                collections=collections,
                search=search,
                sealing_key=self.sealing_key,
                settings=settings,
            ),
            Announcer(Notices(self.database), topics, settings),
        )
        self.subjects = Subjects(
            uses=uses,
            photos=photos,
            vision=vision,
            collections=collections,
            faces=faces,
            users=users,
            search=search,
            salts=self.salts,
            ledger=self.ledger,
        )

    def close(self) -> None:
        """Let go of the threads and the databases."""
        self.video_work.close()
        self._search.close()
        super().close()
