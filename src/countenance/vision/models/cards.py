"""Model cards: what is known about each face model, and which file may be loaded under its name.

A card is a TOML file. Those in `cards/` come with Countenance; an operator's own stand in the folder that
`COUNTENANCE_MODELS` names, each beside its model file. Nothing is loaded that a card does not pin by SHA-256.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from enum import StrEnum
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from countenance.errors import Misconfigured

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,199}$")]

# No model in reach of a processor is larger; a card cannot make the server read a disk full.
MAX_MODEL_BYTES = 2 * 1024**3


class Role(StrEnum):
    """What a model does in the way from photo to answer."""

    DETECTOR = "detector"
    RECOGNIZER = "recognizer"
    LANDMARKS = "landmarks"
    IRIS = "iris"
    AGE = "age"
    GENDER = "gender"
    EMOTION = "emotion"


class Runtime(StrEnum):
    """What executes a model's files."""

    OPENVINO = "openvino"
    DLIB = "dlib"


class _Card(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Wheel(_Card):
    """The registry package a model file is taken out of. Its code is never imported."""

    package: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.!+_-]*$")]
    filename: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*\.whl$")]
    sha256: Sha256


class ModelFile(_Card):
    """One file of a model: its name in the store, its hash, and where it is found."""

    name: FileName
    sha256: Sha256
    wheel: Wheel | None = None
    path: str | None = None  # inside the wheel

    @model_validator(mode="after")
    def _path_goes_with_a_wheel(self) -> Self:
        if (self.wheel is None) != (self.path is None):
            raise ValueError("wheel and path go together")
        return self


class Input(_Card):
    """What a graph takes, and how 8-bit RGB pixels become it: `(pixel - mean) / scale`, per channel of `colour`."""

    layout: Literal["NCHW", "NHWC"]
    colour: Literal["RGB", "BGR"]
    height: Annotated[int, Field(ge=1)] | None = None  # None: any multiple of 32
    width: Annotated[int, Field(ge=1)] | None = None
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    any_batch: bool = False  # the graph computes several images at once as it computes one

    @model_validator(mode="after")
    def _scale_divides(self) -> Self:
        if 0.0 in self.scale:
            raise ValueError("scale divides; it cannot be 0")
        return self


class Recognition(_Card):
    """What a recognizer's templates are: their length, and the version that keeps them apart from others."""

    # Digits and dots: what Rekognition's model allows in IndexFacesModelVersion.
    face_model_version: Annotated[str, Field(pattern=r"^[0-9]{1,9}(\.[0-9]{1,9}){0,2}$")]
    dimension: Annotated[int, Field(ge=16, le=4096)]
    alignment: Literal["arcface-112", "dlib-224"] = "arcface-112"


class Classification(_Card):
    """What a model tells apart: the word for each of its outputs in order, empty where it has none here.

    It sees an upright square of `margin` times the longer side of the face's box.
    """

    labels: Annotated[tuple[str, ...], Field(min_length=2, max_length=64)]
    margin: Annotated[float, Field(gt=0, le=4)] = 1.0


