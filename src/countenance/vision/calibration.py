"""Similarity 0 to 100 out of a cosine, pinned to false match rates that were measured.

A calibration belongs to one face model version. Its file says which error rate each Similarity stands for, on which
data sets, groups and numbers of comparisons that was measured, how sure it is, and where measurement ends and
extrapolation begins. Terms are those of ISO/IEC 19795-1 and ISO/IEC 2382-37. `docs/calibration.md` shows the curve.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, Self, overload

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from countenance.errors import Misconfigured
from countenance.vision.models.cards import ModelCard

# What a Similarity means: the false match rate of the worst measured group. Linear in log10(FMR) between these.
SIMILARITY_OF_FMR: dict[float, float] = {1.0: 0.0, 1e-3: 80.0, 1e-4: 90.0, 1e-5: 95.0, 1e-6: 99.0}
PINNED_FMRS = tuple(rate for rate in SIMILARITY_OF_FMR if rate < 1)
SMALLEST_CLAIMED_FMR = min(PINNED_FMRS)
LARGEST_PINNED_SIMILARITY = max(SIMILARITY_OF_FMR.values())

# Two float32 dot products of one template with itself differ by less than this: such a pair is Similarity 100.
SAME_TEMPLATE_COSINE = 1 - 1e-6

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Ratio = Annotated[float, Field(ge=0, le=1)]
Cosine = Annotated[float, Field(ge=-1, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataSetCard(_Part):
    """Who is in a data set and how anyone knows: required of every data set that measures a model."""

    name: str = Field(min_length=1)
    source: str = Field(min_length=1, description="Where it comes from: a citation or an address.")
    licence: str = Field(min_length=1)
    labels: Literal["self-reported", "observed", "inferred", "none"] = Field(
        description="How the demographic labels were made: by the person, by onlookers, by software."
    )
    notes: str = ""


class MeasuredDataSet(_Part):
    """A data set as it was when the calibration was made."""

    card: DataSetCard
    images: int = Field(ge=1)
    subjects: int = Field(ge=1)
    failures_to_enrol: int = Field(ge=0, description="Images in which no face was found (ISO/IEC 19795-1 FTE).")
    groupings: tuple[tuple[str, ...], ...] = Field(description="Columns whose combined values are the groups.")
    corrections: int = Field(ge=0, description="Pairs of images found to show one person: never compared as non-mated.")
    corrections_sha256: Digest | None = None
    digest: Digest = Field(description="SHA-256 over file hashes, subjects and groups of all images.")


class Interval(_Part):
    """Two-sided interval at the calibration's confidence, from resampling subjects, never comparisons."""

    low: float
    high: float


class MeasuredRate(_Part):
    """An error rate at one pinned threshold."""

    errors: int = Field(ge=0)
    rate: Ratio
    interval: Interval


class MeasuredGroup(_Part):
    """Non-mated comparisons between different subjects of one demographic group of one data set."""

    data_set: str
    group: str
    subjects: int = Field(ge=1)
    comparisons: int = Field(ge=0)
    counts_for_pins: bool = Field(description="False where subjects are too few, or outside the scope: reported only.")
    outside: bool = Field(description="Declared outside the scope: the pins promise nothing for this group.")
    smallest_observable_fmr: Ratio = Field(description="The rate at which 30 false matches are expected.")
    fmr_at_pins: tuple[MeasuredRate, ...] = Field(description="In the order of `pins`.")


class MeasuredMates(_Part):
    """False non-match rate of a data set at the pinned thresholds (mated comparisons)."""

    data_set: str
    subjects: int = Field(ge=1)
    comparisons: int = Field(ge=1)
    fnmr_at_pins: tuple[MeasuredRate, ...]


class Pin(_Part):
    """The cosine at which no group's false match rate is above `fmr`, as far as the interval can tell."""

    similarity: float
    fmr: float
    cosine: Cosine = Field(description="The upper end of the interval: the conservative side.")
    estimate: Cosine = Field(description="Of the worst group.")
    interval: Interval
    worst_group: str = Field(description="The group whose interval reaches highest, as 'data set: group'.")
    evidence: Literal["observed", "extrapolated"]


class Point(_Part):
    """One knot of the curve: false match rate of the worst group at a cosine."""

    cosine: Cosine
    fmr: Annotated[float, Field(gt=0, le=1)]


