"""What stands in the ledger: one model per kind of entry, in canonical JSON (RFC 8785).

    Entry
    ├── Intent               somebody is about to do something
    ├── Decision             whether they may, by which policies, under which obligations
    ├── Outcome              what came of it: candidates, null results, refusals, failures
    ├── Enrolment            faces were put into a collection
    ├── Deletion             faces, users, collections or withheld results were erased
    ├── Export               templates left the server
    ├── PolicyChange         packs and moratoria were proposed, approved or rejected
    ├── AuthorizationChange  an authorization was requested, granted, refused, revoked, or ran out
    ├── KeyChange            who may sign: organizations, principals, access keys, the log's own key
    ├── ModelChange          which recognizer and calibration answer from here on
    ├── Qualification        a face model was found fit for a purpose or not, in spite of that waived, or revoked
    └── Review               a person looked at candidates

An intent, its decision and the entry that closes it (an outcome, enrolment, deletion or export) carry the same `use`.
No entry holds an image, a template or a name: people, organizations and collections are random ids, and what must be
erasable is a `Commitment`, which nobody can open once its salt is destroyed. The fields cover what the EU AI Act asks
of logs in Article 12(3): beginning and end of each use, the reference database, the input that led to a match, and the
persons who verified it. docs/ledger-entry.schema.json is generated from these models.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

import rfc8785
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

# What an entry may have in bytes: a tile's bundle prefixes each with its length in two bytes.
MAX_ENTRY_BYTES = 65_535

Commitment = Annotated[
    str, Field(pattern=r"^[0-9a-f]{64}$", description="HMAC-SHA-256 in hex, keyed by a salt that is kept elsewhere.")
]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
# Random ids: `u` a use, `p` a principal, `o` an organization, `c` a collection, `a` an authorization, `r` a review
# case, `y` a policy change, `q` a qualification.
Uid = Annotated[str, Field(pattern=r"^[a-z]-[0-9a-f]{32}$")]
Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", description="RFC 3339, UTC.")]


class Part(BaseModel):
    """A structure of entries."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Actor(Part):
    """Who acted: never by name."""

    principal: Uid
    organization: Uid
    organization_kind: str
    role: str
    credential: Literal["access_key", "session", "local"]


class Beneficiary(Part):
    """The organization on whose behalf a use is made, when it is another one than the actor's own."""

    organization: Uid
    organization_kind: str


class PolicyReference(Part):
    """One policy of a pack, pinned by the SHA-256 of its canonical text."""

    pack: str
    id: str
    sha256: Sha256


class Obligations(Part):
    """What a permitted use owes. Absent means nothing of the kind."""

    threshold_floor: float | None = None
    candidate_cap: int | None = None
    human_review: int | None = None
    retention_days: int | None = None


class Model(Part):
    """What computed the templates and the Similarity."""

    face_model_version: str
    files: tuple[Sha256, ...]
    calibration: Sha256


class Candidate(Part):
    """A face or user that a search brought up, and how alike it is (Similarity, 0 to 100).

    While candidates are withheld their Similarity is left out: it would lead whoever searched to them.
    """

    commitment: Commitment
    similarity: float | None = None


class Entry(Part):
    """What all entries have. `at` is given by the ledger when the entry is sequenced, and never runs backwards."""

    version: Literal[1] = 1
    at: Time | None = None


class Intent(Entry):
    """Somebody is about to do something."""

    kind: Literal["intent"] = "intent"
    use: Uid
    action: str
    actor: Actor
    purpose: str
    beneficiary: Beneficiary | None = None
    authorization: Uid | None = None
    legal_basis: str | None = None
    offence: str | None = None
    case: Commitment | None = None
    collection: Uid | None = None
    threshold: float | None = None
    limit: int | None = None
    quality_filter: str | None = None
    software: str


class Decision(Entry):
    """Whether it may be done."""

    kind: Literal["decision"] = "decision"
    use: Uid
    effect: Literal["allow", "deny"]
    policies: tuple[PolicyReference, ...] = ()
    policy_set: Sha256
    obligations: Obligations = Obligations()
    unlock: tuple[str, ...] = ()
    errors: int = 0


class Closing(Entry):
    """What an entry that closes a use has. `refused` names Rekognition's exception, `failed` the class of a fault."""

    use: Uid | None = None
    refused: str | None = None
    failed: str | None = None
    model: Model | None = None


class Outcome(Closing):
    """What came of a use. `candidates` is absent where nothing was looked for; empty is a null result.

    More candidates than one entry holds come in several, all but the last one `continued`; the last one closes the use.
    `collection`, `sensitivity` and `purposes` are what a collection was made or declared to be; `granted` is the
    authorization that a use asked for or decided on; `answer` the SHA-256 of the whole answer to a test of pairs, which
    nobody can guess who was not given it.
    """

    kind: Literal["outcome"] = "outcome"
    use: Uid
    threshold: float | None = None
    probes: tuple[Commitment, ...] = ()
    faces: int | None = None
    candidates: tuple[Candidate, ...] | None = None
    continued: bool = False
    withheld: bool = False
    review: Uid | None = None
    granted: Uid | None = None
    collection: Uid | None = None
    sensitivity: str | None = None
    purposes: tuple[str, ...] | None = None
    answer: Sha256 | None = None


class Enrolment(Closing):
    """Faces were put into a collection."""

    kind: Literal["enrolment"] = "enrolment"
    use: Uid
    collection: Uid | None = None
    probes: tuple[Commitment, ...] = ()
    faces: int = 0
    unindexed: int = 0
    retain_until: Time | None = None


