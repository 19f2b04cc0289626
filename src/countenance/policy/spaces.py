"""Spaces of requests: everything that could be asked for, as far as some policies could decide it differently.

Who, for what, what and where are always varied; what else is, is what the policies in question speak of. The rest is as
it should be: trained, with a case and an authorization that fits. Words that no policy tells apart are asked about
once. So a few thousand requests stand for all that there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise, product
from math import prod
from typing import Any

from countenance.policy.actions import ACTIONS, names_of
from countenance.policy.literals import Literals
from countenance.policy.moratoria import Moratorium
from countenance.policy.packs import Pack
from countenance.policy.policies import PackPolicy, thresholds
from countenance.policy.situations import AUTHORIZATIONS, GRANTS, QUALIFICATIONS, READY, granted
from countenance.policy.vocabulary import LegalBasis, Offence, OrganizationKind, Purpose, Sensitivity
from countenance.policy.words import choice, enumeration

# Up to so many combinations, all that changed is varied together; beyond, what each changed policy speaks of by itself.
MAX_POINTS = 20_000

Point = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a dimension, and the words of all that are decided alike."""

    value: Any
    words: tuple[str, ...]


@dataclass(frozen=True)
class Dimension:
    """Something that is varied. `phrase` says in a sentence which of the values are meant."""

    name: str
    values: tuple[Value, ...]
    phrase: Callable[[Sequence[str], Sequence[str]], str]

    @property
    def words(self) -> tuple[str, ...]:
        """The words of all values."""
        return tuple(word for value in self.values for word in value.words)


@dataclass(frozen=True)
class Space:
    """All combinations of the values of some dimensions, over what is as it should be.

    `policies` are those among the changed ones that it is about.
    """

    dimensions: tuple[Dimension, ...]
    ready: Point
    policies: tuple[PackPolicy, ...]

    def __len__(self) -> int:
        return prod(len(dimension.values) for dimension in self.dimensions)

    @property
    def size(self) -> int:
        """How many requests it stands for."""
        return prod(len(dimension.words) for dimension in self.dimensions)

    def points(self) -> Iterator[tuple[tuple[int, ...], Point]]:
        """Every combination: the places of its values in their dimensions, and the facts."""
        for places in product(*(range(len(dimension.values)) for dimension in self.dimensions)):
            chosen = zip(self.dimensions, places, strict=True)
            yield places, {**self.ready, **{one.name: one.values[place].value for one, place in chosen}}


def spaces(before: Sequence[Pack], after: Sequence[Pack], now: datetime) -> list[Space]:
    """The spaces in which two sets of packs can decide differently; none when they cannot."""
    changed = changed_policies(before, after)
    every = [policy for pack in (*before, *after) for policy in (*pack.policies, *pack.obligations)]
    moratoria = [*_moratoria(before, after, now)]
    changed_moratoria = _changed_moratoria(before, after)

    def space(policies: Sequence[PackPolicy]) -> Space:
        actions = [action for action in ACTIONS if any(policy.applies_to(names_of(action)) for policy in policies)]
        names = frozenset(name for action in actions for name in names_of(action))
        literals, spoken = Literals(policy for policy in every if policy.applies_to(names)), Literals(policies)
        others = _others(literals, spoken, policies)
        times = sorted({*spoken.times, *_turns(changed_moratoria, spoken.compared_with("context.moratoria"))})
        if times:
            others.append(_time(times))
        dimensions = (*_core(literals, actions), *others, *moratoria)
        return Space(dimensions, {**READY, "now": now}, tuple(policies))

    if not changed:
        return []
    whole = space(changed)
    if len(whole) <= MAX_POINTS:
        return [whole]
    return [space([policy]) for policy in changed]


def changed_policies(before: Sequence[Pack], after: Sequence[Pack]) -> list[PackPolicy]:
    """The policies that are in one of two sets of packs only, and those of moratoria that became different."""

    def pinned(pack: Pack) -> Iterator[tuple[tuple[object, ...], PackPolicy]]:
        for where, policies in (("policies", pack.policies), ("obligations", pack.obligations)):
            for policy in policies:
                yield (where, policy.name, policy.reference.sha256, pack.moratorium), policy

    sides = [dict(one for pack in packs for one in pinned(pack)) for packs in (before, after)]
    return [policy for side, other in (sides, sides[::-1]) for pin, policy in side.items() if pin not in other]


