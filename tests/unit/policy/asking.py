"""People who ask, and packs to ask: requests to which `base` has no objection, and packs of one policy."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from countenance.policy.engine import PolicyEngine
from countenance.policy.packs import Pack, shipped
from countenance.policy.requests import (
    AuthorizationFacts,
    CollectionFacts,
    OrganizationFacts,
    PrincipalFacts,
    QualificationFacts,
    RequestFacts,
)
from countenance.policy.vocabulary import (
    AuthorizationState,
    LegalBasis,
    Offence,
    OrganizationKind,
    Purpose,
    Sensitivity,
)

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
POLICE = OrganizationFacts(id="o-police", kind=OrganizationKind.LAW_ENFORCEMENT)
RESCUERS = OrganizationFacts(id="o-rescuers", kind=OrganizationKind.CHILD_PROTECTION)
OPERATOR = OrganizationFacts(id="o-operator", kind=OrganizationKind.OPERATOR)
MISSING_PERSONS = CollectionFacts(id="c-missing", sensitivity=Sensitivity.MISSING_PERSONS)
ARREST_PHOTOS = CollectionFacts(id="c-arrests", sensitivity=Sensitivity.ARREST_PHOTOS)


def member(organization: OrganizationFacts, **facts: Any) -> PrincipalFacts:
    """A trained person of an organization."""
    return PrincipalFacts(**{"organization": organization, "trained_until": NOW + 100 * DAY, **facts})


def court_order(**facts: Any) -> AuthorizationFacts:
    """A granted court order of the police for a criminal investigation."""
    given: dict[str, Any] = {
        "basis": LegalBasis.COURT_ORDER,
        "state": AuthorizationState.GRANTED,
        "purpose": Purpose.CRIMINAL_INVESTIGATION,
        "holder": POLICE.id,
        "beneficiary": POLICE.id,
        "offence": Offence.VIOLENT_CRIME,
        "issued": NOW - DAY,
        "valid_from": NOW - DAY,
        "valid_until": NOW + DAY,
    }
    return AuthorizationFacts(**{**given, **facts})


def emergency(**facts: Any) -> AuthorizationFacts:
    """An emergency that was requested an hour ago and must be approved within a day of that."""
    hour = timedelta(hours=1)
    given: dict[str, Any] = {
        "basis": LegalBasis.EMERGENCY,
        "state": AuthorizationState.PENDING,
        "issued": NOW - hour,
        "deadline": NOW + 23 * hour,
    }
    return court_order(**{**given, **facts})


def investigation(**facts: Any) -> RequestFacts:
    """Police search arrest photos for a case, with a court order and a face model that is qualified from 80 on."""
    given: dict[str, Any] = {
        "action": "SearchFacesByImage",
        "now": NOW,
        "principal": member(POLICE),
        "purpose": Purpose.CRIMINAL_INVESTIGATION,
        "has_case": True,
        "collection": ARREST_PHOTOS,
        "authorization": court_order(),
        "qualification": QualificationFacts(threshold=80.0, valid_until=NOW + 1000 * DAY),
        "threshold": 99.0,
        "limit": 10,
    }
    return RequestFacts(**{**given, **facts})


def missing_child(**facts: Any) -> RequestFacts:
    """A child-protection organization searches for a missing child among missing persons."""
    given: dict[str, Any] = {
        "action": "SearchFacesByImage",
        "now": NOW,
        "principal": member(RESCUERS),
        "purpose": Purpose.MISSING_CHILD,
        "collection": MISSING_PERSONS,
        "threshold": 80.0,
    }
    return RequestFacts(**{**given, **facts})


def photo_library(**facts: Any) -> RequestFacts:
    """The operator's key, as in the README: nothing is declared about the collection."""
    given: dict[str, Any] = {
        "action": "SearchFacesByImage",
        "now": NOW,
        "principal": PrincipalFacts(organization=OPERATOR),
        "collection": CollectionFacts(),
        "threshold": 80.0,
    }
    return RequestFacts(**{**given, **facts})


def pack(
    policies: str = "",
    obligations: str | None = None,
    *,
    name: str = "extra",
    requires: tuple[str, ...] = (),
    **files: str,
) -> Pack:
    """A pack of these policies; `files` are others by their names, with `_` for the dot."""
    manifest = f'name = "{name}"\ntitle = "For a test"\nversion = "1"\nrequires = {json.dumps(requires)}\n'
    texts = {"pack.toml": manifest, "policies.cedar": policies}
    if obligations is not None:
        texts["obligations.cedar"] = obligations
    return Pack.from_files({**texts, **{path.replace("_", "."): text for path, text in files.items()}})


def engine(*packs: str | Pack) -> PolicyEngine:
    """An engine of packs, or of those that ship by their names."""
    return PolicyEngine([shipped()[one] if isinstance(one, str) else one for one in packs])


def names(decision: Any) -> set[str]:
    """The policies that determined a decision."""
    return {f"{policy.pack}/{policy.id}" for policy in decision.policies}
