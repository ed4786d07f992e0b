from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tokenizers import Tokenizer, models, pre_tokenizers

from veduta import encode
from veduta.errors import EncoderError


def _network(file: Path, kind: int = TensorProto.FLOAT, shape: tuple[str | int, ...] = ("n", 3, 8, 8)) -> Path:
    """Two outputs: `image` is the input as float, `maps` its square."""
    nodes = [
        helper.make_node("Cast", ["image"], ["seen"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["seen", "seen"], ["maps"]),
    ]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)) for name in ("seen", "maps")]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("image", kind, list(shape))], outputs)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    return file


def _text(folder: Path, words: int = 3) -> None:
    """A text network that looks token ids up, sums them and pads nothing: (t, l) -> (t, 3)."""
    table = helper.make_tensor("table", TensorProto.FLOAT, [4, words], np.eye(4, words).ravel())
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["each"]),
        helper.make_node("ReduceSum", ["each", "axes"], ["vector"], keepdims=0),
    ]
    inputs = [helper.make_tensor_value_info("ids", TensorProto.INT64, ["t", "l"])]
    outputs = [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["t", words])]
    graph = helper.make_graph(nodes, "g", inputs, outputs, [table, axes])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "text.onnx")
    tokenizer = Tokenizer(models.WordLevel({"red": 0, "green": 1, "blue": 2, "[PAD]": 3}, "[PAD]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.enable_padding(pad_id=3, pad_token="[PAD]")
    tokenizer.save(str(folder / "tokenizer.json"))


def _images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), dtype=np.uint8)


def test_preprocessing_from_the_uri(tmp_path: Path) -> None:
    file = _network(tmp_path / "a.onnx")
    encoder = encode.load(f"onnx:{file}?side=8&resize=9&mean=0.5&std=0.25,0.5,1&licence=MIT")
    assert isinstance(encoder, encode.Encoder)
    assert (encoder.dim, encoder.side, encoder.resize, encoder.licence, encoder.text_dim) == (3, 8, 9, "MIT", None)
    images = _images()
    expected = ((images / 255 - 0.5) / np.array([0.25, 0.5, 1])).mean((1, 2))
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.allclose(encoder.image(images), expected, atol=1e-4)
    assert encoder.both(images)[1] is None
    assert encoder.image(images[:0]).shape == (0, 3)
    with pytest.raises(EncoderError, match="text"):
        encoder.text(["x"])


def test_uint8_nhwc_and_a_chosen_output(tmp_path: Path) -> None:
    file = _network(tmp_path / "a.onnx", TensorProto.UINT8, ("n", 8, 8, 3))
    encoder = encode.load(f"onnx:{file}?side=8&layout=nhwc&output=maps")
    images = _images()
    expected = (images.astype(float) ** 2).mean((2, 3))
    assert np.allclose(encoder.image(images), expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-5)
    other = encode.load(f"onnx:{file}?side=8&layout=nhwc")
    assert other.fingerprint != encoder.fingerprint


def test_a_network_for_one_image_at_a_time(tmp_path: Path) -> None:
    free = encode.load(f"onnx:{_network(tmp_path / 'a.onnx')}?side=8")
    single = encode.load(f"onnx:{_network(tmp_path / 'b.onnx', shape=(1, 3, 8, 8))}?side=8")
    assert np.array_equal(free.image(_images()), single.image(_images()))


def test_sidecar_with_text(tmp_path: Path) -> None:
    file = _network(tmp_path / "a.onnx")
    _text(tmp_path)
    (tmp_path / "a.onnx.json").write_text(json.dumps({"side": 8, "std": [1, 1, 1], "text": "text.onnx", "length": 4}))
    encoder = encode.load(f"onnx:{file}")
    assert encoder.shared
    assert (encoder.text_dim, encoder.text_fingerprint) == (3, encoder.fingerprint)
    assert np.allclose(encoder.text(["red", "green blue", "blue"]), [[1, 0, 0], [0, 0.5**0.5, 0.5**0.5], [0, 0, 1]])
    red = np.zeros((1, 8, 8, 3), np.uint8)
    red[..., 0] = 255
    assert np.allclose(encoder.image(red) @ encoder.text(["red", "blue"]).T, [[1, 0]])
    assert encoder.text([]).shape == (0, 3)


def test_text_in_another_space_is_refused(tmp_path: Path) -> None:
    file = _network(tmp_path / "a.onnx")
    _text(tmp_path, words=2)
    with pytest.raises(EncoderError, match="one space"):
        encode.load(f"onnx:{file}?side=8&text=text.onnx&length=4")


@pytest.mark.parametrize(
    "query",
    [
        "side=0",
        "side=x",
        "mean=1,2",
        "std=a",
        "layout=hwc",
        "output=none",
        "sise=8",
        "interpolation=nearest",
        "text=t.onnx",
    ],
)
def test_wrong_options_are_named(tmp_path: Path, query: str) -> None:
    file = _network(tmp_path / "a.onnx")
    with pytest.raises(EncoderError) as caught:
        encode.load(f"onnx:{file}?{query}" if "side" in query else f"onnx:{file}?side=8&{query}")
    assert query.split("=")[0] in str(caught.value)


def test_files_that_are_no_network(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="does not exist"):
        encode.load(f"onnx:{tmp_path}/none.onnx")
    (tmp_path / "a.onnx").write_bytes(b"no network")
    with pytest.raises(EncoderError, match="cannot be opened"):
        encode.load(f"onnx:{tmp_path}/a.onnx?side=8")
    (tmp_path / "a.onnx.json").write_text("{")
    with pytest.raises(EncoderError, match="not JSON"):
        encode.load(f"onnx:{tmp_path}/a.onnx")
