"""ONNX graphs made fit for the runtime, in memory: the file that was verified stays the file on disk."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper


def fold_dequantization(content: bytes) -> bytes:
    """Replace constant weights stored as integers by the float32 values they stand for.

    Files of the OpenCV model zoo keep weights block-quantised (ONNX DequantizeLinear, opset 21) to be small; not
    every runtime reads each of their forms. The arithmetic is ONNX's definition, `(x - zero_point) * scale` with one
    scale per block along `axis`. Graph inputs that only repeat weights are dropped, so that what is left are images.
    """
    model = onnx.load_model_from_string(content)
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    kept, folded, spent = [], [], set()
    for node in graph.node:
        if node.op_type != "DequantizeLinear" or not all(name in constants for name in node.input):
            kept.append(node)
            continue
        folded.append(numpy_helper.from_array(_dequantize(node, constants), node.output[0]))
        spent.update(node.input)

    read = {name for node in kept for name in node.input}
    weights = [tensor for tensor in graph.initializer if tensor.name in read or tensor.name not in spent] + folded
    named = {tensor.name for tensor in weights}
    images = [value for value in graph.input if value.name in read and value.name not in named]
    for field, items in ((graph.node, kept), (graph.initializer, weights), (graph.input, images)):
        del field[:]
        field.extend(items)
    return bytes(model.SerializeToString())


def _dequantize(node: Any, constants: dict[str, Any]) -> NDArray[np.float32]:
    attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    axis, block = attributes.get("axis", 1), attributes.get("block_size", 0)
    values, scale, *rest = (numpy_helper.to_array(constants[name]) for name in node.input)
    zero_point = rest[0] if rest else np.zeros_like(scale, dtype=values.dtype)

    def along_axis(parameter: NDArray[Any]) -> NDArray[np.float32]:
        if block:  # one value per block; the last block may be cut short
            parameter = np.repeat(parameter, block, axis).take(np.arange(values.shape[axis]), axis)
        elif parameter.size > 1:  # one value per index of the axis
            parameter = parameter.reshape([-1 if i == axis % values.ndim else 1 for i in range(values.ndim)])
        return parameter.astype(np.float32)

    return (values.astype(np.float32) - along_axis(zero_point)) * along_axis(scale)
