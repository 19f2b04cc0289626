"""Deny by default, deny on error: each way found to open the gate by mistake is a test here."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cedarpy
import pytest

from countenance.errors import InvalidParameter
from countenance.policy import engine as engine_module
from countenance.policy.actions import ACTIONS
from countenance.policy.decisions import Obligations
from countenance.policy.entities import cedar_request, entities_of
from countenance.policy.examples import examples_of
from countenance.policy.packs import shipped
from countenance.policy.requests import CollectionFacts, FootageFacts, OrganizationFacts
from countenance.policy.schema import schema
from countenance.policy.vocabulary import OrganizationKind, Purpose, Sensitivity
from tests.unit.policy.asking import (
    ARREST_PHOTOS,
    DAY,
    MISSING_PERSONS,
    NOW,
    POLICE,
    RESCUERS,
    court_order,
    emergency,
    engine,
    investigation,
    member,
    missing_child,
    names,
    pack,
    photo_library,
)

ANYTHING = '@id("anything") @source("a test") permit (principal, action, resource);'


def test_a_permitted_use_is_allowed_with_its_policies_and_what_it_owes() -> None:
    decision = engine("base").decide(investigation())
    assert decision.allowed
    assert decision.errors == 0
    assert decision.obligations == Obligations(candidate_cap=50, human_review=2, retention_days=30)
    (permit,) = decision.policies
    assert (permit.pack, permit.id) == ("base", "law-enforcement")
    assert len(permit.sha256) == 64
    assert "training" in permit.source


def test_a_denial_says_which_policies_and_what_to_do() -> None:
    decision = engine("base").decide(investigation(authorization=None))
    assert not decision.allowed
    (forbid,) = decision.policies
    assert forbid.message == (
        "Law enforcement matches faces only with an authorization: request one, and have it granted by somebody else."
    )
    assert "26(10)" in forbid.source
    assert decision.obligations == Obligations()


def test_nothing_is_permitted_without_a_policy_that_permits_it() -> None:
    for engine_without in (engine(), engine(pack())):
        decision = engine_without.decide(photo_library())
        assert not decision.allowed
        assert decision.policies == ()
        assert decision.errors == 0


def test_a_forbid_that_fails_denies() -> None:
    """Cedar skips what fails to evaluate: by itself it would allow this."""
    overflow = (
        "forbid (principal, action, resource) when { principal.debts * 9007199254740991 * 9007199254740991 > 0 };"
    )
    failing = engine(pack(f'{ANYTHING} @id("fails") @source("a test") {overflow}'))
    request = investigation(principal=member(POLICE, debts=1))
    by_itself = cedarpy.is_authorized(
        cedar_request(request),
        f"permit (principal, action, resource); {overflow}",
        entities_of(request),
        schema=schema(),
    )
    assert by_itself.allowed
    decision = failing.decide(request)
    assert not decision.allowed
    assert decision.errors == 1
    assert decision.policies == ()
    assert decision.unlock == ()


def test_a_permit_that_fails_denies_what_another_would_allow() -> None:
    overflow = (
        "permit (principal, action, resource) when { principal.debts * 9007199254740991 * 9007199254740991 > 0 };"
    )
    failing = engine(pack(f'{ANYTHING} @id("fails") @source("a test") {overflow}'))
    assert failing.decide(investigation()).allowed
    assert failing.decide(investigation(principal=member(POLICE, debts=1))).errors == 1


def test_a_context_that_lacks_a_fact_is_refused_and_not_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The schema goes with every question: without it, the forbid would fail, be skipped, and the use be allowed."""
    text = (
        "permit (principal, action, resource); "
        'forbid (principal, action, resource) when { context.now < datetime("2030-01-01") };'
    )
    request = investigation()
    question = {**cedar_request(request), "context": "{}"}
    assert cedarpy.is_authorized(question, text, entities_of(request)).allowed
    monkeypatch.setattr(engine_module, "cedar_request", lambda _: question)
    decision = engine(pack(ANYTHING)).decide(request)
    assert not decision.allowed
    assert decision.errors == 1


def test_an_organization_that_nobody_described_denies() -> None:
    """The holder of an authorization is known by its id alone: a policy that asks for more of it fails."""
    asks = (
        f'{ANYTHING} @id("holder") @source("a test") forbid (principal, action, resource) '
        'when { context has authorization && context.authorization.holder.kind == "commercial" };'
    )
    asking = engine(pack(asks))
    assert asking.decide(investigation()).allowed
    assert asking.decide(investigation(authorization=court_order(holder="o-unheard-of"))).errors == 1


