"""What is joined where no photo is worked on: who may act, under which documents and policies, and the ledger.

It loads no face model, so that whoever administers does not wait for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from countenance.errors import Unaccountable
from countenance.fairness.qualification.qualifications import Qualifications
from countenance.gallery.collections import Collections
from countenance.gallery.limits import Limits
from countenance.ledger.log import utc_now
from countenance.policy.authorizations import Authorizations
from countenance.policy.gate import Gate
from countenance.policy.sets import PolicySets
from countenance.review.cases import Cases
from countenance.service.authorizations import AuthorizationAdministration
from countenance.service.erasure import Erasure
from countenance.service.installation import install, open_ledger
from countenance.service.keys import KeyAdministration
from countenance.service.locals import Locals
from countenance.service.log_keys import LogKeys
from countenance.service.organizations import OrganizationAdministration
from countenance.service.pins import Pins
from countenance.service.policies import PolicyAdministration
from countenance.service.qualifications import ModelQualification
from countenance.service.qualified import Qualified
from countenance.service.retention import Sweeper
from countenance.service.reviews import Reviews
from countenance.service.sessions import Sessions
from countenance.service.uses import Uses
from countenance.settings import Settings
from countenance.storage.database import Database
from countenance.storage.keys import AccessKeys, SealingKey
from countenance.storage.principals import Principals
from countenance.storage.salts import Salts


@dataclass(frozen=True, slots=True)
class Health:
    """What keeps requests from being served, None when nothing does; how many seconds ago each witness cosigned."""

    obstacle: str | None
    witnesses: Sequence[tuple[str, float]] = ()


class Administration:
    """Everything Countenance can do without a photo, built once and used from many threads.

    Raises `Misconfigured` when it cannot be built, and `Unaccountable` when the ledger cannot be relied on.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], datetime] = utc_now) -> None:
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.settings = settings
        self.database = Database(settings.effective_database_url)
        self.database.migrate()
        self.sealing_key = SealingKey.open(settings.effective_secrets_key)
        access_keys = AccessKeys(self.database, self.sealing_key)
        access_keys.verify()
        principals = Principals(self.database)
        policies = PolicySets(self.database)
        authorizations = Authorizations(self.database)
        pins, cases = Pins(settings), Cases(self.database)
        self.salts = Salts(self.database)
        self.ledger, self._ledger_database = open_ledger(settings, clock)
        self.operator_file = install(
            settings, self.ledger, access_keys=access_keys, principals=principals, policies=policies, pins=pins
        )
        collections, qualifications = Collections(self.database), Qualifications(self.database)
        qualified = Qualified(qualifications, self.ledger, pins)
        self.uses = Uses(
            gate=Gate(policies),
            ledger=self.ledger,
            collections=collections,
            authorizations=authorizations,
            cases=cases,
            salts=self.salts,
            pins=pins,
            qualified=qualified,
        )
        erasure = Erasure(Limits(self.database), cases, self.ledger)
        self.sweeper = Sweeper(self.uses, authorizations, erasure)
        self.organizations = OrganizationAdministration(self.uses, principals)
        self.keys = KeyAdministration(self.uses, access_keys, principals, authorizations)
        self.authorizations = AuthorizationAdministration(self.uses, authorizations, principals, collections, erasure)
        self.policies = PolicyAdministration(self.uses, policies)
        self.qualifications = ModelQualification(self.uses, qualifications, qualified, self.ledger, pins)
        self.reviews = Reviews(self.uses, cases)
        self.log_keys = LogKeys(self.uses, self.ledger)
        self.sessions = Sessions(
            uses=self.uses,
            settings=settings,
            keys=access_keys,
            sealing_key=self.sealing_key,
            principals=principals,
            authorizations=authorizations,
        )
        self.locals = Locals(principals)

    def health(self) -> Health:
        """Whether requests can be served: the database answers, and what is done can be recorded."""
        if not self.database.answers():
            return Health("The database does not answer.")
        try:
            self.ledger.check()
            return Health(None, self.ledger.witnessed())
        except Unaccountable as error:
            return Health(error.message)

    def close(self) -> None:
        """Let go of the threads and the databases."""
        self.sweeper.close()
        self.ledger.close()
        self._ledger_database.close()
        self.database.close()
