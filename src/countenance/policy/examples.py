"""The examples of a pack: requests, and what must become of them.

An example is a request as JSON with a member `expect`: `policies`, the names of exactly those that determine the
decision (`pack/id`; none where nothing permits it), `obligations`, exactly what an allowed use owes, and `unlock`, what
must be told to whoever is denied, if that matters. Where an example names no `moratoria`, those of the packs count that
are in force at its time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from countenance.errors import InvalidParameter
from countenance.policy.decisions import Decision
from countenance.policy.engine import PolicyEngine
from countenance.policy.packs import EXAMPLES, Pack
from countenance.policy.requests import RequestFacts
from countenance.policy.words import enumeration


class Expectation(BaseModel):
    """What must become of an example."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policies: frozenset[str]
    obligations: dict[str, float] = {}
    unlock: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Example:
    """A request of a pack, by the path of its file. `moratoria_by_packs`: those count that its packs have in force."""

    path: str
    effect: Literal["ALLOW", "DENY"]
    request: RequestFacts
    expect: Expectation
    moratoria_by_packs: bool

    def asked(self, engine: PolicyEngine) -> RequestFacts:
        """The request with the moratoria that it leaves to the packs."""
        if not self.moratoria_by_packs:
            return self.request
        return self.request.model_copy(update={"moratoria": engine.moratoria_in_force(self.request.now)})

    def is_met(self, engine: PolicyEngine) -> bool:
        """Whether it is allowed or denied as its folder says, whatever the reason."""
        return engine.decide(self.asked(engine), explain=False).allowed == (self.effect == "ALLOW")

    def problem(self, engine: PolicyEngine) -> str | None:
        """What is not as expected, in a sentence; None when everything is."""
        decision = engine.decide(self.asked(engine), explain=self.expect.unlock is not None)
        allowed = self.effect == "ALLOW"
        if decision.errors:
            return f"{self.path} could not be decided: {decision.errors} errors."
        if decision.allowed != allowed:
            return f"{self.path} is {'denied' if allowed else 'allowed'}{_by(decision)}."
        names = {f"{policy.pack}/{policy.id}" for policy in decision.policies}
        if names != self.expect.policies:
            return f"{self.path} is determined{_by(decision)}, and expects {_named(self.expect.policies)}."
        owed = {key: value for key, value in asdict(decision.obligations).items() if value is not None}
        if owed != self.expect.obligations:
            return f"{self.path} owes {owed or 'nothing'}, and expects {self.expect.obligations or 'nothing'}."
        if self.expect.unlock is not None and tuple(decision.unlock) != self.expect.unlock:
            return f"{self.path} is unlocked by {list(decision.unlock)}, and expects {list(self.expect.unlock)}."
        return None


def examples_of(pack: Pack) -> Sequence[Example]:
    """The examples of a pack, by their paths. Raises InvalidParameter when one cannot be read."""
    return [_example(pack, path, text) for path, text in sorted(pack.files.items()) if EXAMPLES.fullmatch(path)]


def request_of(text: str, name: str) -> tuple[RequestFacts, dict[str, object] | None, bool]:
    """A request as JSON, what it expects, if it says, and whether it leaves the moratoria to the packs.

    Raises InvalidParameter, with a sentence that says which member is wrong.
    """
    try:
        members = json.loads(text)
        if not isinstance(members, dict):
            raise InvalidParameter(f"{name} is no JSON object.")
        expect = members.pop("expect", None)
        return RequestFacts.model_validate(members), expect, "moratoria" not in members
    except (json.JSONDecodeError, RecursionError) as error:
        raise InvalidParameter(f"{name} is no JSON: {error}.") from error
    except ValidationError as error:
        raise InvalidParameter(f"{name}: {_first(error)}") from error


def _example(pack: Pack, path: str, text: str) -> Example:
    name = f"{pack.name}/{path}"
    request, expect, moratoria_by_packs = request_of(text, name)
    try:
        expectation = Expectation.model_validate(expect)
    except ValidationError as error:
        raise InvalidParameter(f"{name}, expect: {_first(error)}") from error
    effect: Literal["ALLOW", "DENY"] = "ALLOW" if path.startswith("ALLOW") else "DENY"
    return Example(name, effect, request, expectation, moratoria_by_packs)


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    return f"{'.'.join(str(part) for part in problem['loc']) or 'all of it'}: {problem['msg']}."


def _by(decision: Decision) -> str:
    return f" by {_named(f'{policy.pack}/{policy.id}' for policy in decision.policies)}"


def _named(names: Iterable[str]) -> str:
    return enumeration(sorted(names)) or "no policy"
