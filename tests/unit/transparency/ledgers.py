"""Ledgers as they come about: months of police, child protection and library uses, with numbers that are known."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from countenance.ledger.entries import (
    Actor,
    AnyEntry,
    AuthorizationChange,
    Beneficiary,
    Candidate,
    Decision,
    Deletion,
    Enrolment,
    Entry,
    Export,
    Intent,
    KeyChange,
    Model,
    ModelChange,
    Obligations,
    Outcome,
    PolicyChange,
    PolicyReference,
    Qualification,
    Review,
    Waiver,
    read,
    timestamp,
    written,
)

START = datetime(2026, 1, 1, 8, tzinfo=UTC)

MORATORIUM = {
    "name": "moratorium-2020",
    "title": "One-year moratorium on police use",
    "start": "2020-06-10T00:00:00Z",
    "sunset": "2021-06-10T00:00:00Z",
    "at_sunset": "hold",
    "scope": "Face matching by law enforcement, and for it.",
    "exemptions": "Searches for missing children in galleries kept for that.",
}

MODEL = Model(face_model_version="2.0", files=("a" * 64,), calibration="b" * 64)
POLICY_SET = "c" * 64
NEXT_POLICY_SET = "d" * 64
SOFTWARE = "countenance 0.2.0"

PERMIT = PolicyReference(pack="base", id="base.match", sha256="1" * 64)
EXEMPTION = PolicyReference(pack="moratorium-2020", id="moratorium-2020.rescue", sha256="2" * 64)
FORBID = PolicyReference(pack="moratorium-2020", id="moratorium-2020.police", sha256="3" * 64)
FLOOR = PolicyReference(pack="public-safety", id="public-safety.floor", sha256="4" * 64)


def uid(letter: str, *of: object) -> str:
    """The same id for the same things."""
    return f"{letter}-{hashlib.sha256(repr(of).encode()).hexdigest()[:32]}"


def commitment(*of: object) -> str:
    return hashlib.sha256(repr(of).encode()).hexdigest()


def actor(kind: str, principal: str = "ann") -> Actor:
    """Somebody of the one organization of this kind."""
    return Actor(
        principal=uid("p", kind, principal),
        organization=uid("o", kind),
        organization_kind=kind,
        role="examiner",
        credential="access_key",
    )


def beneficiary(kind: str) -> Beneficiary:
    return Beneficiary(organization=uid("o", kind, "beneficiary"), organization_kind=kind)


@dataclass
class Story:
    """Writes a ledger entry by entry, a tick apart unless told otherwise."""

    now: datetime = START
    tick: timedelta = timedelta(minutes=1)
    entries: list[tuple[datetime, Entry]] = field(default_factory=list)
    policy_set: str = POLICY_SET
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def leaves(self) -> list[bytes]:
        """The entries as they stand in a ledger."""
        return [written(entry, at) for at, entry in self.entries]

    def read(self) -> list[AnyEntry]:
        """The entries as the ledger's readers have them."""
        return [read(leaf) for leaf in self.leaves()]

    def wait(self, **time: float) -> None:
        self.now += timedelta(**time)

    def add(self, *entries: Entry) -> None:
        for entry in entries:
            self.entries.append((self.now, entry))
        self.now += self.tick

    def install(self, *kinds: str) -> None:
        """The first start: policies, recognizer, the organizations there are."""
        self.add(
            PolicyChange(
                change=uid("y", "installed"),
                state="installed",
                after=POLICY_SET,
                packs={"base": "5" * 64, "moratorium-2020": "6" * 64},
                moratoria=(MORATORIUM,),
                changes=("the installation's policies",),
            )
        )
        self.add(ModelChange(models=(MODEL,), software=SOFTWARE))
        for kind in kinds:
            self.add(
                KeyChange(subject="organization", change="created", organization=uid("o", kind), organization_kind=kind)
            )

    def intend(self, kind: str, action: str, purpose: str, **more: object) -> str:
        use = uid("u", next(self._numbers))
        self.add(Intent(use=use, action=action, actor=actor(kind), purpose=purpose, software=SOFTWARE, **more))  # type: ignore[arg-type]
        return use

    def decide(self, use: str, *policies: PolicyReference, effect: str = "allow", **more: object) -> None:
        self.add(Decision(use=use, effect=effect, policies=policies, policy_set=self.policy_set, **more))  # type: ignore[arg-type]

    def search(
        self,
        kind: str,
        purpose: str,
        *,
        candidates: int = 0,
        denied_by: Sequence[PolicyReference] | None = None,
        permitted_by: Sequence[PolicyReference] = (PERMIT,),
        review: str | None = None,
        action: str = "SearchFacesByImage",
        **more: object,
    ) -> str:
        """One search to its end; with `review`, what it brought up is withheld in this case."""
        use = self.intend(kind, action, purpose, **more)
        if denied_by is not None:
            self.decide(use, *denied_by, effect="deny")
            return use
        self.decide(use, *permitted_by, obligations=Obligations(human_review=2) if review else Obligations())
        if review:
            self.add(Review(case=review, use=use, state="open"))
        self.add(
            Outcome(
                use=use,
                model=MODEL,
                threshold=99.0,
                probes=(commitment(use, "probe"),),
                faces=1,
                candidates=tuple(
                    Candidate(commitment=commitment(use, place), similarity=99.5) for place in range(candidates)
                ),
                withheld=review is not None,
                review=review,
            )
        )
        return use

    def review(self, case: str, use: str, *, confirmed: int, rejected: int) -> None:
        """Two people look at the candidates of a case, and agree."""
        for person, state in (("bob", "open"), ("cleo", "confirmed" if confirmed else "rejected")):
            self.add(
                Review(
                    case=case,
                    use=use,
                    reviewer=actor("child_protection", person),
                    confirmed=confirmed,
                    rejected=rejected,
                    state=state,  # type: ignore[arg-type]
                )
            )

    def enrol(self, kind: str, faces: int, *, days: int | None = None) -> None:
        use = self.intend(kind, "IndexFaces", "photo_library")
        self.decide(use, PERMIT)
        until = None if days is None else timestamp(self.now + timedelta(days=days))
        self.add(
            Enrolment(use=use, collection=uid("c", kind), faces=faces, unindexed=1, retain_until=until, model=MODEL)
        )

    def export(self, kind: str, faces: int) -> None:
        use = self.intend(kind, "ExportCollection", "photo_library")
        self.decide(use, PERMIT)
        self.add(Export(use=use, collection=uid("c", kind), faces=faces, users=2, sha256="7" * 64))

    def expire(self, faces: int, *, late_by: timedelta = timedelta(0), late: bool = False) -> None:
        """The sweeper erases what was kept long enough."""
        self.add(Deletion(reason="retention", faces=faces, due=timestamp(self.now - late_by), late=late))

    def judge(
        self, state: str, *, reasons: Sequence[str] = ("gender=Female: 20 times",), waived_by: str | None = None
    ) -> None:
        """The face model is held against what an investigation requires; somebody of the oversight may waive it."""
        until = timestamp(self.now + timedelta(days=90))
        why = "No other model <is> here yet."
        waiver = None if waived_by is None else Waiver(actor=actor("oversight", waived_by), reason=why, until=until)
        self.add(
            Qualification(
                qualification=uid("q", "model"),
                state=state,  # type: ignore[arg-type]
                model=MODEL,
                purpose="criminal_investigation",
                threshold=99.0,
                report="8" * 64,
                statement=None if state == "refused" else "9" * 64,
                valid_from=None if state == "refused" else timestamp(self.now),
                valid_until=None if state == "refused" else until,
                groupings=("gender, race",),
                not_shown=2,
                reasons=tuple(reasons),
                waiver=waiver,
                actor=actor("operator"),
            )
        )

    def authorize(self, name: str, state: str, basis: str = "court_order", **more: object) -> None:
        terms: dict[str, object] = {
            "purpose": "criminal_investigation",
            "organization": uid("o", "law_enforcement"),
            "valid_from": timestamp(START),
            "valid_until": timestamp(START + timedelta(days=90)),
        }
        self.add(AuthorizationChange(authorization=uid("a", name), state=state, basis=basis, **{**terms, **more}))  # type: ignore[arg-type]


