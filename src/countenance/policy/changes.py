"""What could be different about a request, in words for whoever was denied.

Only what somebody can honestly bring about is offered: an authorization, training, a higher threshold, the decision
that ends a moratorium. Another purpose is offered only together with a collection that is kept for it, and another kind
of organization never: neither may become a word that opens doors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from countenance.policy.actions import GROUPS
from countenance.policy.entities import time_text
from countenance.policy.requests import (
    AuthorizationFacts,
    CollectionFacts,
    FootageFacts,
    PrincipalFacts,
    QualificationFacts,
    RequestFacts,
)
from countenance.policy.vocabulary import AuthorizationState, LegalBasis, Offence, Purpose, Sensitivity

# The purposes that a collection of missing persons is kept for.
RESCUE = (Purpose.MISSING_CHILD, Purpose.TRAFFICKING_VICTIM)

# The kinds of authorization, as they are offered.
BASES = (
    LegalBasis.COURT_ORDER,
    LegalBasis.WARRANT,
    LegalBasis.STATUTORY_DUTY,
    LegalBasis.MISSING_PERSON_ORDER,
    LegalBasis.CONSENT,
    LegalBasis.EMERGENCY,
)

# When somebody was trained who never was.
NEVER = PrincipalFacts().trained_until

# What an authorization or a training that somebody might have would be like.
VALID_FOR = timedelta(days=30)
EMERGENCY_DEADLINE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that could be different. Changes of one `family` exclude each other.

    `sentence` has a place for the `word` by which they differ, or for several of them. `is_another_use`: what is asked
    for would not be the same any more.
    """

    family: str
    sentence: str
    word: str = ""
    apply: Callable[[RequestFacts], RequestFacts] = field(default=lambda request: request, compare=False)
    is_another_use: bool = False


def changes(request: RequestFacts, thresholds: Sequence[float]) -> list[Change]:
    """All changes that are offered, in the order in which they are made and told.

    `thresholds` are those that policies speak of, ascending. Some make a difference only after others.
    """
    return [*_authorization(request), *_person(request), *_use(request, thresholds), *_elsewhere(request)]


def own_account(request: RequestFacts) -> Change | None:
    """The same for one's own organization: the last resort, where nothing else would help."""
    if request.beneficiary is None or request.beneficiary == request.principal.organization:
        return None
    sentence = "it must not be on behalf of another organization"
    return Change("beneficiary", sentence, apply=lambda facts: _with(facts, beneficiary=None))


def _authorization(request: RequestFacts) -> Iterator[Change]:
    given = request.authorization
    if given is not None and given.state is AuthorizationState.PENDING:
        yield Change("grant", "the authorization must be granted", apply=_granted)
    if given is not None:
        sentence = "it must be done without this authorization"
        yield Change("no authorization", sentence, apply=lambda facts: _with(facts, authorization=None))
    for basis in BASES:
        yield Change(
            "authorization",
            "needs an authorization of kind {}",
            basis,
            partial(_authorized_by, basis),
        )
    for offence in Offence:
        yield Change(
            "offence",
            "the authorization must be about an offence of kind {}",
            offence,
            partial(_about, offence),
        )
    yield Change(
        "targeted",
        "the authorization must be for one person who is known by name",
        apply=lambda facts: _authorized(facts, targeted=True),
    )
    yield Change("case", "needs a case", apply=lambda facts: _with(facts, has_case=True))


def _person(request: RequestFacts) -> Iterator[Change]:
    trained_until = request.principal.trained_until
    renewed = f"the training must be renewed (it counted until {time_text(trained_until)[:10]})"
    yield Change("training", renewed if trained_until > NEVER else "needs training", apply=_trained)
    yield Change(
        "debts",
        "the overdue emergency must be approved or refused",
        apply=lambda facts: _with(facts, principal=facts.principal.model_copy(update={"debts": 0})),
    )
    yield Change("suspension", "the suspension must be lifted", apply=_unsuspended)


def _use(request: RequestFacts, thresholds: Sequence[float]) -> Iterator[Change]:
    qualified = [] if request.qualification is None else [request.qualification.threshold]
    for threshold in sorted({*thresholds, *qualified}):
        if request.threshold is None or threshold > request.threshold:
            yield Change(
                "threshold",
                "the threshold must be at least {}",
                f"{threshold:g}",
                partial(_at, threshold),
            )
    if request.action in GROUPS["match"]:
        yield Change("qualification", f"the face model must be qualified for {request.purpose}", apply=_qualified)
    yield Change("real time", "it must not be in real time", apply=lambda facts: _with(facts, real_time=False))
    if request.collection is not None and request.collection.sensitivity is Sensitivity.HOME_CAMERA_FOOTAGE:
        yield Change("footage", "needs a grant of the footage's owner that covers this search", apply=_footage_granted)


