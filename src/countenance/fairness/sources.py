"""What can be audited, and how its comparisons are got: photos, templates that left a server, a table of scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from countenance.errors import InvalidParameter, Misconfigured
from countenance.fairness.audit import Photos
from countenance.fairness.comparisons.all_pairs import quietly
from countenance.fairness.comparisons.clusters import RayPool
from countenance.fairness.data.datasets import DataSet, read_data_set
from countenance.fairness.data.enrolment import Enrolment, enrol
from countenance.fairness.data.exports import read_export
from countenance.fairness.data.scores import ScoreTable, is_of_scores, read_scores
from countenance.fairness.endpoints.endpoint import Endpoint
from countenance.fairness.endpoints.inquiries import inquire
from countenance.fairness.endpoints.plans import DEFAULT_NON_MATED, DEFAULT_PRICE, DEFAULT_RATE, Plan, Way, plan
from countenance.fairness.record import Engine
from countenance.fairness.statistics.evidence import Evidence, of_table, of_templates
from countenance.settings import InferencePrecision, Settings
from countenance.vision.analysis import Vision
from countenance.vision.calibration import Calibration
from countenance.vision.models.cards import Catalogue, Role

Tell = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Watching:
    """Whom to tell how far it is: photos done and all, comparisons done and all."""

    photos: Tell = quietly
    comparisons: Tell = quietly


@dataclass(frozen=True, slots=True)
class Service:
    """Somebody else's endpoint: `url` None is Amazon's own. `journal` keeps its answers, so that none is paid twice."""

    url: str | None
    way: Way
    journal: Path
    non_mated: int = DEFAULT_NON_MATED
    price: float = DEFAULT_PRICE
    rate: float = DEFAULT_RATE

    def plan(self, data_set: DataSet) -> Plan:
        """What would be asked of it; nothing is sent."""
        return plan(data_set, self.way, non_mated=self.non_mated, price=self.price, rate=self.rate)


@dataclass(frozen=True, slots=True)
class Source:
    """Where faces or scores come from.

    `card` describes them; `photos` is the folder of photos, or that of the manifest or table where it is not beside the
    card. `export`: templates from the file that `countenance export` wrote, in place of photos; nothing in it proves
    which model files made them. `groupings` replace those of the card. `cache`: where
    templates are kept while they are made, so that an interrupted audit goes on; it holds biometric templates.
    """

    card: Path
    photos: Path | None = None
    export: Path | None = None
    groupings: Sequence[Sequence[str]] | None = None
    cache: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """What a source holds, before anything is compared.

    `calibration` None: nobody says what its scores mean. `photos`: what was sent to whoever made a table of scores.
    """

    content: Enrolment | ScoreTable
    engine: Engine
    calibration: Calibration | None
    photos: Photos | None = None

    @property
    def scores_are_similarities(self) -> bool:
        """Whether thresholds may be given as Similarity although there is no calibration."""
        return self.engine.kind == "endpoint"

    def compared(
        self,
        settings: Settings,
        watching: Watching,
        *,
        down_to: float | None = None,
        checkpoint: Path | None = None,
        ray: str | None = None,
    ) -> Evidence:
        """All comparisons; counts are exact at every threshold from `down_to` on.

        `checkpoint`: a file to go on from after an interruption. `ray`: the address of a Ray cluster that compares, in
        place of this machine's threads. Raises `InvalidParameter` where what is asked for does not fit into memory, or
        there is nobody to compare; `Misconfigured` where there is no such cluster.
        """
        evidence = self._evidence(settings, watching, down_to, checkpoint, ray)
        if not evidence.non_mated:
            raise InvalidParameter("The data show no two different people, and nothing can be said of false matches.")
        return evidence

    def _evidence(
        self, settings: Settings, watching: Watching, down_to: float | None, checkpoint: Path | None, ray: str | None
    ) -> Evidence:
        if isinstance(self.content, ScoreTable):
            return of_table(self.content)
        return of_templates(
            self.content,
            workers=settings.workers,
            progress=watching.comparisons,
            down_to=down_to,
            checkpoint=checkpoint,
            pool=None if ray is None else RayPool(ray),
        )


def read(settings: Settings, source: Source, watching: Watching) -> Faces:
    """Read the source; photos go through the recognizer that the settings name, as the server would do it.

    Templates are made in float32 unless the settings ask for another precision by name, so that the outcome does not
    depend on the processor. Raises `InvalidParameter` for what cannot be read, `Misconfigured` for a missing model.
    """
    if is_of_scores(source.card):
        table = read_scores(source.card, source.photos, source.groupings)
        return Faces(table, Engine(kind="scores", name=table.card.name, notes=table.card.notes), None)
    if source.export is not None:
        folder = source.card.parent if source.photos is None else source.photos
        enrolment, header = read_export(source.export, source.card, folder, source.groupings)
        version = header.face_model_version
        engine = Engine(kind="templates", name=header.collection_id, face_model_version=version)
        return Faces(enrolment, engine, _calibration(settings, version))
    data_set = photos_of(source)
    if settings.inference_precision is InferencePrecision.AUTO:
        settings = settings.model_copy(update={"inference_precision": InferencePrecision.F32})
    vision = Vision(settings)
    enrolment = enrol(vision, settings, data_set, lambda _, done, of: watching.photos(done, of), cache=source.cache)
    version = vision.face_model_version
    calibration = _calibration(settings, version)
    catalogue = Catalogue(settings.models)
    card = catalogue.recognizer(version)
    engine = Engine(
        kind="recognizer",
        name=card.name,
        face_model_version=version,
        files=tuple(file.sha256 for one in (catalogue.default(Role.DETECTOR), card) for file in one.files),
        calibration=None if calibration is None else calibration.sha256,
        precision=settings.inference_precision.value,
    )
    return Faces(enrolment, engine, calibration)


def photos_of(source: Source) -> DataSet:
    """The photos of a source, none of them opened. Raises `InvalidParameter` for one that is not photos."""
    if source.photos is None:
        raise InvalidParameter(f"{source.card} describes photos: name the folder that they are in, too.")
    return read_data_set(source.card, source.photos, source.groupings)


def ask(service: Service, planned: Plan, watching: Watching) -> Faces:
    """Send the photos of a plan to somebody else's service; its scores are its Similarity.

    Raises `Misconfigured` where it cannot be reached or refuses, `InvalidParameter` where it finds no face at all.
    """
    endpoint = Endpoint(service.url, rate=service.rate)
    answers = inquire(endpoint, planned, journal=service.journal, progress=watching.photos)
    engine = Engine(
        kind="endpoint", name=endpoint.name, face_model_version=answers.face_model_version, notes=answers.notes
    )
    return Faces(answers.table, engine, None, Photos(planned.data_set, answers.failures))


def _calibration(settings: Settings, face_model_version: str) -> Calibration | None:
    try:
        return Calibration.of_card(Catalogue(settings.models).recognizer(face_model_version))
    except Misconfigured:
        return None
