from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from planted import network
from veduta.annotate.detect import load
from veduta.annotate.detect.base import FLOOR, MOST, suppressed
from veduta.annotate.detect.fastestdet import FastestDet
from veduta.annotate.detect.torchvision import TorchVision
from veduta.errors import BadInput, EncoderError
from veduta.samples.place import data

RNG = np.random.default_rng


def overlap(a, b) -> float:
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(w, 0) * max(h, 0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def best_only(boxes, height, width, least, floor=FLOOR):
    """Non-maximum suppression as it is written: clip, sort, keep what no better kept box covers."""
    clipped = []
    for x1, y1, x2, y2, score in boxes:
        box = (min(max(x1, 0), width), min(max(y1, 0), height), min(max(x2, 0), width), min(max(y2, 0), height), score)
        if score >= floor and box[2] > box[0] and box[3] > box[1]:
            clipped.append(box)
    kept = []
    for box in sorted(clipped, key=lambda b: -b[4])[:MOST]:
        if all(overlap(box, other) <= least for other in kept):
            kept.append(box)
    return np.array(kept, np.float32).reshape(-1, 5)


def test_suppression_is_that_of_a_loop():
    rng = RNG(0)
    for count in (0, 1, 40, 500):
        corner = rng.uniform(-10, 100, (count, 2))
        boxes = np.concatenate([corner, corner + rng.uniform(-2, 60, (count, 2)), rng.random((count, 1))], 1)
        boxes = boxes.astype(np.float32)
        np.testing.assert_allclose(suppressed(boxes, (90, 120), 0.4), best_only(boxes, 90, 120, 0.4), atol=1e-4)
    with pytest.raises(ValueError, match="not finite"):
        suppressed(np.array([[0, 0, 1, np.nan, 0.5]], np.float32), (9, 9), 0.4)


def test_nanodet_reads_distances_from_distributions(tmp_path: Path):
    rng, side = RNG(1), 64
    classes = [rng.random((1, (side // s) ** 2, 80)).astype(np.float32) ** 6 for s in (8, 16, 32)]
    sides = [rng.normal(0, 2, (1, (side // s) ** 2, 32)).astype(np.float32) for s in (8, 16, 32)]
    planted = {f"c{i}": part for i, part in enumerate(classes)} | {f"d{i}": part for i, part in enumerate(sides)}
    detector = load(f"nanodet:{network(tmp_path / 'n.onnx', (1, 3, side, side), planted)}", "person")
    image = np.zeros((96, 128, 3), np.uint8)  # half the size in the network's square
    (found,) = detector.find([image])
    boxes = []
    for stride, scores, parts in zip((8, 16, 32), classes, sides, strict=True):
        for cell in range(scores.shape[1]):
            x, y = (cell % (side // stride) + 0.5) * stride, (cell // (side // stride) + 0.5) * stride
            far = []
            for k in range(4):
                powers = np.exp(parts[0, cell, 8 * k : 8 * k + 8].astype(np.float64))
                far.append(stride * (powers / powers.sum() * np.arange(8)).sum())
            boxes.append([2 * (x - far[0]), 2 * (y - far[1]), 2 * (x + far[2]), 2 * (y + far[3]), scores[0, cell, 0]])
    np.testing.assert_allclose(found, best_only(boxes, 96, 128, 0.6), rtol=1e-4, atol=1e-3)
    assert detector.name.startswith("nanodet:")
    assert len(detector.find([image, image[:50]])) == 2


def test_fastestdet_reads_a_grid(tmp_path: Path):
    rng, cells = RNG(2), 4
    out = rng.random((1, 85, cells, cells)).astype(np.float32)
    out[0, 1:5] = rng.normal(0, 1, (4, cells, cells))
    out[0, 6:] *= 0.5
    out[0, 5, :2], out[0, 5, 2:] = 0.9, 0.0  # the likeliest class in the upper half alone
    detector = load(f"fastestdet:{network(tmp_path / 'f.onnx', (1, 3, 64, 64), {'o': out})}", "person")
    (found,) = detector.find([np.zeros((50, 200, 3), np.uint8)])
    boxes = []
    for y in range(2):
        for x in range(cells):
            one = out[0, :, y, x].astype(np.float64)
            cx, cy = (np.tanh(one[1]) + x) / cells * 200, (np.tanh(one[2]) + y) / cells * 50
            w, h = 200 / (1 + np.exp(-one[3])), 50 / (1 + np.exp(-one[4]))
            boxes.append([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, one[0] ** 0.6 * one[5] ** 0.4])
    np.testing.assert_allclose(found, best_only(boxes, 50, 200, 0.45), rtol=1e-4, atol=1e-3)


def test_ultralight_reads_shares(tmp_path: Path):
    rng = RNG(3)
    corners = rng.random((1, 30, 2)) * 0.6
    boxes = np.concatenate([corners, corners + rng.random((1, 30, 2)) * 0.4], 2).astype(np.float32)
    scores = rng.random((1, 30, 2)).astype(np.float32)
    detector = load(f"ultralight:{network(tmp_path / 'u.onnx', (1, 3, 24, 32), {'s': scores, 'b': boxes})}", "face")
    (found,) = detector.find([np.zeros((60, 90, 3), np.uint8)])
    wanted = [[*(box * [90, 60, 90, 60]), score] for box, score in zip(boxes[0], scores[0, :, 1], strict=True)]
    np.testing.assert_allclose(found, best_only(wanted, 60, 90, 0.3), rtol=1e-4, atol=1e-3)


def test_yunet_reads_cells(tmp_path: Path):
    rng, planted = RNG(4), {}
    for stride in (8, 16, 32):
        n = (64 // stride) ** 2
        planted[f"cls_{stride}"], planted[f"obj_{stride}"] = rng.random((1, n, 1)), rng.random((1, n, 1))
        planted[f"bbox_{stride}"], planted[f"kps_{stride}"] = rng.normal(0, 0.5, (1, n, 4)), np.zeros((1, n, 10))
    file = network(tmp_path / "y.onnx", (1, 3, "height", "width"), planted)
    (found,) = load(f"yunet:{file}", "face").find([np.zeros((50, 64, 3), np.uint8)])
    boxes = []
    for stride in (8, 16, 32):
        for cell in range((64 // stride) ** 2):
            x, y = cell % (64 // stride), cell // (64 // stride)
            b = planted[f"bbox_{stride}"][0, cell]
            cx, cy, w, h = (x + b[0]) * stride, (y + b[1]) * stride, np.exp(b[2]) * stride, np.exp(b[3]) * stride
            score = np.sqrt(planted[f"cls_{stride}"][0, cell, 0] * planted[f"obj_{stride}"][0, cell, 0])
            boxes.append([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, score])
    np.testing.assert_allclose(found, best_only(boxes, 50, 64, 0.3), rtol=1e-4, atol=1e-3)


@pytest.mark.skipif(
    data() is None or not (data() / "weights" / "face_yunet_n_dynamic.onnx").is_file(),
    reason="the weights are not here",
)
def test_yunet_finds_what_opencv_finds():
    import cv2

    from veduta.engine.decode import decode

    file = data() / "weights" / "face_yunet_n_dynamic.onnx"
    photos = sorted((data() / "coco-mini" / "images").glob("*.jpg"))[:12]
    detector, checked = load(f"yunet:{file}", "face"), 0
    for photo in photos:
        pixels = decode(photo.read_bytes()).pixels
        theirs = cv2.FaceDetectorYN.create(str(file), "", (pixels.shape[1], pixels.shape[0]), 0.5, 0.3)
        told = theirs.detect(np.ascontiguousarray(pixels[..., ::-1]))[1]
        own = [box for box in detector.find([pixels])[0] if box[4] >= 0.5]
        assert len(own) == (0 if told is None else len(told))
        for box, other in zip(own, [] if told is None else sorted(told, key=lambda t: -t[-1]), strict=True):
            x, y, w, h = other[:4]
            clipped = [max(x, 0), max(y, 0), min(x + w, pixels.shape[1]), min(y + h, pixels.shape[0])]
            np.testing.assert_allclose(box, [*clipped, other[-1]], atol=2e-2)
            checked += 1
    assert checked


def test_torchvision_tells_persons_alone():
    import torch

    class Net(torch.nn.Module):
        def forward(self, images):
            assert all(image.dtype == torch.float32 and 0 <= image.min() <= image.max() <= 1 for image in images)
            boxes = torch.tensor([[1.0, 2, 11, 12], [0, 0, 5, 5], [30, 30, 60, 60]])
            return [
                {"boxes": boxes, "labels": torch.tensor([1, 2, 1]), "scores": torch.tensor([0.4, 0.99, 0.9])}
            ] * len(images)

    detector = TorchVision("net", Net(), ["__background__", "person", "dog"])
    found = detector.find([np.full((50, 50, 3), 255, np.uint8)])
    np.testing.assert_allclose(found[0], [[30, 30, 50, 50, 0.9], [1, 2, 11, 12, 0.4]])
    with pytest.raises(BadInput, match="torchvision has no detector 'resnet50'"):
        load("torchvision:resnet50", "person")


@pytest.mark.parametrize(
    ("uri", "finds", "words"),
    [
        ("nanodett:x.onnx", "person", "did you mean 'nanodet:x.onnx'"),
        ("yunet:x.onnx", "person", "a detector of persons must be one of"),
        ("nanodet", "person", "did you mean 'nanodet:FILE'"),
        ("nanodet:/nowhere/x.onnx", "person", "names a file that is not there; give the path"),
        ("yunet:not-there.onnx", "face", "VEDUTA_DATA/weights"),
    ],
)
def test_names_that_lead_nowhere(uri: str, finds: str, words: str):
    with pytest.raises(BadInput, match=words):
        load(uri, finds)


def test_foreign_networks_are_refused_before_the_first_image(tmp_path: Path):
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(BadInput, match="cannot be opened"):
        load(f"nanodet:{tmp_path / 'text.onnx'}", "person")
    one = network(tmp_path / "one.onnx", (1, 3, 64, 64), {"o": np.zeros((1, 5), np.float32)})
    with pytest.raises(BadInput, match="is another network: it must have one input"):
        load(f"nanodet:{one}", "person")
    with pytest.raises(BadInput, match="fails on a blank image"):
        load(f"fastestdet:{one}", "person")


def test_a_file_of_the_samples_needs_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "weights").mkdir()
    out = np.zeros((1, 85, 2, 2), np.float32)
    network(tmp_path / "weights" / "mine.onnx", (1, 3, 32, 32), {"o": out})
    monkeypatch.setenv("VEDUTA_DATA", str(tmp_path))
    assert load("fastestdet:mine.onnx", "person").find([np.zeros((9, 9, 3), np.uint8)])[0].shape == (0, 5)


def test_weights_that_are_inputs_become_constants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Old exporters list the weights among the inputs; what comes out must not change, cache or no cache."""

    def unwritable(*_):
        raise EncoderError("the cache cannot be written")

    from onnx import TensorProto, helper, numpy_helper, save

    weight = numpy_helper.from_array(np.full((1, 85, 2, 2), 0.5, np.float32), "w")
    info = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 32, 32])]
    info += [helper.make_tensor_value_info("w", TensorProto.FLOAT, [1, 85, 2, 2])]
    out = helper.make_tensor_value_info("o", TensorProto.FLOAT, [1, 85, 2, 2])
    graph = helper.make_graph([helper.make_node("Identity", ["w"], ["o"])], "g", info, [out], [weight])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(tmp_path / "w.onnx"))
    found = []
    monkeypatch.setenv("VEDUTA_CACHE", str(tmp_path / "cache"))
    for _ in range(2):
        found.append(FastestDet(str(tmp_path / "w.onnx")).find([np.zeros((32, 32, 3), np.uint8)])[0])
        monkeypatch.setattr("veduta.encode.cache.made", unwritable)
    assert len(found[0])
    np.testing.assert_array_equal(found[0], found[1])
    assert list((tmp_path / "cache").rglob("*-fixed.onnx"))
