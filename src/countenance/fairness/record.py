"""What an audit found: the JSON report, and all that its other forms are made of.

    AuditRecord
    ├── engine        what was measured: models and hashes, an endpoint, a table of scores
    ├── data_set      whose faces, from where, labelled by whom; what looked wrong in it
    ├── populations   per group: subjects, images, failures to enrol
    ├── points        per threshold: rates of every group, across groups, differentials, statements
    ├── identification   1:N: rates at gallery sizes
    ├── ageing        non-match rate by the years between two photos
    ├── curves        DET
    ├── distributions scores
    └── answer, limits   in sentences

Terms are those of ISO/IEC 2382-37 and ISO/IEC 19795-1 and -10. Scores rise with likeness; a comparison matches when it
scores at least the threshold. The grouping named "" has one group, "everyone". docs/fairness-report.schema.json is
generated from these models.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from countenance.vision.calibration import DataSetCard, Digest, Interval, Ratio

EVERYONE = "everyone"

# Who all are, as a grouping.
ALL = ""


class Part(BaseModel):
    """A structure of the record."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Rate(Part):
    """An error rate of some people at one threshold.

    `rate` is None where no error was seen: then only `interval.high` is known, and 0 would be a claim that nothing
    supports (rule of 3). `shown` is whether as many errors were seen as 30 independent ones are worth, so that the rate
    is known to within about 30 % (rule of 30). The interval admits that comparisons share subjects; it is None where
    nothing was compared, and where the data do not say who the subjects are it is as if they shared none
    (`AuditRecord.limits` says so). `needs_subjects`: how many subjects it would take to see so many errors at the rate
    that is asked about, if they were like these; None where enough were seen.
    """

    errors: int = Field(ge=0)
    comparisons: int = Field(ge=0)
    subjects: int = Field(ge=0)
    rate: Ratio | None
    interval: Interval | None
    shown: bool
    needs_subjects: int | None = None


class GroupRates(Part):
    """False match rate within a group, and its false non-match rate; None where the data have no mated comparisons."""

    grouping: str
    group: str
    fmr: Rate
    fnmr: Rate | None


class CrossRate(Part):
    """False match rate between the members of two groups of one grouping; within one where they are the same."""

    grouping: str
    group: str
    other: str
    fmr: Rate


class Spread(Part):
    """How unequal one error is among the groups that have a rate. None where it is not defined.

    `max_min` and `max_geomean` (NIST IR 8429) are undefined where a group shows no error: `unseen` names those groups;
    `interval` is that of `max_geomean`, at the record's confidence, from resampling subjects. `gini` is the Gini
    coefficient of ISO/IEC 19795-10, from 0 (equal) to 1 (all error in one group), in which an unseen rate counts as 0.
    """

    worst: str | None = None
    best: str | None = None
    max_min: float | None = None
    max_geomean: float | None = None
    interval: Interval | None = None
    gini: float | None = None
    unseen: tuple[str, ...] = ()


class Differential(Part):
    """How unequal the errors are among the groups of one grouping. Groups too small to say anything are `left_out`.

    `fdr` (1 is fair), `ir` (1 is fair), `garbe` (0 is fair) with alpha = 0.5. `blind_spots` says in words where one of
    them calls fair what another does not.
    """

    grouping: str
    fmr: Spread
    fnmr: Spread | None
    fdr: float | None = None
    ir: float | None = None
    garbe: float | None = None
    left_out: tuple[str, ...] = ()
    blind_spots: tuple[str, ...] = ()


class Statement(Part):
    """That one group's error differs from another's: `ratio` times as high.

    The interval holds for all statements of one threshold and grouping together, at the record's confidence.
    """

    grouping: str
    error: Literal["FMR", "FNMR"]
    group: str
    other: str
    ratio: float
    interval: Interval
    text: str


class Difference(Part):
    """How much an error rate of a group differs between two audits of the same people: the other minus the one.

    Rates are None where no error was seen. `real`: the interval, which holds for all differences of one comparison
    together, does not reach to 0.
    """

    grouping: str
    group: str
    error: Literal["FMR", "FNMR"]
    one: Ratio | None
    other: Ratio | None
    difference: float
    interval: Interval
    real: bool


