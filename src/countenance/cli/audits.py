"""`countenance fairness audit`, `threshold` and `compare`: error rates by group, of any engine."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from countenance.cli.configuration import with_settings
from countenance.cli.output import AsJson, notice, print_json, print_table, progress, say
from countenance.policy.vocabulary import Purpose
from countenance.settings import Settings

if TYPE_CHECKING:
    from countenance.fairness.audit import Question
    from countenance.fairness.record import AuditRecord, OperatingPoint, Rate
    from countenance.fairness.sources import Faces, Service, Source, Watching
    from countenance.fairness.statistics.evidence import Evidence

# The thresholds that an audit shows when none is asked for.
USUAL_SIMILARITIES = (80.0, 90.0, 95.0, 99.0)
USUAL_FMRS = (1e-3, 1e-4)

# Files in the folder of a report that are for this machine only: they hold templates, or show faces.
CACHE = "templates.cache"
CHECKPOINT = "comparisons.checkpoint"
ANSWERS = "answers.journal"
DOUBTS = "doubts"

CardArgument = Annotated[
    Path,
    typer.Argument(
        metavar="CARD",
        exists=True,
        dir_okay=False,
        show_default=False,
        help="The TOML card that says whose faces, or which table of scores.",
    ),
]
PhotosArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FOLDER]",
        exists=True,
        file_okay=False,
        show_default=False,
        help="The folder of photos that the card describes; of a table of scores, where it is if not beside the card.",
    ),
]
By = Annotated[
    list[str] | None,
    typer.Option(
        "--by",
        metavar="COLUMN,...",
        help="Columns whose combined values are groups, in place of the card's; repeat it.",
    ),
]
Export = Annotated[
    Path | None,
    typer.Option(
        "--templates",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="Templates that countenance export wrote, in place of photos.",
    ),
]
MinSubjects = Annotated[
    int, typer.Option("--min-subjects", min=2, help="Groups with fewer people are shown, and decide nothing.")
]
Confidence = Annotated[float, typer.Option(min=0.5, max=0.9999, help="Of every interval.")]


@with_settings("recognizer", "inference_precision", "workers", "model_store", "models")
def audit(
    settings: Settings,
    card: CardArgument,
    folder: PhotosArgument = None,
    *,
    out: Annotated[
        Path, typer.Option(metavar="DIR", file_okay=False, show_default=False, help="Where the report is written.")
    ],
    by: By = None,
    export: Export = None,
    similarity: Annotated[
        list[float] | None, typer.Option(min=0, max=100, help="A threshold as Similarity; repeat it.")
    ] = None,
    score: Annotated[list[float] | None, typer.Option(help="A threshold as a raw score; repeat it.")] = None,
    fmr: Annotated[
        list[float] | None, typer.Option(min=0, max=1, help="A false match rate of all comparisons; repeat it.")
    ] = None,
    worst_group_fmr: Annotated[
        list[float] | None, typer.Option(min=0, max=1, help="One that no group shall exceed; repeat it.")
    ] = None,
    confidence: Confidence = 0.95,
    min_subjects: MinSubjects = 30,
    keep_templates: Annotated[
        bool, typer.Option(help="Keep templates in the folder, so that an interrupted or repeated audit goes on there.")
    ] = False,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="A Ray cluster that compares, in place of this machine alone.")
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Send the photos to a service that speaks Rekognition's API; aws is Amazon's."
        ),
    ] = None,
    way: Annotated[
        Literal["compare", "search"],
        typer.Option(help="Ask it for pairs, by CompareFaces, or for all comparisons, by IndexFaces and SearchFaces."),
    ] = "compare",
    non_mated: Annotated[
        int | None, typer.Option(min=0, help="Non-mated pairs to ask it for, over all groups; 10,000 when absent.")
    ] = None,
    price: Annotated[float | None, typer.Option(min=0, help="What a call costs; 0.001 when absent.")] = None,
    rate: Annotated[float | None, typer.Option(min=0.01, help="Calls a second, at most; 5 when absent.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Send the photos without asking again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure error rates by demographic group, and write the report: a page, JSON, CSV and a model card.

    The card may describe photos or a table of scores that any engine made. Thresholds that are not asked for are
    Similarity 80, 90, 95 and 99 where the engine has a calibration, and false match rates of 1e-3 and 1e-4.
    """
    # Imported when needed: the runtimes behind it take a second to load.
    from countenance.fairness.audit import Question  # noqa: PLC0415
    from countenance.fairness.report import write_report  # noqa: PLC0415
    from countenance.fairness.sources import Source  # noqa: PLC0415
    from countenance.fairness.statistics.paired import FILE, errors_of  # noqa: PLC0415

    out.mkdir(parents=True, exist_ok=True)
    source = Source(card, folder, export, _groupings(by), out / CACHE if keep_templates else None)
    service = None
    if endpoint is not None:
        given = {"non_mated": non_mated, "price": price, "rate": rate}
        service = _service(
            endpoint, way, out / ANSWERS, {name: value for name, value in given.items() if value is not None}
        )
    with _faces(settings, source, service, sent_unasked=yes) as (faces, watching):
        chosen = similarity or score or fmr or worst_group_fmr
        means_similarity = faces.calibration is not None or faces.scores_are_similarities
        question = Question(
            similarities=similarity or ([] if chosen or not means_similarity else USUAL_SIMILARITIES),
            scores=score or [],
            overall=fmr or ([] if chosen else USUAL_FMRS),
            worst_group=worst_group_fmr or ([] if chosen else USUAL_FMRS),
            confidence=confidence,
            min_subjects=min_subjects,
        )
        evidence = faces.compared(
            settings,
            watching,
            down_to=_lowest(faces, question),
            ray=ray,
            checkpoint=out / CHECKPOINT if keep_templates else None,
        )
        record = _record(settings, faces, evidence, question, command=_command(card, folder), out=out)
    files = write_report(record, out)
    errors = errors_of(faces.content, evidence, record.points)
    if errors is not None:
        errors.write(out / FILE)
    if as_json:
        print_json({"Report": str(files[0]), "Sha256": record.sha256, "Answer": record.answer, "Limits": record.limits})
        return
    for sentence in record.answer:
        say(sentence)
    say(f"Written into {files[0]}.")


