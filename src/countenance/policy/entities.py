"""A request as Cedar is asked about it: entities, for who they are, and a context, for everything else."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

import cedarpy

from countenance.policy.requests import (
    AuthorizationFacts,
    CollectionFacts,
    FootageFacts,
    OrganizationFacts,
    PrincipalFacts,
    RequestFacts,
)
from countenance.policy.schema import NAMESPACE, schema

# Who acts, for whom, on what and by which authorization hardly changes from one use to the next. About 30 KB each.
PARSED_ENTITIES_KEPT = 1024

# Cedar's decimals have four digits after the point.
DECIMAL_STEP = Decimal("0.0001")

# The member states of the European Union, ISO 3166-1 alpha-2.
EUROPEAN_UNION = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()  # noqa: SIM905
)

# A use has one grant at most, which has no name of its own.
GRANT = "grant"

Json = dict[str, Any]


def cedar_request(request: RequestFacts) -> Json:
    """Principal, action, resource and context. Raises ArithmeticError for a threshold that is infinite."""
    principal, collection = request.principal, request.collection
    return {
        "principal": _uid("Principal", principal.id),
        "action": _uid("Action", request.action),
        "resource": _uid("Server", "server") if collection is None else _uid("Collection", collection.id),
        "context": json.dumps(_context(request)),
    }


def entities_of(request: RequestFacts) -> cedarpy.Entities:
    """The parsed entities of a request, kept for the next one with the same.

    Raises ValueError when they contradict each other: one organization with two kinds.
    """
    return _entities(request.principal, request.beneficiary, request.collection, request.authorization, request.footage)


def time_text(time: datetime) -> str:
    """A time as Cedar reads it: UTC, milliseconds, Z. It knows no `+02:00`."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def jurisdictions_of(declared: str) -> list[str]:
    """The declared jurisdiction and all around it, in capitals: US-MI-Detroit is in US, US-MI and US-MI-DETROIT."""
    parts = [part for part in re.split(r"[-\s]+", declared.upper()) if part]
    around = ["-".join(parts[: length + 1]) for length in range(len(parts))]
    return [*around, "EU"] if around and around[0] in EUROPEAN_UNION else around


@functools.lru_cache(maxsize=PARSED_ENTITIES_KEPT)
def _entities(
    principal: PrincipalFacts,
    beneficiary: OrganizationFacts | None,
    collection: CollectionFacts | None,
    authorization: AuthorizationFacts | None,
    footage: FootageFacts | None,
) -> cedarpy.Entities:
    entities = [_principal(principal), _organization(principal.organization)]
    if beneficiary is not None and beneficiary != principal.organization:
        entities.append(_organization(beneficiary))
    if collection is not None:
        entities.append(_collection(collection))
    if authorization is not None:
        entities.append(_authorization(authorization))
    if footage is not None:
        entities.append(_footage(footage))
    return cedarpy.Entities.from_json_str(json.dumps(entities), schema())


def _principal(facts: PrincipalFacts) -> Json:
    attributes = {
        "organization": _reference("Organization", facts.organization.id),
        "role": facts.role,
        "trained_until": _time(facts.trained_until),
        "suspended": facts.suspended,
        "debts": facts.debts,
    }
    return _entity("Principal", facts.id, attributes)


def _organization(facts: OrganizationFacts) -> Json:
    attributes = {
        "kind": facts.kind,
        "jurisdictions": jurisdictions_of(facts.jurisdiction),
        "suspended": facts.suspended,
    }
    return _entity("Organization", facts.id, attributes)


def _collection(facts: CollectionFacts) -> Json:
    attributes: Json = {"sensitivity": facts.sensitivity, "purposes": sorted(facts.purposes)}
    if facts.owner:
        attributes["owner"] = _reference("Organization", facts.owner)
    return _entity("Collection", facts.id, attributes)


def _context(request: RequestFacts) -> Json:
    context: Json = {
        "now": _time(request.now),
        "purpose": request.purpose,
        "beneficiary": _reference("Organization", (request.beneficiary or request.principal.organization).id),
        "has_case": request.has_case,
        "real_time": request.real_time,
        "public_space": request.public_space,
        "moratoria": sorted(request.moratoria),
        "witnesses": request.witnesses,
    }
    if request.authorization is not None:
        context["authorization"] = _reference("Authorization", request.authorization.id)
    if request.footage is not None:
        context["footage"] = _reference("Footage", GRANT)
    if request.qualification is not None:
        given = request.qualification
        context["qualification"] = {
            # Rounded up: a threshold is not one that is lower by what a decimal cannot say.
            "threshold": _decimal(given.threshold, ROUND_CEILING),
            "valid_until": _time(given.valid_until),
            "waived": given.waived,
        }
    if request.threshold is not None:
        context["threshold"] = _decimal(request.threshold)
    if request.limit is not None:
        context["limit"] = request.limit
    return context


def _authorization(facts: AuthorizationFacts) -> Json:
    attributes: Json = {
        "basis": facts.basis,
        "state": facts.state,
        "purpose": facts.purpose,
        "holder": _reference("Organization", facts.holder),
        "beneficiary": _reference("Organization", facts.beneficiary),
        "collections": _references("Collection", facts.collections),
        "targeted": facts.targeted,
        "issued": _time(facts.issued),
        "valid_from": _time(facts.valid_from),
        "valid_until": _time(facts.valid_until),
        "approvals": facts.approvals,
    }
    if facts.offence is not None:
        attributes["offence"] = facts.offence
    if facts.deadline is not None:
        attributes["deadline"] = _time(facts.deadline)
    if facts.uses_left is not None:
        attributes["uses_left"] = facts.uses_left
    return _entity("Authorization", facts.id, attributes)


def _footage(facts: FootageFacts) -> Json:
    attributes = {
        "purposes": sorted(facts.purposes),
        "organizations": _references("Organization", facts.organizations),
        "face_search": facts.face_search,
        "expires": _time(facts.expires),
        "searches_left": facts.searches_left,
    }
    return _entity("Footage", GRANT, attributes)


def _entity(kind: str, name: str, attributes: Json) -> Json:
    return {"uid": _uid(kind, name), "attrs": attributes, "parents": []}


def _uid(kind: str, name: str) -> Json:
    return {"type": f"{NAMESPACE}::{kind}", "id": name}


def _reference(kind: str, name: str) -> Json:
    return {"__entity": _uid(kind, name)}


def _references(kind: str, names: Iterable[str]) -> list[Json]:
    return [_reference(kind, name) for name in sorted(names)]


def _time(time: datetime) -> Json:
    return {"__extn": {"fn": "datetime", "arg": time_text(time)}}


def _decimal(number: float, rounding: str = ROUND_FLOOR) -> Json:
    # Rounded down: 98.99999 is not 99.
    digits = Decimal(repr(float(number))).quantize(DECIMAL_STEP, rounding)
    return {"__extn": {"fn": "decimal", "arg": f"{digits:f}"}}
