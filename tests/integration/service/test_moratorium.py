"""Amazon's moratorium, and one that somebody declares: who is bound, by whom it is ended, and at which moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from countenance.errors import AccessDenied, InvalidParameter, ResourceConflict
from countenance.gallery.collections import Collections, Governance
from countenance.ledger import entries
from countenance.policy.declarations import declared
from countenance.policy.moratoria import AtSunset
from countenance.policy.vocabulary import LegalBasis, OrganizationKind, Purpose, Sensitivity
from countenance.service.actions import MATCHES, Action
from countenance.service.administration import Administration
from countenance.service.callers import Caller

from .conftest import NOON, Clock, People, ledger_of
from .doings import VERSION, granted, qualified, search, told_by, two_collections

AMAZONS = "moratorium-2020"
START = datetime(2020, 6, 10, tzinfo=UTC)
SUNSET = datetime(2021, 6, 10, tzinfo=UTC)
MOMENT = timedelta(milliseconds=1)
DAY = timedelta(days=1)

MESSAGE = (
    "Matching faces by or for law enforcement is suspended by moratorium-2020. It holds past its sunset until an "
    "explicit, logged decision of two people ends it. What goes on: a missing_child or a trafficking_victim, in a "
    "collection kept for missing persons. (moratorium-2020: police)"
)


@pytest.fixture(autouse=True)
def _collections(administration: Administration, people: People) -> None:
    two_collections(administration, people)


@pytest.fixture
def detective(administration: Administration, people: People, clock: Clock) -> Caller:
    """Sam of the police, trained, with a case, a court order and a qualified face model: all that the law asks for."""
    qualified(administration, people)
    order = granted(administration, people, valid_until=clock.now + 3650 * DAY)
    administration.organizations.change_principal(people(), "sam", trained_until=clock.now + 3650 * DAY)
    return people("sam", Purpose.CRIMINAL_INVESTIGATION, authorization=order.uid)


def allowed(administration: Administration, caller: Caller, collection: str = "portraits") -> bool:
    """Whether the search is carried out; if it is not, the denial is the moratorium's."""
    try:
        search(administration, caller, collection)
    except AccessDenied as error:
        reason = error.message
    else:
        return True
    assert MESSAGE in reason or "(quiet: suspended)" in reason
    return False


def end(administration: Administration, people: People, name: str = AMAZONS) -> None:
    """Two people end a moratorium."""
    change = administration.policies.end(people(), name)
    administration.policies.approve(people("olu"), change.uid)


