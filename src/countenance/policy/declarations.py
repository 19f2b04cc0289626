"""Moratoria that somebody declares: packs as readable as those that ship, with examples that hold them to it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from countenance.errors import InvalidParameter
from countenance.policy import moratoria, packs
from countenance.policy.engine import PolicyEngine
from countenance.policy.entities import time_text
from countenance.policy.moratoria import AtSunset, Moratorium
from countenance.policy.packs import MAX_NAME, NAME_PATTERN, Pack, shipped
from countenance.policy.readmes import readme
from countenance.policy.requests import RequestFacts
from countenance.policy.vocabulary import OrganizationKind, Purpose, Sensitivity
from countenance.policy.words import choice

VERSION = "1.0.0"

_RESCUE = (Purpose.MISSING_PERSON, Purpose.MISSING_CHILD, Purpose.TRAFFICKING_VICTIM, Purpose.DECEASED_PERSON)
_LIBRARY = (Purpose.PHOTO_LIBRARY, Purpose.IDENTITY_VERIFICATION)

# By base: who may match faces for what.
_PERMITTED: Mapping[OrganizationKind, tuple[Purpose, ...]] = {
    OrganizationKind.OPERATOR: (*_LIBRARY, Purpose.BIAS_TEST),
    OrganizationKind.COMMERCIAL: _LIBRARY,
    OrganizationKind.CHILD_PROTECTION: _RESCUE,
    OrganizationKind.ANTI_TRAFFICKING: _RESCUE,
    OrganizationKind.LAW_ENFORCEMENT: (Purpose.CRIMINAL_INVESTIGATION, *_RESCUE, Purpose.THREAT_TO_LIFE),
    OrganizationKind.PUBLIC_AUTHORITY: _LIBRARY,
    OrganizationKind.RESEARCH: (*_LIBRARY, Purpose.RESEARCH, Purpose.BIAS_TEST),
    OrganizationKind.OVERSIGHT: (Purpose.BIAS_TEST,),
}
# By base, nobody else acts for law enforcement.
_AGENTS_OF_POLICE = (OrganizationKind.CHILD_PROTECTION, OrganizationKind.ANTI_TRAFFICKING)


@dataclass(frozen=True, slots=True)
class _Scope:
    name: str
    kinds: tuple[OrganizationKind, ...]
    purposes: tuple[Purpose, ...]
    sensitivity: Sensitivity | None

    def spares(self, purpose: Purpose, sensitivity: Sensitivity) -> bool:
        return purpose in self.purposes and self.sensitivity in (None, sensitivity)

    def bound(self, kind: OrganizationKind) -> tuple[Purpose, Sensitivity] | None:
        """A purpose and a collection for which this kind is permitted by base, and not spared."""
        for sensitivity in (Sensitivity.GENERAL, Sensitivity.ARREST_PHOTOS):
            for purpose in _PERMITTED[kind]:
                if not self.spares(purpose, sensitivity):
                    return purpose, sensitivity
        return None


def declared(
    name: str,
    title: str,
    *,
    kinds: Collection[OrganizationKind],
    start: datetime,
    sunset: datetime,
    at_sunset: AtSunset = AtSunset.HOLD,
    exempt_purposes: Collection[Purpose] = (),
    exempt_sensitivity: Sensitivity | None = None,
) -> Pack:
    """The pack of a moratorium on matching faces by and for organizations of these `kinds`.

    Exempt are the `exempt_purposes`, where `exempt_sensitivity` is given only in collections of that one. Raises
    InvalidParameter for a name that packs cannot have, a title of more than a line, no kinds, an exemption that names
    no purpose or leaves nothing suspended, and a sunset before the start.
    """
    if not re.fullmatch(NAME_PATTERN, name) or len(name) > MAX_NAME or name in shipped():
        raise InvalidParameter(
            f"A moratorium's name has lower-case letters, digits, hyphens and dots, {MAX_NAME} at most, and is not "
            f"that of a pack that ships: {name!r} is none."
        )
    if not title.isprintable() or not title.strip():
        raise InvalidParameter("The title of a moratorium is a line of text.")
    if not kinds or OrganizationKind.UNDECLARED in kinds:
        raise InvalidParameter(
            "A moratorium names the kinds of organizations it binds, and undeclared do nothing anyway."
        )
    if exempt_sensitivity is not None and not exempt_purposes:
        raise InvalidParameter("An exemption names its purposes: a kind of collection alone is none.")
    scope = _Scope(name, _ordered(OrganizationKind, kinds), _ordered(Purpose, exempt_purposes), exempt_sensitivity)
    moratorium = Moratorium(
        name,
        title,
        start,
        sunset,
        at_sunset,
        scope=f"Every comparison of faces by {_bound(scope)}, or on behalf of one by anybody.",
        exemptions=f"{_exempt(scope)}." if scope.purposes else "",
    )
    base = shipped()["base"]
    files = {
        packs.MANIFEST: _manifest(scope, moratorium),
        packs.POLICIES: _policies(scope, moratorium),
        moratoria.FILE: moratorium.text(),
    }
    engine = PolicyEngine([base, Pack.from_files(files)])
    for effect, path, request in _examples(scope, moratorium):
        files[f"{effect}/{path}.json"] = _example(engine, effect, request)
    if not any(path.startswith("DENY/") for path in files):
        raise InvalidParameter("The exemption leaves nothing suspended: name fewer purposes, or their collections.")
    return Pack.from_files({**files, packs.README: readme(Pack.from_files({**files, packs.README: ""}))})


def _manifest(scope: _Scope, moratorium: Moratorium) -> str:
    claims = [f"{moratorium.scope} From its start, it is suspended whatever else would permit it."]
    if moratorium.exemptions:
        claims.append(f"Exempt is {moratorium.exemptions[0].lower()}{moratorium.exemptions[1:]}")
    claims.append(f"At its sunset {_at_sunset(moratorium)}.")
    not_claimed = ["That an organization is what it was declared to be, or that a purpose is the true one."]
    return "\n".join(
        (
            f"name = {_quoted(scope.name)}",
            f"title = {_quoted(moratorium.title)}",
            f"version = {_quoted(VERSION)}",
            'requires = ["base"]',
            f"claims = {json.dumps(claims, ensure_ascii=False, indent=2)}",
            f"not_claimed = {json.dumps(not_claimed, ensure_ascii=False, indent=2)}",
            "",
            "[effective]",
            f'"start" = {moratorium.start:%Y-%m-%d}',
            f'"sunset" = {moratorium.sunset:%Y-%m-%d}',
            "",
        )
    )


def _policies(scope: _Scope, moratorium: Moratorium) -> str:
    message = f"Matching faces by or for {_bound(scope)} is suspended by {scope.name}: {moratorium.title}."
    message += f" At its sunset {_at_sunset(moratorium)}."
    if moratorium.exemptions:
        message += f" What goes on: {moratorium.exemptions[0].lower()}{moratorium.exemptions[1:]}"
    kinds = json.dumps(scope.kinds)
    lines = [
        f"// {moratorium.title}",
        "",
        '@id("suspended")',
        f"@source({_quoted(f'{moratorium.title}, in force from {moratorium.start:%Y-%m-%d}')})",
        f"@message({_quoted(message)})",
        'forbid (principal, action in Countenance::Action::"match", resource)',
        "when {",
        f"  context.moratoria.contains({_quoted(scope.name)})",
        f"  && ({kinds}.contains(principal.organization.kind)",
        f"    || {kinds}.contains(context.beneficiary.kind))",
        "}",
    ]
    if scope.purposes:
        lines += ["unless {", f"  {json.dumps(scope.purposes)}.contains(context.purpose)"]
        if scope.sensitivity is not None:
            lines += [
                "  && resource is Countenance::Collection",
                f"  && resource.sensitivity == {_quoted(scope.sensitivity)}",
            ]
        lines.append("}")
    return "\n".join(lines) + ";\n"


def _examples(scope: _Scope, moratorium: Moratorium) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Who is denied, who goes on, and what happens at the start and the sunset: folder, name, request."""
    during = moratorium.start
    for kind in scope.kinds:
        bound = scope.bound(kind)
        if bound is not None:
            request = _request(f"{_a(kind)} matches faces.", kind, *bound, during)
            yield "DENY", kind.value, request
            before = moratorium.start - timedelta(milliseconds=1)
            yield "ALLOW", f"{kind.value}-before-the-start", _request("The millisecond before.", kind, *bound, before)
            at_sunset = "DENY" if moratorium.at_sunset is AtSunset.HOLD else "ALLOW"
            yield at_sunset, f"{kind.value}-at-the-sunset", _request("At the sunset.", kind, *bound, moratorium.sunset)
        for agent in _agents(scope, kind):
            words = f"{_a(agent)} matches faces on behalf of {kind}."
            acting = scope.bound(agent)
            if acting is not None:
                yield "DENY", f"{agent.value}-for-{kind.value}", _request(words, agent, *acting, during, for_whom=kind)
        for purpose in (purpose for purpose in _PERMITTED[kind] if purpose in scope.purposes):
            where = scope.sensitivity or Sensitivity.GENERAL
            request = _request(f"{_a(kind)} works on {purpose}, which is exempt.", kind, purpose, where, during)
            yield "ALLOW", f"{kind.value}-{purpose.value}", request
    others = [kind for kind in _PERMITTED if kind not in scope.kinds]
    for kind in others[:1]:
        request = _request(f"{_a(kind)} is not bound.", kind, _PERMITTED[kind][0], Sensitivity.GENERAL, during)
        yield "ALLOW", kind.value, request