def _core(literals: Literals, actions: Sequence[str]) -> list[Dimension]:
    return [
        _words("action", literals.action_classes(actions), _whole),
        _words("kind", literals.classes([*OrganizationKind]), _listed("by {}", "by anybody but {}")),
        _words("purpose", literals.classes([*Purpose]), _listed("for {}", "for any purpose but {}")),
        Dimension(
            "sensitivity",
            (*_alike(literals.classes([*Sensitivity])), Value(None, ("no collection",))),
            _listed("on {}", "on anything but {}"),
        ),
    ]


def _others(every: Literals, changed: Literals, policies: Sequence[PackPolicy]) -> list[Dimension]:
    """What the changed policies speak of beyond the core."""
    paths = changed.paths

    def spoken_of(*names: str) -> bool:
        return any(path == name or path.startswith(f"{name}.") for path in paths for name in names)

    found: list[Dimension] = []
    if spoken_of("context.beneficiary"):
        named = [kind for kind in OrganizationKind if kind in changed.compared_with("context.beneficiary.kind")]
        values = (Value(None, ("itself",)), *_alike([(kind,) for kind in named or [OrganizationKind.COMMERCIAL]]))
        found.append(Dimension("beneficiary", values, _listed("on behalf of {}", "on behalf of anybody but {}")))
    found += _places(changed)
    for path, name, words in _FLAGS:
        if spoken_of(path):
            found.append(Dimension(name, (Value(False, (words[0],)), Value(True, (words[1],))), _plain))
    if spoken_of("context.authorization"):
        found.append(Dimension("authorization", tuple(_authorizations(every, paths)), _listed("with {}", "without {}")))
    if "context.authorization.offence" in paths:
        values = (Value(None, ("no offence named",)), *_alike(every.classes([*Offence])))
        found.append(Dimension("offence", values, _listed("about {}", "about anything but {}")))
    if "context.threshold" in paths:
        found.append(Dimension("threshold", tuple(_thresholds(policies)), _listed("with {}", "without {}")))
    for what, known in (("footage", GRANTS), ("qualification", QUALIFICATIONS)):
        if spoken_of(f"context.{what}"):
            values = tuple(Value(name, (name,)) for path, name in known if path is None or path in paths)
            found.append(Dimension(what, values, _listed("with {}", "without {}")))
    for path, name, options in _OPTIONS:
        if path in paths:
            values = tuple(Value(value, (words,)) for value, words in options)
            found.append(Dimension(name, values, _plain))
    for path, name, sentence in _NUMBERS:
        numbers = sorted({number for literal in changed.compared_with(path) for number in (literal, literal + 1)})
        if numbers:
            values = tuple(Value(number, (sentence.format(number),)) for number in dict.fromkeys((0, *numbers)))
            found.append(Dimension(name, values, _listed("with {}", "without {}")))
    return found


def _places(changed: Literals) -> Iterator[Dimension]:
    located = [
        one
        for whose in ("principal.organization", "context.beneficiary")
        for one in changed.compared_with(f"{whose}.jurisdictions")
    ]
    if located:
        values = (Value("", ("elsewhere",)), *(Value(place, (place,)) for place in dict.fromkeys(located)))
        yield Dimension("jurisdiction", values, _listed("in {}", "in any place but {}"))


# Yes or no: what policies call it, what it is called here, and the words for no and yes.
_FLAGS = (
    ("principal.trained_until", "trained", ("untrained", "trained")),
    ("principal.suspended", "suspended", ("not suspended", "suspended")),
    ("principal.organization.suspended", "organization_suspended", ("in good standing", "its organization suspended")),
    ("context.has_case", "case", ("without a case", "with a case")),
    ("context.authorization.targeted", "targeted", ("untargeted", "targeted")),
    ("context.real_time", "real_time", ("not in real time", "in real time")),
    ("context.public_space", "public_space", ("not in a public space", "in a public space")),
)
_OPTIONS = (
    ("resource.owner", "owner", (("own", "its own"), ("other", "another's"), ("", "nobody's"))),
    (
        "resource.purposes",
        "kept_for",
        ((None, "kept for nothing in particular"), ("this", "kept for this"), ("other", "kept for another purpose")),
    ),
)
_NUMBERS = (
    ("principal.debts", "debts", "{} overdue emergencies"),
    ("context.witnesses", "witnesses", "{} witnesses"),
    ("context.limit", "limit", "a limit of {}"),
)


