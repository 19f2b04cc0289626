"""Sessions over small graphs made here, so that what must come out can be computed by hand."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from countenance.errors import Misconfigured
from countenance.settings import InferencePrecision
from countenance.vision.models.cards import Input, ModelCard, ModelFile, Role
from countenance.vision.models.sessions import OpenVINOSession


def graph(layout: str, batch: int | str = "n") -> bytes:
    """y = x and total = the sum over the pixels of each channel, (n, 3)."""
    shape = [batch, 3, 4, 4] if layout == "NCHW" else [batch, 4, 4, 3]
    nodes = [
        helper.make_node("Identity", ["x"], ["y"]),
        helper.make_node("ReduceSum", ["x", "axes"], ["total"], keepdims=0),
    ]
    axes = [2, 3] if layout == "NCHW" else [1, 2]
    return helper.make_model(
        helper.make_graph(
            nodes,
            "graph",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [
                helper.make_tensor_value_info("y", TensorProto.FLOAT, shape),
                helper.make_tensor_value_info("total", TensorProto.FLOAT, [batch, 3]),
            ],
            [helper.make_tensor("axes", TensorProto.INT64, [2], axes)],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    ).SerializeToString()


def card_of(content: bytes, store: Path, *, outputs: dict[str, str] | None = None, **given: object) -> ModelCard:
    (store / "graph.onnx").write_bytes(content)
    return ModelCard(
        name="small",
        role=Role.AGE,
        title="A small graph",
        licence="CC0-1.0",
        provenance="Made by this test.",
        files=(ModelFile(name="graph.onnx", sha256=hashlib.sha256(content).hexdigest()),),
        input=Input.model_validate({"layout": "NCHW", "colour": "RGB", "height": 4, "width": 4, **given}),
        outputs=outputs or {"pixels": "y", "total": "total"},
    )


def opened(card: ModelCard, store: Path, *, workers: int = 1) -> OpenVINOSession:
    return OpenVINOSession(card, store, precision=InferencePrecision.F32, workers=workers)


def pictures(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3)).astype(np.uint8)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("colour", ["RGB", "BGR"])
@pytest.mark.parametrize(("mean", "scale"), [((0, 0, 0), (1, 1, 1)), ((10, 20, 30), (2, 4, 8))])
def test_pixels_reach_the_graph_as_its_card_says(
    layout: str,
    colour: str,
    mean: tuple[float, float, float],
    scale: tuple[float, float, float],
    tmp_path: Path,
) -> None:
    card = card_of(graph(layout), tmp_path, layout=layout, colour=colour, mean=mean, scale=scale, any_batch=True)
    images = pictures(3)
    channels = images if colour == "RGB" else images[..., ::-1]
    expected = (channels.astype(np.float32) - np.array(mean, np.float32)) / np.array(scale, np.float32)

    seen = opened(card, tmp_path).infer(images)["pixels"]

    np.testing.assert_allclose(seen if layout == "NHWC" else seen.transpose(0, 2, 3, 1), expected, rtol=1e-5)


@pytest.mark.parametrize("batch", ["n", 1])
@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 17])
def test_any_number_of_images_is_computed_in_order(batch: int | str, count: int, tmp_path: Path) -> None:
    card = card_of(graph("NCHW", batch), tmp_path, any_batch=batch == "n")
    images = pictures(count)
    total = opened(card, tmp_path).infer(images)["total"]
    np.testing.assert_allclose(total, images.sum(axis=(1, 2), dtype=np.float64), rtol=1e-6)


def test_answers_stay_what_they_were_when_the_session_is_used_again(tmp_path: Path) -> None:
    session = opened(card_of(graph("NCHW"), tmp_path), tmp_path)
    first = session.infer(pictures(1, seed=1))["total"]
    kept = first.copy()
    session.infer(pictures(1, seed=2))
    np.testing.assert_array_equal(first, kept)


def test_more_threads_than_workers_wait_their_turn(tmp_path: Path) -> None:
    session = opened(card_of(graph("NCHW"), tmp_path, any_batch=True), tmp_path, workers=2)
    wrong: list[int] = []

    def work(seed: int) -> None:
        images = pictures(1 + seed % 10, seed)
        for _ in range(50):
            total = session.infer(images)["total"]
            if not np.allclose(total, images.sum(axis=(1, 2), dtype=np.float64)):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_an_image_of_another_size_is_an_error_and_does_not_use_up_a_worker(tmp_path: Path) -> None:
    session = opened(card_of(graph("NCHW"), tmp_path), tmp_path)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            session.infer(np.zeros((1, 5, 4, 3), np.uint8))
    assert session.infer(pictures(1))["total"].shape == (1, 3)


@pytest.mark.parametrize(
    ("content", "given", "complaint"),
    [
        (b"not a graph", {}, "A small graph cannot be loaded"),
        (b"", {}, "A small graph cannot be loaded"),
        (graph("NCHW"), {"outputs": {"total": "sum"}}, "A small graph cannot be loaded as its card says"),
    ],
)
def test_a_graph_that_is_not_what_its_card_says_stops_the_server(
    content: bytes, given: dict[str, object], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(Misconfigured, match=complaint):
        opened(card_of(content, tmp_path, **given), tmp_path)  # type: ignore[arg-type]


def test_a_graph_that_was_exchanged_after_its_card_was_written_stops_the_server(tmp_path: Path) -> None:
    card = card_of(graph("NCHW"), tmp_path)
    (tmp_path / "graph.onnx").write_bytes(graph("NCHW", 1))
    with pytest.raises(Misconfigured, match="is not the file that the card of A small graph pins"):
        opened(card, tmp_path)
