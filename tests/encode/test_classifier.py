"""Encoders that name classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from pictures import picture
from veduta.encode import shared
from veduta.encode.classifier import Ensemble, classifier
from veduta.encode.vocabulary import imagenet_names
from veduta.errors import EncoderError


def network(folder: Path, *, softmax: bool, names: str = "red\ngreen\nblue\n") -> str:
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


@pytest.mark.parametrize("softmax", [False, True])
def test_a_network_in_a_file_answers_with_or_without_its_own_softmax(tmp_path: Path, softmax: bool) -> None:
    ensemble = Ensemble((network(tmp_path, softmax=softmax),))
    assert ensemble.classes == ("red", "green", "blue")
    images = np.random.default_rng(0).integers(0, 256, (11, 8, 8, 3), dtype=np.uint8)
    means = images.reshape(11, -1, 3).mean(1) / 255
    wanted = np.exp(means) / np.exp(means).sum(1, keepdims=True)
    assert np.allclose(ensemble(list(images)), wanted, atol=1e-5)


@pytest.mark.parametrize("names", ["red\ngreen\n", "red\nred\nblue\n"])
def test_a_class_list_that_does_not_fit_is_refused(tmp_path: Path, names: str) -> None:
    with pytest.raises(EncoderError, match="must name 3 different classes"):
        classifier(network(tmp_path, softmax=False, names=names))


def test_a_class_list_that_is_not_there_is_refused(tmp_path: Path) -> None:
    uri = network(tmp_path, softmax=False)
    with pytest.raises(EncoderError, match="cannot be read"):
        classifier(uri.replace("names.txt", "other.txt"))
    with pytest.raises(EncoderError, match="has no classifier with named classes"):
        classifier(uri.partition("&")[0])
    with pytest.raises(EncoderError, match="names no run"):
        classifier(str(tmp_path))


def test_the_offline_encoder_and_timm_know_imagenet() -> None:
    offline = classifier("offline")
    assert tuple(offline.classes) == imagenet_names()
    image = np.asarray(picture(0, (224, 224)))
    assert np.array_equal(offline.logits(offline.prepare(image)[None]), shared("offline").forward(image[None])[1])
    timm = classifier("timm:mobilenetv3_small_050?pretrained=0")
    assert tuple(timm.classes) == imagenet_names()
    squares = np.stack([timm.prepare(image), timm.prepare(image[:, ::-1])])
    logits = timm.logits(squares)
    assert logits.shape == (2, 1000)
    assert np.allclose(logits[:1], timm.logits(squares[:1]), atol=1e-4)
