"""The settings as options of commands: made from the `Settings` class, so that none is forgotten."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import typer
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import SettingsError

from countenance.errors import Misconfigured
from countenance.settings import Settings

if TYPE_CHECKING:
    from countenance.service.administration import Administration
    from countenance.service.application import Application

ENVIRONMENT_PREFIX = "COUNTENANCE_"

# Where everything is kept when neither --data nor COUNTENANCE_DATA says so.
DEFAULT_DATA = Path("data")

Command = Callable[..., None]


def option_names() -> list[str]:
    """The settings that are options. A secret is none: whoever lists processes sees their options."""
    return [name for name, field in Settings.model_fields.items() if not _is_secret(field)]


def with_settings(*names: str) -> Callable[[Command], Command]:
    """Give a command options for these settings, for all when none is named; it takes the made `settings` first.

    Settings without an option come from the environment. What is wrong with any of them raises `Misconfigured`.
    """
    chosen = names or tuple(option_names())

    def decorate(command: Command) -> Command:
        own = [parameter for name, parameter in inspect.signature(command, eval_str=True).parameters.items()][1:]
        options = [_option(name, Settings.model_fields[name]) for name in chosen]

        @functools.wraps(command)
        def with_options(**arguments: Any) -> None:
            given = {name: arguments.pop(name) for name in chosen}
            command(make_settings(given), **arguments)

        parameters = [*own, *options]
        with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return with_options

    return decorate


def make_settings(given: Mapping[str, object]) -> Settings:
    """Settings of what was given (None is not given), then the environment, then the defaults.

    Raises `Misconfigured` with a sentence about the first thing that is wrong.
    """
    values: dict[str, Any] = {name: _parsed(name, value) for name, value in given.items() if value is not None}
    try:
        try:
            return Settings(**values)
        except ValidationError as error:
            if [problem["type"] for problem in error.errors() if problem["loc"] == ("data",)] != ["missing"]:
                raise
            return Settings(**{**values, "data": DEFAULT_DATA})
    except ValidationError as error:
        raise Misconfigured(_sentence(error)) from error
    except SettingsError as error:
        # The environment gives lists as JSON, and says which variable it could not read.
        raise Misconfigured(f'{error}: write lists in the environment as JSON, such as ["jpeg","png"].') from error


@contextmanager
def opened(settings: Settings, *, creates: bool = False) -> Iterator[Application]:
    """The application on the data folder, closed afterwards. Only what `creates` something may begin a new folder."""
    _check_folder(settings, creates=creates)
    # Imported when needed: the runtimes behind it take a second to load, and `--help` shall not wait for them.
    from countenance.service.application import Application  # noqa: PLC0415

    with closing(Application(settings)) as application:
        yield application


@contextmanager
def administered(settings: Settings, *, creates: bool = False) -> Iterator[Administration]:
    """What can be done on the data folder without a photo, closed afterwards. No face model is loaded for it."""
    _check_folder(settings, creates=creates)
    from countenance.service.administration import Administration  # noqa: PLC0415

    with closing(Administration(settings)) as administration:
        yield administration


def _check_folder(settings: Settings, *, creates: bool) -> None:
    if not creates and not settings.data.is_dir():
        raise Misconfigured(
            f"There is no data folder at {settings.data}: say where it is with --data or {ENVIRONMENT_PREFIX}DATA."
        )


def _option(name: str, field: FieldInfo) -> inspect.Parameter:
    variable = f"{ENVIRONMENT_PREFIX}{name.upper()}"
    description = field.description or f"{name.replace('_', ' ').capitalize()}."
    flag = "--" + name.replace("_", "-")
    help_text = f"{description} Env: {variable}"
    annotation: Any
    if field.annotation is bool:
        annotation = Annotated[bool | None, typer.Option(flag, help=help_text)]
    else:
        annotation = Annotated[str | None, typer.Option(flag, help=help_text, metavar=_metavar(name, field))]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _metavar(name: str, field: FieldInfo) -> str:
    types = {field.annotation, *get_args(field.annotation)}
    if int in types:
        return "N"
    if get_origin(field.annotation) is frozenset:
        return "A,B,..."
    if Path in types:
        return "FILE" if name in {"tls_certificate", "tls_key", "secrets_key", "ledger_key"} else "DIR"
    return "HOST:PORT" if name == "listen" else "TEXT"


def _parsed(name: str, value: object) -> object:
    if isinstance(value, str) and get_origin(Settings.model_fields[name].annotation) is frozenset:
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in {field.annotation, *get_args(field.annotation)}


def _sentence(error: ValidationError) -> str:
    problem = error.errors(include_input=False, include_url=False)[0]
    message = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return f"{message}."
    name = str(problem["loc"][0])
    return f"{name} (--{name.replace('_', '-')}, {ENVIRONMENT_PREFIX}{name.upper()}) is not valid: {message}."