def _authorizations(every: Literals, paths: frozenset[str]) -> Iterator[Value]:
    told_apart = "context.authorization.basis" in paths
    for alike in every.classes([*LegalBasis]) if told_apart else [(LegalBasis.COURT_ORDER,)]:
        yield Value(granted(LegalBasis(alike[0])), tuple(granted(LegalBasis(basis)) for basis in alike))
    for path, name, _ in AUTHORIZATIONS:
        if path is None or path in paths:
            yield Value(name, (name,))


def _thresholds(policies: Sequence[PackPolicy]) -> Iterator[Value]:
    spoken_of = thresholds(policies)
    yield Value(0.0, (f"a threshold below {spoken_of[0]:g}",) if spoken_of else ("any threshold",))
    for low, high in pairwise([*spoken_of, None]):
        words = f"a threshold of {low:g} or more" if high is None else f"a threshold from {low:g} to below {high:g}"
        yield Value(low, (words,))


def _changed_moratoria(before: Sequence[Pack], after: Sequence[Pack]) -> list[Moratorium]:
    sides = [{pack.name: pack.moratorium for pack in packs} for packs in (before, after)]
    changed = [side[name] for side, other in (sides, sides[::-1]) for name in side if side[name] != other.get(name)]
    return [moratorium for moratorium in changed if moratorium is not None]


def _turns(moratoria: Sequence[Moratorium], names: Sequence[str]) -> list[datetime]:
    """When the moratoria of these names begin or may end."""
    turns = [(one.start, one.sunset, one.ended) for one in moratoria if one.name in names]
    return [time for three in turns for time in three if time is not None]


def _time(times: Sequence[datetime]) -> Dimension:
    """The stretches of time between these, in which nothing changes."""
    values = [Value(times[0] - timedelta(milliseconds=1), (f"before {_day(times[0])}",))]
    for start, end in pairwise([*times, None]):
        assert start is not None
        values.append(Value(start, (f"from {_day(start)} {'on' if end is None else f'to {_day(end)}'}",)))
    return Dimension("now", tuple(values), _stretches)


def _moratoria(before: Sequence[Pack], after: Sequence[Pack], now: datetime) -> Iterator[Dimension]:
    """Those that both sets have in force: as they are, and as if they were ended."""
    sides = [{pack.name: pack.moratorium for pack in packs if pack.moratorium is not None} for packs in (before, after)]
    for name, moratorium in sides[0].items():
        if sides[1].get(name) == moratorium and moratorium.in_force(now):
            values = (Value(False, (f"under {name}",)), Value(True, (f"after {name}",)))
            yield Dimension(f"ended {name}", values, _plain)


def _words(name: str, classes: Sequence[tuple[str, ...]], phrase: Callable[..., str]) -> Dimension:
    return Dimension(name, _alike(classes), phrase)


def _alike(classes: Sequence[tuple[str, ...]]) -> tuple[Value, ...]:
    return tuple(Value(alike[0], tuple(str(word) for word in alike)) for alike in classes)


def _listed(among: str, but: str) -> Callable[[Sequence[str], Sequence[str]], str]:
    def phrase(chosen: Sequence[str], every: Sequence[str]) -> str:
        left = [word for word in every if word not in chosen]
        if len(left) < len(chosen) and len(left) < 4:
            return but.format(enumeration(left))
        return among.format(choice(chosen))

    return phrase


def _stretches(chosen: Sequence[str], every: Sequence[str]) -> str:
    """Stretches of time, those that follow each other as one."""
    told: list[list[str]] = []
    for place, word in enumerate(every):
        if word in chosen:
            if told and every[place - 1] in chosen:
                told[-1].append(word)
            else:
                told.append([word])
    return choice([stretch[0] if len(stretch) == 1 else _joined(stretch[0], stretch[-1]) for stretch in told])


def _joined(first: str, last: str) -> str:
    until = last.partition(" to ")[2]
    if first.startswith("before"):
        return f"before {until}"
    start = first.partition(" to ")[0]
    return f"{start} to {until}" if until else f"{start} on"


def _plain(chosen: Sequence[str], _: Sequence[str]) -> str:
    return choice(chosen)


def _whole(chosen: Sequence[str], _: Sequence[str]) -> str:
    return enumeration(chosen)


def _day(time: datetime) -> str:
    return (
        f"{time:%Y-%m-%d}"
        if time == time.replace(hour=0, minute=0, second=0, microsecond=0)
        else f"{time:%Y-%m-%d %H:%M:%S}"
    )
