"""Label maps as a column, and the labels that are read from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import veduta
from items import Given
from learn.shapes import pool_of
from pictures import encoded, picture
from veduta.annotate.label_maps import LabelMaps
from veduta.annotate.multi_labels import MultiLabels
from veduta.engine.decode import decode
from veduta.errors import BadInput, EncoderError, MissingColumn
from veduta.learn.classify import Classify
from veduta.pool import Pool
from veduta.pool.label_map import label_map
from veduta.pool.writers import export


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    """Two classes that a small network tells apart, with maps by it; the last rows are damaged."""
    made = pool_of(tmp_path_factory.mktemp("maps") / "shapes.vd", 80, damaged=2)
    run = Classify(model="conv_small", steps=60, batch=32, lr=3e-3, views="eval").learn(made)
    made.refresh()
    made.annotate(LabelMaps(model=run.encoder))
    return made


def test_the_column_is_what_the_classifier_says_at_each_place(shapes: Pool) -> None:
    shape = label_map(shapes.schema.field("relabel"), "a test")
    assert (shape.height, shape.width, shape.kept, shape.classes) == (4, 4, 2, ("cross", "disc"))
    assert (shape.size, shape.orientation) == (32, "rows-first")
    logits, ids, known = shape.unpack(shapes.table(["relabel"]).column(0))
    assert known.tolist() == [True] * 80 + [False] * 2
    model = LabelMaps(model=shape.model)._dense()
    for row in (0, 7, 79):
        image = decode(shapes.read_images([row])[0], None).pixels
        wanted = model.maps(model.prepare(image)[None])[0]
        found = np.take_along_axis(np.zeros_like(wanted), ids[row].astype(int), 0)
        np.put_along_axis(found, ids[row].astype(int), logits[row].astype(np.float32), 0)
        assert np.allclose(found, wanted, rtol=2e-3, atol=2e-3)


def test_maps_train_another_network(shapes: Pool) -> None:
    settings = Classify(model="conv_small", steps=40, batch=32, lr=3e-3, views="train", targets="relabel:local_multi")
    run = settings.learn(shapes, name="student")
    assert run.about["training"]["targets"] == "relabel:local_multi"
    assert run.about["training"]["rows_without_targets"] == 0
    assert run.figures["accuracy"] > 0.5


def test_the_same_call_again_does_nothing(shapes: Pool) -> None:
    version = shapes.version
    shapes.annotate(LabelMaps(model=label_map(shapes.schema.field("relabel"), "a test").model))
    assert shapes.version == version


def test_more_classes_than_there_are_keeps_all(shapes: Pool) -> None:
    run = label_map(shapes.schema.field("relabel"), "a test").model
    assert label_map(LabelMaps(model=run, topk=50).adds().field("relabel"), "a test").kept == 2


def test_bad_parameters() -> None:
    for given, words in (({"topk": 0}, "topk"), ({"size": 8}, "size"), ({"column": "1x"}, "column")):
        with pytest.raises(BadInput, match=words):
            LabelMaps(**given)
    with pytest.raises(EncoderError, match="names no run"):
        LabelMaps(model="run:nowhere").adds()


def by_hand(pool: Pool, threshold: float, side: int) -> list[list[str] | None]:
    """Labels from a loop over windows of `side` places."""
    shape = label_map(pool.schema.field("relabel"), "a test")
    logits, ids, known = shape.unpack(pool.table(["relabel"]).column(0))
    found: list[list[str] | None] = []
    for row in range(len(logits)):
        dense = np.zeros((len(shape.classes), shape.height, shape.width))
        for y in range(shape.height):
            for x in range(shape.width):
                dense[ids[row, :, y, x], y, x] = logits[row, :, y, x]
        best = np.zeros(len(shape.classes))
        for y in range(shape.height - side + 1):
            for x in range(shape.width - side + 1):
                mean = dense[:, y : y + side, x : x + side].mean((1, 2))
                best = np.maximum(best, np.exp(mean) / np.exp(mean).sum())
        order = [i for i in np.argsort(-best, kind="stable") if best[i] >= threshold]
        found.append([shape.classes[i] for i in order] if known[row] else None)
    return found


@pytest.mark.parametrize(("threshold", "window", "side"), [(0.6, 0.5, 2), (0.55, 0.01, 1), (0.5, 1.0, 4)])
def test_labels_are_the_classes_that_are_likely_somewhere(
    shapes: Pool, threshold: float, window: float, side: int
) -> None:
    shapes.annotate(MultiLabels(threshold=threshold, window=window))
    wanted = by_hand(shapes, threshold, side)
    assert shapes.table(["multi_labels"])["multi_labels"].to_pylist() == wanted
    assert shapes.table(["labels"])["labels"].to_pylist() == wanted
    assert len({tuple(labels or ()) for labels in wanted}) > 1


def test_photos_get_labels_that_are_exported_and_own_labels_stay(tmp_path: Path) -> None:
    pool = veduta.create(tmp_path / "p.vd")
    content = {f"k{i}": encoded(picture(i, (96, 64))) for i in range(3)}
    pool.ingest(Given(content, {"k1": {"labels": ["mine"]}}))
    pool.annotate([LabelMaps(size=64, topk=3), MultiLabels(threshold=0.01)])
    first = pool.table(["labels", "multi_labels"]).to_pylist()
    assert first[1]["labels"] == ["mine"]
    assert [row["labels"] == row["multi_labels"] for row in first] == [True, False, True]
    assert first[0]["labels"]
    pool.annotate(MultiLabels(threshold=0.9999))
    second = pool.table(["labels", "multi_labels"]).to_pylist()
    assert second[1]["labels"] == ["mine"]
    assert len(second[0]["labels"]) < len(first[0]["labels"])
    export(pool, tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet")["labels"].to_pylist() == [row["labels"] for row in second]


def test_what_multi_labels_cannot_read(shapes: Pool) -> None:
    with pytest.raises(MissingColumn, match="veduta annotate label-maps"):
        MultiLabels(maps="nothing").check(shapes)
    with pytest.raises(BadInput, match="'label' holds string, not label maps"):
        MultiLabels(maps="label").check(shapes)
