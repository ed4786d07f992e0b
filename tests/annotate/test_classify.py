"""Class probabilities of the offline encoder."""

import json

import numpy as np
import pyarrow as pa
import pytest

from classifiers import colours
from pictures import picture
from veduta.annotate.classes import CLASSES
from veduta.annotate.classify import Classify
from veduta.encode import shared
from veduta.encode.vocabulary import imagenet_names
from veduta.engine.operation import Batch
from veduta.errors import EncoderError


def test_the_posterior_is_the_softmax_of_the_logits():
    images = [np.asarray(picture(i, (300, 260))) for i in range(2)]
    made = Classify().annotate(Batch(images, pa.RecordBatch.from_pydict({"key": ["a", "b"]})))["posterior"]
    model = shared("offline")
    logits = model.forward(np.stack([model.prepare(i) for i in images]))[1].astype(np.float64)
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert made == pytest.approx(expected, abs=1e-5)
    field = Classify().adds().field("posterior")
    assert field.type.list_size == 1000
    assert tuple(json.loads(field.metadata[CLASSES])) == imagenet_names()


def test_a_classifier_of_ones_own_is_a_file_with_names(tmp_path):
    uri = colours(tmp_path)
    images = [np.asarray(picture(i, (300, 260))) for i in range(2)]
    asked = Classify(encoder=uri, column="tint")
    made = asked.annotate(Batch(images, pa.RecordBatch.from_pydict({"key": ["a", "b"]})))["tint"]
    assert json.loads(asked.adds().field("tint").metadata[CLASSES]) == ["red", "green", "blue"]
    assert made.shape == (2, 3)
    assert made.sum(1) == pytest.approx(np.ones(2), abs=1e-6)


def test_an_encoder_without_classifier_is_refused(tmp_path):
    nameless = colours(tmp_path).split("&")[0]
    with pytest.raises(EncoderError, match="has no classifier"):
        Classify(encoder=nameless).setup()