class ModelCard(_Card):
    """One face model: what it is for, where it comes from, what may be done with it, and how it is fed."""

    name: Name
    role: Role
    title: str
    licence: str
    provenance: Annotated[str, Field(min_length=1)]
    default: bool = False
    runtime: Runtime = Runtime.OPENVINO
    files: Annotated[tuple[ModelFile, ...], Field(min_length=1, max_length=8)]
    input: Input | None = None
    outputs: dict[str, str] = {}  # our word for an output: the graph's name of it
    recognition: Recognition | None = None
    classification: Classification | None = None

    # Folder of an operator's card; None for those that come with Countenance, whose files are in the model store.
    folder: Path | None = Field(None, exclude=True)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.role is Role.RECOGNIZER) != (self.recognition is not None):
            raise ValueError("a recognizer, and only a recognizer, has a [recognition] section")
        if self.runtime is Runtime.OPENVINO and (self.input is None or not self.outputs):
            raise ValueError("a graph needs its [input] and [outputs] sections")
        if self.role is Role.RECOGNIZER and self.runtime is Runtime.OPENVINO:
            assert self.input is not None
            if (self.input.height, self.input.width) != (112, 112) or "embedding" not in self.outputs:
                raise ValueError("a recognizer takes 112x112 pixels and names its 'embedding' output")
        if (self.role is Role.EMOTION) != (self.classification is not None):
            raise ValueError("an emotion model, and only an emotion model, has a [classification] section")
        if self.role is Role.EMOTION:
            if self.input is None or self.input.height is None or self.input.height != self.input.width:
                raise ValueError("an emotion model takes a square of so many pixels")
            if "logits" not in self.outputs:
                raise ValueError("an emotion model names its 'logits' output")
        return self

    @property
    def face_model_version(self) -> str:
        """Of a recognizer's templates. Raises Misconfigured for any other model."""
        if self.recognition is None:
            raise Misconfigured(f"{self.name!r} is no recognizer: it makes no templates.")
        return self.recognition.face_model_version

    def path(self, file: ModelFile, store: Path) -> Path:
        """Where `file` is kept when the model store is `store`."""
        return (self.folder or store) / file.name

    def read(self, file: ModelFile, store: Path) -> bytes:
        """The verified bytes of `file`.

        Raises Misconfigured when it is missing or is not the file the card names.
        """
        path = self.path(file, store)
        remedy = "put it there" if file.wheel is None else "run `countenance models install`"
        try:
            if path.stat().st_size > MAX_MODEL_BYTES:
                raise Misconfigured(f"{path} is larger than any face model; {remedy}.")
            content = path.read_bytes()
        except FileNotFoundError:
            raise Misconfigured(f"{path}, which {self.title} needs, is missing: {remedy}.") from None
        except OSError as error:
            raise Misconfigured(f"{path}, which {self.title} needs, cannot be read: {error.strerror}.") from error
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise Misconfigured(f"{path} is not the file that the card of {self.title} pins: remove it and {remedy}.")
        return content


class Catalogue:
    """Every model this installation knows, whether or not its files are there.

    Raises Misconfigured for a card that does not parse, and when two cards share a name or a face model version:
    templates of two models must never pass for each other.
    """

    def __init__(self, operator_folder: Path | None = None) -> None:
        self._cards: dict[str, ModelCard] = {}
        for card in _read_cards(resources.files(__package__) / "cards", folder=None):
            self._add(card)
        if operator_folder is not None:
            if not operator_folder.is_dir():
                raise Misconfigured(f"{operator_folder}, which COUNTENANCE_MODELS names, is not a folder.")
            for card in _read_cards(operator_folder, folder=operator_folder):
                self._add(card)

    def _add(self, card: ModelCard) -> None:
        if card.name in self._cards:
            raise Misconfigured(f"Two model cards are named {card.name!r}: rename one.")
        if card.recognition is not None:
            version = card.recognition.face_model_version
            if any(other.recognition and other.recognition.face_model_version == version for other in self):
                raise Misconfigured(f"Two recognizers claim face model version {version!r}: each needs its own.")
        self._cards[card.name] = card

    def __iter__(self) -> Iterator[ModelCard]:
        return iter(self._cards.values())

    def card(self, name: str) -> ModelCard:
        """The card called `name`. Raises Misconfigured, naming those there are."""
        try:
            return self._cards[name]
        except KeyError:
            known = ", ".join(sorted(self._cards))
            raise Misconfigured(f"There is no model card named {name!r}; there are {known}.") from None

    def defaults(self) -> list[ModelCard]:
        """The cards of every model a server needs as it comes."""
        return [card for card in self if card.default]

    def default(self, role: Role) -> ModelCard:
        """The card that comes with Countenance for `role`."""
        return next(card for card in self if card.role is role and card.default)

    def first(self, role: Role) -> ModelCard | None:
        """The first card for `role` in the order of names, if there is one: for what only operators bring."""
        return min((card for card in self if card.role is role), key=lambda card: card.name, default=None)

    def recognizer(self, face_model_version: str) -> ModelCard:
        """The recognizer that makes templates of `face_model_version`. Raises Misconfigured when there is none."""
        for card in self:
            if card.recognition is not None and card.recognition.face_model_version == face_model_version:
                return card
        raise Misconfigured(
            f"No model card makes templates of face model version {face_model_version!r}: "
            "put the card and file it was made with back into COUNTENANCE_MODELS."
        )


def _read_cards(source: Traversable, *, folder: Path | None) -> Iterator[ModelCard]:
    for entry in sorted(source.iterdir(), key=lambda entry: entry.name):
        if not entry.name.endswith(".toml"):
            continue
        try:
            content = tomllib.loads(entry.read_text(encoding="utf-8"))
            yield ModelCard.model_validate({**content, "folder": folder})
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise Misconfigured(f"The model card {entry} is not TOML: {error}.") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the card"
            raise Misconfigured(f"The model card {entry} is not valid: {where}: {first['msg']}.") from error
