"""Maps whose mean is what the classifier says, for each kind of classifier, and the heads that are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from learn.shapes import pool_of
from pictures import picture
from veduta.encode import dense_network
from veduta.encode import load as load_encoder
from veduta.encode.dense import Dense
from veduta.encode.offline import Offline
from veduta.encode.vocabulary import imagenet_names
from veduta.errors import EncoderError
from veduta.learn.classify import Classify
from veduta.learn.probe import Probe
from veduta.pool import Pool


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    return pool_of(tmp_path_factory.mktemp("dense") / "shapes.vd", 60)


@pytest.fixture(scope="module")
def offline() -> Dense:
    return Dense("offline", 224)


def squares(size: int, count: int = 3) -> np.ndarray:
    return np.stack([np.asarray(picture(i, (size, size))) for i in range(count)])


def test_the_mean_of_a_map_is_what_the_packaged_classifier_says(offline: Dense) -> None:
    images = squares(224)
    maps = offline.maps(images)
    assert maps.shape == (3, 1000, 7, 7)
    assert maps.dtype == np.float32
    assert offline.classes == imagenet_names()
    assert np.abs(maps.mean((2, 3)) - Offline().forward(images)[1]).max() < 1e-3


def test_a_map_does_not_depend_on_the_batch(offline: Dense) -> None:
    images = squares(224, 5)
    assert np.array_equal(offline.maps(images)[4], offline.maps(images[4:])[0])


def test_torch_and_onnx_give_the_same(offline: Dense) -> None:
    images = squares(224)
    assert np.abs(dense_network.forward(offline.source, images) - offline.maps(images)).max() < 1e-3


def test_whole_images_are_squeezed(offline: Dense) -> None:
    image = np.zeros((100, 400, 3), np.uint8)
    image[:, 200:] = 255
    made = offline.prepare(image)
    assert made.shape == (224, 224, 3)
    assert made[:, :100].max() < 30 < 225 < made[:, 124:].min()


def test_a_run_of_learn_classify(shapes: Pool) -> None:
    run = Classify(model="conv_small", steps=5, batch=16).learn(shapes, name="conv")
    model = Dense(run.encoder)
    assert (model.size, model.shape, model.classes) == (32, (4, 4), ("cross", "disc"))
    images = squares(32)
    wanted = load_encoder(run.encoder).logits(images)
    assert np.abs(model.maps(images).mean((2, 3)) - wanted).max() < 1e-3
    assert Dense(run.encoder, 64).shape == (8, 8)


def test_a_probe_whose_vectors_have_unit_norm(shapes: Pool) -> None:
    run = Probe(encoder="offline", C=10.0).learn(shapes, name="probe")
    model = Dense(run.encoder, 224)
    images = squares(224)
    wanted = load_encoder(run.encoder).logits(images)
    assert np.abs(model.maps(images).mean((2, 3)) - wanted).max() < 1e-3
    assert Dense(run.encoder).size == 320


def test_a_probe_on_a_network_of_timm(shapes: Pool) -> None:
    run = Probe(encoder="timm:resnet18?pretrained=0", C=10.0).learn(shapes, name="probe-timm")
    model = Dense(run.encoder, 224)
    images = squares(224, 2)
    assert np.abs(model.maps(images).mean((2, 3)) - load_encoder(run.encoder).logits(images)).max() < 1e-3


def test_a_network_of_timm() -> None:
    model = Dense("timm:resnet18?pretrained=0", 64)
    images = squares(64)
    with torch.inference_mode():
        wanted = model.source.graph.body(model.source.graph.pixels(torch.from_numpy(images))).numpy()
    assert np.abs(model.maps(images).mean((2, 3)) - wanted).max() < 1e-3


def test_a_network_that_cannot_be_exported_runs_on_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VEDUTA_CACHE", str(tmp_path))
    model = Dense("timm:resnet18?pretrained=0", 64)

    def fails(*_: object, **__: object) -> None:
        raise TypeError("unknown operator")

    monkeypatch.setattr("veduta.encode.convert.export", fails)
    images = squares(64)
    made = model.maps(images)
    assert np.allclose(made, dense_network.forward(model.source, images), atol=1e-4)
    assert np.array_equal(made, np.concatenate([model.maps(image[None]) for image in images]))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("timm:convnext_atto?pretrained=0", "the mean of its map differs"),
        ("timm:mobilenetv3_small_050?pretrained=0", "not a mean over places and a linear layer"),
        ("timm:deit_tiny_patch16_224?pretrained=0", "not a mean over places and a linear layer"),
    ],
)
def test_other_heads_are_refused(name: str, why: str) -> None:
    with pytest.raises(EncoderError, match=why) as caught:
        Dense(name, 224)
    assert "those that can: offline, networks of timm such as resnet50" in str(caught.value)


def test_a_network_that_pools_by_maximum_is_refused(shapes: Pool) -> None:
    run = Classify(model="simplenet_310k", steps=2, batch=16).learn(shapes, name="simple")
    with pytest.raises(EncoderError, match="head is not a mean over places and a linear layer"):
        Dense(run.encoder)


def test_what_is_no_classifier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="a map of labels needs a classifier: offline, timm:NAME or run:FOLDER"):
        Dense("open_clip:ViT-B-32/x")
    with pytest.raises(EncoderError, match="names no run"):
        Dense(f"run:{tmp_path}")