def _agents(scope: _Scope, kind: OrganizationKind) -> Iterable[OrganizationKind]:
    """Somebody who is not bound and may act for this kind, by base."""
    possible = _AGENTS_OF_POLICE if kind is OrganizationKind.LAW_ENFORCEMENT else _PERMITTED
    return [agent for agent in possible if agent not in scope.kinds][:1]


def _request(
    description: str,
    kind: OrganizationKind,
    purpose: Purpose,
    sensitivity: Sensitivity,
    now: datetime,
    *,
    for_whom: OrganizationKind | None = None,
) -> dict[str, Any]:
    """A request to which base has no objection."""
    request: dict[str, Any] = {
        "description": description,
        "action": "SearchFacesByImage",
        "now": time_text(now),
        "principal": {
            "organization": {"id": "o-own", "kind": kind},
            "trained_until": time_text(now + timedelta(days=365)),
        },
        "purpose": purpose,
        "collection": {"sensitivity": sensitivity},
        "threshold": 99,
    }
    if for_whom is not None:
        request["beneficiary"] = {"id": "o-other", "kind": for_whom}
    if OrganizationKind.LAW_ENFORCEMENT in (kind, for_whom):
        request["has_case"] = True
        request["authorization"] = {
            "basis": "court_order",
            "state": "granted",
            "purpose": purpose,
            "holder": "o-own",
            "beneficiary": "o-own" if for_whom is None else "o-other",
            "issued": time_text(now),
            "valid_from": time_text(now),
            "valid_until": time_text(now + timedelta(days=30)),
        }
        request["qualification"] = {"threshold": 99, "valid_until": time_text(now + timedelta(days=30))}
    return request