class TestWhoIsBound:
    def test_the_police_are_told_why_and_by_which_policy(
        self, administration: Administration, detective: Caller
    ) -> None:
        with pytest.raises(AccessDenied) as denial:
            search(administration, detective)
        assert MESSAGE in denial.value.message
        assert "the moratorium moratorium-2020 must be ended by a logged decision" in denial.value.message

    def test_they_compare_faces_in_no_way_at_all(self, administration: Administration, detective: Caller) -> None:
        ran: list[Action] = []
        for action in MATCHES:
            with (
                pytest.raises(AccessDenied, match="suspended by moratorium-2020"),
                administration.uses.use(detective, action, "portraits", threshold=99.0, limit=10),
            ):
                ran.append(action)
        assert ran == []

    def test_a_child_protection_organization_goes_on(self, administration: Administration, people: People) -> None:
        for collection in ("portraits", "missing"):
            assert search(administration, people("ann", Purpose.MISSING_CHILD), collection, 2).answered

    def test_but_not_on_behalf_of_the_police(self, administration: Administration, people: People) -> None:
        for purpose in (Purpose.MISSING_CHILD, Purpose.MISSING_PERSON):
            order = granted(administration, people, "ann", purpose=purpose, beneficiary="police")
            ann = people("ann", purpose, authorization=order.uid, beneficiary="police")
            with pytest.raises(AccessDenied, match="suspended by moratorium-2020"):
                search(administration, ann)

    def test_on_behalf_of_the_police_it_may_look_for_a_missing_child_where_missing_persons_are_kept(
        self, administration: Administration, people: People
    ) -> None:
        ann = people("ann", Purpose.MISSING_CHILD, beneficiary="police")
        assert not search(administration, ann, "missing", 1).answered

    def test_the_police_may_too_and_two_people_look_at_what_is_found(
        self, administration: Administration, people: People
    ) -> None:
        for purpose in (Purpose.MISSING_CHILD, Purpose.TRAFFICKING_VICTIM):
            size = administration.ledger.size()
            found = search(administration, people("sam", purpose), "missing", 2)
            assert not found.answered
            assert found.review is not None
            (decision,) = told_by(administration, size, entries.Decision)
            assert (decision.effect, decision.obligations.human_review) == ("allow", 2)
            assert search(administration, people("sam", purpose), "missing").answered

    def test_the_purpose_alone_opens_nothing(self, administration: Administration, people: People) -> None:
        collections = Collections(administration.database)
        collections.create("arrests", VERSION, governance=Governance(Sensitivity.ARREST_PHOTOS))
        for purpose in (Purpose.MISSING_CHILD, Purpose.TRAFFICKING_VICTIM):
            for collection in ("portraits", "arrests", "nowhere"):
                with pytest.raises(AccessDenied, match="suspended by moratorium-2020"):
                    search(administration, people("sam", purpose), collection)

    def test_nor_does_the_collection(self, administration: Administration, people: People) -> None:
        for purpose in set(Purpose) - {Purpose.MISSING_CHILD, Purpose.TRAFFICKING_VICTIM}:
            order = granted(administration, people, purpose=purpose)
            with pytest.raises(AccessDenied, match="suspended by moratorium-2020"):
                search(administration, people("sam", purpose, authorization=order.uid), "missing")

    def test_a_company_is_not_bound_unless_it_acts_for_the_police(
        self, administration: Administration, people: People
    ) -> None:
        assert search(administration, people("liv")).answered
        with pytest.raises(AccessDenied, match="suspended by moratorium-2020"):
            search(administration, people("liv", beneficiary="police"))

    def test_nor_is_the_operator_unless_it_is_declared_to_be_police(
        self, administration: Administration, people: People
    ) -> None:
        assert search(administration, people()).answered
        administration.organizations.declare(people(), "operator", kind=OrganizationKind.LAW_ENFORCEMENT)
        with pytest.raises(AccessDenied, match="suspended by moratorium-2020"):
            search(administration, people())


