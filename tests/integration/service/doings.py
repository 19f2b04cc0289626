"""What people do in the tests of several use cases: search, ask for an authorization, enrol."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from countenance.faces import BoundingBox, Template
from countenance.fairness.qualification.qualifications import Qualification
from countenance.gallery.collections import Collections, Governance
from countenance.gallery.faces import Face, Faces, NewFace
from countenance.ledger import entries
from countenance.policy.authorizations import Authorization
from countenance.policy.vocabulary import LegalBasis, Purpose, Sensitivity
from countenance.service.actions import Action
from countenance.service.administration import Administration
from countenance.service.callers import Caller
from countenance.service.pins import Pins
from countenance.service.records import Candidate
from countenance.service.uses import released
from countenance.storage.salts import face_subject
from tests.audits import audit

from .conftest import People, ledger_of

VERSION = "1.0"
DIMENSION = 128

_random = np.random.default_rng(3)


def two_collections(administration: Administration, people: People) -> Collections:
    """`portraits` of anybody, and `missing`, kept for missing persons: both the police's, who may fill them."""
    collections = Collections(administration.database)
    police = people("sam").principal.organization.key
    collections.create("portraits", VERSION, governance=Governance(owner_key=police))
    collections.create("missing", VERSION, governance=Governance(Sensitivity.MISSING_PERSONS, owner_key=police))
    return collections


def candidates(number: int) -> list[Candidate]:
    """So many people that a search might bring up, each less like it than the one before."""
    return [
        Candidate(
            99.5 - place, f"face-{place}", face_subject(place), {"FaceId": f"face-{place}", "ExternalImageId": "anna"}
        )
        for place in range(number)
    ]


@dataclass(frozen=True)
class Found:
    """What a search came to: whether its candidates were answered, the case that withholds them, its receipt."""

    answered: bool
    review: str | None
    receipt: int | None


def search(
    administration: Administration,
    caller: Caller,
    collection: str = "portraits",
    number: int = 0,
    action: Action = Action.SEARCH_FACES,
) -> Found:
    """Search a collection in which `number` candidates are found. Raises AccessDenied."""
    with (
        released() as answer,
        administration.uses.use(caller, action, collection, threshold=99.0, limit=10) as use,
    ):
        answered = use.disclose(candidates(number))
    return Found(answered, answer.review, answer.receipt)


def asked(administration: Administration, caller: Caller, **others: Any) -> Authorization:
    """A court order in a criminal investigation, or what is said instead, not granted yet."""
    usual: dict[str, Any] = {
        "purpose": Purpose.CRIMINAL_INVESTIGATION,
        "basis": LegalBasis.COURT_ORDER,
        "case_reference": "2026-117",
    }
    return administration.authorizations.request(caller, **usual | others)


def granted(administration: Administration, people: People, by: str = "sam", **others: Any) -> Authorization:
    """The same, granted by the operator."""
    uid = asked(administration, people(by), **others).uid
    return administration.authorizations.approve(people(), uid)


def model_of(administration: Administration) -> entries.Model:
    """The recognizer in use, as the ledger names it."""
    return Pins(administration.settings).in_use()[0]


def qualified(
    administration: Administration,
    people: People,
    *,
    purpose: Purpose = Purpose.CRIMINAL_INVESTIGATION,
    similarity: float = 99.0,
    until: datetime | None = None,
    **report: Any,
) -> Qualification:
    """The operator has the recognizer in use judged by a report, which it passes unless `report` says otherwise."""
    report.setdefault("made_on", administration.uses.now().date().isoformat())
    record = audit(model_of(administration), **report)
    judged, _ = administration.qualifications.qualify(people(), record, purpose, similarity, until=until)
    return judged


def new_faces(number: int) -> list[NewFace]:
    """Faces of people that never were."""
    made = []
    for place in range(number):
        vector = _random.normal(size=DIMENSION)
        template = Template((vector / np.linalg.norm(vector)).astype(np.float32), VERSION)
        made.append(NewFace(BoundingBox(0.2 * (place % 5), 0.2 * (place // 5 % 5), 0.1, 0.1), 99.5, template))
    return made


def enrol(administration: Administration, caller: Caller, collection: str = "portraits", number: int = 1) -> list[Face]:
    """Put so many faces of one photo into a collection, under whatever the caller's use is under."""
    with administration.uses.use(caller, Action.INDEX_FACES, collection) as use:
        faces = Faces(administration.database).index(
            use.collection.collection_id,
            str(uuid.uuid4()),
            None,
            new_faces(number),
            kept=use.kept_until(caller.authorization),
        )
        use.enrolled(len(faces))
        return faces


def told_by(administration: Administration, size: int, *kinds: type[Any]) -> list[Any]:
    """The entries of these kinds that came after the ledger had this size."""
    return [entry for entry in ledger_of(administration)[size:] if isinstance(entry, kinds)]


def changes(administration: Administration, size: int = 0) -> list[entries.AuthorizationChange]:
    """What became of authorizations since the ledger had this size."""
    return told_by(administration, size, entries.AuthorizationChange)


def deletions(administration: Administration, size: int = 0) -> list[entries.Deletion]:
    """What was erased since the ledger had this size."""
    return told_by(administration, size, entries.Deletion)


def everything(administration: Administration) -> bytes:
    """Every byte of the ledger: its entries, and the files that are published."""
    administration.ledger.publish()
    folder = administration.settings.effective_ledger_folder
    published: Iterable[bytes] = (path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
    return b"\n".join([*administration.ledger.entries(0, administration.ledger.size()), *published])
