"""On whose behalf a command acts, and what for: options that commands share.

Whoever may read the data folder may act as every principal; the ledger names the principal, and says that it was done
at the machine.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from countenance.cli.output import notice
from countenance.policy.vocabulary import Purpose

if TYPE_CHECKING:
    from countenance.service.administration import Administration
    from countenance.service.callers import Caller
    from countenance.service.uses import Answer

Command = Callable[..., None]

# What is said in place of matches that people must look at first, with the case.
WITHHELD = "Somebody matches, and is withheld until others have looked: countenance review show {}"

PrincipalOption = Annotated[
    str | None, typer.Option("--principal", metavar="NAME", help="Who acts; the operator when absent.")
]


@dataclass(frozen=True, slots=True)
class Acting:
    """Who acts, and what for, as the options say; None is as the operator's own key has it."""

    principal: str | None = None
    purpose: Purpose | None = None
    case: str | None = None
    authorization: str | None = None
    beneficiary: str | None = None

    def caller(self, application: Administration) -> Caller:
        """The caller that the use cases know. Raises `ResourceNotFound`, `InvalidParameter`."""
        return application.locals.caller(
            self.principal,
            purpose=self.purpose,
            case=self.case,
            authorization=self.authorization,
            beneficiary=self.beneficiary,
        )


_OPTIONS: dict[str, Any] = {
    "principal": PrincipalOption,
    "purpose": Annotated[Purpose | None, typer.Option("--purpose", help="What the use is for.")],
    "case": Annotated[str | None, typer.Option("--case", metavar="REFERENCE", help="The case it belongs to.")],
    "authorization": Annotated[
        str | None, typer.Option("--authorization", metavar="ID", help="The authorization that permits it.")
    ],
    "beneficiary": Annotated[
        str | None, typer.Option("--beneficiary", metavar="ORGANIZATION", help="For whom it is done.")
    ],
}


def beside(answer: Answer) -> dict[str, object]:
    """What an answer carries beside Rekognition's members, for JSON."""
    return {"Receipt": answer.receipt, "Review": answer.review, "AppliedThreshold": answer.threshold}


def tell(answer: Answer) -> None:
    """Say on stderr what an answer carries beside itself."""
    if answer.threshold is not None:
        notice(f"The policies raised the threshold to {answer.threshold:g}.")
    if answer.receipt is not None:
        notice(f"Receipt: {answer.receipt}")


def acting(command: Command) -> Command:
    """Give a command, which takes `acting` by keyword, the options that say who acts and what for."""
    signature = inspect.signature(command, eval_str=True)
    own = [parameter for name, parameter in signature.parameters.items() if name != "acting"]
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in _OPTIONS.items()
    ]

    @functools.wraps(command)
    def with_options(*positional: Any, **arguments: Any) -> None:
        who = Acting(**{name: arguments.pop(name) for name in _OPTIONS})
        command(*positional, acting=who, **arguments)

    with_options.__signature__ = signature.replace(parameters=[*own, *options])  # type: ignore[attr-defined]
    return with_options
