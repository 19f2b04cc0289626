"""The policies in force: which packs, and what became of their moratoria; changed by two people or not at all.

    installed      by the first start: `base` and `moratorium-2020`
    proposed ──approved by another person──► in force, with the next version
         └───rejected

Trust: whoever can write the database can put other policies in force. Every decision names the SHA-256 of the set that
made it, and every set that came into force through the service is an entry of the ledger: one that is none shows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

import rfc8785
from sqlalchemy import Connection, Row, Select, func, insert, select, update

from countenance.errors import AccessDenied, InvalidParameter, Misconfigured, ResourceConflict, ResourceNotFound
from countenance.policy.moratoria import FILE, Moratorium
from countenance.policy.packs import Pack, shipped, with_required
from countenance.storage import schema
from countenance.storage.database import Database
from countenance.storage.identities import Kind, new_uid
from countenance.storage.principals import Principal

# What a new installation runs with.
BASE = "base"
INSTALLED_PACKS = (BASE, "moratorium-2020")


class ChangeState(StrEnum):
    """Where a change of the policies stands."""

    INSTALLED = "installed"
    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True)
class PolicySet:
    """Packs by name; a moratorium that was extended or ended stands so in its pack."""

    packs: Mapping[str, Pack]

    @classmethod
    def of(cls, packs: Sequence[Pack]) -> PolicySet:
        """These packs and no others. Raises InvalidParameter when one requires another that is not there."""
        return cls({pack.name: pack for pack in with_required(packs, {})})

    @classmethod
    def parse(cls, content: str) -> PolicySet:
        """The set of a `content`. Raises InvalidParameter for packs that are none."""
        return cls.of([Pack.from_files(files) for files in json.loads(content).values()])

    @cached_property
    def content(self) -> str:
        """The files of all packs, as canonical JSON (RFC 8785)."""
        return rfc8785.dumps({name: dict(pack.files) for name, pack in self.packs.items()}).decode()

    @cached_property
    def sha256(self) -> str:
        """What decisions name it by."""
        return hashlib.sha256(self.content.encode()).hexdigest()

    @property
    def moratoria(self) -> Mapping[str, Moratorium]:
        """Those that the packs are, by name, whether they bind at the moment or not."""
        return {name: pack.moratorium for name, pack in self.packs.items() if pack.moratorium is not None}

    def with_pack(self, pack: Pack) -> PolicySet:
        """With this pack too, or in place of the one of its name."""
        return PolicySet.of([*(other for name, other in self.packs.items() if name != pack.name), pack])

    def without_pack(self, name: str) -> PolicySet:
        """Without this pack. Raises ResourceNotFound, and InvalidParameter for `base` or where another requires it."""
        if name not in self.packs:
            raise ResourceNotFound(f"There is no pack named {name} in force: countenance policy list names them.")
        if name == BASE:
            raise InvalidParameter("Without the pack base nothing is permitted to anybody, not even to put it back.")
        return PolicySet.of([pack for other, pack in self.packs.items() if other != name])

    def with_moratorium(self, moratorium: Moratorium) -> PolicySet:
        """With a moratorium of this set extended or ended."""
        return self.with_pack(self.packs[moratorium.name].with_moratorium(moratorium))

    def moratorium(self, name: str) -> Moratorium:
        """The moratorium of this name. Raises ResourceNotFound."""
        try:
            return self.moratoria[name]
        except KeyError:
            known = ", ".join(self.moratoria) or "none"
            raise ResourceNotFound(f"There is no moratorium named {name}; there are: {known}.") from None

    def changes_since(self, before: PolicySet) -> tuple[str, ...]:
        """What is different from an earlier set, in sentences. Raises InvalidParameter when nothing is."""
        told: list[str] = []
        for name in sorted({*before.packs, *self.packs}):
            old, new = before.packs.get(name), self.packs.get(name)
            if old is None or new is None:
                verb = "put in force" if old is None else "taken out of force"
                told.append(f"The pack {name} is {verb}.")
            elif old.sha256 != new.sha256:
                told.append(_difference(old, new))
        if not told:
            raise InvalidParameter("This changes nothing: the policies in force are these already.")
        return tuple(told)

    def in_force(self, now: datetime) -> frozenset[str]:
        """The names of the moratoria that bind at this moment."""
        return frozenset(name for name, moratorium in self.moratoria.items() if moratorium.in_force(now))


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the policies as it stands: `changes` says in sentences what; people are named by uid."""

    uid: str
    state: ChangeState
    version: int | None
    policies: PolicySet
    before: str | None
    changes: tuple[str, ...]
    proposer: str | None
    approver: str | None
    proposed: datetime
    decided: datetime | None


