"""Columns from a table: joined by value, typed, told, undoable, and taken by what judges predictions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import veduta
from items import Given
from pictures import encoded, picture
from veduta.annotate.classes import CLASSES, SCORES
from veduta.annotate.import_table import Import
from veduta.annotate.label_issues import LabelIssues
from veduta.errors import BadInput
from veduta.judge.classify import Classify
from veduta.pool import Pool

KEYS = [f"{'train' if i % 2 else 'val'}/{i:04d}.png" for i in range(24)]
LABELS = [("cat", "dog")[i % 2] for i in range(24)]


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    made = veduta.create(tmp_path / "p.vd")
    content = {key: encoded(picture(i, (64, 48)), "PNG") for i, key in enumerate(KEYS)}
    made.ingest(Given(content, {key: {"label": label} for key, label in zip(KEYS, LABELS)}))
    return made


def test_columns_are_joined_typed_and_told(pool: Pool) -> None:
    table = pa.table({"key": ["nothing.png", *KEYS[:20]], "pred": ["x"] * 21, "conf": [float("nan")] * 2 + [0.5] * 19})
    pool.annotate(Import(table=table, prefix="my_"))
    found = {row["key"]: row for row in pool.table(["key", "my_pred", "my_conf"]).to_pylist()}
    assert [found[key]["my_pred"] for key in KEYS] == ["x"] * 20 + [None] * 4
    assert [found[key]["my_conf"] for key in KEYS[:2]] == [None, 0.5]
    told = " ".join(pool.log()[-1].details["told"])
    assert "20 of 24 images" in told
    assert "nothing.png" in told
    assert (pool.path / pool.provenance("my_pred")["parameters"]["table"]).exists()
    assert "my_pred" not in pool.undo().schema.names


def test_a_label_is_amended_and_comes_back(pool: Pool) -> None:
    pool.annotate(Import(table=pa.table({"key": [KEYS[3], KEYS[4]], "pred": ["fox", None]}), as_={"label": "pred"}))
    found = dict(zip(*(pool.table([name])[name].to_pylist() for name in ("key", "label"))))
    assert found == {**dict(zip(KEYS, LABELS)), KEYS[3]: "fox"}
    pool.undo()
    assert sorted(pool.table(["label"])["label"].to_pylist()) == sorted(LABELS)


def test_files_are_found_by_their_tails(pool: Pool, tmp_path: Path) -> None:
    names = ["C:\\data\\val\\0000.png", "/home/me/train/0001.png", "2", "nothing.png"]
    pq.write_table(pa.table({"file_name": names, "pred": [0, 1, 2, 3]}), tmp_path / "t.parquet")
    pool.annotate(Import(table=str(tmp_path / "t.parquet"), on="file"))
    found = dict(zip(*(pool.table([name])[name].to_pylist() for name in ("key", "pred"))))
    assert [found[key] for key in KEYS[:4]] == [0, 1, 2, None]


def test_several_rows_for_one_image(pool: Pool) -> None:
    table = pa.table({"key": [KEYS[0], KEYS[1], KEYS[0]], "pred": [1, 2, 3]})
    with pytest.raises(BadInput, match=r"several rows.*--duplicates"):
        pool.annotate(Import(table=table))
    for how, expected in (("first", 1), ("last", 3), ("list", [1, 3])):
        pool.annotate(Import(table=table, duplicates=how))
        assert pool.table(["pred"], where=f"key = '{KEYS[0]}'")["pred"].to_pylist() == [expected]


def test_what_is_there_is_not_overwritten(pool: Pool) -> None:
    with pytest.raises(BadInput, match="--as label=label"):
        pool.annotate(Import(table=pa.table({"key": KEYS, "label": LABELS})))
    with pytest.raises(BadInput, match="no row of the table belongs"):
        pool.annotate(Import(table=pa.table({"key": ["x"], "pred": [1]})))


def test_coco_results_become_objects(pool: Pool, tmp_path: Path) -> None:
    results = [{"image_id": 3, "category_id": 1, "bbox": [1, 2, 3, 4], "score": score} for score in (0.25, 0.75)]
    (tmp_path / "r.json").write_text(json.dumps(results))
    (tmp_path / "c.json").write_text(json.dumps({"categories": [{"id": 1, "name": "cat"}]}))
    pool.annotate(Import(table=str(tmp_path / "r.json"), on="file=image_id", categories=str(tmp_path / "c.json")))
    things = pool.table(["predicted_objects"], where=f"key = '{KEYS[3]}'").to_pylist()[0]["predicted_objects"]
    assert [(one["class"], one["box"], one["score"]) for one in things] == [
        ("cat", [1, 2, 3, 4], 0.75),
        ("cat", [1, 2, 3, 4], 0.25),
    ]


def test_boxes_of_results_end_at_the_edge(pool: Pool, tmp_path: Path) -> None:
    boxes = [[-50, 0, 5000, 5], [1, 2, 3, 4], [1, 2, 3], [70, 2, 3, 4], [1, 2, 0, 4], [1, None, 3, 4]]
    results = [{"image_id": 3, "category_id": 1, "bbox": box, "score": 0.5} for box in boxes]
    (tmp_path / "r.json").write_text(json.dumps([*results, {"image_id": 5, "category_id": 1, "bbox": [1], "score": 1}]))
    pool.annotate(Import(table=str(tmp_path / "r.json"), on="file=image_id"))
    things = {row["key"]: row["predicted_objects"] for row in pool.table(["key", "predicted_objects"]).to_pylist()}
    assert [one["box"] for one in things[KEYS[3]]] == [[0, 0, 64, 5], [1, 2, 3, 4]]
    assert things[KEYS[5]] == []
    told = pool.log()[-1].details["told"]
    for words in (
        "boxes clipped to the image: 1",
        "boxes outside the image dropped: 1",
        "boxes without an area dropped: 1",
        "objects left out, as their box does not have four numbers: 3",
    ):
        assert words in told


def test_a_shape_is_not_lost_by_a_second_import(pool: Pool, tmp_path: Path) -> None:
    table = pa.table({"key": KEYS, "emb": [[0.5, 1.0]] * 24, "probs": [[0.25, 0.75]] * 24})
    pq.write_table(table, tmp_path / "t.parquet")
    asked = {"table": str(tmp_path / "t.parquet"), "vectors": ("emb",), "space": "mine"}
    scores = {"scores": ("probs",), "classes": ("cat", "dog")}
    pool.annotate(Import(**asked, **scores))
    version, schema = pool.version, pool.schema
    for given, words in (
        ({"table": asked["table"]}, r"'emb' holds vectors of the space 'mine'.*--vectors emb --space mine"),
        ({**asked, "space": None, **scores}, r"--vectors emb --space mine"),
        (asked, r"'probs' holds class scores.*--scores 'probs' --classes cat,dog"),
    ):
        with pytest.raises(BadInput, match=words):
            pool.annotate(Import(**given))
    pool.annotate(Import(**asked, **scores))
    assert (pool.version, pool.schema) == (version, schema)


@pytest.mark.parametrize(
    ("separator", "cells", "found", "words"),
    [
        (";", ["1,5", "-0,25", "2", ""], [1.5, -0.25, 2.0, None], "'x': read with a decimal comma, so that 1,5 is 1.5"),
        (";", ["1,234", "2,25"], [1.234, 2.25], "decimal comma"),
        ("\t", ["10,5", "2"], [10.5, 2.0], "decimal comma"),
        (";", ["1,234", "5,678"], ["1,234", "5,678"], "thousands separators are left as text, such as '1,234'"),
        (";", ["1 234", "5"], ["1 234", "5"], "thousands separators are left as text, such as '1 234'"),
        (";", ["1\u202f234,5", "5"], ["1\u202f234,5", "5"], "thousands separators"),
        (",", ['"1,5"', '"2,25"'], ["1,5", "2,25"], "with a decimal comma are left as text, such as '1,5'"),
        (";", ["1,5", "a"], ["1,5", "a"], ""),
        (";", ["007,5", "1,5"], ["007,5", "1,5"], "with a decimal comma are left as text"),
        (";", ["1.5", "2"], [1.5, 2.0], ""),
    ],
)
def test_numbers_as_spreadsheets_write_them(
    pool: Pool, tmp_path: Path, separator: str, cells: list[str], found: list[object], words: str
) -> None:
    lines = [f"key{separator}x{separator}y", *(f"{key}{separator}{cell}{separator}z" for key, cell in zip(KEYS, cells))]
    (tmp_path / "t.csv").write_text("\n".join(lines), encoding="utf-8")
    pool.annotate(Import(table=str(tmp_path / "t.csv"), columns=("x",)))
    made = dict(zip(*(pool.table([name])[name].to_pylist() for name in ("key", "x"))))
    assert [made[key] for key in KEYS[: len(cells)]] == found
    told = " ".join(pool.log()[-1].details["told"])
    assert words in told
    assert told.count("comma") + told.count("thousands") == bool(words)


def test_scores_are_judged_as_the_peers_judge_them(pool: Pool) -> None:
    from cleanlab.filter import find_label_issues

    sure = (
        np.random.default_rng(0).beta(4, 2, 24).astype(np.float32)
    )  # of the given class, so that labels mean something
    scores = np.where(np.eye(2, dtype=bool)[np.arange(24) % 2], sure[:, None], 1 - sure[:, None])
    table = pa.table({"key": KEYS, "score_cat": scores[:, 0], "score_dog": scores[:, 1]})
    pool.annotate(Import(table=table, scores=["score_*"]))
    field = pool.schema.field("score")
    assert json.loads(field.metadata[CLASSES]) == ["cat", "dog"]
    assert field.metadata[SCORES] == b"probabilities"
    truth = np.arange(24) % 2
    pool.annotate(LabelIssues(probabilities="score"))
    found = {row["key"]: row for row in pool.table(["key", "label_issue", "label_quality"]).to_pylist()}
    expected = find_label_issues(truth, scores, filter_by="low_self_confidence", n_jobs=1)
    assert [found[key]["label_issue"] for key in KEYS] == expected.tolist()
    assert [found[key]["label_quality"] for key in KEYS] == scores[np.arange(24), truth].tolist()
    judge = Classify(scores="score")
    assert judge.figures(judge.measure(pool))["top1"]["value"] == (scores.argmax(1) == truth).mean()