def test_organizations_that_contradict_each_other_deny() -> None:
    """One id, two kinds: whichever is true, somebody is wrong."""
    other = OrganizationFacts(id=POLICE.id, kind=OrganizationKind.CHILD_PROTECTION)
    decision = engine("base").decide(investigation(beneficiary=other))
    assert not decision.allowed
    assert decision.errors == 1


@pytest.mark.parametrize("action", ["", "match", "search", "SearchEverybody", 'X"; permit', "searchfaces"])
def test_an_unknown_action_denies(action: str) -> None:
    """Groups are no actions either."""
    decision = engine(pack(ANYTHING)).decide(photo_library(action=action))
    assert not decision.allowed
    assert decision.errors >= 1


@pytest.mark.parametrize("threshold", [float("nan"), float("inf"), -float("inf"), 1e300])
def test_a_threshold_that_is_no_number_denies(threshold: float) -> None:
    assert engine(pack(ANYTHING)).decide(photo_library(threshold=threshold)).errors == 1


@pytest.mark.parametrize("name", ["\ud800", "a\x00b", 'o"::evil', "o\n", "x" * 10_000])
def test_names_are_data(name: str) -> None:
    """Whatever is in an id, it becomes no policy and no other entity; what cannot be written denies."""
    request = photo_library(principal=member(OrganizationFacts(id=name, kind=OrganizationKind.UNDECLARED)))
    assert not engine("base").decide(request).allowed


class _Panic(BaseException):
    pass


@pytest.mark.parametrize("failure", [RuntimeError("broken"), ValueError("broken"), MemoryError(), _Panic()])
def test_an_engine_that_breaks_denies(failure: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """A panic in the engine is no Exception, and must not get past either."""

    def broken(*_: Any, **__: Any) -> None:
        raise failure

    deciding = engine("base")
    monkeypatch.setattr(cedarpy, "is_authorized", broken)
    decision = deciding.decide(photo_library())
    assert not decision.allowed
    assert decision.errors == 1


def test_an_interruption_is_no_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cedarpy, "is_authorized", interrupted)
    with pytest.raises(KeyboardInterrupt):
        engine("base").decide(photo_library())


def test_a_document_from_the_future_opens_nothing() -> None:
    """`now - issued <= 48h` holds for every future time."""
    deciding = engine("base", "eu-ai-act")
    postdated = emergency(issued=NOW + DAY, deadline=NOW + 2 * DAY)
    decision = deciding.decide(investigation(authorization=postdated))
    assert names(decision) == {"base/authorization.issued"}
    assert deciding.decide(investigation(authorization=emergency())).allowed


def test_a_purpose_alone_opens_nothing() -> None:
    """The exemption binds the purpose to a collection that is kept for it."""
    deciding = engine("base", "moratorium-2020")
    suspended = {"moratoria": frozenset({"moratorium-2020"}), "principal": member(POLICE)}
    among_missing = missing_child(**suspended)
    among_arrests = missing_child(**suspended, collection=ARREST_PHOTOS)
    without_any = missing_child(**suspended, collection=None, action="CompareFaces")
    another = missing_child(**suspended, purpose=Purpose.MISSING_PERSON)
    assert [deciding.decide(one).allowed for one in (among_missing, among_arrests, without_any, another)] == [
        True,
        False,
        False,
        False,
    ]


def test_the_key_of_the_readme_does_everything_rekognition_has() -> None:
    """Under the policies of a new installation, with nothing declared; and is no oversight, nor for tests of bias."""
    deciding = engine("base", "moratorium-2020")
    ours = {"SubjectAccess", "TestPairs", "ReviewCandidates", "DiscloseReview"}
    for action in ACTIONS:
        request = photo_library(action=action, moratoria=frozenset({"moratorium-2020"}))
        assert deciding.decide(request, explain=False).allowed == (action not in ours), action


def test_an_obligation_opens_nothing() -> None:
    """Permits of obligations.cedar are asked together with the others, and permit nothing."""
    owed = '@id("owed") @source("a test") @obligation("human_review:1") permit (principal, action, resource);'
    decision = engine(pack("", owed)).decide(photo_library())
    assert not decision.allowed
    assert decision.policies == ()
    allowed = engine(pack(ANYTHING, owed)).decide(photo_library())
    assert names(allowed) == {"extra/anything"}
    assert allowed.obligations == Obligations(human_review=1)


def test_the_strictest_of_all_obligations_counts() -> None:
    owed = (
        '@id("one") @source("a test") @obligation("human_review:1; threshold_floor:95; retention_days:30") '
        "permit (principal, action, resource);"
        '@id("other") @source("a test") @obligation("human_review:2; threshold_floor:90.5; candidate_cap:20") '
        "permit (principal, action, resource);"
        '@id("elsewhere") @source("a test") @obligation("human_review:9") permit (principal, action, resource) '
        'when { context.purpose == "research" };'
    )
    more = (
        '@id("more") @source("a test") @obligation("retention_days:7;candidate_cap:50") '
        "permit (principal, action, resource);"
    )
    decision = engine(pack(ANYTHING, owed), pack("", more, name="second")).decide(photo_library())
    assert decision.obligations == Obligations(threshold_floor=95.0, candidate_cap=20, human_review=2, retention_days=7)


