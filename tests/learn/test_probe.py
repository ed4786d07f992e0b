"""Linear probes: runs without training steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import veduta
from learn.shapes import pool_of
from veduta.annotate.embed import Embed
from veduta.annotate.predict import Predict
from veduta.encode import load
from veduta.errors import BadInput
from veduta.learn.probe import Probe
from veduta.pool import Pool


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    return pool_of(tmp_path_factory.mktemp("probe") / "shapes.vd", 120, damaged=1, annotators=(Embed(),))


def test_a_probe_is_a_classifier_and_an_encoder(shapes: Pool) -> None:
    run = Probe().learn(shapes)
    assert run.figures["accuracy"] > 0.9
    assert "held-out rows: accuracy" in run.summary()
    assert "2 classes: cross, disc" in (run.path / "card.md").read_text()
    shapes.annotate(Predict(model=str(run.path)))
    told = shapes.table(["label", "predicted", "predicted_score", "error"]).to_pylist()
    good = [row for row in told if row["error"] is None]
    assert np.mean([row["label"] == row["predicted"] for row in good]) > 0.9
    assert all(0 < row["predicted_score"] <= 1 for row in good)
    image = np.full((1, 224, 224, 3), 90, np.uint8)
    assert np.allclose(load(run.encoder).image(image), load("offline").image(image), atol=1e-6)


def test_an_encoder_without_a_column_embeds_for_the_run(shapes: Pool) -> None:
    stored = Probe(C=1.0).learn(shapes, name="stored")
    other = Probe(C=1.0, encoder="offline", embedding="none_such").learn(shapes, name="fresh")
    assert other.figures == stored.figures
    assert other.about["base"] == stored.about["base"]


def test_what_is_done_is_not_done_again_unless_the_pool_has_changed(shapes: Pool, make_folder) -> None:
    Probe().learn(shapes, name="again")
    shapes.annotate(Predict(model=str(shapes.path / "runs" / "again"), column="told"))
    Probe().learn(shapes, name="again")  # another column is no other data
    grown = veduta.create(shapes.path.parent / "grown.vd")
    grown.ingest(make_folder(12), annotators=[Embed()])
    Probe().learn(grown, name="once")
    grown.ingest(make_folder(16), annotators=[Embed()])
    with pytest.raises(BadInput, match="has other rows or other values by now"):
        Probe().learn(grown, name="once")


def test_what_cannot_be_probed(shapes: Pool, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="needs two classes or more in 'label', got 1"):
        Probe().learn(shapes, where="label = 'disc'", name="one")
    foreign = pool_of(tmp_path / "foreign.vd", 8)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.ones(16, np.float32)), 2)
    foreign.define(pa.schema([pa.field("embedding", vectors.type)]))
    foreign.fill(pa.table({"embedding": vectors}), foreign.pending(["embedding"]))
    with pytest.raises(BadInput, match="was not made by embed"):
        Probe().learn(foreign)
