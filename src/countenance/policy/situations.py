"""The situations that spaces of requests are made of, and the request that each point of a space is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from countenance.policy.requests import (
    AuthorizationFacts,
    CollectionFacts,
    FootageFacts,
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

# Everything as it should be.
READY: Mapping[str, Any] = {
    "action": "SearchFacesByImage",
    "kind": OrganizationKind.OPERATOR,
    "purpose": Purpose.PHOTO_LIBRARY,
    "sensitivity": Sensitivity.GENERAL,
    "beneficiary": None,
    "jurisdiction": "",
    "trained": True,
    "suspended": False,
    "organization_suspended": False,
    "debts": 0,
    "case": True,
    "authorization": f"a granted {LegalBasis.COURT_ORDER}",
    "offence": Offence.VIOLENT_CRIME,
    "targeted": True,
    "threshold": 99.9,
    "limit": 10,
    "real_time": False,
    "public_space": False,
    "owner": "own",
    "kept_for": None,
    "footage": "no grant",
    "qualification": "a qualified face model",
    "witnesses": 2,
}

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
# Similarity.
HIGHER = 0.01

# What an authorization may be like: the path that a policy must read to tell, its name, and what is different from one
# that fits. Times are relative to now.
AUTHORIZATIONS: tuple[tuple[str | None, str, Mapping[str, Any]], ...] = (
    (None, "no authorization", {}),
    ("context.authorization.state", "a pending authorization", {"state": AuthorizationState.PENDING}),
    ("context.authorization.state", "a refused authorization", {"state": AuthorizationState.REFUSED}),
    ("context.authorization.state", "a revoked authorization", {"state": AuthorizationState.REVOKED}),
    ("context.authorization.state", "a pending emergency of one hour", {"emergency": (-HOUR, 23 * HOUR)}),
    ("context.authorization.issued", "a pending emergency of 30 hours", {"emergency": (-30 * HOUR, 18 * HOUR)}),
    ("context.authorization.issued", "an authorization from the future", {"issued": HOUR}),
    ("context.authorization.deadline", "an overdue emergency", {"emergency": (-25 * HOUR, -HOUR)}),
    ("context.authorization.deadline", "an emergency with three days", {"emergency": (-HOUR, 71 * HOUR)}),
    ("context.authorization.deadline", "an emergency without a deadline", {"emergency": (-HOUR, None)}),
    ("context.authorization.valid_from", "an authorization that is not valid yet", {"valid_from": HOUR}),
    ("context.authorization.valid_until", "an expired authorization", {"valid_until": -HOUR}),
    ("context.authorization.purpose", "an authorization for another purpose", {"purpose": True}),
    ("context.authorization.holder", "another's authorization", {"holder": "o-third"}),
    ("context.authorization.beneficiary", "an authorization for another beneficiary", {"beneficiary": "o-third"}),
    ("context.authorization.collections", "an authorization for another collection", {"collections": {"c-third"}}),
    ("context.authorization.uses_left", "a used-up authorization", {"uses_left": 0}),
)

# What a grant of footage may be like, and the path that a policy must read to tell.
GRANTS: tuple[tuple[str | None, str], ...] = (
    (None, "no grant"),
    (None, "a grant"),
    ("context.footage.face_search", "a grant without face search"),
    ("context.footage.purposes", "a grant for another purpose"),
    ("context.footage.organizations", "a grant to others"),
    ("context.footage.expires", "an expired grant"),
    ("context.footage.searches_left", "a used-up grant"),
)

# What a qualification may be like, and the path that a policy must read to tell.
QUALIFICATIONS: tuple[tuple[str | None, str], ...] = (
    (None, "an unqualified face model"),
    (None, "a qualified face model"),
    ("context.qualification.threshold", "a face model qualified for a higher threshold"),
    ("context.qualification.valid_until", "a face model whose qualification is over"),
    ("context.qualification.waived", "a face model by a waiver"),
)


def granted(basis: LegalBasis) -> str:
    """The name of a granted authorization of this kind."""
    return f"a granted {basis}"


def request_of(point: Mapping[str, Any], moratoria: frozenset[str]) -> RequestFacts:
    """The request that a point of a space is, under these moratoria, but for those that the point has ended."""
    now = point["now"]
    own = OrganizationFacts(
        id="o-own",
        kind=point["kind"],
        jurisdiction=point["jurisdiction"],
        suspended=point["organization_suspended"],
    )
    beneficiary = point["beneficiary"] and OrganizationFacts(
        id="o-other", kind=point["beneficiary"], jurisdiction=point["jurisdiction"]
    )
    return RequestFacts(
        action=point["action"],
        now=now,
        principal=PrincipalFacts(
            organization=own,
            role=point.get("role", "examiner"),
            trained_until=now + DAY if point["trained"] else now - DAY,
            suspended=point["suspended"],
            debts=point["debts"],
        ),
        purpose=point["purpose"],
        beneficiary=beneficiary,
        has_case=point["case"],
        collection=_collection(point),
        authorization=_authorization(point),
        footage=_footage(point),
        qualification=_qualification(point),
        threshold=point["threshold"],
        limit=point["limit"],
        real_time=point["real_time"],
        public_space=point["public_space"],
        moratoria=frozenset(name for name in moratoria if not point.get(f"ended {name}")),
        witnesses=point["witnesses"],
    )


def _collection(point: Mapping[str, Any]) -> CollectionFacts | None:
    if point["sensitivity"] is None:
        return None
    kept_for = {None: (), "this": (point["purpose"],), "other": (_other(point["purpose"]),)}[point["kept_for"]]
    owner = {"own": "o-own", "other": "o-third", "": ""}[point["owner"]]
    return CollectionFacts(sensitivity=point["sensitivity"], purposes=frozenset(kept_for), owner=owner)


def _authorization(point: Mapping[str, Any]) -> AuthorizationFacts | None:
    name, now = point["authorization"], point["now"]
    if name == "no authorization":
        return None
    basis = next((basis for basis in LegalBasis if name == granted(basis)), LegalBasis.COURT_ORDER)
    facts: dict[str, Any] = {
        "basis": basis,
        "state": AuthorizationState.GRANTED,
        "purpose": point["purpose"],
        "holder": "o-own",
        "beneficiary": "o-other" if point["beneficiary"] else "o-own",
        "offence": point["offence"],
        "targeted": point["targeted"],
        "issued": now - DAY,
        "valid_from": now - DAY,
        "valid_until": now + DAY,
    }
    different = dict(next((one for _, known, one in AUTHORIZATIONS if known == name), {}))
    if "emergency" in different:
        issued, deadline = different.pop("emergency")
        facts |= {"basis": LegalBasis.EMERGENCY, "state": AuthorizationState.PENDING, "issued": now + issued}
        facts["deadline"] = None if deadline is None else now + deadline
    for time in ("issued", "valid_from", "valid_until"):
        if time in different:
            facts[time] = now + different.pop(time)
    if different.pop("purpose", False):
        facts["purpose"] = _other(point["purpose"])
    return AuthorizationFacts(**{**facts, **different})


def _footage(point: Mapping[str, Any]) -> FootageFacts | None:
    name, now = point["footage"], point["now"]
    if name == "no grant":
        return None
    for_whom = "o-other" if point["beneficiary"] else "o-own"
    purpose = point["purpose"]
    return FootageFacts(
        purposes=frozenset({_other(purpose) if name == "a grant for another purpose" else purpose}),
        organizations=frozenset({"o-third"} if name == "a grant to others" else {"o-own", for_whom}),
        face_search=name != "a grant without face search",
        expires=now - HOUR if name == "an expired grant" else now + DAY,
        searches_left=0 if name == "a used-up grant" else 1,
    )


def _qualification(point: Mapping[str, Any]) -> QualificationFacts | None:
    name, now = point["qualification"], point["now"]
    if name == "an unqualified face model":
        return None
    return QualificationFacts(
        threshold=point["threshold"] + (HIGHER if name == "a face model qualified for a higher threshold" else 0),
        valid_until=now - HOUR if name == "a face model whose qualification is over" else now + DAY,
        waived=name == "a face model by a waiver",
    )


def _other(purpose: Purpose) -> Purpose:
    return next(other for other in Purpose if other is not purpose)
