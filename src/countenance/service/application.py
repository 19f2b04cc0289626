"""The one place where the rooms are joined: settings in, use cases out."""

from __future__ import annotations

from countenance.errors import Unaccountable
from countenance.gallery.collections import Collections
from countenance.gallery.faces import Faces
from countenance.gallery.limits import Limits
from countenance.gallery.search import Search
from countenance.gallery.users import Users
from countenance.policy.authorizations import Authorizations
from countenance.policy.gate import Gate
from countenance.policy.sets import PolicySets
from countenance.review.cases import Cases
from countenance.service.authorizations import AuthorizationAdministration
from countenance.service.collections import CollectionAdministration
from countenance.service.enrolment import Enrolment
from countenance.service.erasure import Erasure
from countenance.service.exchange import Exchange
from countenance.service.installation import install, open_ledger
from countenance.service.keys import KeyAdministration
from countenance.service.locals import Locals
from countenance.service.migration import Migration
from countenance.service.organizations import OrganizationAdministration
from countenance.service.photos import Photos
from countenance.service.pins import Pins
from countenance.service.policies import PolicyAdministration
from countenance.service.recognition import Recognition
from countenance.service.retention import Sweeper
from countenance.service.reviews import Reviews
from countenance.service.searches import Searches
from countenance.service.sessions import Sessions
from countenance.service.subjects import Subjects
from countenance.service.users import UserAdministration
from countenance.service.uses import Uses
from countenance.settings import Settings
from countenance.storage.database import Database
from countenance.storage.keys import AccessKeys, SealingKey
from countenance.storage.objects import S3Photos
from countenance.storage.principals import Principals
from countenance.storage.salts import Salts
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
        sealing_key = SealingKey.open(settings.effective_secrets_key)
        access_keys = AccessKeys(self.database, sealing_key)
        access_keys.verify()
        principals = Principals(self.database)
        self.vision = Vision(settings)
        # Without it no Similarity could be told: better known now than at the first search.
        self.vision.calibration(self.vision.face_model_version)
        pins = Pins(self.vision)
        policies = PolicySets(self.database)
        self.ledger, self._ledger_database = open_ledger(settings)
        self.operator_file = install(
            settings, self.ledger, access_keys=access_keys, principals=principals, policies=policies, pins=pins
        )
        authorizations = Authorizations(self.database)
        cases, salts = Cases(self.database), Salts(self.database)
        photos = self.photos = Photos(settings, S3Photos(settings))
        collections = Collections(self.database)
        faces, users = Faces(self.database), Users(self.database)
        search = self._search = Search(self.database)
        uses = self.uses = Uses(
            gate=Gate(policies),
            ledger=self.ledger,
            collections=collections,
            authorizations=authorizations,
            cases=cases,
            salts=salts,
            pins=pins,
        )
        erasure = Erasure(Limits(self.database), cases)
        self.sweeper = Sweeper(uses, authorizations, erasure)
        self.recognition = Recognition(uses, photos, self.vision)
        self.searches = Searches(uses=uses, photos=photos, vision=self.vision, faces=faces, users=users, search=search)
        self.enrolment = Enrolment(uses, photos, self.vision, faces)
        self.collections = CollectionAdministration(uses, self.vision, collections)
        self.users = UserAdministration(uses, self.vision, users)
        self.organizations = OrganizationAdministration(uses, principals)
        self.keys = KeyAdministration(uses, access_keys, principals, authorizations)
        self.authorizations = AuthorizationAdministration(uses, authorizations, principals, collections, erasure)
        self.policies = PolicyAdministration(uses, policies)
        self.reviews = Reviews(uses, cases)
        self.sessions = Sessions(
            uses=uses,
            settings=settings,
            keys=access_keys,
            sealing_key=sealing_key,
            principals=principals,
            authorizations=authorizations,
        )
        self.exchange = Exchange(uses, self.database, self.vision)
        self.migration = Migration(
            uses=uses, photos=photos, vision=self.vision, collections=collections, faces=faces, users=users
        )
        self.subjects = Subjects(
            uses=uses,
            photos=photos,
            vision=self.vision,
            collections=collections,
            users=users,
            search=search,
            salts=salts,
            ledger=self.ledger,
        )
        self.locals = Locals(principals)

    def ready(self) -> bool:
        """Whether requests can be served: the database answers, and what is done can be recorded."""
        if not self.database.answers():
            return False
        try:
            self.ledger.now()
        except Unaccountable:
            return False
        return True

    def close(self) -> None:
        """Let go of the threads and the databases."""
        self.sweeper.close()
        self._search.close()
        self.ledger.close()
        self._ledger_database.close()
        self.database.close()
