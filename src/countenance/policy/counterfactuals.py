"""What would unlock a denied use, found by asking again and not by reading policies.

Single changes are tried first, then changes on top of those that removed some of what forbids the use. What is told is
minimal: nothing smaller that was tried would do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from countenance.policy.changes import Change, changes, own_account
from countenance.policy.decisions import Decision
from countenance.policy.requests import RequestFacts
from countenance.policy.words import choice

# How often is asked at most, at about 0.2 ms each.
MAX_QUESTIONS = 150
MAX_CHANGES = 5
MAX_SENTENCES = 3

Decide = Callable[[RequestFacts], Decision]
Changes = tuple[Change, ...]
_State = tuple[Changes, Decision]


def unlock(
    request: RequestFacts, denied: Decision, decide: Decide, thresholds: Sequence[float] = ()
) -> tuple[str, ...]:
    """Sentences, each of which alone would turn the denial into an allowance; none where nothing offered would.

    `thresholds` are those that policies speak of, ascending.
    """
    search = _Search(request, decide, changes(request, thresholds))
    found = search.smallest(denied)
    sentences = [search.told(changes) for changes in found[:MAX_SENTENCES]]
    if not sentences:
        own = own_account(request)
        if own is not None and decide(own.apply(request)).allowed:
            sentences = [own.sentence]
    return tuple(sentences)


class _Search:
    def __init__(self, request: RequestFacts, decide: Decide, candidates: Sequence[Change]) -> None:
        self._request = request
        self._decide = decide
        self._candidates = candidates
        self._left = MAX_QUESTIONS
        self._answers: dict[Changes, Decision] = {}
        self._found: list[Changes] = []

    def smallest(self, denied: Decision) -> list[Changes]:
        """Sets of changes that do and have no smaller one inside, those of the use itself before those of another use.

        Larger ones are looked for until one is found that leaves the use what it is: first of changes that helped by
        themselves, then with one more of the others on top, which may help only together with them.
        """
        nearer = self._extend([((), denied)], self._candidates)
        helpful = [change for (change,), _ in nearer]
        frontier, reached = nearer, nearer
        for _ in range(MAX_CHANGES - 1):
            if self._is_found():
                break
            frontier = self._extend(frontier, helpful)
            reached = [*reached, *frontier]
        if not self._is_found():
            self._extend(sorted(reached, key=lambda state: len(state[1].policies)), self._candidates)
        return sorted(self._found, key=_is_another_use)

    def _is_found(self) -> bool:
        return any(not _is_another_use(changes) for changes in self._found)

    def _extend(self, frontier: Iterable[_State], candidates: Sequence[Change]) -> list[_State]:
        """Ask with one change more: what is allowed is found, what is forbidden by fewer policies is answered."""
        nearer: dict[tuple[object, ...], _State] = {}
        for before, decision in frontier:
            for after in self._one_more(before, candidates):
                families = _families(after)
                if any(_families(changes) <= families for changes in self._found):
                    continue
                answer = self._ask(after)
                if answer is None:
                    continue
                if answer.allowed:
                    self._found.append(after)
                elif _fewer(answer, decision):
                    nearer.setdefault((families, _names(answer)), (after, answer))
        return list(nearer.values())

    def told(self, changes: Changes) -> str:
        """A set of changes in words, with the alternatives that would do as well."""
        return "; ".join(
            change.sentence.format(choice([change.word, *self._alternatives(change, changes)])) for change in changes
        )

    def _alternatives(self, change: Change, changes: Changes) -> Iterator[str]:
        # A threshold that is higher than needed is no alternative.
        others = [other for other in self._candidates if other.family == change.family != "threshold"]
        for other in others:
            if other != change:
                answer = self._ask(tuple(other if one == change else one for one in changes))
                if answer is not None and answer.allowed:
                    yield other.word

    def _one_more(self, before: Changes, candidates: Iterable[Change]) -> Iterator[Changes]:
        """`before` and each of the candidates that makes a difference, in the order in which changes are made."""
        for change in candidates:
            if change.family not in _families(before):
                chosen = {*before, change}
                after = tuple(one for one in self._candidates if one in chosen)
                if _applied(self._request, after) != _applied(self._request, before):
                    yield after

    def _ask(self, changes: Changes) -> Decision | None:
        """The decision with these changes; None when that was asked too often."""
        if changes not in self._answers:
            if self._left == 0:
                return None
            self._left -= 1
            self._answers[changes] = self._decide(_applied(self._request, changes))
        return self._answers[changes]


def _applied(request: RequestFacts, changes: Iterable[Change]) -> RequestFacts:
    for change in changes:
        request = change.apply(request)
    return request


def _families(changes: Changes) -> frozenset[str]:
    return frozenset(change.family for change in changes)


def _is_another_use(changes: Changes) -> bool:
    return any(change.is_another_use for change in changes)


def _names(decision: Decision) -> frozenset[tuple[str, str]]:
    return frozenset((policy.pack, policy.id) for policy in decision.policies)


def _fewer(after: Decision, before: Decision) -> bool:
    return not after.errors and _names(after) < _names(before)