@with_settings("recognizer", "inference_precision", "workers", "model_store", "models")
def threshold(
    settings: Settings,
    card: CardArgument,
    folder: PhotosArgument = None,
    *,
    worst_group_fmr: Annotated[
        float | None, typer.Option(min=0, max=1, help="The false match rate that no group shall exceed.")
    ] = None,
    purpose: Annotated[
        Purpose | None, typer.Option(help="Take the rate that qualifying for this purpose asks for.")
    ] = None,
    by: By = None,
    export: Export = None,
    confidence: Confidence = 0.95,
    min_subjects: MinSubjects = 30,
    as_json: AsJson = False,
) -> None:
    """Find the lowest threshold at which no measured group exceeds a false match rate; or say why there is none."""
    from countenance.fairness.audit import Question, audit_points  # noqa: PLC0415
    from countenance.fairness.sources import Source  # noqa: PLC0415

    target = _target(worst_group_fmr, purpose)
    question = Question(worst_group=[target], confidence=confidence, min_subjects=min_subjects)
    with _faces(settings, Source(card, folder, export, _groupings(by))) as (faces, watching):
        evidence = faces.compared(settings, watching)
        (point,) = audit_points(evidence, question, faces.calibration)
    if as_json:
        print_json(point.model_dump(mode="json", exclude={"cross", "differentials", "statements"}))
    elif point.threshold is None:
        say(f"There is no such threshold: {point.reason}.")
    else:
        meaning = "" if point.similarity is None else f", Similarity {point.similarity:g}"
        say(f"Threshold {point.threshold:.6g}{meaning}: no group's interval for the FMR reaches above {target:g}.")
        _print_point(point)
    if point.threshold is None:
        sys.exit(1)


def compare(
    one: Annotated[
        Path, typer.Argument(metavar="REPORT", exists=True, file_okay=False, help="The folder of a report.")
    ],
    other: Annotated[
        Path,
        typer.Argument(
            metavar="OTHER", exists=True, file_okay=False, help="That of another one, or the same once more."
        ),
    ],
    *,
    at: Annotated[
        str | None, typer.Option(metavar="POINT", help="Operating point of the first; the first one when absent.")
    ] = None,
    other_at: Annotated[
        str | None, typer.Option(metavar="POINT", help="Operating point of the other; as the first when absent.")
    ] = None,
    confidence: Confidence = 0.95,
    as_json: AsJson = False,
) -> None:
    """Compare two audits of the same people, person by person: two models, or two thresholds."""
    from countenance.fairness.statistics.paired import FILE, Errors, differences  # noqa: PLC0415

    first, second = Errors.read(one / FILE), Errors.read(other / FILE)
    place = at or first.points[0]
    found = differences(first, place, second, other_at or place, confidence=confidence)
    if as_json:
        print_json([difference.model_dump(mode="json") for difference in found])
        return
    print_table(
        ("Group", "Error", "One", "Other", "Difference", "Interval", "Real"),
        (
            (
                difference.group,
                difference.error,
                _number(difference.one),
                _number(difference.other),
                f"{difference.difference:+.2g}",
                f"[{difference.interval.low:+.2g}, {difference.interval.high:+.2g}]",
                "yes" if difference.real else "cannot be told from chance",
            )
            for difference in found
        ),
    )