MONTHS = 6


def half_a_year(*, times: int = 1) -> Story:
    """Six months. A month has, `times` over:

    | who | what |
    |---|---|
    | police | 12 criminal searches, denied; 6 for missing children, allowed by the exemption: 3 find nobody |
    | child protection | 20 searches for missing children: 8 nobody, 6 two candidates, 6 withheld with three each |
    | child protection for the police | 3 searches, denied |
    | library | 30 searches of one candidate, 10 enrolments of 4 faces kept 20 days, 1 export |

    Of the six withheld cases of a month, four are decided, one candidate of three confirmed in three of them, none in
    the fourth; one is disclosed. Retention erases 40 faces a month, in time but in one month, when it is two days late.
    """
    story = Story(tick=timedelta(minutes=1) / times)
    story.install("law_enforcement", "child_protection", "operator")
    for month in range(MONTHS):
        story.now = datetime(2026, 1 + month, 2, 8, tzinfo=UTC)
        for number in range(times):
            _month(story, month, number)
        story.wait(days=21)
        for _ in range(times):
            story.expire(40, late_by=timedelta(days=2) if month == 3 else timedelta(0))
    return story


def _month(story: Story, month: int, number: int) -> None:
    for _ in range(12):
        story.search("law_enforcement", "criminal_investigation", denied_by=(FORBID,), legal_basis="warrant")
    for place in range(6):
        story.search(
            "law_enforcement",
            "missing_child",
            candidates=place % 2,
            permitted_by=(PERMIT, EXEMPTION),
            legal_basis="missing_person_order",
        )
    for place in range(20):
        if place < 14:
            story.search("child_protection", "missing_child", candidates=0 if place < 8 else 2)
            continue
        case = uid("r", month, number, place)
        use = story.search("child_protection", "missing_child", candidates=3, review=case)
        if place < 18:
            confirmed = 1 if place < 17 else 0
            story.review(case, use, confirmed=confirmed, rejected=3 - confirmed)
        if place == 14:
            story.add(Review(case=case, use=use, reviewer=actor("child_protection"), confirmed=1, state="disclosed"))
    for _ in range(3):
        story.search(
            "child_protection",
            "criminal_investigation",
            denied_by=(FORBID, FLOOR),
            beneficiary=beneficiary("law_enforcement"),
        )
    for _ in range(30):
        story.search("operator", "photo_library", candidates=1)
    for _ in range(10):
        story.enrol("operator", 4, days=20)
    story.export("operator", 7)
