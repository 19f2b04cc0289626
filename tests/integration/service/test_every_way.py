"""There is no other way: every use case asks first, whoever calls it and from which edge."""

from __future__ import annotations

import base64
import hashlib
import inspect
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from countenance.errors import AccessDenied
from countenance.faces import BoundingBox, Template
from countenance.gallery.search import Search
from countenance.gallery.users import Users
from countenance.ledger import entries
from countenance.policy.decisions import Decision
from countenance.policy.gate import NO_SET, Gate, Verdict
from countenance.policy.packs import shipped
from countenance.policy.vocabulary import LegalBasis, OrganizationKind, Purpose
from countenance.service.actions import MATCHES, Action
from countenance.service.application import Application
from countenance.service.callers import Caller
from countenance.service.clips import Clip
from countenance.service.photos import PhotoBytes, PhotoObject
from countenance.service.source import SourceFace
from countenance.settings import Settings
from countenance.video.decoding import ColorRange, VideoMetadata
from countenance.vision.calibration import Calibration
from tests.audits import audit

from .doings import model_of

ID = "00000000-0000-4000-8000-000000000000"
YEAR = datetime(2027, 1, 1, tzinfo=UTC)

# What compares: whatever says how alike two templates are goes through one of these.
COMPARING = ((Search, "faces"), (Search, "users"), (Users, "associate"), (Calibration, "similarity"))

# Somebody's template, and a clip that they were seen in.
SOMEBODY = Template(np.eye(128, dtype=np.float32)[0], "1.0")
CLIP = Clip(64 * "0", VideoMetadata("h264", "QuickTime / MOV", 0, 25.0, 96, 160, ColorRange.LIMITED), (), {0: SOMEBODY})

Call = Callable[[Application, Caller, PhotoBytes, Path], Any]