def _elsewhere(request: RequestFacts) -> Iterator[Change]:
    for name in sorted(request.moratoria):
        yield Change(
            f"moratorium {name}",
            f"the moratorium {name} must be ended by a logged decision",
            apply=partial(_without_moratorium, name),
        )
    if request.action not in GROUPS["match"]:
        return
    if request.collection is not None:
        yield Change(
            "collection",
            f"the collection must be opened for {request.purpose} by the operator or an oversight organization",
            apply=_opened,
        )
    for purpose in RESCUE:
        yield Change(
            "purpose",
            "the purpose must be {}, against a collection kept for missing persons",
            purpose,
            partial(_rescuing, purpose),
            is_another_use=True,
        )


def _with(request: RequestFacts, **facts: object) -> RequestFacts:
    return request.model_copy(update=facts)


def _authorized_by(basis: LegalBasis, request: RequestFacts) -> RequestFacts:
    """The same with an authorization of this kind that fits; what it is about stays as it was."""
    urgent = basis is LegalBasis.EMERGENCY
    given = request.authorization
    fitting = AuthorizationFacts(
        id="a-needed",
        basis=basis,
        state=AuthorizationState.PENDING if urgent else AuthorizationState.GRANTED,
        purpose=request.purpose,
        holder=request.principal.organization.id,
        beneficiary=(request.beneficiary or request.principal.organization).id,
        offence=None if given is None else given.offence,
        targeted=given is not None and given.targeted,
        issued=request.now,
        valid_from=request.now,
        valid_until=request.now + VALID_FOR,
        deadline=request.now + EMERGENCY_DEADLINE if urgent else None,
    )
    # An authorization names its case; a case that is missing beside one is another matter.
    return _with(request, authorization=fitting, has_case=request.has_case or given is None)


def _about(offence: Offence, request: RequestFacts) -> RequestFacts:
    return _authorized(request, offence=offence)


def _at(threshold: float, request: RequestFacts) -> RequestFacts:
    return _with(request, threshold=threshold)


def _without_moratorium(name: str, request: RequestFacts) -> RequestFacts:
    return _with(request, moratoria=request.moratoria - {name})


def _authorized(request: RequestFacts, **facts: object) -> RequestFacts:
    """The same with other facts in its authorization, if there is one."""
    if request.authorization is None:
        return request
    return _with(request, authorization=request.authorization.model_copy(update=facts))


def _granted(request: RequestFacts) -> RequestFacts:
    return _authorized(request, state=AuthorizationState.GRANTED)


def _trained(request: RequestFacts) -> RequestFacts:
    if request.principal.trained_until > request.now:
        return request
    return _with(request, principal=request.principal.model_copy(update={"trained_until": request.now + VALID_FOR}))


def _unsuspended(request: RequestFacts) -> RequestFacts:
    lifted = {"suspended": False}
    organization = request.principal.organization.model_copy(update=lifted)
    principal = request.principal.model_copy(update={**lifted, "organization": organization})
    beneficiary = None if request.beneficiary is None else request.beneficiary.model_copy(update=lifted)
    return _with(request, principal=principal, beneficiary=beneficiary)


def _footage_granted(request: RequestFacts) -> RequestFacts:
    beneficiary = request.beneficiary or request.principal.organization
    grant = FootageFacts(
        purposes=frozenset({request.purpose}),
        organizations=frozenset({request.principal.organization.id, beneficiary.id}),
        face_search=True,
        expires=request.now + VALID_FOR,
        searches_left=1,
    )
    return _with(request, footage=grant)


def _qualified(request: RequestFacts) -> RequestFacts:
    """The same with a face model that is qualified for the threshold that is asked for; one that is so stays."""
    given = request.qualification
    if given is not None and given.valid_until > request.now:
        return request
    qualification = QualificationFacts(threshold=request.threshold or 0.0, valid_until=request.now + VALID_FOR)
    return _with(request, qualification=qualification)


def _opened(request: RequestFacts) -> RequestFacts:
    """The same with a collection that is kept for the purpose too; one that is made for none in particular stays."""
    if request.collection is None or not request.collection.purposes:
        return request
    purposes = request.collection.purposes | {request.purpose}
    return _with(request, collection=request.collection.model_copy(update={"purposes": purposes}))


def _rescuing(purpose: Purpose, request: RequestFacts) -> RequestFacts:
    """A search for this purpose where it belongs, without an authorization that would be for another one."""
    owner = "" if request.collection is None else request.collection.owner
    collection = CollectionFacts(id="c-needed", sensitivity=Sensitivity.MISSING_PERSONS, owner=owner)
    given = request.authorization
    return _with(
        request,
        purpose=purpose,
        collection=collection,
        authorization=given if given is not None and given.purpose is purpose and not given.collections else None,
    )