class CalibrationRecord(_Part):
    """The calibration file."""

    format: Literal[1] = 1
    face_model_version: str = Field(min_length=1)
    model_sha256: Digest
    precision: str = Field(description="Arithmetic the templates were made in.")
    made_by: str = Field(description="Software and version.")
    command: str
    method: str
    confidence: Ratio
    smallest_observable_fmr: Ratio = Field(description="In every counted group; rarer rates are extrapolated.")
    tail_shape: float = Field(description="Shape of the generalised Pareto tail that extrapolates; below 0 it ends.")
    data_sets: tuple[MeasuredDataSet, ...] = Field(min_length=1)
    pins: tuple[Pin, ...]
    curve: tuple[Point, ...] = Field(min_length=2)
    groups: tuple[MeasuredGroup, ...]
    mates: tuple[MeasuredMates, ...] = ()

    def text(self) -> str:
        """The file's content."""
        return self.model_dump_json(indent=1) + "\n"

    @property
    def limits(self) -> tuple[str, ...]:
        """What this calibration does not show, one sentence each."""
        sentences = []
        extrapolated = [pin for pin in self.pins if pin.evidence == "extrapolated"]
        if extrapolated:
            sentences.append(
                f"False match rates below {self.smallest_observable_fmr:.2g} were not observed in every group; "
                "Similarity " + ", ".join(f"{pin.similarity:g}" for pin in extrapolated) + " rests on extrapolation."
            )
        for group in self.groups:
            if group.outside:
                rates = ", ".join(
                    f"{rate.rate:.2g} at {pin.similarity:g}"
                    for pin, rate in zip(self.pins, group.fmr_at_pins, strict=True)
                )
                sentences.append(f"Nothing is promised for {group.data_set}, {group.group}: false match rate {rates}.")
        return tuple(sentences)

    @model_validator(mode="after")
    def _is_a_strictly_falling_curve_through_the_pins(self) -> Self:
        cosines = [point.cosine for point in self.curve]
        rates = [point.fmr for point in self.curve]
        if np.any(np.diff(cosines) <= 0) or np.any(np.diff(rates) >= 0):
            raise ValueError("the curve's false match rate must fall strictly as the cosine rises")
        if (cosines[0], rates[0]) != (-1.0, 1.0):
            raise ValueError("the curve starts at cosine -1, where everything matches")
        if rates[-1] != SMALLEST_CLAIMED_FMR or cosines[-1] >= SAME_TEMPLATE_COSINE:
            raise ValueError(f"the curve ends at the smallest claimed rate, {SMALLEST_CLAIMED_FMR:g}")
        if tuple(pin.fmr for pin in self.pins) != PINNED_FMRS:
            raise ValueError(f"the pins are at the false match rates {PINNED_FMRS}")
        knots = {(point.cosine, point.fmr) for point in self.curve}
        for pin in self.pins:
            if pin.similarity != SIMILARITY_OF_FMR[pin.fmr] or (pin.cosine, pin.fmr) not in knots:
                raise ValueError(f"the pin at {pin.fmr:g} is not on the curve or has another Similarity")
        return self


