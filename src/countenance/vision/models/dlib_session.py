"""A session on dlib's face recognition network of 2017 (King 2009, "Dlib-ml"). Needs the extra `dlib`."""

from __future__ import annotations

import importlib
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countenance.errors import Misconfigured
from countenance.vision.models.cards import ModelCard

# Where dlib's own detector sees the face in a crop of 224 pixels: the median over 263 aligned portraits. Its left,
# top, right and bottom are what its five-point predictor was trained to start from.
_FACE = (51, 79, 176, 203)


class DlibSession:
    """Takes upright crops of 224 pixels, as `dlib-224` aligns them; gives `embedding` (n, 128).

    Within a crop dlib aligns once more by its own five points, as its network was trained. It computes one face at a
    time and holds Python's interpreter while it does, about 50 ms: with it, a server works on one photo at once.

    Raises Misconfigured when the extra is not installed, or a file is missing or is not the pinned one.
    """

    def __init__(self, card: ModelCard, store: Path) -> None:
        try:
            self._dlib: Any = importlib.import_module("dlib")
        except ImportError as error:
            raise Misconfigured(f"{card.title} needs dlib: install countenance[dlib].") from error
        with tempfile.TemporaryDirectory(prefix="countenance-") as folder:
            # dlib reads from paths only: it gets the bytes that were verified, not the paths again.
            network, predictor = (Path(folder) / file.name for file in card.files)
            for file, path in zip(card.files, (network, predictor), strict=True):
                path.write_bytes(card.read(file, store))
            self._network = self._dlib.face_recognition_model_v1(str(network))
            self._predictor = self._dlib.shape_predictor(str(predictor))
        self._face = self._dlib.rectangle(*_FACE)
        self._computing = threading.Lock()

    def infer(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """See Session.infer."""
        with self._computing:
            vectors = [
                self._network.compute_face_descriptor(image, self._predictor(image, self._face)) for image in images
            ]
        return {"embedding": np.array(vectors, dtype=np.float32)}
