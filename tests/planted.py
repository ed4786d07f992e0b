"""ONNX files that give planted numbers whatever they are shown, so that what is made of the numbers can be checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper


def network(file: Path, size: tuple[object, ...], outputs: dict[str, NDArray[np.float32]]) -> str:
    """Write a network with one input of `size` and constant outputs of these names; its path."""
    nodes = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value.astype(np.float32), name + "_"))
        for name, value in outputs.items()
    ]
    given = helper.make_tensor_value_info("input", TensorProto.FLOAT, list(size))
    told = [helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape) for name, value in outputs.items()]
    graph = helper.make_graph(nodes, "planted", [given], told)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(file))
    return str(file)
