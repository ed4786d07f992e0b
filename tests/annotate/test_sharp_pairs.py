"""Alike images with different labels come on the list that the app's review shows, and nothing on it is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from fastapi.testclient import TestClient
from tests.annotate.pools import pool_of, vectors_of

import veduta
from items import Given
from pictures import encoded, picture
from veduta.annotate.label_issues import LabelIssues
from veduta.annotate.review import Review
from veduta.annotate.sharp_pairs import SharpPairs, closest, nearest_other
from veduta.app.server import create_app
from veduta.errors import BadInput, NothingToDo

COLUMNS = ["sharp_distance", "sharp_pair", "label_issue", "label_quality", "label_suggested"]


def test_the_nearest_of_another_label_is_that_of_a_loop() -> None:
    rng = np.random.default_rng(0)
    values, labels = rng.standard_normal((80, 3)).astype(np.float32), rng.integers(0, 3, 80)
    distance, other = nearest_other(values, labels, neighbours=79)
    for i in range(80):
        gaps = np.linalg.norm(values[i] - values, axis=1)
        gaps[labels == labels[i]] = np.inf
        assert other[i] == gaps.argmin()
        assert distance[i] == pytest.approx(gaps.min(), rel=1e-5)


def test_each_pair_counts_once() -> None:
    pairs = np.array([[0, 3], [1, 2], [2, 1], [3, 0], [4, 0]])
    distance = np.array([2, 1, 1, 2, 3], np.float32)
    assert closest(distance, pairs, 2).tolist() == [[1, 2], [0, 3]]
    assert closest(distance, pairs, 9).tolist() == [[1, 2], [0, 3], [0, 4]]


def test_by_hand(tmp_path: Path) -> None:
    """On a line at 0 (a), 1 (a), 3 (b), 3.5 (c), 9 (none), and one at 3 without a vector."""
    values = np.array([[10.0], [11.0], [13.0], [13.5], [19.0], [13.0]])
    labels = ["a", "a", "b", "c", None, "a"]
    pool = pool_of(tmp_path / "p.vd", {"embedding": vectors_of(values, missing=(5,)), "label": pa.array(labels)})
    pool.annotate(SharpPairs(pairs=1))
    rows = pool.table(COLUMNS).to_pylist()
    assert [row["sharp_distance"] for row in rows] == [3, 2, 0.5, 0.5, None, None]
    assert [row["sharp_pair"] for row in rows] == [None, None, "00003", "00002", None, None]
    assert [row["label_issue"] for row in rows] == [None, None, True, True, None, None]
    assert [row["label_suggested"] for row in rows] == [None, None, "c", "b", None, None]
    assert [row["label_quality"] for row in rows] == [None, None, 0.5, 0.5, None, None]
    pool.annotate(SharpPairs(pairs=2))
    assert pool.table(["label_issue"])["label_issue"].to_pylist() == [None, True, True, True, None, None]


def test_what_label_issues_found_stays_and_the_app_shows_both(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    pool = veduta.create(tmp_path / "p.vd")
    files = {f"k{i:02d}": encoded(picture(i, (48, 48)), "PNG") for i in range(39)}
    files["k39"] = files["k38"]  # one picture under two labels
    fields = {key: {"label": ("round", "square")[i % 2]} for i, key in enumerate(files)}
    fields["k04"]["label"] = "square"
    pool.ingest(Given(files, fields))
    centre = np.where(np.arange(40)[:, None] % 2, 1.0, -1.0)
    vectors = np.concatenate([centre, rng.normal(0, 0.1, (40, 7))], axis=1)
    vectors[39] = vectors[38]
    source = pa.table({"embedding": vectors_of(vectors)})
    with pool.writing():
        pool.define(source.schema)
        pool.fill(source, [f.fragment_id for f in pool.dataset.get_fragments()])
    pool.annotate(LabelIssues())
    before = pool.table(["key", *COLUMNS[2:]]).to_pylist()
    assert "k04" in [row["key"] for row in before if row["label_issue"]]
    pool.annotate(SharpPairs(pairs=1))
    after = pool.table(["key", *COLUMNS]).to_pylist()
    for old, new in zip(before, after, strict=True):
        assert new["label_quality"] == old["label_quality"]
        assert new["label_suggested"] == old["label_suggested"] or old["label_suggested"] is None
        assert new["label_issue"] or new["label_issue"] == old["label_issue"]
    pair = {row["key"]: row for row in after if row["sharp_pair"]}
    assert set(pair) == {"k38", "k39"}
    assert pair["k38"]["sharp_distance"] == 0
    assert pair["k38"]["label_suggested"] == "square"
    client = TestClient(create_app(pool.path), base_url="http://127.0.0.1")
    listed = client.get("/api/review/labels").json()
    assert {"k04", "k38", "k39"} <= {item["key"] for item in listed["items"]}
    pool.annotate(Review(kind="label-issues", decisions={"k38": "accept"}))
    assert pool.table(["label"])["label"].to_pylist()[38] == "square"


def test_pixels_serve_as_well_and_wrong_columns_are_refused(tmp_path: Path) -> None:
    pool = veduta.create(tmp_path / "p.vd")
    files = {f"k{i}": encoded(picture(i, (32, 32)), "PNG") for i in range(6)}
    files["k6"] = encoded(picture(2, (32, 32)), "PNG")
    fields = {key: {"label": "b" if key == "k6" else "a", "labels": ["x"]} for key in files}
    pool.ingest(Given(files, fields))
    pool.annotate(SharpPairs(column="image", size=16, pairs=1))
    assert [row["sharp_pair"] for row in pool.table(["sharp_pair"]).to_pylist()] == [
        None,
        None,
        "k6",
        *[None] * 3,
        "k2",
    ]
    with pytest.raises(BadInput, match="one label a row"):
        pool.annotate(SharpPairs(column="image", label="labels"))
    with pytest.raises(NothingToDo, match="two labels"):
        SharpPairs(column="image").compute(pool.where("label = 'a'"))
