"""Description: what DetectFaces says of each face."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from countenance.settings import InferredAttribute
from countenance.vision import eyes, eyewear, gaze, landmarks, mouth, pose, quality
from countenance.vision.age import AgeEstimator
from countenance.vision.details import Attribute, FaceDetail
from countenance.vision.detection import Detection
from countenance.vision.emotions import EmotionClassifier
from countenance.vision.gender import GenderEstimator
from countenance.vision.images import Photo
from countenance.vision.mesh import FaceMesh, Mesh
from countenance.vision.models.cards import Catalogue, ModelCard, Role
from countenance.vision.models.sessions import Session

_NO_WEIGHTS = "no model with a licence that permits its use was found, and geometry does not tell"
_NO_OCCLUSION = (
    f"{_NO_WEIGHTS}; a head of our own, fitted on masks, hands, scarves and patches laid over faces, told really "
    "covered faces from free ones with an area under the ROC of 0.87 only"
)

# Members of FaceDetail that are not filled, and why.
UNAVAILABLE: dict[str, str] = {
    "Beard": _NO_WEIGHTS,
    "Emotions": (
        "no model with a licence that permits its use comes with Countenance; an operator who has one brings its card, "
        "of role `emotion`, and lists `emotions` in the setting `inferred_attributes`"
    ),
    "FaceOccluded": _NO_OCCLUSION,
    "Mustache": _NO_WEIGHTS,
}


class FaceDescriber:
    """Describes faces that were detected. Thread-safe as far as its sessions are.

    `open_session` makes a model of the catalogue ready; what is inferred about people rather than measured on the
    photo is loaded only when it is in `inferred`.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        open_session: Callable[[ModelCard], Session],
        inferred: frozenset[InferredAttribute],
    ) -> None:
        def ready(role: Role) -> Session:
            return open_session(catalogue.default(role))

        self._mesh = FaceMesh(ready(Role.LANDMARKS))
        self._eyes = eyes.EyeReader(ready(Role.IRIS))
        self._age = AgeEstimator(ready(Role.AGE))
        self._gender = GenderEstimator(ready(Role.GENDER)) if InferredAttribute.GENDER in inferred else None
        card = catalogue.first(Role.EMOTION) if InferredAttribute.EMOTIONS in inferred else None
        self._emotions = EmotionClassifier(card, open_session(card)) if card else None

    def describe(
        self, photo: Photo, detections: Sequence[Detection], attributes: frozenset[Attribute]
    ) -> list[FaceDetail]:
        """One detail for each of `detections`, in their order.

        Box, confidence, five landmarks, pose and quality are always there; ALL adds everything else, and all thirty
        landmarks. Of a face on which no mesh was found, most often one seen from the side, nothing else is said.
        """
        meshes = self._mesh.fit(photo, detections)
        return [
            self._detail(photo, detection, mesh, attributes) for detection, mesh in zip(detections, meshes, strict=True)
        ]

    def _detail(self, photo: Photo, detection: Detection, mesh: Mesh, attributes: frozenset[Attribute]) -> FaceDetail:
        everything = Attribute.ALL in attributes and mesh.found

        def asked(attribute: Attribute) -> bool:
            return everything or (attribute in attributes and mesh.found)

        turned = pose.measure(mesh, detection.keypoints)
        seen = None
        if asked(Attribute.EYES_OPEN) or asked(Attribute.EYE_DIRECTION):
            seen = self._eyes.read(photo, mesh)
        box = detection.bounding_box
        side = min(box.width * photo.width, box.height * photo.height)
        worn = None
        if asked(Attribute.EYEGLASSES) or asked(Attribute.SUNGLASSES):
            worn = eyewear.look(photo, mesh, turned, side)
        return FaceDetail(
            bounding_box=box,
            confidence=detection.confidence,
            landmarks=landmarks.thirty(mesh, seen, photo)
            if everything and seen
            else landmarks.five(mesh, detection, photo),
            pose=turned,
            quality=quality.measure(mesh),
            side=side,
            age_range=self._age.estimate(photo, mesh) if asked(Attribute.AGE_RANGE) else None,
            smile=mouth.smiles(mesh) if asked(Attribute.SMILE) else None,
            eyeglasses=worn.glasses if worn and asked(Attribute.EYEGLASSES) else None,
            sunglasses=worn.sunglasses if worn and asked(Attribute.SUNGLASSES) else None,
            gender=self._gender.estimate(photo, mesh) if self._gender and asked(Attribute.GENDER) else None,
            eyes_open=eyes.are_open(seen) if seen and asked(Attribute.EYES_OPEN) else None,
            mouth_open=mouth.is_open(mesh) if asked(Attribute.MOUTH_OPEN) else None,
            emotions=(
                self._emotions.classify(photo, detection, mesh)
                if self._emotions and asked(Attribute.EMOTIONS)
                else None
            ),
            eye_direction=gaze.direction(seen, turned) if seen and asked(Attribute.EYE_DIRECTION) else None,
        )