class OperatingPoint(Part):
    """One threshold, and what it does.

    `kind`: `threshold` was given; `overall` makes `target` the FMR of all comparisons within groups and across them;
    `worst_group` is the lowest threshold at which no group's interval for the FMR reaches above `target`. `threshold`
    is None where there is no such threshold, and `reason` says why.
    """

    name: str
    kind: Literal["threshold", "overall", "worst_group"]
    target: float | None = None
    threshold: float | None
    similarity: float | None = None
    reason: str | None = None
    groups: tuple[GroupRates, ...] = ()
    cross: tuple[CrossRate, ...] = ()
    differentials: tuple[Differential, ...] = ()
    statements: tuple[Statement, ...] = ()

    def of(self, grouping: str, group: str) -> GroupRates:
        """The rates of a group. Raises `KeyError`."""
        for rates in self.groups:
            if (rates.grouping, rates.group) == (grouping, group):
                return rates
        raise KeyError(f"{grouping}: {group}")


class IdentificationRates(Part):
    """1:N errors of the probes of one group (ISO/IEC 19795-1).

    `fpir`: share of searches for people who are not in the gallery that bring up at least one candidate; `fnir`: share
    of searches for people who are in it that do not bring them up among the first `rank` candidates.
    """

    grouping: str
    group: str
    fpir: Rate | None
    fnir: Rate | None


class Identification(Part):
    """Searches in a gallery of `size` subjects, one image each, at one threshold."""

    size: int = Field(ge=1)
    rank: int = Field(ge=1)
    point: str
    threshold: float
    groups: tuple[IdentificationRates, ...]


class AgeGap(Part):
    """Mated comparisons of photos that lie between `from_years` and `to_years` apart."""

    from_years: float
    to_years: float
    mean_score: float
    fnmr: dict[str, Rate] = Field(description="By the name of the operating point.")


class CurvePoint(Part):
    """One threshold on a DET curve. None where the data cannot show it."""

    threshold: float
    fmr: Ratio | None
    fnmr: Ratio | None


class Curve(Part):
    """The DET curve of a group, thresholds ascending."""

    grouping: str
    group: str
    points: tuple[CurvePoint, ...]


class Distribution(Part):
    """How many comparisons of a group score what: counts in equal bins from `low` to `high`."""

    grouping: str
    group: str
    mated: bool
    low: float
    high: float
    counts: tuple[int, ...]


class Population(Part):
    """Who is in a group. `failures`: images without a usable face (failure to enrol), of all its images."""

    grouping: str
    group: str
    subjects: int
    images: int
    subjects_with_mates: int
    mated_comparisons: int
    non_mated_comparisons: int
    failures: Rate | None


class Doubts(Part):
    """What looked wrong in the data before anything was measured. They were measured as they are all the same."""

    duplicates: int = Field(ge=0, description="Pairs of images of different subjects that are one file or one picture.")
    mated_that_look_non_mated: int = Field(ge=0)
    non_mated_that_look_mated: int = Field(ge=0)


class AuditedDataSet(Part):
    """The data set as it was when it was measured."""

    card: DataSetCard
    subjects: int
    images: int
    groupings: tuple[str, ...]
    corrections: int = 0
    digest: Digest = Field(description="SHA-256 over file hashes, subjects and groups, or over the table of scores.")
    doubts: Doubts | None = None


class Engine(Part):
    """What was measured.

    `face_model_version`, `files` (SHA-256 of the model files, detector first) and `calibration` are known for our own
    recognizers; of an endpoint only its address and what it says of itself is; of a table only what its card says.
    """

    kind: Literal["recognizer", "templates", "scores", "endpoint"]
    name: str
    face_model_version: str | None = None
    files: tuple[Digest, ...] = ()
    calibration: Digest | None = None
    precision: str | None = None
    notes: str = ""


class AuditRecord(Part):
    """The JSON report."""

    format: Literal[1] = 1
    made_by: str
    made_on: str = Field(pattern=r"^\d{4}-\d\d-\d\d$")
    command: str
    versions: dict[str, str] = Field(description="Of the libraries that the figures depend on.")
    engine: Engine
    data_set: AuditedDataSet
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    answer: tuple[str, ...]
    limits: tuple[str, ...]
    populations: tuple[Population, ...]
    points: tuple[OperatingPoint, ...]
    identification: tuple[Identification, ...] = ()
    ageing: tuple[AgeGap, ...] = ()
    curves: tuple[Curve, ...] = ()
    distributions: tuple[Distribution, ...] = ()

    def text(self) -> str:
        """The file's content."""
        return self.model_dump_json(indent=1) + "\n"

    @property
    def sha256(self) -> str:
        """Of the file's content."""
        return hashlib.sha256(self.text().encode()).hexdigest()


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a report."""
    adapter: TypeAdapter[AuditRecord] = TypeAdapter(AuditRecord)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **adapter.json_schema()}
