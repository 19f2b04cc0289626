"""Sessions: a model file made ready to compute.

Every session takes 8-bit RGB pixels and gives float32 arrays under the names of the model's card; colour order,
normalisation and memory layout are the card's business and run inside the graph.
"""

from __future__ import annotations

import queue
import tempfile
import threading
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import openvino
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray
from openvino.preprocess import ColorFormat, PrePostProcessor

from countenance.errors import Misconfigured
from countenance.settings import InferencePrecision
from countenance.vision.models.cards import Input, ModelCard, Runtime
from countenance.vision.models.dlib_session import DlibSession
from countenance.vision.models.graphs import fold_dequantization

# Images computed in one call of a graph that takes several. More bring nothing on processors, and each batch size
# that occurs costs compiled kernels: only full batches and single images are ever run.
BATCH = 8

# OpenVINO makes its table of element types when it is first asked for one, and two threads that ask at the same moment
# wait for each other for ever: one holds the GIL, the other the table. Asked here, it is made before there are threads.
openvino.Type.u8.to_dtype()


class Session(Protocol):
    """A model ready to compute, by any number of threads at once."""

    def infer(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Outputs of the model, by the names of its card.

        `images` is (n, height, width, 3) RGB, n >= 1; each output is (n, ...).
        """


def open_session(card: ModelCard, store: Path, *, precision: InferencePrecision, workers: int) -> Session:
    """A session on whatever computes the card's files; `precision` and `workers` as of OpenVINOSession.

    Raises Misconfigured when the model cannot be had as its card says.
    """
    if card.runtime is Runtime.DLIB:
        return DlibSession(card, store)
    return OpenVINOSession(card, store, precision=precision, workers=workers)


def in_effect(precision: InferencePrecision) -> InferencePrecision:
    """The arithmetic that AUTO stands for on this processor. Raises Misconfigured for one that it does not have."""
    return InferencePrecision(_element_type(_runtime(), precision))


class OpenVINOSession:
    """A session on the processor, computed by OpenVINO for up to `workers` threads at once, each on its own core.

    OpenVINO computes in the thread that asks only where a compiled graph has one stream; several streams have threads
    of their own, and handing work over to them costs a fifth of the time and up to half under load. So there is a
    compiled copy of the graph per thread, made when all others are busy: 20 MB (bfloat16) or 40 MB (float32) of memory
    for the largest of the models that come with Countenance.

    Raises Misconfigured when the file is missing, is not the pinned one, or has not the inputs and outputs its card
    says, and when `precision` is bfloat16 on a processor without it.
    """

    def __init__(self, card: ModelCard, store: Path, *, precision: InferencePrecision, workers: int) -> None:
        assert card.input is not None
        self._batch = BATCH if card.input.any_batch else 1
        self._names = card.outputs
        self._core = _runtime()
        self._properties = {
            "INFERENCE_PRECISION_HINT": _element_type(self._core, precision),
            "INFERENCE_NUM_THREADS": 1,
            "NUM_STREAMS": 1,
            # The operating system places threads better than several processes that each pin to core 0.
            "ENABLE_CPU_PINNING": False,
        }
        # The copy used last is used next: its weights are still in the processor's caches.
        self._idle: queue.LifoQueue[_Copy] = queue.LifoQueue()
        self._making = threading.Lock()
        self._unmade = workers
        try:
            self._graph = _graph(self._core, card, card.input, store)
            self._idle.put(self._make())
        except (RuntimeError, DecodeError) as error:
            raise Misconfigured(f"{card.title} cannot be loaded as its card says: {_reason(error)}.") from error

    def infer(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """See Session.infer. Waits when `workers` threads compute already; releases the GIL while it computes."""
        copy = self._take()
        try:
            parts = []
            start = 0
            while start < len(images):
                size = self._batch if len(images) - start >= self._batch else 1
                parts.append(copy.compute(images[start : start + size]))
                start += size
        finally:
            self._idle.put(copy)
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in self._names}

    def _take(self) -> _Copy:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            pass
        with self._making:
            if self._unmade > 0:
                return self._make()
        return self._idle.get()

    def _make(self) -> _Copy:
        copy = _Copy(self._core.compile_model(self._graph, "CPU", self._properties), self._names)
        self._unmade -= 1
        return copy


class _Copy:
    """A compiled graph, for one thread at a time."""

    def __init__(self, compiled: Any, names: dict[str, str]) -> None:
        self._outputs = {ours: compiled.output(theirs) for ours, theirs in names.items()}
        self._request = compiled.create_infer_request()

    def compute(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Outputs of one call of the graph."""
        result = self._request.infer([images], share_inputs=True, share_outputs=True)
        # The request's memory is written again by its next user: what leaves is a copy.
        return {name: np.array(result[output]) for name, output in self._outputs.items()}


@cache
def _runtime() -> openvino.Core:
    # One for the whole process and never destroyed: each has a stack for signal handlers of its own, and when an older
    # one goes before a newer one, the next signal kills the process.
    return openvino.Core()


def _element_type(core: openvino.Core, precision: InferencePrecision) -> str:
    has_bfloat16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision is InferencePrecision.AUTO:
        return "bf16" if has_bfloat16 else "f32"
    if precision is InferencePrecision.BF16 and not has_bfloat16:
        raise Misconfigured("This processor computes no bfloat16: set inference_precision to auto or f32.")
    return precision.value


def _graph(core: openvino.Core, card: ModelCard, expected: Input, store: Path) -> openvino.Model:
    """The card's graph, taking (n, height, width, 3) uint8 RGB."""
    file = card.files[0]
    content = card.read(file, store)
    if file.name.endswith(".onnx"):
        model = core.read_model(fold_dequantization(content))
    else:
        # OpenVINO reads this format from paths only. It gets the bytes that were verified, not the path again.
        with tempfile.TemporaryDirectory(prefix="countenance-") as folder:
            copy = Path(folder) / file.name
            copy.write_bytes(content)
            model = core.read_model(copy)

    if len(model.inputs) != 1:
        raise Misconfigured(f"{card.title} takes {len(model.inputs)} inputs; face models take one image.")
    batch = -1 if expected.any_batch else 1
    height, width = expected.height or -1, expected.width or -1
    model.reshape([batch, 3, height, width] if expected.layout == "NCHW" else [batch, height, width, 3])

    pipeline = PrePostProcessor(model)
    image = pipeline.input()
    image.tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    image.tensor().set_color_format(ColorFormat.RGB)
    image.model().set_layout(openvino.Layout(expected.layout))
    # The layout changes first: normalised pixels whose layout changes afterwards make the first convolution of some
    # graphs, the age model's among them, seven times as slow.
    steps = image.preprocess().convert_element_type(openvino.Type.f32).convert_layout(openvino.Layout(expected.layout))
    if expected.colour == "BGR":
        steps.convert_color(ColorFormat.BGR)
    if any(expected.mean):
        steps.mean(list(expected.mean))
    if any(value != 1.0 for value in expected.scale):
        steps.scale(list(expected.scale))
    return pipeline.build()


def _reason(error: Exception) -> str:
    """The last line of OpenVINO's account, which is the one that says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else "no reason given"