# One call of every use case. A new one that is not here fails the first test.
CALLS: dict[str, Call] = {
    "recognition.detect_faces": lambda a, c, p, _: a.recognition.detect_faces(c, p),
    "recognition.compare_faces": lambda a, c, p, _: a.recognition.compare_faces(c, p, p),
    "testing.pairs": lambda a, c, p, _: a.testing.pairs(c, [p, p], [(0, 1)]),
    "searches.search_faces": lambda a, c, *_: a.searches.search_faces(c, "portraits", ID),
    "searches.search_faces_by_image": lambda a, c, p, _: a.searches.search_faces_by_image(c, "portraits", p),
    "searches.search_users": lambda a, c, *_: a.searches.search_users(c, "portraits", user_id="barack"),
    "searches.search_users_by_image": lambda a, c, p, _: a.searches.search_users_by_image(c, "portraits", p),
    "searches.search_faces_by_template": lambda a, c, *_: a.searches.search_faces_by_template(
        c, "portraits", SOMEBODY, 64 * "0"
    ),
    "clips.track": lambda a, c, _, f: a.clips.track(c, f / "clip.mp4"),
    "clips.search": lambda a, c, *_: a.clips.search(c, "portraits", CLIP, 0),
    "videos.start_face_detection": lambda a, c, *_: a.videos.start_face_detection(c, PhotoObject("videos", "a.mp4")),
    "videos.get_face_detection": lambda a, c, *_: a.videos.get_face_detection(c, 64 * "0"),
    "videos.start_face_search": lambda a, c, *_: a.videos.start_face_search(
        c, PhotoObject("videos", "a.mp4"), "portraits"
    ),
    "videos.get_face_search": lambda a, c, *_: a.videos.get_face_search(c, 64 * "0"),
    "videos.start_person_tracking": lambda a, c, *_: a.videos.start_person_tracking(c, PhotoObject("videos", "a.mp4")),
    "videos.get_person_tracking": lambda a, c, *_: a.videos.get_person_tracking(c, 64 * "0"),
    "enrolment.index_faces": lambda a, c, p, _: a.enrolment.index_faces(c, "portraits", p),
    "enrolment.list_faces": lambda a, c, *_: a.enrolment.list_faces(c, "portraits"),
    "enrolment.delete_faces": lambda a, c, *_: a.enrolment.delete_faces(c, "portraits", [ID]),
    "collections.create": lambda a, c, *_: a.collections.create(c, "more", {}),
    "collections.describe": lambda a, c, *_: a.collections.describe(c, "portraits"),
    "collections.list": lambda a, c, *_: a.collections.list(c),
    "collections.delete": lambda a, c, *_: a.collections.delete(c, "portraits"),
    "collections.tag": lambda a, c, *_: a.collections.tag(c, "portraits", {"a": "b"}),
    "collections.untag": lambda a, c, *_: a.collections.untag(c, "portraits", ["a"]),
    "collections.tags": lambda a, c, *_: a.collections.tags(c, "portraits"),
    "users.create": lambda a, c, *_: a.users.create(c, "portraits", "joe"),
    "users.delete": lambda a, c, *_: a.users.delete(c, "portraits", "joe"),
    "users.list": lambda a, c, *_: a.users.list(c, "portraits"),
    "users.associate": lambda a, c, *_: a.users.associate(c, "portraits", "barack", [ID]),
    "users.disassociate": lambda a, c, *_: a.users.disassociate(c, "portraits", "barack", [ID]),
    "exchange.export": lambda a, c, _, f: a.exchange.export(c, "portraits", f / "out.parquet"),
    "exchange.import_": lambda a, c, _, f: a.exchange.import_(c, f / "portraits.parquet", "again"),
    "migration.begin": lambda a, c, *_: a.migration.begin(c, "moved", {}),
    "migration.adopt_photo": lambda a, c, p, _: a.migration.adopt_photo(
        c, "portraits", p, [SourceFace(ID, ID, None, BoundingBox(0, 0, 1, 1), None)]
    ),
    "migration.adopt_user": lambda a, c, *_: a.migration.adopt_user(c, "portraits", "joe", [ID]),
    "subjects.of_photo": lambda a, c, p, _: a.subjects.of_photo(c, p),
    "organizations.create": lambda a, c, *_: a.organizations.create(c, "more", OrganizationKind.RESEARCH),
    "organizations.declare": lambda a, c, *_: a.organizations.declare(c, "Kings County", suspended=True),
    "organizations.list": lambda a, c, *_: a.organizations.list(c),
    "organizations.create_principal": lambda a, c, *_: a.organizations.create_principal(
        c, "new", "Kings County", trained_until=YEAR
    ),
    "organizations.change_principal": lambda a, c, *_: a.organizations.change_principal(
        c, "samantha", trained_until=YEAR
    ),
    "organizations.principals": lambda a, c, *_: a.organizations.principals(c),
    "keys.create": lambda a, c, *_: a.keys.create(c, "samantha", purpose=Purpose.MISSING_CHILD),
    "keys.list": lambda a, c, *_: a.keys.list(c),
    "keys.revoke": lambda a, c, *_: a.keys.revoke(c, "AKIA"),
    "authorizations.request": lambda a, c, *_: a.authorizations.request(
        c, purpose=Purpose.MISSING_CHILD, basis=LegalBasis.WARRANT, case_reference="1"
    ),
    "authorizations.approve": lambda a, c, *_: a.authorizations.approve(c, "a-0"),
    "authorizations.refuse": lambda a, c, *_: a.authorizations.refuse(c, "a-0"),
    "authorizations.revoke": lambda a, c, *_: a.authorizations.revoke(c, "a-0"),
    "authorizations.list": lambda a, c, *_: a.authorizations.list(c),
    "policies.in_force": lambda a, c, *_: a.policies.in_force(c),
    "policies.list": lambda a, c, *_: a.policies.list(c),
    "policies.propose": lambda a, c, *_: a.policies.propose(c, [shipped()["public-safety"]]),
    "policies.extend": lambda a, c, *_: a.policies.extend(c, "moratorium-2020", YEAR),
    "policies.end": lambda a, c, *_: a.policies.end(c, "moratorium-2020"),
    "policies.moratoria": lambda a, c, *_: a.policies.moratoria(c),
    "policies.approve": lambda a, c, *_: a.policies.approve(c, "y-0"),
    "policies.reject": lambda a, c, *_: a.policies.reject(c, "y-0"),
    "qualifications.qualify": lambda a, c, *_: a.qualifications.qualify(
        c, audit(model_of(a)), Purpose.CRIMINAL_INVESTIGATION, 99.0
    ),
    "qualifications.waive": lambda a, c, *_: a.qualifications.waive(c, "q-0", audit(model_of(a)), "why", YEAR),
    "qualifications.revoke": lambda a, c, *_: a.qualifications.revoke(c, "q-0", "why"),
    "qualifications.list": lambda a, c, *_: a.qualifications.list(c),
    "reviews.list": lambda a, c, *_: a.reviews.list(c),
    "reviews.candidates": lambda a, c, *_: a.reviews.candidates(c, "r-0"),
    "reviews.judge": lambda a, c, *_: a.reviews.judge(c, "r-0", frozenset()),
    "reviews.disclose": lambda a, c, *_: a.reviews.disclose(c, "r-0"),
    "sessions.assume_role": lambda a, c, *_: a.sessions.assume_role(
        c, role_arn="arn", session_name="s", tags={}, duration_seconds=900
    ),
    "log_keys.rotate": lambda a, c, *_: a.log_keys.rotate(c),
    "sessions.identity": lambda a, c, *_: a.sessions.identity(c),
}

