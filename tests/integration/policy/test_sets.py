"""The policies in force: two people change them or nobody does, and everybody decides by the same ones at once."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import re
from datetime import UTC, datetime

import pytest
import rfc8785
from sqlalchemy import delete, select, update

from countenance.errors import AccessDenied, InvalidParameter, Misconfigured, ResourceConflict, ResourceNotFound
from countenance.policy import moratoria
from countenance.policy.declarations import declared
from countenance.policy.gate import NO_SET, Gate
from countenance.policy.moratoria import AtSunset
from countenance.policy.packs import MANIFEST, Pack, shipped
from countenance.policy.requests import OrganizationFacts, PrincipalFacts, RequestFacts
from countenance.policy.sets import Change, ChangeState, PolicySet, PolicySets
from countenance.policy.vocabulary import OrganizationKind
from countenance.storage import schema
from countenance.storage.database import Database
from countenance.storage.principals import Principals
from tests.integration.simultaneous import outcomes

from .conftest import DAY, NOON, Party

AMAZONS = "moratorium-2020"
UNKNOWN = "y-" + "0" * 32


@pytest.fixture
def sets(database: Database) -> PolicySets:
    """Those of a new installation."""
    sets = PolicySets(database)
    sets.install(NOON)
    return sets


def proposed(sets: PolicySets, party: Party, name: str = "public-safety", by: str = "sam") -> Change:
    """A proposal to put a pack in force too."""
    before = sets.in_force().policies
    return sets.propose(before.with_pack(shipped()[name]), before, party[by], NOON)


def approved(sets: PolicySets, party: Party, policies: PolicySet) -> Change:
    """A change that two people made."""
    change = sets.propose(policies, sets.in_force().policies, party["sam"], NOON)
    return sets.decide(change.uid, party["olu"], NOON, approved=True)


def edited(pack: Pack, **others: str) -> Pack:
    """The pack with other texts; `moratorium` and `manifest` name their files."""
    files = {"moratorium": moratoria.FILE, "manifest": MANIFEST}
    return Pack.from_files({**pack.files, **{files[name]: text for name, text in others.items()}})


def a_library() -> RequestFacts:
    """Something that base permits, and the police may not."""
    company = OrganizationFacts(id="o-1", kind=OrganizationKind.COMMERCIAL)
    return RequestFacts(action="SearchFaces", now=NOON, principal=PrincipalFacts(organization=company), threshold=90)


class TestInstallation:
    def test_a_new_one_has_base_and_amazons_moratorium(self, sets: PolicySets) -> None:
        change = sets.in_force()
        assert list(change.policies.packs) == ["base", AMAZONS]
        assert {name: pack.sha256 for name, pack in change.policies.packs.items()} == {
            name: shipped()[name].sha256 for name in ("base", AMAZONS)
        }
        assert change.policies.in_force(NOON) == {AMAZONS}
        assert (change.state, change.version) == (ChangeState.INSTALLED, 1)
        assert (change.proposer, change.approver, change.before) == (None, None, None)
        assert change.decided == NOON

    def test_a_restart_changes_nothing(self, sets: PolicySets, party: Party, database: Database) -> None:
        approved(sets, party, sets.in_force().policies.with_pack(shipped()["public-safety"]))
        now = sets.in_force()
        PolicySets(database).install(NOON + DAY)
        assert PolicySets(database).in_force() == now
        assert len(sets.list()) == 2

    def test_processes_that_start_at_once_install_one_set(self, database: Database) -> None:
        outcomes(8, lambda _: PolicySets(database).install(NOON), ResourceConflict)
        assert len(PolicySets(database).list()) == 1

    def test_a_database_that_was_never_installed_has_none(self, database: Database) -> None:
        with pytest.raises(Misconfigured, match="No policies are in force"):
            PolicySets(database).in_force()


class TestTwoPeople:
    def test_one_proposes_and_nothing_changes_until_another_approves(self, sets: PolicySets, party: Party) -> None:
        before = sets.in_force()
        change = proposed(sets, party)
        assert (change.state, change.version) == (ChangeState.PROPOSED, None)
        assert change.changes == ("The pack public-safety is put in force.",)
        assert (change.proposer, change.before) == (party["sam"].uid, before.policies.sha256)
        assert sets.in_force() == before
        done = sets.decide(change.uid, party["olu"], NOON + DAY, approved=True)
        assert (done.state, done.version, done.decided) == (ChangeState.APPROVED, 2, NOON + DAY)
        assert (done.proposer, done.approver) == (party["sam"].uid, party["olu"].uid)
        assert sets.in_force() == done == sets.get(change.uid)
        assert "public-safety" in sets.in_force().policies.packs

    def test_the_one_who_proposed_cannot_approve(self, sets: PolicySets, party: Party) -> None:
        before, change = sets.in_force(), proposed(sets, party)
        with pytest.raises(AccessDenied, match="another person must"):
            sets.decide(change.uid, party["sam"], NOON, approved=True)
        assert sets.in_force() == before
        assert sets.get(change.uid) == change

    def test_the_one_who_proposed_may_take_it_back(self, sets: PolicySets, party: Party) -> None:
        change = proposed(sets, party)
        assert sets.decide(change.uid, party["sam"], NOON, approved=False).state is ChangeState.REJECTED

    def test_what_was_rejected_stays_out(self, sets: PolicySets, party: Party) -> None:
        before, change = sets.in_force(), proposed(sets, party)
        sets.decide(change.uid, party["olu"], NOON, approved=False)
        for name, approve in (("pat", True), ("olu", True), ("olu", False)):
            with pytest.raises(ResourceConflict, match="is rejected already"):
                sets.decide(change.uid, party[name], NOON, approved=approve)
        assert sets.in_force() == before

    def test_what_is_in_force_is_not_decided_on_again(self, sets: PolicySets, party: Party) -> None:
        change = proposed(sets, party)
        sets.decide(change.uid, party["olu"], NOON, approved=True)
        for approve in (True, False):
            with pytest.raises(ResourceConflict, match="is approved already"):
                sets.decide(change.uid, party["pat"], NOON, approved=approve)
        assert sets.in_force().version == 2

    def test_the_installed_set_is_no_proposal(self, sets: PolicySets, party: Party) -> None:
        with pytest.raises(ResourceConflict, match="is installed already"):
            sets.decide(sets.in_force().uid, party["olu"], NOON, approved=False)

    def test_a_change_that_nobody_knows_is_named(self, sets: PolicySets, party: Party) -> None:
        with pytest.raises(ResourceNotFound, match=UNKNOWN):
            sets.get(UNKNOWN)
        with pytest.raises(ResourceNotFound, match=UNKNOWN):
            sets.decide(UNKNOWN, party["olu"], NOON, approved=True)

    def test_after_another_change_it_must_be_proposed_again(self, sets: PolicySets, party: Party) -> None:
        """It would take the other one back, which nobody has looked at."""
        late = proposed(sets, party, "detroit-2024")
        first = proposed(sets, party, "public-safety")
        sets.decide(first.uid, party["olu"], NOON, approved=True)
        with pytest.raises(ResourceConflict, match="propose it again"):
            sets.decide(late.uid, party["olu"], NOON, approved=True)
        assert sets.get(late.uid).state is ChangeState.PROPOSED
        again = proposed(sets, party, "detroit-2024")
        sets.decide(again.uid, party["olu"], NOON, approved=True)
        assert set(sets.in_force().policies.packs) == {"base", AMAZONS, "public-safety", "detroit-2024"}

    def test_so_it_must_where_the_other_one_came_while_it_was_being_made(self, sets: PolicySets, party: Party) -> None:
        before = sets.in_force().policies
        approved(sets, party, before.with_pack(shipped()["public-safety"]))
        stale = sets.propose(before.with_pack(shipped()["detroit-2024"]), before, party["sam"], NOON)
        with pytest.raises(ResourceConflict, match="propose it again"):
            sets.decide(stale.uid, party["olu"], NOON, approved=True)

    def test_of_many_that_approve_at_once_one_does(self, sets: PolicySets, party: Party, database: Database) -> None:
        change, people = proposed(sets, party), party.more(8)
        others = [PolicySets(database) for _ in people]

        def approve(place: int) -> object:
            return others[place].decide(change.uid, people[place], NOON, approved=True).version

        seen = outcomes(8, approve, ResourceConflict)
        assert seen.count(2) == 1
        assert sum("is approved already" in str(one) for one in seen) == 7
        assert sets.in_force().version == 2

    def test_of_two_changes_that_are_approved_at_once_one_is(
        self, sets: PolicySets, party: Party, database: Database
    ) -> None:
        both = [proposed(sets, party, name) for name in ("public-safety", "detroit-2024")]
        others = [PolicySets(database) for _ in both]
        seen = outcomes(
            2, lambda n: others[n].decide(both[n].uid, party["olu"], NOON, approved=True).version, ResourceConflict
        )
        assert seen.count(2) == 1
        assert sum("propose it again" in str(one) for one in seen) == 1
        assert sets.in_force().version == 2
        assert len(sets.in_force().policies.packs) == 3


def _approve(url: str, uid: str, name: str) -> str:
    """In a process of its own."""
    database = Database(url)
    try:
        decider = Principals(database).find(name)
        return str(PolicySets(database).decide(uid, decider, datetime.now(UTC), approved=True).version)
    except ResourceConflict as error:
        return error.message
    finally:
        database.close()


class TestProcesses:
    def test_of_two_processes_that_approve_at_once_one_wins(self, database_url: str, database: Database) -> None:
        sets, party = PolicySets(database), Party(database)
        sets.install(NOON)
        change = proposed(sets, party)
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            seen = pool.starmap(_approve, [(database_url, change.uid, name) for name in ("olu", "pat")], chunksize=1)
        assert seen.count("2") == 1
        assert sum("is approved already" in one for one in seen) == 1

    def test_another_process_decides_by_the_new_policies_at_once(
        self, sets: PolicySets, party: Party, database_url: str
    ) -> None:
        other = Database(database_url)
        gate, elsewhere = Gate(sets), PolicySets(other)
        first = gate.decide(a_library())
        assert first.decision.allowed
        assert first.policy_set == sets.in_force().policies.sha256
        for kinds, allowed in (([OrganizationKind.COMMERCIAL], False), ([OrganizationKind.RESEARCH], True)):
            pack = declared("quiet", "A quiet time", kinds=kinds, start=NOON, sunset=NOON + DAY)
            approved(elsewhere, party, elsewhere.in_force().policies.with_pack(pack))
            verdict = gate.decide(a_library())
            assert verdict.decision.allowed is allowed
            assert verdict.policy_set == elsewhere.in_force().policies.sha256
        other.close()


class TestMoratoria:
    def test_it_is_extended_by_two_people(self, sets: PolicySets, party: Party) -> None:
        policies = sets.in_force().policies
        later = policies.with_moratorium(policies.moratorium(AMAZONS).extended(NOON + DAY))
        change = approved(sets, party, later)
        assert change.changes == (f"The sunset of the moratorium {AMAZONS} moves from 2021-06-10 to 2026-11-25.",)
        assert sets.in_force().policies.moratorium(AMAZONS).sunset == NOON + DAY

    def test_it_is_ended_by_two_people(self, sets: PolicySets, party: Party) -> None:
        policies = sets.in_force().policies
        ended = policies.with_moratorium(policies.moratorium(AMAZONS).ended_at(NOON))
        change = approved(sets, party, ended)
        assert change.changes == (f"The moratorium {AMAZONS} ends at {NOON:%Y-%m-%dT%H:%M:%SZ}.",)
        assert sets.in_force().policies.in_force(NOON) == frozenset()
        with pytest.raises(InvalidParameter, match="was ended"):
            sets.in_force().policies.moratorium(AMAZONS).ended_at(NOON)
        with pytest.raises(InvalidParameter, match="was ended: declare a new one"):
            sets.in_force().policies.moratorium(AMAZONS).extended(NOON + DAY)

    def test_one_that_there_is_not_is_named_with_those_there_are(self, sets: PolicySets) -> None:
        with pytest.raises(ResourceNotFound, match=rf"no moratorium named police; there are: {AMAZONS}"):
            sets.in_force().policies.moratorium("police")

    @pytest.mark.parametrize(
        ("was", "becomes"),
        [
            ('at_sunset = "hold"', 'at_sunset = "lapse"'),
            ("start = 2020-06-10", "start = 2021-06-09"),
            ("title = \"Amazon's", "title = \"Somebody's"),
        ],
    )
    def test_an_extension_that_changes_something_else_too_is_not_called_one(
        self, sets: PolicySets, was: str, becomes: str
    ) -> None:
        """Who reads that the sunset moves to next week must not approve that it lapses there."""
        policies = sets.in_force().policies
        text = policies.packs[AMAZONS].files[moratoria.FILE]
        moved = text.replace("sunset = 2021-06-10", "sunset = 2021-06-17")
        assert moved != text
        assert was in moved
        honest = policies.with_pack(edited(policies.packs[AMAZONS], moratorium=moved))
        assert honest.changes_since(policies) == (
            f"The sunset of the moratorium {AMAZONS} moves from 2021-06-10 to 2021-06-17.",
        )
        sly = policies.with_pack(edited(policies.packs[AMAZONS], moratorium=moved.replace(was, becomes)))
        (told,) = sly.changes_since(policies)
        assert re.fullmatch(
            rf"The pack {AMAZONS}, version 1\.0\.0 \([0-9a-f]{{12}}\), is replaced by 1\.0\.0 \([0-9a-f]{{12}}\): "
            r"see countenance policy diff\.",
            told,
        )

    def test_one_that_was_ended_and_begins_again_is_not_called_an_end(self, sets: PolicySets) -> None:
        policies = sets.in_force().policies
        ended = policies.with_moratorium(policies.moratorium(AMAZONS).ended_at(NOON))
        assert "is replaced by" in policies.changes_since(ended)[0]

    def test_one_that_lapses_is_declared_and_lapses(self, sets: PolicySets, party: Party) -> None:
        pack = declared(
            "quiet",
            "A quiet time",
            kinds=[OrganizationKind.COMMERCIAL],
            start=NOON,
            sunset=NOON + DAY,
            at_sunset=AtSunset.LAPSE,
        )
        approved(sets, party, sets.in_force().policies.with_pack(pack))
        in_force = sets.in_force().policies
        assert "quiet" in in_force.in_force(NOON)
        assert "quiet" not in in_force.in_force(NOON + DAY)


class TestPacks:
    def test_one_that_another_requires_cannot_be_taken_out(self, sets: PolicySets) -> None:
        policies = sets.in_force().policies
        pack = edited(
            shipped()["public-safety"],
            manifest=f'name = "stricter"\ntitle = "Stricter"\nversion = "1"\nrequires = ["{AMAZONS}"]\n',
        )
        with pytest.raises(InvalidParameter, match=f"The policy pack stricter requires {AMAZONS}"):
            policies.with_pack(pack).without_pack(AMAZONS)
        assert list(policies.without_pack(AMAZONS).packs) == ["base"]

    def test_base_cannot_be_taken_out_since_nobody_could_put_it_back(self, sets: PolicySets) -> None:
        with pytest.raises(InvalidParameter, match="not even to put it back"):
            sets.in_force().policies.without_pack(AMAZONS).without_pack("base")

    def test_one_that_is_not_in_force_cannot_be_taken_out(self, sets: PolicySets) -> None:
        with pytest.raises(ResourceNotFound, match="no pack named detroit-2024 in force"):
            sets.in_force().policies.without_pack("detroit-2024")

    def test_a_change_that_changes_nothing_is_none(self, sets: PolicySets, party: Party) -> None:
        with pytest.raises(InvalidParameter, match="changes nothing"):
            proposed(sets, party, "base")
        assert len(sets.list()) == 1

    def test_a_version_cannot_say_more_than_a_version(self, sets: PolicySets, party: Party) -> None:
        """It stands in what people approve by: it must not add sentences of its own."""
        pack = shipped()["public-safety"]
        forged = r"2.\nThe pack moratorium-2020 is put in force."
        assert pack.version in pack.files[MANIFEST]
        text = pack.files[MANIFEST].replace(f'version = "{pack.version}"', f'version = "{forged}"')
        with pytest.raises(InvalidParameter, match="version"):
            edited(pack, manifest=text)

    def test_whatever_is_in_a_pack_comes_back_byte_for_byte(
        self, sets: PolicySets, party: Party, database: Database
    ) -> None:
        pack = edited(
            shipped()["public-safety"],
            manifest='name = "odd"\ntitle = "Ä \N{PILE OF POO} \\u0000 \\" \u2028"\r\nversion = "1.0.0-rc.1+b"\n',
        )
        files = {**pack.files, "README.md": "\x00\x01\t\r\n\N{SNOWMAN}\N{FACE WITH TEARS OF JOY}\x7f\u2029 end "}
        odd = Pack.from_files(files)
        change = approved(sets, party, sets.in_force().policies.with_pack(odd))
        kept = PolicySets(database).in_force()
        assert kept.uid == change.uid
        assert dict(kept.policies.packs["odd"].files) == files
        assert kept.policies.packs["odd"].sha256 == odd.sha256
        assert PolicySet.parse(kept.policies.content).content == kept.policies.content
        expected = rfc8785.dumps({name: dict(one.files) for name, one in kept.policies.packs.items()})
        assert kept.policies.content.encode() == expected
        assert kept.policies.sha256 == hashlib.sha256(expected).hexdigest()

    def test_the_same_packs_are_the_same_set_in_whatever_order_they_came(self) -> None:
        packs = [shipped()[name] for name in ("base", AMAZONS, "detroit-2024")]
        assert PolicySet.of(packs).sha256 == PolicySet.of(packs[::-1]).sha256


class TestGate:
    def _spoil(self, database: Database, content: str) -> None:
        sets = schema.policy_sets
        with database.write() as connection:
            connection.execute(update(sets).where(sets.c.version == 1).values(content=content))

    @pytest.mark.parametrize(
        "content",
        [
            "",
            "no JSON",
            json.dumps({"before": None}),
            json.dumps({"before": None, "set": json.dumps({"base": {"policies.cedar": "permit"}})}),
            json.dumps({"before": None, "set": json.dumps({"base": []})}),
        ],
    )
    def test_a_set_that_cannot_be_read_denies(self, sets: PolicySets, database: Database, content: str) -> None:
        assert Gate(sets).decide(a_library()).decision.allowed
        self._spoil(database, content)
        verdict = Gate(PolicySets(database)).decide(a_library())
        assert (verdict.decision.allowed, verdict.decision.errors) == (False, 1)
        assert verdict.policy_set == NO_SET

    def test_no_set_at_all_denies(self, database: Database) -> None:
        verdict = Gate(PolicySets(database)).decide(a_library())
        assert (verdict.decision.allowed, verdict.decision.errors) == (False, 1)

    def test_a_set_that_is_gone_denies_also_who_decided_by_it_before(
        self, sets: PolicySets, database: Database
    ) -> None:
        gate = Gate(sets)
        assert gate.decide(a_library()).decision.allowed
        with database.write() as connection:
            connection.execute(delete(schema.policy_sets))
        assert gate.decide(a_library()).decision.errors == 1

    def test_a_database_that_does_not_answer_denies(self, sets: PolicySets, database: Database) -> None:
        gate = Gate(sets)
        assert gate.decide(a_library()).decision.allowed
        with database.write() as connection:
            connection.exec_driver_sql("ALTER TABLE policy_sets RENAME TO elsewhere")
        verdict = gate.decide(a_library())
        assert (verdict.decision.allowed, verdict.decision.errors, verdict.policy_set) == (False, 1, NO_SET)
        with database.write() as connection:
            connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO policy_sets")
        assert gate.decide(a_library()).decision.allowed

    def test_a_set_without_base_permits_nothing(self, sets: PolicySets, database: Database) -> None:
        self._spoil(database, json.dumps({"before": None, "set": "{}"}))
        verdict = Gate(PolicySets(database)).decide(a_library())
        assert not verdict.decision.allowed

    def test_what_was_put_in_force_past_the_service_is_named_by_what_it_is(
        self, sets: PolicySets, database: Database
    ) -> None:
        """Not by what its row says it is."""
        other = PolicySet.of([shipped()["base"]])
        self._spoil(database, json.dumps({"before": None, "set": other.content}))
        with database.read() as connection:
            (said,) = connection.execute(select(schema.policy_sets.c.sha256)).scalars()
        verdict = Gate(PolicySets(database)).decide(a_library())
        assert verdict.policy_set == other.sha256 != said
