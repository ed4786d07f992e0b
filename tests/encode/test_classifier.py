"""Encoders that name classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from classifiers import colours
from pictures import picture
from veduta.encode import shared
from veduta.encode.classifier import Ensemble, classifier
from veduta.encode.vocabulary import imagenet_names
from veduta.errors import EncoderError


@pytest.mark.parametrize("softmax", [False, True])
def test_a_network_in_a_file_answers_with_or_without_its_own_softmax(tmp_path: Path, softmax: bool) -> None:
    ensemble = Ensemble((colours(tmp_path, softmax=softmax),))
    assert ensemble.classes == ("red", "green", "blue")
    images = np.random.default_rng(0).integers(0, 256, (11, 8, 8, 3), dtype=np.uint8)
    means = images.reshape(11, -1, 3).mean(1) / 255
    wanted = np.exp(means) / np.exp(means).sum(1, keepdims=True)
    assert np.allclose(ensemble(list(images)), wanted, atol=1e-5)


@pytest.mark.parametrize("names", ["red\ngreen\n", "red\nred\nblue\n"])
def test_a_class_list_that_does_not_fit_is_refused(tmp_path: Path, names: str) -> None:
    with pytest.raises(EncoderError, match="must name 3 different classes"):
        classifier(colours(tmp_path, softmax=False, names=names))


def test_a_class_list_that_is_not_there_is_refused(tmp_path: Path) -> None:
    uri = colours(tmp_path, softmax=False)
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
