"""The use case of whoever oversees: which searches touched one person's templates, from the ledger and the salts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from countenance.errors import InvalidParameter
from countenance.gallery.collections import Collection, Collections
from countenance.gallery.faces import Faces
from countenance.gallery.search import Search
from countenance.gallery.users import Users
from countenance.ledger import entries
from countenance.ledger.log import Ledger
from countenance.service.actions import MATCHES, Action
from countenance.service.callers import Caller
from countenance.service.photos import Photos, PhotoSource
from countenance.service.searches import COSINE_SLACK, NO_FACES
from countenance.service.uses import Uses
from countenance.storage.salts import Salts, commitment, face_subject, user_subject
from countenance.vision.analysis import Vision

# From which Similarity on an enrolled face is taken for the person's: 1 false match in 10,000 of the worst group.
DEFAULT_SUBJECT_SIMILARITY = 90.0

# The most enrolled faces of one person that are looked for in each collection.
MAX_OWN_FACES = 100


@dataclass(frozen=True, slots=True)
class Touch:
    """A search that the person's enrolled templates were compared in.

    `receipt` is the index of the entry that closes it; `similarity` what they were answered with (0 to 100), None when
    they were not among the candidates; `searched_for` whether the search began with one of their enrolled faces;
    `withheld` whether the candidates wait for review.
    """

    receipt: int
    use: str
    at: str
    action: str
    organization_kind: str
    purpose: str
    legal_basis: str | None
    collection: str
    similarity: float | None
    searched_for: bool
    withheld: bool


@dataclass(frozen=True, slots=True)
class Subject:
    """What is known of a person: the faces taken for theirs, by CollectionId, and the searches that touched them."""

    faces: Mapping[str, Sequence[str]]
    touches: Sequence[Touch]


@dataclass(frozen=True, slots=True)
class _Own:
    """A face taken for the person's, or the user who has it: its id, and the salt that opens what was committed to."""

    id: str
    salt: bytes


class Subjects:
    """Answers a person's question who searched for them."""

    def __init__(
        self,
        *,
        uses: Uses,
        photos: Photos,
        vision: Vision,
        collections: Collections,
        faces: Faces,
        users: Users,
        search: Search,
        salts: Salts,
        ledger: Ledger,
    ) -> None:
        self._uses = uses
        self._photos = photos
        self._vision = vision
        self._collections = collections
        self._faces = faces
        self._users = users
        self._search = search
        self._salts = salts
        self._ledger = ledger

    def of_photo(
        self, caller: Caller, source: PhotoSource, *, threshold: float = DEFAULT_SUBJECT_SIMILARITY
    ) -> Subject:
        """Every search that compared, or answered, the templates of whoever is the largest face of a photo.

        What was erased meanwhile cannot be told: its salts are destroyed. Raises `InvalidParameter` without a face.
        """
        with self._uses.use(caller, Action.SUBJECT_ACCESS, threshold=threshold) as use:
            photo = self._photos.open(source)
            use.looked_at(photo)
            detections = self._vision.detect(photo)[:1]
            if not detections:
                raise InvalidParameter(NO_FACES)
            own: dict[str, list[_Own]] = {}
            names: dict[str, Sequence[str]] = {}
            since: dict[str, float] = {}
            for collection in self._all_collections():
                (probe,) = self._vision.templates(photo, detections, collection.face_model_version)
                calibration = self._vision.calibration(collection.face_model_version)
                least = float(calibration.cosine(threshold)) - COSINE_SLACK
                found = [face for face, _ in self._search.faces(collection, probe, least, MAX_OWN_FACES)]
                if not found:
                    continue
                since[collection.uid] = self._faces.enrolled_at([face.key for face in found]) or 0.0
                names[collection.collection_id] = [face.face_id for face in found]
                known = {face_subject(face.key): face.face_id for face in found}
                for user_id in {face.user_id for face in found if face.user_id is not None}:
                    known[user_subject(self._users.get(collection.collection_id, user_id).key)] = user_id
                salts = self._salts.find(list(known))
                own[collection.uid] = [
                    _Own(name, salts[subject]) for subject, name in known.items() if subject in salts
                ]
            touches = list(self._touches(own, since))
            use.state(collections=len(own), touches=len(touches))
            return Subject(names, touches)

    def _all_collections(self) -> Iterator[Collection]:
        after: int | None = None
        while True:
            page = self._collections.list(after, 1000)
            yield from page.items
            after = page.after
            if after is None:
                return

    def _touches(self, own: Mapping[str, Sequence[_Own]], since: Mapping[str, float]) -> Iterator[Touch]:
        """The closed searches of the ledger in the collections that have faces of the person, once they had them."""
        open_: dict[str, entries.Intent] = {}
        found: dict[str, float] = {}
        for index, leaf in enumerate(self._ledger.entries(0, self._ledger.size())):
            entry = entries.read(leaf)
            if isinstance(entry, entries.Intent):
                if (
                    entry.collection in own
                    and entry.action in MATCHES
                    and _time(entry) >= since[entry.collection or ""]
                ):
                    open_[entry.use] = entry
            elif isinstance(entry, entries.Decision):
                if entry.effect == "deny":
                    open_.pop(entry.use, None)
            elif isinstance(entry, entries.Outcome) and entry.use in open_:
                intent = open_[entry.use]
                similarity = _answered(entry, own[intent.collection or ""])
                if similarity is not None:
                    found[entry.use] = max(similarity, found.get(entry.use, 0.0))
                if not entry.continued and entry.refused is None and entry.failed is None:
                    yield Touch(
                        receipt=index,
                        use=entry.use,
                        at=entry.at or "",
                        action=intent.action,
                        organization_kind=intent.actor.organization_kind,
                        purpose=intent.purpose,
                        legal_basis=intent.legal_basis,
                        collection=intent.collection or "",
                        similarity=found.pop(entry.use, None),
                        searched_for=_searched_for(entry, own[intent.collection or ""]),
                        withheld=entry.withheld,
                    )
                    del open_[entry.use]


def _time(entry: entries.Intent) -> float:
    return datetime.fromisoformat(entry.at or "").timestamp()


def _answered(outcome: entries.Outcome, own: Sequence[_Own]) -> float | None:
    """The Similarity with which one of these faces was a candidate, 0 where it was withheld; None when none was."""
    candidates = {candidate.commitment: candidate.similarity or 0.0 for candidate in outcome.candidates or ()}
    if not candidates:
        return None
    committed = (commitment(face.salt, "candidate", outcome.use, face.id) for face in own)
    return max((candidates[one] for one in committed if one in candidates), default=None)


def _searched_for(outcome: entries.Outcome, own: Sequence[_Own]) -> bool:
    """Whether one of these faces is what was searched for."""
    return any(commitment(face.salt, "probe", outcome.use, face.id) in outcome.probes for face in own)