def _service(url: str, way: str, journal: Path, given: dict[str, Any]) -> Service:
    from countenance.fairness.endpoints.plans import Way  # noqa: PLC0415
    from countenance.fairness.sources import Service  # noqa: PLC0415

    return Service(None if url == "aws" else url, Way(way), journal, **given)


def _record(
    settings: Settings, faces: Faces, evidence: Evidence, question: Question, *, command: str, out: Path
) -> AuditRecord:
    """What the comparisons show; what looks wrong in photos is written beside the report before."""
    from countenance.fairness.audit import Circumstances, audit_enrolment, audit_table  # noqa: PLC0415
    from countenance.fairness.data import doubts  # noqa: PLC0415
    from countenance.fairness.data.enrolment import Enrolment  # noqa: PLC0415

    if isinstance(faces.content, Enrolment):
        assert evidence.pairs is not None
        found = doubts.find(faces.content, evidence.pairs, evidence.mates)
        doubts.write_page(found, faces.content.data_set, out / DOUBTS, settings)
        circumstances = Circumstances(command, faces.engine, found.counts)
        return audit_enrolment(faces.content, evidence, question, circumstances, faces.calibration)
    return audit_table(
        faces.content,
        evidence,
        question,
        Circumstances(command, faces.engine),
        scores_are_similarities=faces.scores_are_similarities,
        photos=faces.photos,
    )


@contextmanager
def _faces(
    settings: Settings, source: Source, service: Service | None = None, *, sent_unasked: bool = False
) -> Iterator[tuple[Faces, Watching]]:
    """What the source holds; while it is read and compared, somebody is told how far it is.

    Before photos are sent to a service, somebody is told what it costs, and says yes.
    """
    from countenance.fairness.sources import Watching, ask, photos_of, read  # noqa: PLC0415

    planned = None
    if service is not None:
        planned = service.plan(photos_of(source))
        where = service.url or "Amazon"
        notice(
            f"{len(planned.data_set.images):,} photos are sent to {where}: {planned.calls:,} calls for "
            f"{planned.mated:,} mated and {planned.non_mated:,} non-mated comparisons, which cost about "
            f"{planned.cost:,.2f} and take about {planned.seconds / 60:,.0f} minutes."
        )
        if not sent_unasked:
            typer.confirm("Send them?", abort=True, err=True)
    with progress("done") as bar:
        tasks = {name: bar.add_task(name, total=None, visible=False) for name in ("photos", "comparisons")}

        def photos(done: int, of: int) -> None:
            bar.update(tasks["photos"], completed=done, total=of, visible=True)

        def comparisons(done: int, of: int) -> None:
            bar.update(tasks["comparisons"], completed=done, total=of, visible=True)

        watching = Watching(photos, comparisons)
        if service is None or planned is None:
            yield read(settings, source, watching), watching
        else:
            yield ask(service, planned, watching), watching


def _groupings(by: Sequence[str] | None) -> list[list[str]] | None:
    return None if not by else [[column.strip() for column in columns.split(",") if column.strip()] for columns in by]


def _lowest(faces: Faces, question: Question) -> float | None:
    """The lowest threshold that was given: from there on every comparison is kept, so that counts are exact."""
    given = [*question.scores]
    if faces.calibration is not None:
        given += [faces.calibration.cosine(similarity) for similarity in question.similarities]
    return min(given, default=None)


def _target(worst_group_fmr: float | None, purpose: Purpose | None) -> float:
    from countenance.fairness.qualification.judging import requirement  # noqa: PLC0415

    if worst_group_fmr is not None and purpose is None:
        return worst_group_fmr
    if purpose is not None and worst_group_fmr is None:
        return requirement(purpose).max_fmr
    raise typer.BadParameter("say which rate: --worst-group-fmr or --purpose, one of them")


def _command(card: Path, folder: Path | None) -> str:
    """As it can be typed again elsewhere: by the names of things, wherever they lie here."""
    places = {str(card): card.name, **({} if folder is None else {str(folder): folder.name})}
    return shlex.join(["countenance", *(places.get(argument, argument) for argument in sys.argv[1:])])


def _print_point(point: OperatingPoint) -> None:
    print_table(
        ("Group", "FMR", "Interval", "False matches", "Comparisons", "FNMR"),
        (
            (
                rates.group,
                _number(rates.fmr.rate),
                _interval(rates.fmr),
                rates.fmr.errors,
                rates.fmr.comparisons,
                "" if rates.fnmr is None else f"{_number(rates.fnmr.rate)} {_interval(rates.fnmr)}",
            )
            for rates in point.groups
        ),
    )


def _number(rate: float | None) -> str:
    return "not seen" if rate is None else f"{rate:.2g}"


def _interval(rate: Rate) -> str:
    return "" if rate.interval is None else f"[{rate.interval.low:.2g}, {rate.interval.high:.2g}]"
