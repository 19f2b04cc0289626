"""Labelled pairs of photos, tested on the real models: what the answer says, what made it, and what it cannot reach."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import pytest
from structlog.testing import capture_logs

from countenance.errors import AccessDenied, InvalidParameter
from countenance.fairness.testing.terms import MAX_PAIRS, MAX_PHOTOS, NO_FACE
from countenance.ledger import entries, receipts
from countenance.ledger.notes import Verifier
from countenance.policy.vocabulary import OrganizationKind, Purpose
from countenance.service.application import Application
from countenance.service.callers import Caller
from countenance.service.photos import PhotoBytes
from countenance.service.testing import PairsResult
from countenance.service.uses import released
from countenance.settings import Settings
from countenance.vision.analysis import Vision
from countenance.vision.calibration import Calibration
from countenance.vision.models.cards import Catalogue, Role
from countenance.vision.models.install import install

YEAR = datetime(2027, 1, 1, tzinfo=UTC)

# Everything that is enrolled, and whoever it is enrolled for.
GALLERY = ("collections", "users", "faces", "changes", "tags")


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[Application]:
    """A new installation with an ombudsman, a university and the police."""
    application = Application(Settings(data=tmp_path_factory.mktemp("testing") / "data", model_store=models))
    operator, organizations = application.locals.caller(), application.organizations
    for organization, kind, person in (
        ("ombudsman", OrganizationKind.OVERSIGHT, "olu"),
        ("university", OrganizationKind.RESEARCH, "joy"),
        ("police", OrganizationKind.LAW_ENFORCEMENT, "sam"),
    ):
        organizations.create(operator, organization, kind)
        organizations.create_principal(operator, person, organization, trained_until=YEAR)
    yield application
    application.close()


@pytest.fixture
def olu(application: Application) -> Caller:
    """Who watches over the others, and tests for bias."""
    return application.locals.caller("olu", purpose=Purpose.BIAS_TEST)


@pytest.fixture(scope="module")
def photo(portraits: dict[str, Path]) -> Callable[[str], PhotoBytes]:
    return lambda name: PhotoBytes(portraits[name].read_bytes())


def closing(application: Application) -> entries.Outcome:
    """The newest entry of the ledger, an outcome."""
    (leaf,) = application.ledger.entries(application.ledger.size() - 1, application.ledger.size())
    entry = entries.read(leaf)
    assert isinstance(entry, entries.Outcome)
    return entry


@contextmanager
def without_tables(application: Application, tables: Sequence[str]) -> Iterator[None]:
    """The database without these tables."""

    def rename(before: str, after: str) -> None:
        with application.database.write() as connection:
            for table in tables:
                connection.exec_driver_sql(f"ALTER TABLE {before.format(table)} RENAME TO {after.format(table)}")

    rename("{}", "{}_away")
    try:
        yield
    finally:
        rename("{}_away", "{}")


class TestAnswers:
    def test_scores_are_those_of_every_other_comparison_on_this_server(
        self, application: Application, olu: Caller, photo: Callable[[str], PhotoBytes]
    ) -> None:
        """A test that is given other scores than users are would be none."""
        names = ["obama.jpg", "obama2.jpg", "biden.jpg"]
        result = application.testing.pairs(olu, [photo(name) for name in names], [(0, 1), (0, 2), (1, 2)])
        operator = application.locals.caller()
        for pair in result.pairs:
            compared = application.recognition.compare_faces(
                operator, photo(names[pair.left]), photo(names[pair.right]), threshold=0.0
            )
            assert pair.similarity == compared.matches[0][0]
            assert pair.cosine is not None
            assert pair.similarity == Calibration.packaged(result.model.face_model_version).similarity(pair.cosine)
        mated, *non_mated = [pair.similarity or 0.0 for pair in result.pairs]
        assert mated > 99
        assert max(non_mated) < 80

    def test_photos_are_told_by_their_hashes_and_failures_to_enrol_by_their_reasons(
        self, application: Application, olu: Caller, photo: Callable[[str], PhotoBytes]
    ) -> None:
        obama, torn = photo("obama.jpg"), PhotoBytes(photo("obama2.jpg").data[:20_000])
        photos = [obama, photo("coffee.png"), torn, PhotoBytes(b"GIF89a"), photo("obama2.jpg")]
        result = application.testing.pairs(olu, photos, [(0, 1), (2, 0), (3, 0), (0, 4)])
        assert [one.digest for one in result.photos] == [hashlib.sha256(one.data).hexdigest() for one in photos]
        failures = [None if one.failure is None else one.failure.code for one in result.photos]
        assert failures == [None, NO_FACE, "InvalidImageFormatException", "InvalidImageFormatException", None]
        assert [one.faces for one in result.photos] == [1, 0, 0, 0, 1]
        assert [pair.cosine is None for pair in result.pairs] == [True, True, True, False]
        assert [pair.similarity is None for pair in result.pairs] == [True, True, True, False]
        assert closing(application).faces == 2

    def test_a_university_tests_for_the_ombudsman(
        self, application: Application, photo: Callable[[str], PhotoBytes]
    ) -> None:
        joy = application.locals.caller("joy", purpose=Purpose.BIAS_TEST, beneficiary="ombudsman")
        result = application.testing.pairs(joy, [photo("obama.jpg"), photo("obama2.jpg")], [(0, 1)])
        assert result.pairs[0].similarity is not None


class TestTheModel:
    def test_what_answers_a_test_is_what_answers_a_search_by_the_public_ledger(
        self, application: Application, olu: Caller, photo: Callable[[str], PhotoBytes], models: Path
    ) -> None:
        """By the receipts of both, which anybody can check, and by the files that lie on the disk."""
        operator = application.locals.caller()
        application.collections.create(operator, "people", {})
        with released() as searched:
            application.searches.search_faces_by_image(operator, "people", photo("obama2.jpg"))
        with released() as tested:
            result = application.testing.pairs(olu, [photo("obama.jpg"), photo("obama2.jpg")], [(0, 1)])
        application.collections.delete(operator, "people")
        pinned = []
        for answer in (searched, tested):
            assert answer.receipt is not None
            receipt = receipts.read_receipt(application.ledger.receipt(answer.receipt))
            receipts.verify(receipt, [Verifier.from_vkey(application.ledger.vkey)])
            assert receipt.extra is not None
            outcome = entries.read(receipt.extra)
            assert isinstance(outcome, entries.Outcome)
            pinned.append(outcome.model)
        assert pinned == [result.model, result.model]
        catalogue = Catalogue()
        recognizer = catalogue.recognizer(result.model.face_model_version)
        files = [
            hashlib.sha256(card.path(file, models).read_bytes()).hexdigest()
            for card in (catalogue.default(Role.DETECTOR), recognizer)
            for file in card.files
        ]
        assert list(result.model.files) == files
        assert result.model.calibration == application.vision.calibration(recognizer.face_model_version).sha256

    def test_another_recognizer_that_is_installed_here_can_be_tested_too(
        self, application: Application, olu: Caller, photo: Callable[[str], PhotoBytes], models: Path
    ) -> None:
        """Collections that were made with it are searched with it."""
        pytest.importorskip("dlib", reason="needs the extra dlib")
        card = Catalogue().card("dlib-resnet")
        install(models, [card])
        photos, version = [photo("obama.jpg"), photo("obama2.jpg")], card.face_model_version
        result = application.testing.pairs(olu, photos, [(0, 1)], face_model_version=version)
        assert result.model.face_model_version == version
        assert {file.sha256 for file in card.files} <= set(result.model.files)
        assert closing(application).model == result.model
        assert result.pairs != application.testing.pairs(olu, photos, [(0, 1)]).pairs

    def test_what_was_answered_cannot_be_denied_and_does_not_show_from_the_ledger(
        self, application: Application, olu: Caller, photo: Callable[[str], PhotoBytes]
    ) -> None:
        """The ledger has the hash of the whole answer; whoever has the same photos does not find it by guessing."""
        photos = [photo("obama.jpg"), photo("obama2.jpg")]
        answers = []
        for _ in range(2):
            answers.append(application.testing.pairs(olu, photos, [(0, 1)]).text())
            assert closing(application).answer == hashlib.sha256(answers[-1]).hexdigest()
        told = [json.loads(answer) for answer in answers]
        assert told[0].pop("Nonce") != told[1].pop("Nonce")
        assert told[0] == told[1]

    @pytest.mark.parametrize("version", ["99", "1.2.3"])
    def test_a_face_model_version_that_does_not_answer_here_is_refused_and_that_is_recorded(
        self, version: str, application: Application, olu: Caller, photo: Callable[[str], PhotoBytes]
    ) -> None:
        with pytest.raises(InvalidParameter) as refusal:
            application.testing.pairs(
                olu, [photo("obama.jpg"), photo("obama2.jpg")], [(0, 1)], face_model_version=version
            )
        assert refusal.value.message == (
            f"Face model version {version} does not answer on this server: "
            f"leave it away for {application.vision.face_model_version}, which does."
        )
        assert closing(application).refused == "InvalidParameterException"


class TestTheGallery:
    def test_the_door_answers_without_any_gallery(
        self, application: Application, olu: Caller, photo: Callable[[str], PhotoBytes]
    ) -> None:
        """With the tables of all that is enrolled taken away, a search fails and a test does not notice."""
        operator = application.locals.caller()
        application.collections.create(operator, "people", {})
        with without_tables(application, GALLERY):
            with pytest.raises(sqlite3.OperationalError, match="no such table"):
                application.searches.search_faces_by_image(operator, "people", photo("obama2.jpg"))
            result = application.testing.pairs(olu, [photo("obama.jpg"), photo("obama2.jpg")], [(0, 1)])
        application.collections.delete(operator, "people")
        assert (result.pairs[0].similarity or 0) > 99

    def test_nothing_told_depends_on_who_is_enrolled(
        self, application: Application, olu: Caller, photo: Callable[[str], PhotoBytes]
    ) -> None:
        def test() -> PairsResult:
            result = application.testing.pairs(olu, [photo("obama.jpg"), photo("biden.jpg")], [(0, 1)])
            return replace(result, nonce="")

        before, operator = test(), application.locals.caller()
        application.collections.create(operator, "people", {})
        application.enrolment.index_faces(operator, "people", photo("obama.jpg"), external_image_id="barack")
        assert test() == before
        application.collections.delete(operator, "people")

    def test_no_photo_and_no_template_is_kept_or_logged(
        self, application: Application, olu: Caller, photo: Callable[[str], PhotoBytes]
    ) -> None:
        """Looked for in every file of the installation, and in what its log says."""
        photos = [photo("obama.jpg"), photo("biden.jpg")]
        (template,) = application.vision.templates(
            found := application.photos.open(photos[0]),
            application.vision.detect(found)[:1],
            application.vision.face_model_version,
        )
        with capture_logs() as logs:
            application.testing.pairs(olu, photos, [(0, 1)])
        application.ledger.publish()
        raw, digest = template.vector.tobytes(), hashlib.sha256(photos[0].data)
        forbidden = [photos[0].data[9000:9016], raw[:16], raw[:16].hex().encode(), digest.digest()]
        forbidden.append(digest.hexdigest().encode())
        for path in application.settings.data.rglob("*"):
            content = path.read_bytes() if path.is_file() else b""
            assert [one for one in forbidden if one in content] == [], path
        (line,) = logs
        assert digest.hexdigest() not in json.dumps(line)
        known = {"event", "log_level", "principal", "organization", "access_key_id", "purpose", "use", "receipt", "ms"}
        assert set(line) - known == {"photos", "pairs", "faces", "answer"}


class TestWhoMayNot:
    @pytest.mark.parametrize(
        ("who", "purpose", "beneficiary", "told"),
        [
            (
                "sam",
                Purpose.BIAS_TEST,
                None,
                "Pairs of photos are tested for oversight, research or the operator, and for nobody who goes by what "
                "is found: ask one of them to test. (base: test.beneficiary)",
            ),
            (
                "joy",
                Purpose.BIAS_TEST,
                "police",
                "Pairs of photos are tested for oversight, research or the operator, and for nobody who goes by what "
                "is found: ask one of them to test. (base: test.beneficiary) What would change it: it must not be on "
                "behalf of another organization.",
            ),
            (
                "olu",
                Purpose.OVERSIGHT,
                None,
                "Pairs of photos are compared here to test for bias and for nothing else: use a key or session whose "
                "purpose is bias_test. (base: test.purpose)",
            ),
        ],
    )
    def test_others_are_told_why_before_any_photo_is_opened(
        self,
        who: str,
        purpose: Purpose,
        beneficiary: str | None,
        told: str,
        application: Application,
        photo: Callable[[str], PhotoBytes],
    ) -> None:
        caller = application.locals.caller(who, purpose=purpose, beneficiary=beneficiary)
        before = application.ledger.size()
        with (
            mock.patch.object(application.photos, "open", side_effect=AssertionError),
            pytest.raises(AccessDenied) as denial,
        ):
            application.testing.pairs(caller, [photo("obama.jpg"), photo("obama2.jpg")], [(0, 1)])
        assert denial.value.message == f"TestPairs is denied. {told}"
        kinds = [entries.read(leaf).kind for leaf in application.ledger.entries(before, application.ledger.size())]
        assert kinds == ["intent", "decision"]


class TestMalformed:
    @pytest.mark.parametrize(
        ("photos", "pairs", "told"),
        [
            (2, [(0, 2)], "Pair 0 is of photos 0 and 2, and there are 2, from 0."),
            (2, [(0, 1), (-1, 0)], "Pair 1 is of photos -1 and 0, and there are 2, from 0."),
            (2, [(1, 1)], "Pair 0 is of photo 1 and itself: give two photos."),
            (
                MAX_PHOTOS + 1,
                [(0, 1)],
                f"There are {MAX_PHOTOS + 1} photos and 1 pairs: test at most {MAX_PHOTOS} and {MAX_PAIRS} at once.",
            ),
            (
                2,
                [(0, 1)] * (MAX_PAIRS + 1),
                f"There are 2 photos and {MAX_PAIRS + 1} pairs: test at most {MAX_PHOTOS} and {MAX_PAIRS} at once.",
            ),
        ],
    )
    def test_what_is_no_set_of_pairs_is_refused_before_any_photo_is_opened(
        self,
        photos: int,
        pairs: list[tuple[int, int]],
        told: str,
        application: Application,
        olu: Caller,
        photo: Callable[[str], PhotoBytes],
    ) -> None:
        with (
            mock.patch.object(application.photos, "open", side_effect=AssertionError),
            pytest.raises(InvalidParameter) as refusal,
        ):
            application.testing.pairs(olu, [photo("obama.jpg")] * photos, pairs)
        assert refusal.value.message == told

    def test_a_failure_in_between_leaves_an_entry_and_no_answer(
        self, application: Application, olu: Caller, photo: Callable[[str], PhotoBytes]
    ) -> None:
        with (
            mock.patch.object(Vision, "detect", side_effect=RuntimeError("somebody's face")),
            pytest.raises(RuntimeError),
        ):
            application.testing.pairs(olu, [photo("obama.jpg"), photo("obama2.jpg")], [(0, 1)])
        assert closing(application).failed == "RuntimeError"
