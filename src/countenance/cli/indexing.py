"""`countenance index`: enrol the faces of a folder of photos, however large."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress, TaskID

from countenance.cli.acting import Acting, acting
from countenance.cli.collections import CollectionOption
from countenance.cli.configuration import opened, with_settings
from countenance.cli.folders import Naming, PhotoOnDisk, photos_of
from countenance.cli.journal import Journal, Outcome, Unindexed, key_of
from countenance.cli.output import INTERRUPTED, AsJson, notice, print_json, print_table, progress, say
from countenance.cli.parallel import in_parallel, stopped_by_signals
from countenance.cli.photographs import PHOTO_FAULTS, UNREADABLE, for_files, read_photo
from countenance.cli.reports import Report, ReportOption
from countenance.settings import Settings
from countenance.vision.quality import QualityFilter

if TYPE_CHECKING:
    from countenance.gallery.collections import Collection
    from countenance.service.application import Application

COLUMNS = ("photo", "reason", "message", "left", "top", "width", "height")

# A reason in the report that Rekognition has no word for: the photo is fine, and nobody is on it.
NO_FACE = "NO_FACE"


@with_settings("data", "workers")
@acting
def index(
    settings: Settings,
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", exists=True, file_okay=False, show_default=False, help="A folder of photos."),
    ],
    *,
    acting: Acting,
    collection: CollectionOption,
    naming: Annotated[
        Naming, typer.Option("--external-image-id", help="What of its path below FOLDER names a photo's faces.")
    ] = Naming.PATH,
    max_faces: Annotated[
        int | None, typer.Option(min=1, max=100, help="The most faces to enrol of one photo, largest first.")
    ] = None,
    quality_filter: Annotated[
        QualityFilter, typer.Option(help="How good a face must be to be enrolled.")
    ] = QualityFilter.AUTO,
    again: Annotated[bool, typer.Option("--again", help="Index what an earlier run has done once more.")] = False,
    report: ReportOption = None,
    as_json: AsJson = False,
) -> None:
    """Enrol the faces of all photos in a folder and the folders below it.

    A run that was killed or interrupted goes on where it was when the same command is given again: photos that were
    done are skipped, and photos added since are indexed.
    """
    settings = for_files(settings)
    how = _How(naming, max_faces, quality_filter)
    with opened(settings) as application:
        into = application.collections.describe(acting.caller(application), collection)
        with (
            closing(Journal(settings.data / "index.journal")) as journal,
            Report.of("index", collection, settings.data, report, COLUMNS) as left_out,
            progress("photos") as bar,
            stopped_by_signals() as stop,
        ):
            run = _Run(application, into, how, acting=acting, journal=journal, report=left_out, bar=bar, again=again)
            run.over(folder, stop)
    run.print(as_json=as_json)
    if stop.is_set():
        notice("Interrupted. Give the same command again to go on.")
        raise typer.Exit(INTERRUPTED)


@dataclass(frozen=True, slots=True)
class _How:
    """How each photo is enrolled; a photo done in another way is done again."""

    naming: Naming
    max_faces: int | None
    quality_filter: QualityFilter


class _Run:
    """One run over a folder: what is done with each photo, and the numbers of what was done."""

    def __init__(
        self,
        application: Application,
        collection: Collection,
        how: _How,
        *,
        acting: Acting,
        journal: Journal,
        report: Report,
        bar: Progress,
        again: bool,
    ) -> None:
        self._application = application
        self._collection = collection
        self._how = how
        self._acting = acting
        self._journal = journal
        self._report = report
        self._bar = bar
        self._again = again
        self._photos = self._with_faces = self._faces = self._earlier = 0

    def over(self, folder: Path, stop: threading.Event) -> None:
        """Index every photo of the folder that was not done yet, until told to stop."""
        task = self._bar.add_task("Indexing", total=sum(1 for _ in photos_of(folder)))
        workers = self._application.settings.workers
        for photo, outcome in in_parallel(self._enrol, self._undone(folder, task), workers=workers, stop=stop):
            if outcome.refused is None:
                # What was refused is tried again: the file or the settings may be different by then.
                self._journal.record(self._key(photo), outcome)
            self._count(photo, outcome)
            self._bar.advance(task)

    def print(self, *, as_json: bool) -> None:
        """The numbers, and where the report is. Photos of earlier runs are in all of them."""
        report = str(self._report.path) if self._report.is_kept else None
        if as_json:
            counts = {"Photos": self._photos, "PhotosDoneEarlier": self._earlier, "PhotosWithFaces": self._with_faces}
            print_json({**counts, "Faces": self._faces, "NotIndexed": dict(self._report.reasons), "Report": report})
            return
        rows: list[tuple[str, int]] = [("photos", self._photos)]
        if self._earlier:
            rows.append(("of them done in an earlier run", self._earlier))
        rows += [("photos with an enrolled face", self._with_faces), ("faces enrolled", self._faces)]
        rows += [(f"not indexed: {reason}", count) for reason, count in self._report.reasons.most_common()]
        print_table(("What", "Count"), rows)
        if report is not None:
            say(f"What was not indexed and why: {report}")

    def _undone(self, folder: Path, task: TaskID) -> Iterator[PhotoOnDisk]:
        total = self._bar.tasks[task].total or 0
        for photo in photos_of(folder):
            earlier = None if self._again else self._journal.find(self._key(photo))
            if earlier is None:
                yield photo
            else:
                # The bar is about this run's work, so that rate and remaining time are true.
                total -= 1
                self._bar.update(task, total=total)
                self._earlier += 1
                self._count(photo, earlier)

    def _key(self, photo: PhotoOnDisk) -> bytes:
        into = (self._collection.key, self._collection.created_at)
        return key_of(*into, self._how, photo.path.absolute(), photo.size, photo.mtime_ns)

    def _enrol(self, photo: PhotoOnDisk) -> Outcome:
        application = self._application
        try:
            source = read_photo(photo.path, application.settings)
        except OSError as error:
            return Outcome(refused=UNREADABLE, message=error.strerror)
        except PHOTO_FAULTS as error:
            return Outcome(refused=error.code, message=error.message)
        try:
            indexing = application.enrolment.index_faces(
                self._acting.caller(application),
                self._collection.collection_id,
                source,
                external_image_id=photo.external_image_id(self._how.naming),
                max_faces=self._how.max_faces,
                quality_filter=self._how.quality_filter,
            )
        except PHOTO_FAULTS as error:
            return Outcome(refused=error.code, message=error.message)
        unindexed = [
            Unindexed(tuple(reasons), (box.left, box.top, box.width, box.height))
            for reasons, detail in indexing.unindexed
            for box in (detail.bounding_box,)
        ]
        return Outcome(faces=len(indexing.records), unindexed=unindexed)

    def _count(self, photo: PhotoOnDisk, outcome: Outcome) -> None:
        self._photos += 1
        self._with_faces += outcome.faces > 0
        self._faces += outcome.faces
        if outcome.refused is not None:
            self._report.add(outcome.refused, photo=photo.relative, message=outcome.message)
        elif not outcome.faces and not outcome.unindexed:
            self._report.add(NO_FACE, photo=photo.relative)
        for face in outcome.unindexed:
            left, top, width, height = face.bounding_box
            reasons = " ".join(face.reasons)
            self._report.add(reasons, photo=photo.relative, left=left, top=top, width=width, height=height)
