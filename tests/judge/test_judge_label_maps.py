"""How often maps name the label, against loops; the pictures of the report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from learn.shapes import pool_of
from veduta.engine.operation import Annotator, Field
from veduta.errors import BadInput, MissingColumn, NothingToDo
from veduta.judge.label_maps import LabelMaps
from veduta.judge.label_maps_report import overlay
from veduta.pool import Pool
from veduta.pool.label_map import LabelMap, label_map

SHAPE = LabelMap(3, 4, 2, ("disc", "cross", "star"), "by hand", 32)


class Drawn(Annotator):
    """Maps drawn at random, the same for the same key; every fifth row has none."""

    only: bool = Field(False, description="no row has one")

    def adds(self) -> pa.Schema:
        return pa.schema([SHAPE.field("relabel")])

    def annotate(self, batch):
        keys = batch.column("key").to_pylist()
        draws = [np.random.default_rng(int(key[1:])) for key in keys]
        logits = [rng.normal(1, 2, (3, 3, 4)) + rng.normal(0, 3, (3, 1, 1)) for rng in draws]
        made = SHAPE.pack(np.stack(logits).astype(np.float32))
        keep = [None if self.only or int(key[1:]) % 5 == 0 else i for i, key in enumerate(keys)]
        return {"relabel": made.take(pa.array(keep, pa.int64()))}


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    made = pool_of(tmp_path_factory.mktemp("judged") / "shapes.vd", 60, damaged=1)
    made.annotate(Drawn())
    return made


def test_the_shares_are_those_of_a_loop(shapes: Pool) -> None:
    found = LabelMaps().measure(shapes)
    assert (len(found.rows), found.without) == (48, 13)
    table = shapes.take(found.rows, ["relabel", "label"])
    logits, ids, _ = SHAPE.unpack(table["relabel"])
    whole, anywhere = 0, 0
    for row, label in enumerate(table["label"].to_pylist()):
        dense = np.zeros((3, 3, 4))
        for y in range(3):
            for x in range(4):
                dense[ids[row, :, y, x], y, x] = logits[row, :, y, x]
        number = SHAPE.classes.index(label)
        whole += dense.mean((1, 2)).argmax() == number
        anywhere += number in ids[row, 0]
    assert int((found.whole == found.label).sum()) == whole
    assert int(found.anywhere.sum()) == anywhere
    assert 0 < whole < anywhere < 48


def test_the_report_shows_maps_and_the_labels_that_they_miss(shapes: Pool, tmp_path: Path) -> None:
    report = LabelMaps().judge(shapes)
    assert [figure["the label is named by"] for figure in report.facts["figures"]] == [
        "the whole map",
        "at least one place",
    ]
    assert report.facts["without"] == 13
    assert (report.facts["rows"], report.facts["judged"]) == (48, 48)
    page = report.save(tmp_path)
    text = page.read_text("utf-8")
    assert "12 images under the strongest class of each place" in text
    assert "Labels that no place names" in text


def test_labels_that_the_classifier_does_not_know(shapes: Pool) -> None:
    report = LabelMaps(label="split").judge(shapes)
    assert report.facts["judged"] == 0
    assert "no row has a label that the classifier knows" in report.verdict
    assert LabelMaps(label="nothing").measure(shapes).known.sum() == 0


def test_a_picture_under_its_map() -> None:
    image = Image.new("RGB", (300, 240), (200, 200, 200))
    top = np.zeros((3, 4), int)
    top[:, 2:] = 1
    made = np.asarray(overlay(image, top, SHAPE.classes, "label: disc"))
    assert made.shape == (240 + 64, 300, 3)
    left, right = made[:240, :150], made[:240, 150:]
    assert (left == left[0, 0]).all()
    assert (right == right[0, 0]).all()
    assert not (left[0, 0] == right[0, 0]).all()


def test_what_cannot_be_judged(shapes: Pool, tmp_path: Path) -> None:
    with pytest.raises(MissingColumn, match="veduta annotate label-maps"):
        LabelMaps(maps="nothing").judge(shapes)
    with pytest.raises(BadInput, match="not label maps"):
        LabelMaps(maps="label").judge(shapes)
    bare = pool_of(tmp_path / "bare.vd", 8)
    bare.annotate(Drawn(only=True))
    with pytest.raises(NothingToDo, match="no row has a map in 'relabel'"):
        LabelMaps().judge(bare)
    assert label_map(bare.schema.field("relabel"), "a test") == SHAPE
