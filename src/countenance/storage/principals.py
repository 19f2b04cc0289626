"""Organizations, who is responsible, and principals, the named people and services who act for them.

Trust: whoever can write the database can make a police department a photo library. Each such change that is made
through the service is an entry of the ledger; one that is made past it is not, and shows as a use by an organization
of a kind that no entry declared.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update

from countenance.errors import InvalidParameter, ResourceAlreadyExists, ResourceNotFound
from countenance.storage import schema
from countenance.storage.database import Database
from countenance.storage.identities import Kind, new_uid

# The role of whoever was given none.
DEFAULT_ROLE = "examiner"

# What the tables take.
MAX_NAME = 255

_LIKE_AN_ID = re.compile(r"[a-z]-[0-9a-f]{32}", re.IGNORECASE)
MAX_JURISDICTION = 64
MAX_ROLES = 20

_ROLE = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Organization:
    """Who is responsible. `kind` is a word of `policy.vocabulary`; `jurisdiction` an ISO 3166 code or empty."""

    key: int
    uid: str
    name: str
    kind: str
    jurisdiction: str
    suspended: bool


@dataclass(frozen=True, slots=True)
class Principal:
    """A named person or service account of an organization. `trained_until` is UTC seconds since the epoch."""

    key: int
    uid: str
    name: str
    organization: Organization
    roles: tuple[str, ...]
    trained_until: float
    suspended: bool


class Principals:
    """The organizations and principals of a database. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create_organization(self, name: str, kind: str, jurisdiction: str = "") -> Organization:
        """A new organization. Raises InvalidParameter for what is no name or jurisdiction, ResourceAlreadyExists."""
        _check_name("The name of an organization", name)
        _check_jurisdiction(jurisdiction)
        organizations = schema.organizations
        with self._database.write() as connection:
            if connection.execute(select(organizations.c.key).where(organizations.c.name == name)).first():
                raise ResourceAlreadyExists(f"There is an organization named {name} already.")
            uid = new_uid(Kind.ORGANIZATION)
            values: dict[str, Any] = {"name": name, "uid": uid, "kind": kind, "jurisdiction": jurisdiction}
            values["suspended"] = False
            statement = insert(organizations).values(values).returning(organizations.c.key)
            return Organization(key=connection.execute(statement).scalar_one(), **values)

    def declare_organization(
        self, name: str, *, kind: str | None = None, jurisdiction: str | None = None, suspended: bool | None = None
    ) -> Organization:
        """Changes what an organization is; what is None stays. Raises ResourceNotFound, InvalidParameter."""
        _check_jurisdiction(jurisdiction or "")
        given = {"kind": kind, "jurisdiction": jurisdiction, "suspended": suspended}
        values = {column: value for column, value in given.items() if value is not None}
        with self._database.write() as connection:
            organization = _organization(connection, name)
            if values:
                own = schema.organizations.c.key == organization.key
                connection.execute(update(schema.organizations).where(own).values(values))
            return _organization(connection, name)

    def organization(self, name: str) -> Organization:
        """The organization of this name, or uid. Raises ResourceNotFound."""
        with self._database.read() as connection:
            return _organization(connection, name)

    def organizations(self) -> Sequence[Organization]:
        """All, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(schema.organizations).order_by(schema.organizations.c.key)).all()
        return [Organization(**row._mapping) for row in rows]

    def create(
        self, name: str, organization: str, *, trained_until: float, roles: Sequence[str] = (DEFAULT_ROLE,)
    ) -> Principal:
        """A new principal of an organization, with one role at least: a word that role ARNs can have.

        Raises InvalidParameter, ResourceNotFound, ResourceAlreadyExists.
        """
        _check_name("The name of a principal", name)
        if not 1 <= len(roles) <= MAX_ROLES or not all(map(_ROLE.fullmatch, roles)):
            raise InvalidParameter(
                f"A principal has 1 to {MAX_ROLES} roles, each a word of at most 64 letters, digits and +=,.@_-."
            )
        with self._database.write() as connection:
            responsible = _organization(connection, organization)
            if connection.execute(_select(name).where(schema.organizations.c.key == responsible.key)).first():
                raise ResourceAlreadyExists(f"{organization} has a principal named {name} already.")
            connection.execute(
                insert(schema.principals).values(
                    organization_key=responsible.key,
                    name=name,
                    uid=new_uid(Kind.PRINCIPAL),
                    roles=" ".join(roles),
                    trained_until=trained_until,
                    suspended=False,
                )
            )
            return find_principal(connection, name, responsible.name)

    def change(
        self,
        name: str,
        organization: str | None = None,
        *,
        trained_until: float | None = None,
        suspended: bool | None = None,
    ) -> Principal:
        """Renews a principal's training, suspends or restores them. Raises ResourceNotFound, InvalidParameter."""
        given = {"trained_until": trained_until, "suspended": suspended}
        values = {column: value for column, value in given.items() if value is not None}
        with self._database.write() as connection:
            principal = find_principal(connection, name, organization)
            if values:
                own = schema.principals.c.key == principal.key
                connection.execute(update(schema.principals).where(own).values(values))
            return find_principal(connection, name, principal.organization.name)

    def find(self, name: str, organization: str | None = None) -> Principal:
        """The principal of this name.

        Raises ResourceNotFound, and InvalidParameter where several organizations have one and none is named.
        """
        with self._database.read() as connection:
            return find_principal(connection, name, organization)

    def list(self) -> Sequence[Principal]:
        """All, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(select_principals().order_by(schema.principals.c.key)).all()
        return [to_principal(row) for row in rows]


def find_principal(connection: Connection, name: str, organization: str | None = None) -> Principal:
    """The principal, within a transaction; raises as `Principals.find`."""
    query = _select(name)
    if organization is not None:
        query = query.where(schema.organizations.c.name == organization)
    rows = connection.execute(query).all()
    if not rows:
        where = "" if organization is None else f" in {organization}"
        raise ResourceNotFound(f"There is no principal named {name}{where}: countenance principal create makes one.")
    if len(rows) > 1:
        names = ", ".join(sorted(row.organization for row in rows))
        raise InvalidParameter(f"There is a principal named {name} in each of {names}: name the organization too.")
    return to_principal(rows[0])


def select_principals() -> Select[Any]:
    """Principals with everything `to_principal` needs."""
    principals, organizations = schema.principals, schema.organizations
    return select(
        principals.c.key,
        principals.c.uid,
        principals.c.name,
        principals.c.roles,
        principals.c.trained_until,
        principals.c.suspended,
        organizations.c.key.label("organization_key"),
        organizations.c.uid.label("organization_uid"),
        organizations.c.name.label("organization"),
        organizations.c.kind,
        organizations.c.jurisdiction,
        organizations.c.suspended.label("organization_suspended"),
    ).join_from(principals, organizations, principals.c.organization_key == organizations.c.key)


def to_principal(row: Row[Any]) -> Principal:
    """The principal of a row of `select_principals`."""
    return Principal(
        key=row.key,
        uid=row.uid,
        name=row.name,
        organization=Organization(
            key=row.organization_key,
            uid=row.organization_uid,
            name=row.organization,
            kind=row.kind,
            jurisdiction=row.jurisdiction,
            suspended=row.organization_suspended,
        ),
        roles=tuple(row.roles.split()),
        trained_until=row.trained_until,
        suspended=row.suspended,
    )


def _check_name(what: str, name: str) -> None:
    _check_line(what, name, MAX_NAME)
    if name != name.strip() or _LIKE_AN_ID.fullmatch(name):
        # Ids may be given wherever a name is asked for: one that is another's id would be taken for them.
        raise InvalidParameter(f"{what} neither begins nor ends with a space, and is not of the form of an id.")


def _check_line(what: str, text: str, longest: int) -> None:
    if not text.strip() or not text.isprintable() or len(text) > longest:
        raise InvalidParameter(f"{what} is a line of text of at most {longest} characters.")


def _check_jurisdiction(jurisdiction: str) -> None:
    if jurisdiction:
        _check_line("A jurisdiction", jurisdiction, MAX_JURISDICTION)


def _select(name: str) -> Select[Any]:
    """By name, or by uid."""
    principals = schema.principals
    return select_principals().where((principals.c.name == name) | (principals.c.uid == name))


def _organization(connection: Connection, name: str) -> Organization:
    organizations = schema.organizations
    query = select(organizations).where((organizations.c.name == name) | (organizations.c.uid == name))
    row = connection.execute(query).first()
    if row is None:
        raise ResourceNotFound(f"There is no organization named {name}: countenance organization create makes one.")
    return Organization(**row._mapping)
