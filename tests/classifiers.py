"""Small classifiers as ONNX files."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper


def colours(folder: Path, *, softmax: bool = False, names: str = "red\ngreen\nblue\n") -> str:
    """The mean of each channel of 8 x 8 pixels, perhaps through a softmax."""
    nodes = [helper.make_node("ReduceMean", ["image"], ["mean"], axes=[2, 3], keepdims=0)]
    nodes.append(helper.make_node("Softmax" if softmax else "Identity", ["mean"], ["out"]))
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 8, 8])]
    outputs = [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", 3])]
    graph = helper.make_graph(nodes, "g", inputs, outputs)
    file = folder / f"{'softmax' if softmax else 'logits'}.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    (folder / "names.txt").write_text(names)
    return f"onnx:{file}?side=8&classes=names.txt"