@pytest.mark.parametrize(
    "annotation",
    [
        "notify:data_subject",
        "human_review",
        "human_review:two",
        "",
        "human_review:1; human_review:2",
        "candidate_cap:-1",
        "threshold_floor:101",
        "threshold_floor:nan",
        "human_review:1.5",
    ],
)
def test_an_obligation_that_nobody_can_meet_denies(annotation: str) -> None:
    owed = f'@id("owed") @source("a test") @obligation("{annotation}") permit (principal, action, resource);'
    decision = engine(pack(ANYTHING, owed)).decide(photo_library())
    assert not decision.allowed
    assert decision.errors == 1


def test_an_obligation_without_its_annotation_denies() -> None:
    owed = '@id("owed") @source("a test") permit (principal, action, resource);'
    assert engine(pack(ANYTHING, owed)).decide(photo_library()).errors == 1


def test_an_obligation_that_fails_denies() -> None:
    owed = (
        '@id("owed") @source("a test") @obligation("human_review:1") permit (principal, action, resource) '
        "when { principal.debts * 9007199254740991 * 9007199254740991 > 0 };"
    )
    request = photo_library(principal=member(POLICE, debts=1))
    assert engine(pack(ANYTHING, owed)).decide(request).errors == 1


def test_leaving_out_what_an_action_excludes_changes_no_decision() -> None:
    """Only policies whose heads can mean the action are asked, and without their heads: as if all were, with theirs."""
    packs = list(shipped().values())
    everything = "\n".join(one.files["policies.cedar"] for one in packs)
    deciding = engine(*packs)
    requests = [example.asked(deciding) for one in packs for example in examples_of(one)]
    for request in requests:
        whole = cedarpy.is_authorized(cedar_request(request), everything, entities_of(request), schema=schema())
        assert whole.diagnostics.errors == []
        decision = deciding.decide(request, explain=False)
        assert decision.allowed == whole.allowed
        assert {policy.id for policy in decision.policies} == set(whole.diagnostics.id_annotations_by_reason.values())


def test_a_set_of_packs_has_a_hash_of_all_that_decides() -> None:
    base, moratorium = shipped()["base"], shipped()["moratorium-2020"]
    assert engine("base").sha256 == engine("base").sha256 != engine("base", "moratorium-2020").sha256
    assert moratorium.moratorium is not None
    ended = moratorium.with_moratorium(moratorium.moratorium.ended_at(NOW))
    assert engine(base, ended).sha256 != engine("base", "moratorium-2020").sha256
    assert engine(base, ended).moratoria_in_force(NOW) == frozenset()
    assert engine("base", "moratorium-2020").moratoria_in_force(NOW) == {"moratorium-2020"}


def test_packs_need_those_that_they_require() -> None:
    with pytest.raises(InvalidParameter, match="moratorium-2020 requires base"):
        engine("moratorium-2020")
    with pytest.raises(InvalidParameter, match="in force once"):
        engine("base", "base")


def test_many_threads_get_the_same_answers() -> None:
    deciding = engine("base", "moratorium-2020")
    requests = [
        investigation(),
        missing_child(),
        photo_library(),
        investigation(moratoria=frozenset({"moratorium-2020"})),
        missing_child(collection=CollectionFacts(purposes=frozenset({Purpose.RESEARCH}))),
    ] * 20
    expected = [deciding.decide(request) for request in requests]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(engine("base", "moratorium-2020").decide, requests)) == expected


def test_every_fact_can_be_asked_for() -> None:
    """A request with everything in it is one that the schema knows."""
    everything = investigation(
        beneficiary=RESCUERS,
        collection=CollectionFacts(
            sensitivity=Sensitivity.HOME_CAMERA_FOOTAGE, purposes=frozenset(Purpose), owner=POLICE.id
        ),
        authorization=emergency(uses_left=1, collections=frozenset({"c-example"}), approvals=1, targeted=True),
        footage=FootageFacts(
            purposes=frozenset(Purpose),
            organizations=frozenset({POLICE.id}),
            face_search=True,
            expires=NOW + DAY,
            searches_left=1,
        ),
        real_time=True,
        public_space=True,
        witnesses=3,
    )
    assert engine(pack(ANYTHING)).decide(everything).allowed
    assert engine(pack(ANYTHING)).decide(missing_child(collection=MISSING_PERSONS)).allowed