# What a use is made of rather than one, and what decides nothing: who signs, and which ids are here already.
NOT_USES = {"sessions.authenticate", "migration.adopted"}
MECHANISMS = {"uses", "sweeper", "locals", "video_work"}


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory, models: Path, portraits: dict[str, Path]) -> Iterator[Any]:
    """A collection with a user, and people of the police."""
    folder = tmp_path_factory.mktemp("every-way")
    application = Application(Settings(data=folder / "data", model_store=models))
    operator = application.locals.caller()
    application.collections.create(operator, "portraits", {})
    indexed = application.enrolment.index_faces(
        operator, "portraits", PhotoBytes(portraits["obama.jpg"].read_bytes()), external_image_id="barack-obama"
    )
    application.users.create(operator, "portraits", "barack")
    application.users.associate(operator, "portraits", "barack", [indexed.records[0][0].face_id])
    application.organizations.create(operator, "Kings County", OrganizationKind.LAW_ENFORCEMENT)
    application.organizations.create_principal(operator, "samantha", "Kings County", trained_until=YEAR)
    application.exchange.export(operator, "portraits", folder / "portraits.parquet")
    yield application
    application.close()


def use_cases(application: Application) -> set[str]:
    """Every public function of every service."""
    return (
        {
            f"{room}.{name}"
            for room, service in vars(application).items()
            if type(service).__module__.startswith("countenance.service.") and room not in MECHANISMS
            for name, _ in inspect.getmembers(type(service), inspect.isfunction)
            if not name.startswith("_")
        }
        - NOT_USES
        - {"photos.open"}
    )


