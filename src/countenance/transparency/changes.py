"""What changed in who may act, what is permitted, and what recognises: each change once, in the order it was made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from countenance.ledger.entries import KeyChange, ModelChange, PolicyChange
from countenance.ledger.entries import Model as Recognizer
from countenance.transparency.moratoria import Moratorium

OPERATOR = "the installation"


@dataclass(frozen=True, slots=True)
class PolicySet:
    """Policies that came into force. `proposer` and `approver` are kinds of organizations."""

    index: int
    at: str
    sha256: str
    packs: tuple[str, ...]
    changes: tuple[str, ...]
    moratoria: tuple[Moratorium, ...]
    proposer: str
    approver: str


@dataclass(frozen=True, slots=True)
class KeyRotation:
    """The log got another key; both as C2SP verifier keys."""

    index: int
    at: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class ModelAnnouncement:
    """Recognizers that answer from here on, by face model version."""

    index: int
    at: str
    versions: tuple[str, ...]
    software: str


@dataclass
class Changes:
    """All changes so far. As many are kept as people have made."""

    policies: list[PolicySet] = field(default_factory=list)
    proposals: Counter[str] = field(default_factory=Counter)
    # (subject, change)
    keys: Counter[tuple[str, str]] = field(default_factory=Counter)
    # (kind of organization, change)
    organizations: Counter[tuple[str, str]] = field(default_factory=Counter)
    rotations: list[KeyRotation] = field(default_factory=list)
    models: list[ModelAnnouncement] = field(default_factory=list)
    announced: set[Recognizer] = field(default_factory=set)
    # (organization, kind)
    declared: set[tuple[str, str]] = field(default_factory=set)
    # when each moratorium was first and last announced
    moratoria: dict[str, tuple[str, Moratorium]] = field(default_factory=dict)

    def change_policies(self, index: int, entry: PolicyChange) -> bool:
        """Packs and moratoria were proposed, approved, rejected, or came with the installation.

        Answers whether all moratoria could be read.
        """
        self.proposals[entry.state] += 1
        if entry.state not in {"installed", "approved"}:
            return True
        read = [Moratorium.announced(one) for one in entry.moratoria]
        moratoria = tuple(one for one in read if one is not None)
        self.policies.append(
            PolicySet(
                index=index,
                at=entry.at or "",
                sha256=entry.after,
                packs=tuple(sorted(entry.packs)),
                changes=entry.changes,
                moratoria=moratoria,
                proposer=OPERATOR if entry.proposer is None else entry.proposer.organization_kind,
                approver=OPERATOR if entry.approver is None else entry.approver.organization_kind,
            )
        )
        for one in moratoria:
            first, _ = self.moratoria.get(one.name, (entry.at or "", one))
            self.moratoria[one.name] = (first, one)
        return None not in read

    def change_keys(self, index: int, entry: KeyChange) -> None:
        """Who may act or sign changed."""
        self.keys[entry.subject, entry.change] += 1
        if entry.subject == "organization" and entry.organization_kind is not None:
            self.organizations[entry.organization_kind, entry.change] += 1
            if entry.organization is not None:
                self.declared.add((entry.organization, entry.organization_kind))
        if entry.subject == "log_key":
            self.rotations.append(KeyRotation(index, entry.at or "", entry.old_vkey or "", entry.new_vkey or ""))

    def change_models(self, index: int, entry: ModelChange) -> None:
        """Other recognizers answer from here on."""
        self.announced.update(entry.models)
        versions = tuple(sorted({model.face_model_version for model in entry.models}))
        self.models.append(ModelAnnouncement(index, entry.at or "", versions, entry.software))

    def announces(self, model: Recognizer) -> bool:
        """Whether this may be the recognizer of its name: none of the same face model version had other files.

        Recognizers that only older collections are bound to are announced nowhere; their results are counted by name.
        """
        version = model.face_model_version
        return model in self.announced or all(one.face_model_version != version for one in self.announced)

    @property
    def generation(self) -> int:
        """How often policies came into force."""
        return len(self.policies)

    def permitted_since(self, generation: int, sha256: str) -> bool:
        """Whether these policies are in force, or were at some time since this generation."""
        return any(one.sha256 == sha256 for one in self.policies[max(generation - 1, 0) :])

    def suspensions(self, at: str) -> Iterator[Moratorium]:
        """The moratoria in force at this time, by the policies in force."""
        if self.policies:
            yield from (one for one in self.policies[-1].moratoria if one.in_force(at))