class Calibration:
    """The strictly increasing, continuous map from cosine to Similarity, and back.

    From cosine -1 (Similarity 0) to the last pin (99) it is linear in log10(FMR) between the curve's knots. Above it no
    false match rate is claimed: the remaining percent is spent as 100 - (1 - u)^2, u from 0 at the pin to 1 at one and
    the same template, so that mated comparisons crowd towards 100 as users of Rekognition expect.
    """

    def __init__(self, record: CalibrationRecord) -> None:
        self.record = record
        self._cosines = np.array([point.cosine for point in record.curve])
        self._log_fmrs = np.log10([point.fmr for point in record.curve])
        rates, similarities = zip(*sorted(SIMILARITY_OF_FMR.items(), reverse=True), strict=True)
        self._similarities = np.interp(-self._log_fmrs, -np.log10(rates), similarities)
        self._saturation = SAME_TEMPLATE_COSINE - float(self._cosines[-1])

    @classmethod
    def read(cls, path: Path) -> Calibration:
        """Read a calibration file. Raises `Misconfigured` when it is missing or contradicts itself."""
        try:
            return cls.parse(path.read_bytes())
        except FileNotFoundError:
            raise Misconfigured(
                f"There is no calibration {path}: make one with `countenance fairness calibrate`."
            ) from None
        except ValidationError as error:
            raise Misconfigured(f"The calibration {path} is not valid: {error}") from error

    @classmethod
    def packaged(cls, face_model_version: str) -> Calibration:
        """The calibration that ships with a face model version. Raises `Misconfigured` when none does."""
        folder = resources.files("countenance.vision.models") / "calibrations"
        with resources.as_file(folder / f"{face_model_version}.json") as path:
            return cls.read(path)

    @classmethod
    def of_card(cls, card: ModelCard) -> Calibration:
        """The calibration of a recognizer: packaged, or beside an operator's own card. Raises `Misconfigured`."""
        if card.folder is None:
            return cls.packaged(card.face_model_version)
        return cls.read(card.folder / f"{card.face_model_version}.json")

    @classmethod
    def parse(cls, data: str | bytes) -> Calibration:
        """Parse the JSON text of a calibration file. Raises pydantic's `ValidationError`."""
        return cls(CalibrationRecord.model_validate_json(data))

    @cached_property
    def sha256(self) -> str:
        """What pins the calibration: the hash of its record as JSON."""
        return hashlib.sha256(self.record.model_dump_json().encode()).hexdigest()

    @property
    def face_model_version(self) -> str:
        """The only version whose cosines this map is for."""
        return self.record.face_model_version

    @overload
    def similarity(self, cosine: float) -> float: ...
    @overload
    def similarity(self, cosine: NDArray[np.floating]) -> NDArray[np.float64]: ...
    def similarity(self, cosine: float | NDArray[np.floating]) -> float | NDArray[np.float64]:
        """Similarity, 0 to 100, of a cosine (any shape; clipped to -1..1). Raises `ValueError` on NaN or infinity."""
        cosines = _finite(cosine, "cosine")
        u = np.clip((cosines - self._cosines[-1]) / self._saturation, 0, 1)
        similarities = np.interp(cosines, self._cosines, self._similarities)
        return _like(cosine, np.where(u > 0, 100 - (100 - LARGEST_PINNED_SIMILARITY) * (1 - u) ** 2, similarities))

    @overload
    def cosine(self, similarity: float) -> float: ...
    @overload
    def cosine(self, similarity: NDArray[np.floating]) -> NDArray[np.float64]: ...
    def cosine(self, similarity: float | NDArray[np.floating]) -> float | NDArray[np.float64]:
        """The cosine whose Similarity, 0 to 100, this is. Raises `ValueError` outside that range."""
        similarities = _finite(similarity, "similarity")
        if np.any((similarities < 0) | (similarities > 100)):
            raise ValueError("A similarity is between 0 and 100.")
        rest = np.clip((100 - similarities) / (100 - LARGEST_PINNED_SIMILARITY), 0, 1)
        above = self._cosines[-1] + (1 - np.sqrt(rest)) * self._saturation
        below = np.interp(similarities, self._similarities, self._cosines)
        return _like(similarity, np.where(similarities > LARGEST_PINNED_SIMILARITY, above, below))

    @overload
    def fmr(self, cosine: float) -> float: ...
    @overload
    def fmr(self, cosine: NDArray[np.floating]) -> NDArray[np.float64]: ...
    def fmr(self, cosine: float | NDArray[np.floating]) -> float | NDArray[np.float64]:
        """False match rate of the worst measured group at a cosine, 1 down to 1e-6; no smaller rate is claimed."""
        return _like(cosine, 10 ** np.interp(_finite(cosine, "cosine"), self._cosines, self._log_fmrs))

    def fmr_at(self, similarity: float) -> float:
        """False match rate of the worst measured group when this Similarity, 0 to 100, is the threshold."""
        return self.fmr(self.cosine(similarity))


def _finite(value: float | NDArray[np.floating], what: str) -> NDArray[np.float64]:
    array = np.asarray(value, dtype=np.float64)
    if not np.all(np.isfinite(array)):
        raise ValueError(f"A {what} is a finite number.")
    return array


def _like(value: float | NDArray[np.floating], result: NDArray[np.float64]) -> float | NDArray[np.float64]:
    return result if isinstance(value, np.ndarray) and value.ndim else float(result)