class PolicySets:
    """The policy sets of a database. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._in_force: Change | None = None

    def install(self, now: datetime) -> None:
        """On the first start, put the installed packs in force."""
        packs = shipped()
        policies = PolicySet.of([packs[name] for name in INSTALLED_PACKS])
        with self._database.write() as connection:
            if connection.execute(select(schema.policy_sets.c.key).limit(1)).first() is not None:
                return
            uid = _insert(connection, policies, ["the installation's policies"], now)
            own = schema.policy_sets.c.uid == uid
            connection.execute(
                update(schema.policy_sets)
                .where(own)
                .values(state=ChangeState.INSTALLED, version=1, decided_at=now.timestamp())
            )

    def in_force(self) -> Change:
        """The set that decides now, whichever process put it in force. Raises Misconfigured when there is none."""
        [(version,)] = self._database.ask(_VERSION)
        known = self._in_force
        if known is not None and known.version == version:
            return known
        # Of a version, what it is never changes.
        with self._database.read() as connection:
            row = connection.execute(_select().where(schema.policy_sets.c.version == version)).one_or_none()
        if row is None:
            raise Misconfigured("No policies are in force: the database was never brought up by this version.")
        self._in_force = _change(row)
        return self._in_force

    def propose(self, policies: PolicySet, before: PolicySet, proposer: Principal, now: datetime) -> Change:
        """A change of the set `before`, in force when it was read, which another person must approve.

        Raises InvalidParameter when it would change nothing.
        """
        changes = policies.changes_since(before)
        with self._database.write() as connection:
            uid = _insert(connection, policies, changes, now, before=before.sha256, proposer=proposer)
            return _change(_row(connection, uid))

    def decide(self, uid: str, decider: Principal, now: datetime, *, approved: bool) -> Change:
        """Somebody else approves a change, which is then in force, or rejects it.

        Raises ResourceNotFound; AccessDenied for the one who proposed it; ResourceConflict for one that was decided, or
        was proposed to a set that is not in force any more.
        """
        sets = schema.policy_sets
        with self._database.write() as connection:
            row = _row(connection, uid)
            if row.state != ChangeState.PROPOSED:
                raise ResourceConflict(f"The change {uid} is {row.state} already.")
            if approved and row.proposer_key == decider.key:
                raise AccessDenied("Whoever proposes a change of the policies cannot approve it: another person must.")
            values: dict[str, Any] = {"approver_key": decider.key, "decided_at": now.timestamp()}
            if approved:
                version = connection.execute(_VERSION).scalar_one()
                current = connection.execute(select(sets.c.sha256).where(sets.c.version == version)).scalar_one()
                if json.loads(row.content)["before"] != current:
                    raise ResourceConflict(
                        "Other policies came into force since this change was proposed: propose it again."
                    )
                values |= {"state": ChangeState.APPROVED, "version": version + 1}
            else:
                values["state"] = ChangeState.REJECTED
            connection.execute(update(sets).where(sets.c.uid == uid).values(values))
            return _change(_row(connection, uid))

    def get(self, uid: str) -> Change:
        """Raises ResourceNotFound."""
        with self._database.read() as connection:
            return _change(_row(connection, uid))

    def list(self) -> Sequence[Change]:
        """All changes, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(_select().order_by(schema.policy_sets.c.key)).all()
        return [_change(row) for row in rows]


def _difference(old: Pack, new: Pack) -> str:
    """How a pack is different from one of its name."""
    was, becomes = old.moratorium, new.moratorium
    if was is not None and becomes is not None and {**old.files, FILE: ""} == {**new.files, FILE: ""}:
        # Only where it is the one thing that changes: an extension that lets it lapse as well is more than that.
        if becomes.ended is not None and becomes == replace(was, ended=becomes.ended):
            return f"The moratorium {new.name} ends at {becomes.ended:%Y-%m-%dT%H:%M:%SZ}."
        if becomes == replace(was, sunset=becomes.sunset):
            moves = f"from {was.sunset:%Y-%m-%d} to {becomes.sunset:%Y-%m-%d}"
            return f"The sunset of the moratorium {new.name} moves {moves}."
    old_version, new_version = (f"{pack.version} ({pack.sha256[:12]})" for pack in (old, new))
    return f"The pack {new.name}, version {old_version}, is replaced by {new_version}: see countenance policy diff."


def _insert(
    connection: Connection,
    policies: PolicySet,
    changes: Sequence[str],
    now: datetime,
    *,
    before: str | None = None,
    proposer: Principal | None = None,
) -> str:
    uid = new_uid(Kind.POLICY_CHANGE)
    connection.execute(
        insert(schema.policy_sets).values(
            uid=uid,
            state=ChangeState.PROPOSED,
            content=json.dumps({"before": before, "set": policies.content}),
            sha256=policies.sha256,
            changes="\n".join(changes),
            proposer_key=None if proposer is None else proposer.key,
            proposed_at=now.timestamp(),
        )
    )
    return uid


# Made once: making it takes longer than the answer. It is asked for every use, whatever was known a moment ago: a
# decision by policies that have just been replaced would stand in the ledger as one that should not be there.
_VERSION = select(func.max(schema.policy_sets.c.version))

_PROPOSERS = schema.principals.alias("proposers")
_APPROVERS = schema.principals.alias("approvers")


def _select() -> Select[Any]:
    sets = schema.policy_sets
    return select(sets, _PROPOSERS.c.uid.label("proposer"), _APPROVERS.c.uid.label("approver")).select_from(
        sets.outerjoin(_PROPOSERS, sets.c.proposer_key == _PROPOSERS.c.key).outerjoin(
            _APPROVERS, sets.c.approver_key == _APPROVERS.c.key
        )
    )


def _row(connection: Connection, uid: str) -> Row[Any]:
    row = connection.execute(_select().where(schema.policy_sets.c.uid == uid)).one_or_none()
    if row is None:
        raise ResourceNotFound(f"There is no change {uid} of the policies: countenance policy list names them all.")
    return row


def _change(row: Row[Any]) -> Change:
    kept = json.loads(row.content)
    return Change(
        uid=row.uid,
        state=ChangeState(row.state),
        version=row.version,
        policies=PolicySet.parse(kept["set"]),
        before=kept["before"],
        changes=tuple(row.changes.splitlines()),
        proposer=row.proposer,
        approver=row.approver,
        proposed=datetime.fromtimestamp(row.proposed_at, UTC),
        decided=None if row.decided_at is None else datetime.fromtimestamp(row.decided_at, UTC),
    )