class Deletion(Closing):
    """Something was erased: on request (then it closes a use), or because a time was up or an approval refused.

    `review` is the case whose candidates were erased; it is then the only one of `reviews`. `commitments` is the number
    of uses whose salt was destroyed, so that nobody can open what they committed to.
    """

    kind: Literal["deletion"] = "deletion"
    reason: Literal["request", "retention", "refusal", "expiry"]
    collection: Uid | None = None
    authorization: Uid | None = None
    faces: int = 0
    users: int = 0
    collections: int = 0
    reviews: int = 0
    review: Uid | None = None
    commitments: int = 0
    due: Time | None = None
    late: bool = False


class Export(Closing):
    """Templates left the server, in a file of this hash."""

    kind: Literal["export"] = "export"
    use: Uid
    collection: Uid | None = None
    faces: int = 0
    users: int = 0
    sha256: Sha256 | None = None


class PolicyChange(Entry):
    """The policies in force were, or are to be, changed. `changes` says in words what, pack by pack."""

    kind: Literal["policy_change"] = "policy_change"
    change: Uid
    state: Literal["installed", "proposed", "approved", "rejected"]
    before: Sha256 | None = None
    after: Sha256
    packs: dict[str, Sha256]
    moratoria: tuple[dict[str, Any], ...] = ()
    changes: tuple[str, ...] = ()
    proposer: Actor | None = None
    approver: Actor | None = None


class AuthorizationChange(Entry):
    """An authorization came into another state."""

    kind: Literal["authorization_change"] = "authorization_change"
    authorization: Uid
    state: Literal["pending", "granted", "refused", "expired", "revoked"]
    basis: str
    emergency: bool = False
    purpose: str
    organization: Uid
    beneficiary: Beneficiary | None = None
    case: Commitment | None = None
    collections: tuple[Uid, ...] = ()
    valid_from: Time
    valid_until: Time
    deadline: Time | None = None
    overdue: bool = False
    actor: Actor | None = None


class KeyChange(Entry):
    """Who may act or sign changed. A new `log_key` is signed by the old one, so that trust can follow."""

    kind: Literal["key_change"] = "key_change"
    subject: Literal["organization", "principal", "access_key", "log_key"]
    change: Literal["created", "declared", "trained", "suspended", "revoked", "rotated"]
    organization: Uid | None = None
    organization_kind: str | None = None
    principal: Uid | None = None
    purpose: str | None = None
    trained_until: Time | None = None
    old_vkey: str | None = None
    new_vkey: str | None = None
    signature: str | None = None
    actor: Actor | None = None


class ModelChange(Entry):
    """Which recognizers answer from here on."""

    kind: Literal["model_change"] = "model_change"
    models: tuple[Model, ...]
    software: str


class Waiver(Part):
    """Who lets a face model serve although it did not pass, why, and until when. The reason is for the public."""

    actor: Actor
    reason: str
    until: Time


class Qualification(Entry):
    """A face model was held against what a purpose requires, at a threshold, by the report of an audit of its errors.

    `refused` did not pass, for `reasons` that name each group and by how much; `waived` serves all the same, until the
    waiver ends; `revoked` serves no longer. `threshold` is a Similarity, `report` the SHA-256 of the report's JSON and
    `statement` that of the signed statement, without which no gate opens. `not_shown` counts the groups with too few
    people to say anything about. `actor` is who had it judged, or who revoked it.
    """

    kind: Literal["qualification"] = "qualification"
    qualification: Uid
    state: Literal["qualified", "refused", "waived", "revoked"]
    model: Model
    purpose: str
    threshold: float
    report: Sha256
    statement: Sha256 | None = None
    valid_from: Time | None = None
    valid_until: Time | None = None
    groupings: tuple[str, ...] = ()
    not_shown: int = 0
    reasons: tuple[str, ...] = ()
    waiver: Waiver | None = None
    actor: Actor | None = None


class Review(Entry):
    """A person looked at the candidates of a case, without seeing what others had found.

    What they found is told when the case is decided, for those before the last one by entries that name nobody: until
    then a reviewer could read here what another had said. `agreed` is what all of them confirmed.
    """

    kind: Literal["review"] = "review"
    case: Uid
    use: Uid
    reviewer: Actor | None = None
    confirmed: int = 0
    rejected: int = 0
    agreed: int | None = None
    state: Literal["open", "confirmed", "rejected", "disclosed"]


AnyEntry = Annotated[
    Intent
    | Decision
    | Outcome
    | Enrolment
    | Deletion
    | Export
    | PolicyChange
    | AuthorizationChange
    | KeyChange
    | ModelChange
    | Qualification
    | Review,
    Field(discriminator="kind"),
]

_ENTRIES: TypeAdapter[AnyEntry] = TypeAdapter(AnyEntry)


class Impossible(ValueError):
    """The bytes are no entry of this ledger."""

    code: ClassVar[str] = "impossible_entry"


def written(entry: Entry, at: datetime) -> bytes:
    """The bytes of the leaf: canonical JSON (RFC 8785) of the entry with its time, which is UTC."""
    content = entry.model_dump(mode="json", exclude_none=True, exclude={"at"})
    return rfc8785.dumps({**content, "at": timestamp(at)})


def read(leaf: bytes) -> AnyEntry:
    """The entry of a leaf. Raises `Impossible` for anything else than an entry in its canonical form."""
    try:
        entry = _ENTRIES.validate_json(leaf)
    except ValueError as error:
        raise Impossible("The leaf is no entry of this ledger.") from error
    return entry


def json_schema() -> dict[str, Any]:
    """The JSON Schema of all entries."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_ENTRIES.json_schema()}


def timestamp(at: datetime) -> str:
    """A UTC time as entries have it: RFC 3339 with milliseconds."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