class TestWhoEndsIt:
    def test_two_people_do_and_nobody_before_the_second(
        self, administration: Administration, people: People, detective: Caller
    ) -> None:
        assert not allowed(administration, detective)
        size = administration.ledger.size()
        change = administration.policies.end(people(), AMAZONS)
        assert not allowed(administration, detective)
        with pytest.raises(AccessDenied, match="another person must"):
            administration.policies.approve(people(), change.uid)
        assert not allowed(administration, detective)
        administration.policies.approve(people("olu"), change.uid)
        assert allowed(administration, detective)
        proposed, ended = told_by(administration, size, entries.PolicyChange)
        assert (proposed.state, ended.state) == ("proposed", "approved")
        assert proposed.change == ended.change == change.uid
        assert proposed.proposer is not None
        assert ended.approver is not None
        assert proposed.proposer.principal != ended.approver.principal
        assert ended.changes == (f"The moratorium {AMAZONS} ends at 2026-11-24T12:00:00Z.",)
        assert [moratorium.get("ended") for moratorium in ended.moratoria] == ["2026-11-24T12:00:00Z"]
        (last,) = told_by(administration, administration.ledger.size() - 3, entries.Decision)
        assert last.policy_set == ended.after

    def test_what_is_found_then_waits_for_two_people(
        self, administration: Administration, people: People, detective: Caller
    ) -> None:
        end(administration, people)
        assert not search(administration, detective, number=1).answered

    def test_without_an_authorization_the_police_still_match_nothing(
        self, administration: Administration, people: People
    ) -> None:
        end(administration, people)
        with pytest.raises(AccessDenied, match="only with an authorization") as denial:
            search(administration, people("sam", Purpose.CRIMINAL_INVESTIGATION, case="2026-117"))
        assert "suspended" not in denial.value.message

    def test_when_the_end_is_rejected_it_stays(
        self, administration: Administration, people: People, detective: Caller
    ) -> None:
        change = administration.policies.end(people(), AMAZONS)
        rejected = administration.policies.reject(people("olu"), change.uid)
        assert rejected.state == "rejected"
        with pytest.raises(ResourceConflict, match="is rejected already"):
            administration.policies.approve(people("olu"), change.uid)
        assert not allowed(administration, detective)

    def test_whoever_is_bound_or_just_uses_the_server_cannot_propose_or_approve_it(
        self, administration: Administration, people: People, detective: Caller
    ) -> None:
        change = administration.policies.end(people(), AMAZONS)
        for name in ("sam", "ann", "liv"):
            with pytest.raises(AccessDenied):
                administration.policies.end(people(name), AMAZONS)
            with pytest.raises(AccessDenied):
                administration.policies.approve(people(name), change.uid)
        assert not allowed(administration, detective)

    def test_an_overseer_can_approve_and_not_propose(self, administration: Administration, people: People) -> None:
        with pytest.raises(AccessDenied):
            administration.policies.end(people("olu"), AMAZONS)

    def test_an_extension_after_its_end_needs_a_new_one(
        self, administration: Administration, people: People, clock: Clock
    ) -> None:
        end(administration, people)
        with pytest.raises(InvalidParameter, match="was ended: declare a new one"):
            administration.policies.extend(people(), AMAZONS, clock.now + DAY)


@pytest.fixture
def clock(request: pytest.FixtureRequest) -> Clock:
    """At noon of an ordinary day, or at the time that a test names."""
    clock = Clock()
    clock.now = getattr(request, "param", clock.now)
    return clock


class TestWhen:
    @pytest.mark.parametrize("clock", [START - MOMENT], indirect=True)
    def test_it_binds_from_its_start_and_past_its_sunset(
        self, administration: Administration, people: People, clock: Clock, detective: Caller
    ) -> None:
        assert allowed(administration, detective)
        for now in (START, START + MOMENT, SUNSET - MOMENT, SUNSET, SUNSET + MOMENT, SUNSET + 3000 * DAY):
            clock.now = now
            assert not allowed(administration, detective)
        (told,), _ = administration.policies.moratoria(people())
        assert told.held(clock.now)

    def test_it_ends_with_the_second_signature_and_not_at_the_time_it_names(
        self, administration: Administration, people: People, clock: Clock, detective: Caller
    ) -> None:
        change = administration.policies.end(people(), AMAZONS)
        clock.passes(days=1)
        assert not allowed(administration, detective)
        administration.policies.approve(people("olu"), change.uid)
        assert allowed(administration, detective)
        clock.passes(days=400)
        qualified(administration, people)
        assert allowed(administration, detective)

    @pytest.mark.parametrize(("at_sunset", "after"), [(AtSunset.LAPSE, True), (AtSunset.HOLD, False)])
    def test_one_that_is_declared_begins_and_lapses_or_holds_to_the_millisecond(
        self,
        administration: Administration,
        people: People,
        clock: Clock,
        detective: Caller,
        at_sunset: AtSunset,
        after: bool,
    ) -> None:
        start, sunset = clock.now + DAY, clock.now + 10 * DAY
        pack = declared(
            "quiet",
            "A quiet time",
            kinds=[OrganizationKind.LAW_ENFORCEMENT],
            start=start,
            sunset=sunset,
            at_sunset=at_sunset,
        )
        change = administration.policies.propose(people(), [pack], without=[AMAZONS])
        assert change.changes == (f"The pack {AMAZONS} is taken out of force.", "The pack quiet is put in force.")
        administration.policies.approve(people("olu"), change.uid)
        moments = [(start - MOMENT, True), (start, False), (sunset - MOMENT, False), (sunset, after)]
        for now, expected in [*moments, (sunset + MOMENT, after)]:
            clock.now = now
            assert allowed(administration, detective) is expected

    def test_one_that_would_lapse_and_is_extended_binds_longer(
        self, administration: Administration, people: People, clock: Clock, detective: Caller
    ) -> None:
        sunset = clock.now + DAY
        pack = declared(
            "quiet",
            "A quiet time",
            kinds=[OrganizationKind.LAW_ENFORCEMENT],
            start=clock.now - DAY,
            sunset=sunset,
            at_sunset=AtSunset.LAPSE,
        )
        change = administration.policies.propose(people(), [pack], without=[AMAZONS])
        administration.policies.approve(people("olu"), change.uid)
        longer = administration.policies.extend(people(), "quiet", sunset + DAY)
        administration.policies.approve(people("olu"), longer.uid)
        clock.now = sunset + MOMENT
        assert not allowed(administration, detective)
        clock.now = sunset + DAY
        assert allowed(administration, detective)


