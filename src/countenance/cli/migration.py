"""`countenance import-rekognition`: a collection of another Rekognition endpoint, moved here."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress, TaskID

from countenance.cli.configuration import opened, with_settings
from countenance.cli.identifiers import valid
from countenance.cli.originals import Originals
from countenance.cli.output import INTERRUPTED, AsJson, notice, print_json, print_table, progress, say
from countenance.cli.parallel import in_parallel, stopped_by_signals
from countenance.cli.photographs import PHOTO_FAULTS, UNREADABLE, for_files, read_photo
from countenance.cli.reports import Report, ReportOption
from countenance.settings import Settings

if TYPE_CHECKING:
    from countenance.service.application import Application
    from countenance.service.source import SourceCollection, SourceFace

COLUMNS = ("face_id", "image_id", "external_image_id", "user_id", "photo", "reason", "message")

# Reasons in the report: nothing was found where the source had a face; the face could not be given to its user.
NO_FACE_THERE = "NO_FACE_THERE"
NOT_ASSOCIATED = "NOT_ASSOCIATED"

# Faces that are looked up at once, to see which are here already.
LOOKUP = 4096


@with_settings("data", "workers", "recognizer")
def import_rekognition(
    settings: Settings,
    collection: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE_COLLECTION", parser=valid("CollectionId"), show_default=False, help="CollectionId there."
        ),
    ],
    *,
    images: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            exists=True,
            file_okay=False,
            show_default=False,
            help="The original photos; a face's ExternalImageId is its photo's name, stem or path below FOLDER.",
        ),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            exists=True,
            dir_okay=False,
            show_default=False,
            help="Which photo is whose: the column image, with image_id or external_image_id or both.",
        ),
    ] = None,
    endpoint_url: Annotated[
        str | None, typer.Option(metavar="URL", show_default=False, help="The source's endpoint; Amazon's when absent.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(metavar="NAME", show_default=False, help="Profile of the AWS configuration.")
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", metavar="REGION", show_default=False, help="The source's region.")
    ] = None,
    into: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            parser=valid("CollectionId"),
            show_default=False,
            help="CollectionId here; the same when absent.",
        ),
    ] = None,
    report: ReportOption = None,
    as_json: AsJson = False,
) -> None:
    """Move a collection here from Amazon Rekognition, or from any server that speaks its API.

    Rekognition gives no templates away, so faces are recognised again on the original photos and keep the FaceIds,
    ImageIds, ExternalImageIds and users they had. A run that was killed goes on where it was when the same command is
    given again. Credentials of the source come from where the AWS SDK looks for them.
    """
    if images is None and manifest is None:
        raise typer.BadParameter("say where the photos are: --images FOLDER, --manifest CSV, or both")
    settings = for_files(settings)
    into = into or collection
    originals = Originals(images, manifest)
    with opened(settings, creates=True) as application:
        # Imported when needed, as `opened` does.
        from countenance.service.source import SourceCollection  # noqa: PLC0415

        source = SourceCollection(collection, endpoint_url=endpoint_url, region=region, profile=profile)
        with (
            Report.of("import", into, settings.data, report, COLUMNS) as left_out,
            progress("photos") as bar,
            stopped_by_signals() as stop,
        ):
            move = _Move(application, source, into, originals=originals, report=left_out, bar=bar)
            move.run(stop)
    move.print(as_json=as_json)
    if stop.is_set():
        notice("Interrupted. Give the same command again to go on.")
        raise typer.Exit(INTERRUPTED)


@dataclass(frozen=True, slots=True)
class _Located:
    """Faces of the source that one photo shows: of one ImageId and one ExternalImageId."""

    photo: Path
    faces: Sequence[SourceFace]


@dataclass(frozen=True, slots=True)
class _Left:
    """A face that was not taken over, and why."""

    face: SourceFace
    reason: str
    message: str | None = None


class _Move:
    """One run: first the faces, photo by photo, then the users."""

    def __init__(
        self,
        application: Application,
        source: SourceCollection,
        into: str,
        *,
        originals: Originals,
        report: Report,
        bar: Progress,
    ) -> None:
        self._application = application
        self._source = source
        self._into = into
        self._originals = originals
        self._report = report
        self._bar = bar
        self._listed: list[SourceFace] = []
        self._earlier = self._here = self._users = 0

    def run(self, stop: threading.Event) -> None:
        """Take over what is not here yet, until told to stop."""
        application = self._application
        groups = self._groups()
        application.migration.begin(application.locals.caller(), self._into, self._source.tags())
        here = self._adopted()
        self._earlier = self._here = len(here)
        pending = [faces for faces in groups if not all(face.face_id in here for face in faces)]
        task = self._bar.add_task("Recognising them here", total=len(pending))
        located = self._located(pending, here, task)
        for one, left in in_parallel(self._adopt, located, workers=application.settings.workers, stop=stop):
            for case in left:
                if case.face.face_id not in here:
                    self._leave(case, one.photo)
            self._bar.advance(task)
        here = self._adopted()
        self._here = len(here)
        if not stop.is_set():
            self._take_users(here)

    def print(self, *, as_json: bool) -> None:
        """The numbers, and where the report is."""
        report = str(self._report.path) if self._report.is_kept else None
        if as_json:
            counts = {"SourceFaces": len(self._listed), "Faces": self._here, "FacesDoneEarlier": self._earlier}
            print_json({**counts, "Users": self._users, "NotImported": dict(self._report.reasons), "Report": report})
            return
        rows: list[tuple[str, int]] = [("faces at the source", len(self._listed)), ("of them here", self._here)]
        if self._earlier:
            rows.append(("of those done in an earlier run", self._earlier))
        rows.append(("users here", self._users))
        rows += [(f"not imported: {reason}", count) for reason, count in self._report.reasons.most_common()]
        print_table(("What", "Count"), rows)
        if report is not None:
            say(f"What was not imported and why: {report}")

    def _groups(self) -> list[list[SourceFace]]:
        task = self._bar.add_task("Listing the source's faces", total=self._source.face_count())
        groups: dict[tuple[str, str | None], list[SourceFace]] = {}
        for face in self._source.faces():
            # The same image under another ExternalImageId has faces of its own, in the same places.
            groups.setdefault((face.image_id, face.external_image_id), []).append(face)
            self._listed.append(face)
            self._bar.advance(task)
        return list(groups.values())

    def _adopted(self) -> set[str]:
        here: set[str] = set()
        for start in range(0, len(self._listed), LOOKUP):
            face_ids = [face.face_id for face in self._listed[start : start + LOOKUP]]
            here |= self._application.migration.adopted(self._into, face_ids)
        return here

    def _located(self, groups: Sequence[Sequence[SourceFace]], here: set[str], task: TaskID) -> Iterator[_Located]:
        for faces in groups:
            photo = self._originals.find(faces[0])
            if isinstance(photo, Path):
                yield _Located(photo, faces)
                continue
            for face in faces:
                if face.face_id not in here:
                    self._leave(_Left(face, photo))
            self._bar.advance(task)

    def _adopt(self, located: _Located) -> list[_Left]:
        application = self._application
        try:
            source = read_photo(located.photo, application.settings)
        except OSError as error:
            return [_Left(face, UNREADABLE, error.strerror) for face in located.faces]
        except PHOTO_FAULTS as error:
            return [_Left(face, error.code, error.message) for face in located.faces]
        try:
            unmatched = application.migration.adopt_photo(
                application.locals.caller(), self._into, source, located.faces
            )
        except PHOTO_FAULTS as error:
            return [_Left(face, error.code, error.message) for face in located.faces]
        return [_Left(one.face, NO_FACE_THERE, f"best overlap {one.overlap:.2f}") for one in unmatched]

    def _take_users(self, here: set[str]) -> None:
        faces_of: dict[str, list[SourceFace]] = {}
        for face in self._listed:
            if face.user_id is not None and face.face_id in here:
                faces_of.setdefault(face.user_id, []).append(face)
        task = self._bar.add_task("Taking over users", total=None)
        for user_id in self._source.user_ids():
            faces = {face.face_id: face for face in faces_of.get(user_id, ())}
            for left in self._application.migration.adopt_user(
                self._application.locals.caller(), self._into, user_id, list(faces)
            ):
                self._leave(_Left(faces[left.face_id], NOT_ASSOCIATED, ", ".join(left.reasons)))
            self._users += 1
            self._bar.advance(task)

    def _leave(self, case: _Left, photo: Path | None = None) -> None:
        face = case.face
        self._report.add(
            case.reason,
            face_id=face.face_id,
            image_id=face.image_id,
            external_image_id=face.external_image_id,
            user_id=face.user_id,
            photo=None if photo is None else str(photo),
            message=case.message,
        )