def _example(engine: PolicyEngine, effect: str, request: dict[str, Any]) -> str:
    facts = RequestFacts.model_validate(request)
    decision = engine.decide(
        facts.model_copy(update={"moratoria": engine.moratoria_in_force(facts.now)}), explain=False
    )
    if decision.errors or decision.allowed != (effect == "ALLOW"):
        raise InvalidParameter(f"The moratorium cannot be declared so: {request['description']} This must be {effect}.")
    owed = {key: value for key, value in asdict(decision.obligations).items() if value is not None}
    expect: dict[str, Any] = {"policies": [f"{policy.pack}/{policy.id}" for policy in decision.policies]}
    if owed:
        expect["obligations"] = owed
    return json.dumps({**request, "expect": expect}, indent=2) + "\n"


def _bound(scope: _Scope) -> str:
    return f"organizations of the kind {choice([kind.value for kind in scope.kinds])}"


def _exempt(scope: _Scope) -> str:
    purposes = f"The purpose {choice([purpose.value for purpose in scope.purposes])}"
    return purposes if scope.sensitivity is None else f"{purposes}, in a collection of the kind {scope.sensitivity}"


def _at_sunset(moratorium: Moratorium) -> str:
    if moratorium.at_sunset is AtSunset.HOLD:
        return "it holds until an explicit, logged decision of two people ends it"
    return "it lapses, unless it is extended before"


def _a(kind: OrganizationKind) -> str:
    return f"An organization of the kind {kind}"


def _ordered(words: Iterable[Any], given: Collection[Any]) -> tuple[Any, ...]:
    return tuple(word for word in words if word in given)


def _quoted(text: str) -> str:
    # Of what is printable, Cedar, TOML and JSON escape the same two characters.
    return json.dumps(text, ensure_ascii=False)