def test_a_denial_is_in_the_ledger_with_the_policy_that_made_it(
    administration: Administration, detective: Caller
) -> None:
    size = administration.ledger.size()
    assert not allowed(administration, detective)
    intent, decision = ledger_of(administration)[size:]
    assert isinstance(intent, entries.Intent)
    assert isinstance(decision, entries.Decision)
    assert intent.actor.organization_kind == "law_enforcement"
    assert (intent.legal_basis, intent.purpose) == (LegalBasis.COURT_ORDER, "criminal_investigation")
    assert [(policy.pack, policy.id) for policy in decision.policies] == [(AMAZONS, "police")]
    assert decision.unlock == (
        "the moratorium moratorium-2020 must be ended by a logged decision",
        "the purpose must be missing_child or trafficking_victim, against a collection kept for missing persons",
    )


def test_police_stay_police_by_whatever_word_of_one_person(administration: Administration, people: People) -> None:
    """Two people end a moratorium; one cannot declare their way around it."""
    with pytest.raises(AccessDenied, match="stays so"):
        administration.organizations.declare(people(), "police", kind=OrganizationKind.CHILD_PROTECTION)
    assert administration.organizations.declare(people(), "police", jurisdiction="US-WA").kind == "law_enforcement"


def test_no_organization_is_named_by_anothers_id(administration: Administration, people: People) -> None:
    """Whoever names the police by their id means the police."""
    police = people("sam").principal.organization.uid
    for name in (police, police.upper(), " police", "police "):
        with pytest.raises(InvalidParameter, match="of the form of an id"):
            administration.organizations.create(people(), name, OrganizationKind.COMMERCIAL)
    with pytest.raises(InvalidParameter, match="of the form of an id"):
        administration.organizations.create_principal(
            people(), people("sam").principal.uid, "library", trained_until=NOON
        )


def test_police_fill_no_gallery_of_others(administration: Administration, people: People) -> None:
    """The exemption for missing persons would open onto whatever they put there."""
    rescue = people("ann").principal.organization.key
    gallery = Governance(Sensitivity.MISSING_PERSONS, owner_key=rescue)
    Collections(administration.database).create("children", "1.0", governance=gallery)
    sam = people("sam", Purpose.MISSING_CHILD)
    with (
        pytest.raises(AccessDenied, match="missing persons in collections of its own"),
        administration.uses.use(sam, Action.INDEX_FACES, "children"),
    ):
        pass
    with administration.uses.use(people("ann", Purpose.MISSING_CHILD), Action.INDEX_FACES, "children"):
        pass
