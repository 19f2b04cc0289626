"""Organizations and the people who act for them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from countenance.errors import InvalidParameter, ResourceAlreadyExists, ResourceNotFound
from countenance.storage.database import Database
from countenance.storage.principals import DEFAULT_ROLE, Principals
from tests.integration.simultaneous import outcomes

LONG = "x" * 255


@pytest.fixture
def principals(database: Database) -> Principals:
    return Principals(database)


@pytest.fixture
def police(principals: Principals) -> str:
    return principals.create_organization("police", "law_enforcement", "US-MI-Detroit").name


class TestOrganizations:
    def test_one_is_found_by_its_name_and_by_its_id(self, principals: Principals) -> None:
        made = principals.create_organization("Missing Persons Unit, Köln \N{CHILD}", "public_authority", "DE-NW")
        assert re.fullmatch("o-[0-9a-f]{32}", made.uid)
        assert (made.kind, made.jurisdiction, made.suspended) == ("public_authority", "DE-NW", False)
        assert principals.organization(made.name) == made == principals.organization(made.uid)
        assert principals.create_organization("no jurisdiction", "research").jurisdiction == ""

    def test_all_are_listed_oldest_first(self, principals: Principals) -> None:
        for name in ("c", "a", "b"):
            principals.create_organization(name, "research")
        assert [one.name for one in principals.organizations()] == ["c", "a", "b"]
        assert len({one.uid for one in principals.organizations()}) == 3

    def test_there_is_one_of_a_name(self, principals: Principals, police: str) -> None:
        with pytest.raises(ResourceAlreadyExists, match="an organization named police already"):
            principals.create_organization(police, "commercial")
        assert principals.organization(police).kind == "law_enforcement"
        # Names are told apart as they are written.
        assert principals.create_organization("Police", "commercial").name == "Police"

    def test_of_many_that_make_it_at_once_one_does(self, principals: Principals) -> None:
        seen = outcomes(
            8, lambda _: principals.create_organization("police", "law_enforcement").uid, ResourceAlreadyExists
        )
        assert sum("already" in str(one) for one in seen) == 7
        (one,) = principals.organizations()
        assert one.uid in seen

    def test_what_is_declared_of_it_changes_and_the_rest_stays(self, principals: Principals, police: str) -> None:
        made = principals.organization(police)
        assert principals.declare_organization(police) == made
        changed = principals.declare_organization(police, kind="oversight")
        assert (changed.kind, changed.jurisdiction, changed.suspended) == ("oversight", "US-MI-Detroit", False)
        changed = principals.declare_organization(police, suspended=True)
        assert (changed.kind, changed.suspended) == ("oversight", True)
        changed = principals.declare_organization(police, jurisdiction="", suspended=False)
        assert (changed.jurisdiction, changed.suspended) == ("", False)
        assert (changed.key, changed.uid) == (made.key, made.uid)
        assert principals.organization(police) == changed

    def test_one_that_there_is_not_is_named(self, principals: Principals) -> None:
        for work in (
            lambda: principals.organization("nobody"),
            lambda: principals.declare_organization("nobody", suspended=True),
            lambda: principals.create("sam", "nobody", trained_until=0.0),
        ):
            with pytest.raises(ResourceNotFound, match="no organization named nobody"):
                work()

    @pytest.mark.parametrize("name", ["", " ", "a\nb", "a\x00b", "a\u202eb", "\t", LONG + "x"])
    def test_a_name_is_a_line_of_text(self, principals: Principals, name: str) -> None:
        with pytest.raises(InvalidParameter, match="The name of an organization is a line of text"):
            principals.create_organization(name, "research")
        assert principals.organizations() == []

    @pytest.mark.parametrize("jurisdiction", ["\x00", "US\n", "x" * 65])
    def test_so_is_a_jurisdiction(self, principals: Principals, police: str, jurisdiction: str) -> None:
        with pytest.raises(InvalidParameter, match="A jurisdiction is a line of text"):
            principals.create_organization("other", "research", jurisdiction)
        with pytest.raises(InvalidParameter, match="A jurisdiction is a line of text"):
            principals.declare_organization(police, jurisdiction=jurisdiction)
        assert principals.organization(police).jurisdiction == "US-MI-Detroit"

    def test_the_longest_names_fit(self, principals: Principals) -> None:
        made = principals.create_organization("ü" * 255, "research", "x" * 64)
        assert principals.organization("ü" * 255) == made
        assert principals.create("ß" * 255, made.uid, trained_until=0.0).name == "ß" * 255


class TestPrincipals:
    def test_one_acts_for_an_organization(self, principals: Principals, police: str) -> None:
        sam = principals.create("sam", police, trained_until=1234.5)
        assert re.fullmatch("p-[0-9a-f]{32}", sam.uid)
        assert sam.organization == principals.organization(police)
        assert (sam.roles, sam.trained_until, sam.suspended) == ((DEFAULT_ROLE,), 1234.5, False)
        for found in (principals.find("sam"), principals.find(sam.uid), principals.find("sam", police)):
            assert found == sam
        assert list(principals.list()) == [sam]

    def test_roles_come_back_in_their_order(self, principals: Principals, police: str) -> None:
        principals.create("sam", police, trained_until=0.0, roles=("reviewer", "examiner", "a.b@c"))
        assert principals.find("sam").roles == ("reviewer", "examiner", "a.b@c")

    @pytest.mark.parametrize(
        "roles", [(), ("",), ("two words",), ("a", " "), ("a/b",), ("x" * 65,), ("ü",), tuple("abcdefghijklmnopqrstu")]
    )
    def test_a_role_is_a_word_and_there_is_one_at_least(
        self, principals: Principals, police: str, roles: tuple[str, ...]
    ) -> None:
        """A role with a space in it would be two, and one of them perhaps somebody else's."""
        with pytest.raises(InvalidParameter, match="A principal has 1 to 20 roles"):
            principals.create("sam", police, trained_until=0.0, roles=roles)
        assert principals.list() == []

    @pytest.mark.parametrize("name", ["", " ", "a\nb", "a\x00b", LONG + "x"])
    def test_a_name_is_a_line_of_text(self, principals: Principals, police: str, name: str) -> None:
        with pytest.raises(InvalidParameter, match="The name of a principal is a line of text"):
            principals.create(name, police, trained_until=0.0)
        assert principals.list() == []

    def test_there_is_one_of_a_name_in_an_organization(self, principals: Principals, police: str) -> None:
        sam = principals.create("sam", police, trained_until=0.0)
        with pytest.raises(ResourceAlreadyExists, match="police has a principal named sam already"):
            principals.create("sam", police, trained_until=9.0)
        assert principals.find("sam") == sam

    def test_of_many_that_make_it_at_once_one_does(self, principals: Principals, police: str) -> None:
        seen = outcomes(8, lambda _: principals.create("sam", police, trained_until=0.0).uid, ResourceAlreadyExists)
        assert sum("already" in str(one) for one in seen) == 7
        (one,) = principals.list()
        assert one.uid in seen

    def test_where_several_organizations_have_one_it_is_asked_which(self, principals: Principals, police: str) -> None:
        principals.create_organization("rescue", "child_protection")
        both = [principals.create("sam", organization, trained_until=0.0) for organization in (police, "rescue")]
        with pytest.raises(InvalidParameter, match="named sam in each of police, rescue: name the organization too"):
            principals.find("sam")
        with pytest.raises(InvalidParameter, match="name the organization too"):
            principals.change("sam", suspended=True)
        assert [principals.find("sam", name) for name in (police, "rescue")] == both
        assert principals.find(both[1].uid) == both[1]
        changed = principals.change("sam", "rescue", suspended=True)
        assert changed.uid == both[1].uid
        assert not principals.find("sam", police).suspended

    def test_one_that_there_is_not_is_named(self, principals: Principals, police: str) -> None:
        principals.create("sam", police, trained_until=0.0)
        principals.create_organization("rescue", "child_protection")
        with pytest.raises(ResourceNotFound, match="no principal named nobody: "):
            principals.find("nobody")
        with pytest.raises(ResourceNotFound, match="no principal named sam in rescue"):
            principals.find("sam", "rescue")
        with pytest.raises(ResourceNotFound, match="no principal named sam in nowhere"):
            principals.find("sam", "nowhere")
        with pytest.raises(ResourceNotFound, match="no principal named nobody"):
            principals.change("nobody", suspended=True)

    @pytest.mark.parametrize(
        "change", [{"trained_until": 99.5}, {"suspended": True}, {"trained_until": 0.0, "suspended": False}, {}]
    )
    def test_what_is_changed_of_one_changes_and_the_rest_stays(
        self, principals: Principals, police: str, change: dict[str, Any]
    ) -> None:
        other = principals.create("pat", police, trained_until=7.0)
        sam = principals.create("sam", police, trained_until=7.0, roles=("reviewer",))
        changed = principals.change("sam", **change)
        assert (changed.trained_until, changed.suspended) == (
            change.get("trained_until", 7.0),
            change.get("suspended", False),
        )
        assert (changed.uid, changed.roles, changed.organization) == (sam.uid, sam.roles, sam.organization)
        assert principals.find("sam") == changed
        assert principals.find("pat") == other

    def test_what_becomes_of_an_organization_is_seen_by_its_people(self, principals: Principals, police: str) -> None:
        principals.create("sam", police, trained_until=0.0)
        principals.declare_organization(police, kind="oversight", suspended=True)
        organization = principals.find("sam").organization
        assert (organization.kind, organization.suspended) == ("oversight", True)

    def test_training_is_kept_to_the_millisecond(self, principals: Principals, police: str) -> None:
        for until in (0.0, 1795608000.001, 4102444799.999):
            assert principals.create(f"until {until}", police, trained_until=until).trained_until == until