def test_every_use_case_is_known_here(application: Application) -> None:
    assert use_cases(application) == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_without_a_permission_nothing_is_compared_and_nothing_answered(
    name: str, application: Application, portraits: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By policies that permit nothing; the denial is in the ledger."""
    denied = Verdict(Decision(allowed=False), NO_SET)
    monkeypatch.setattr(Gate, "decide", lambda *_: denied)
    compared = [mock.Mock() for _ in COMPARING]
    for (owner, function), spy in zip(COMPARING, compared, strict=True):
        monkeypatch.setattr(owner, function, spy)
    before = application.ledger.size()
    photo = PhotoBytes(portraits["obama2.jpg"].read_bytes())
    with pytest.raises(AccessDenied):
        CALLS[name](application, application.locals.caller("samantha"), photo, application.settings.data.parent)
    assert [spy.called for spy in compared] == [False] * len(COMPARING)
    leaves = list(application.ledger.entries(before, application.ledger.size()))
    assert [entries.read(leaf).kind for leaf in leaves] == ["intent", "decision"]


@pytest.mark.parametrize("action", sorted(MATCHES))
def test_the_police_match_nothing_on_a_new_installation(
    action: Action, application: Application, portraits: dict[str, Path]
) -> None:
    """Until somebody answers for ending the moratorium."""
    (name,) = [name for name in CALLS if name.split(".")[1].replace("_", "") in _spellings(action)]
    photo = PhotoBytes(portraits["obama2.jpg"].read_bytes())
    sam = application.locals.caller("samantha", purpose=Purpose.CRIMINAL_INVESTIGATION, case="1")
    with pytest.raises(AccessDenied, match="moratorium-2020"):
        CALLS[name](application, sam, photo, application.settings.data.parent)


def _spellings(action: Action) -> set[str]:
    return {
        action.lower(),
        action.lower().removesuffix("faces") if action is Action.ASSOCIATE_FACES else action.lower(),
    }


@pytest.mark.parametrize(
    "name",
    [
        "searches.search_faces_by_image",
        "searches.search_users_by_image",
        "recognition.compare_faces",
        "testing.pairs",
    ],
)
def test_whatever_compares_does_so_after_the_intent_is_in_the_ledger(
    name: str, application: Application, portraits: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    for owner, function in COMPARING:
        genuine = getattr(owner, function)

        def spy(*arguments: Any, _genuine: Any = genuine, **options: Any) -> Any:
            seen.append(bool(application.ledger.dangling()))
            return _genuine(*arguments, **options)

        monkeypatch.setattr(owner, function, spy)
    photo = PhotoBytes(portraits["obama2.jpg"].read_bytes())
    caller = application.locals.caller(purpose=Purpose.BIAS_TEST)
    CALLS[name](application, caller, photo, application.settings.data.parent)
    assert seen
    assert all(seen)


def test_the_ledger_of_a_full_run_holds_no_image_no_template_and_no_name(
    application: Application, portraits: dict[str, Path]
) -> None:
    """Every byte string that must not be in it is looked for in entries, tiles and checkpoint."""
    operator, photo = application.locals.caller(), portraits["obama2.jpg"].read_bytes()
    application.searches.search_faces_by_image(operator, "portraits", PhotoBytes(photo), threshold=50.0)
    application.searches.search_users_by_image(operator, "portraits", PhotoBytes(photo), threshold=50.0)
    application.recognition.compare_faces(operator, PhotoBytes(photo), PhotoBytes(photo))
    tester = application.locals.caller(purpose=Purpose.BIAS_TEST)
    application.testing.pairs(tester, [PhotoBytes(photo), PhotoBytes(portraits["obama.jpg"].read_bytes())], [(0, 1)])
    face = application.enrolment.list_faces(operator, "portraits")[1].items[0]
    with application.database.read() as connection:
        templates = [bytes(row[0]) for row in connection.exec_driver_sql("SELECT template FROM faces")]
    forbidden: list[bytes] = []
    for name in ("obama.jpg", "obama2.jpg"):
        content = portraits[name].read_bytes()
        digest = hashlib.sha256(content)
        # Pieces from the middle of the file: the first bytes are those of any JPEG.
        forbidden += [content[9000:9016], base64.b64encode(content[9000:9018]), digest.digest()]
        forbidden += [digest.hexdigest().encode(), digest.hexdigest()[:32].encode()]
    for template in templates:
        unpadded = template.lstrip(b"\0")
        forbidden += [unpadded[:16], unpadded[:16].hex().encode(), base64.b64encode(unpadded[:18])]
    names = [
        "barack-obama",
        "barack",
        "portraits",
        "Kings County",
        "samantha",
        "obama.jpg",
        face.face_id,
        face.image_id,
    ]
    forbidden += [name.encode() for name in names]
    application.ledger.publish()
    published = [path for path in application.settings.effective_ledger_folder.rglob("*") if path.is_file()]
    assert len(published) >= 3
    for path in published:
        content = path.read_bytes()
        assert [one for one in forbidden if one in content] == [], path
