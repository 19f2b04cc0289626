"""The facts a decision depends on. Whatever is not here, a policy cannot ask for.

The same structure, as JSON, is what the examples of policy packs are written in and what `countenance policy explain`
reads; members that an example leaves out have the harmless defaults below.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from countenance.policy.vocabulary import (
    AuthorizationState,
    LegalBasis,
    Offence,
    OrganizationKind,
    Purpose,
    Sensitivity,
)


class Facts(BaseModel):
    """A structure of facts."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class OrganizationFacts(Facts):
    """An organization that acts, or for whom is acted."""

    id: str = "o-example"
    kind: OrganizationKind = OrganizationKind.COMMERCIAL
    jurisdiction: str = Field(default="", description="ISO 3166 code, such as US-WA; empty where none was declared.")
    suspended: bool = False


class PrincipalFacts(Facts):
    """The person or service that acts. `debts` are emergencies whose deadline has passed without an approval."""

    id: str = "p-example"
    organization: OrganizationFacts = OrganizationFacts()
    role: str = "examiner"
    trained_until: AwareDatetime = datetime(1970, 1, 1, tzinfo=UTC)
    suspended: bool = False
    debts: int = 0


class CollectionFacts(Facts):
    """The collection that is acted on. `purposes` empty: made for none in particular. `owner`: an organization."""

    id: str = "c-example"
    sensitivity: Sensitivity = Sensitivity.GENERAL
    purposes: frozenset[Purpose] = frozenset()
    owner: str = ""


class AuthorizationFacts(Facts):
    """The document that permits a use. `holder` and `beneficiary`: ids of organizations; `collections` empty: any."""

    id: str = "a-example"
    basis: LegalBasis
    state: AuthorizationState
    purpose: Purpose
    holder: str = "o-example"
    beneficiary: str = "o-example"
    collections: frozenset[str] = frozenset()
    offence: Offence | None = None
    targeted: bool = Field(default=False, description="A search for one suspect or convict already known by name.")
    issued: AwareDatetime
    valid_from: AwareDatetime
    valid_until: AwareDatetime
    deadline: AwareDatetime | None = Field(default=None, description="By when an emergency must be approved.")
    approvals: int = 0
    uses_left: int | None = None


class FootageFacts(Facts):
    """What the owner of footage permits: organizations by id."""

    purposes: frozenset[Purpose] = frozenset()
    organizations: frozenset[str] = frozenset()
    face_search: bool = False
    expires: AwareDatetime
    searches_left: int = 0


class QualificationFacts(Facts):
    """That the face model in question was found fit for the purpose, at `threshold` (Similarity) or above, by a signed
    statement in the ledger. `waived`: it was not, and somebody answers for its use all the same."""

    threshold: float
    valid_until: AwareDatetime
    waived: bool = False


class RequestFacts(Facts):
    """One use that is asked for, with everything that policies may consider.

    `qualification` is None where the face model has none for this purpose that verifies, is not over and is of the
    files and the calibration that this server has. `threshold` is a Similarity (0 to 100); `moratoria` are the names of
    those in force at `now`; `witnesses` is the number of witnesses that cosigned the ledger lately.
    """

    description: str = ""
    action: str
    now: AwareDatetime
    principal: PrincipalFacts = PrincipalFacts()
    purpose: Purpose = Purpose.PHOTO_LIBRARY
    beneficiary: OrganizationFacts | None = None
    has_case: bool = False
    collection: CollectionFacts | None = None
    authorization: AuthorizationFacts | None = None
    footage: FootageFacts | None = None
    qualification: QualificationFacts | None = None
    threshold: float | None = None
    limit: int | None = None
    real_time: bool = False
    public_space: bool = False
    moratoria: frozenset[str] = frozenset()
    witnesses: int = 0
