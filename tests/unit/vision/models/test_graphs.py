from __future__ import annotations

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from countenance.vision.models.graphs import fold_dequantization


def graph_with(
    weights: NDArray[np.generic], scale: NDArray[np.float32], zero_point: NDArray[np.generic] | None, **attributes: int
) -> bytes:
    """y = x + dequantised weights, with the weights listed among the inputs, as some exporters do."""
    constants = {"w": weights, "s": scale} | ({} if zero_point is None else {"z": zero_point})
    nodes = [
        helper.make_node("DequantizeLinear", list(constants), ["dequantised"], **attributes),
        helper.make_node("Add", ["x", "dequantised"], ["y"]),
    ]
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, weights.shape)
    stale = helper.make_tensor_value_info("dequantised_weight", TensorProto.FLOAT, weights.shape)
    graph = helper.make_graph(
        nodes,
        "graph",
        [image, stale],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, weights.shape)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)]).SerializeToString()


CASES = {
    "one scale for all": ((4, 6), (), (), {}),
    "one scale for each row": ((4, 6), (4,), (4,), {"axis": 0}),
    "one scale for each column": ((4, 6), (6,), (6,), {"axis": 1}),
    "one scale for each block": ((4, 6), (4, 2), (4, 2), {"axis": 1, "block_size": 3}),
    "blocks along the last of four axes": ((3, 2, 1, 6), (3, 2, 1, 3), (3, 2, 1, 3), {"axis": -1, "block_size": 2}),
    "no zero point": ((4, 6), (4,), None, {"axis": 0}),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", [np.int8, np.uint8])
def test_folded_weights_are_those_that_onnx_defines(case: str, kind: type[np.generic]) -> None:
    shape, scale_shape, zero_shape, attributes = CASES[case]
    generator = np.random.default_rng(3)
    weights = generator.integers(0, 120, shape).astype(kind)
    scale = generator.uniform(0.01, 2, scale_shape).astype(np.float32)
    zero = None if zero_shape is None else generator.integers(0, 100, zero_shape).astype(kind)
    content = graph_with(weights, scale, zero, **attributes)
    image = generator.normal(size=shape).astype(np.float32)

    folded = onnx.load_model_from_string(fold_dequantization(content))

    onnx.checker.check_model(folded)
    assert [node.op_type for node in folded.graph.node] == ["Add"]
    assert [value.name for value in folded.graph.input] == ["x"]
    assert {tensor.data_type for tensor in folded.graph.initializer} == {TensorProto.FLOAT}
    (ours,) = ReferenceEvaluator(folded).run(None, {"x": image})
    (defined,) = ReferenceEvaluator(onnx.load_model_from_string(content)).run(
        None, {"x": image, "dequantised_weight": image}
    )
    np.testing.assert_allclose(ours, defined, rtol=1e-6)


def test_blocks_need_not_divide_the_axis() -> None:
    weights = np.arange(10, dtype=np.int8).reshape(2, 5)
    scale = np.array([[1, 10], [100, 1000]], dtype=np.float32)
    folded = onnx.load_model_from_string(
        fold_dequantization(graph_with(weights, scale, np.zeros((2, 2), np.int8), axis=1, block_size=3))
    )
    (result,) = ReferenceEvaluator(folded).run(None, {"x": np.zeros((2, 5), np.float32)})
    assert result.tolist() == [[0, 1, 2, 30, 40], [500, 600, 700, 8000, 9000]]


def test_what_is_quantised_while_the_graph_runs_stays() -> None:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (3,))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (3,))],
        [numpy_helper.from_array(np.float32(0.5), "s"), numpy_helper.from_array(np.int8(0), "z")],
    )
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)]).SerializeToString()
    folded = onnx.load_model_from_string(fold_dequantization(content))
    (result,) = ReferenceEvaluator(folded).run(None, {"x": np.array([0.4, 1.0, -2.6], np.float32)})
    assert result.tolist() == [0.5, 1.0, -2.5]
