"""One image in full, what is like it, and all images as points."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.looked import client, mixed
from learn.shapes import pool_of
from pictures import encoded, picture
from veduta.annotate.embed import Embed
from veduta.annotate.project import Project2D
from veduta.pool import Pool


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    pool = pool_of(tmp_path_factory.mktemp("row") / "shapes.vd", 24, damaged=1, annotators=(Embed(),))
    return pool.annotate(Project2D())


@pytest.fixture(scope="module")
def app(pool: Pool) -> Iterator[TestClient]:
    with client(pool) as app:
        yield app


def test_what_the_pool_is(app: TestClient, pool: Pool) -> None:
    about = app.get("/api/pool").json()
    assert (about["rows"], about["errors"], about["search"]) == (25, 1, "embedding")
    assert about["map"]
    assert about["text"]
    kinds = {column["name"]: column["kind"] for column in about["columns"]}
    assert (kinds["label"], kinds["captions"], kinds["width"], kinds["embedding"]) == (
        "text",
        "list",
        "number",
        "vector",
    )
    assert "image" not in kinds


def test_a_row_in_full(app: TestClient, pool: Pool) -> None:
    seen = app.get("/api/row", params={"key": "s0003"}).json()
    values = {column["name"]: column for column in seen["columns"]}
    assert values["label"]["value"] == "cross"
    assert values["label"]["made_by"] is None
    assert values["embedding"]["value"] == {"dim": 1280, "norm": 1.0}
    assert values["embedding"]["made_by"]["operation"] == "embed"
    assert [event["operation"] for event in seen["history"]] == [record.operation for record in pool.lineage()]
    assert app.get("/api/row", params={"key": "z0"}).json()["error"]


def test_neighbours_are_those_of_the_search(app: TestClient, pool: Pool) -> None:
    import veduta

    found = app.get("/api/neighbours", params={"key": "s0003", "k": 5}).json()["rows"]
    wanted = veduta.search(pool, row="s0003", k=5)
    assert [row["key"] for row in found] == wanted.keys
    assert np.allclose([row["score"] for row in found], wanted.scores, atol=1e-6)
    for given in ({"key": "z0"}, {"key": "s0003", "embedding": "label"}, {"key": "s0003", "embedding": "nothing"}):
        assert app.get("/api/neighbours", params=given).status_code == 400


def test_words_pictures_and_filters_together(app: TestClient, pool: Pool) -> None:
    image = app.post("/api/queries", content=encoded(picture(1))).json()["id"]
    for query in ({"text": "a red disc"}, {"image": image}, {"like": "s0001"}, {"text": "a disc", "image": image}):
        best = app.get("/api/rows", params={**query, "where": "split = 'test'", "top": 4}).json()
        assert best["total"] == 4
        scores = [row["score"] for row in best["rows"]]
        assert scores == sorted(scores, reverse=True)
        assert all(int(row["key"][1:]) >= 18 for row in best["rows"])
        split = app.get("/api/facet", params={"column": "split", **query, "top": 4}).json()
        assert sum(value["count"] for value in split["values"]) == 4


def test_more_like_several_is_more_like_their_mean(app: TestClient, pool: Pool) -> None:
    vectors, rows = pool.vectors("embedding")
    keys = pool.table(["key"])["key"].to_pylist()
    chosen = ["s0003", "s0007", "s0002"]
    own = [keys.index(key) for key in chosen]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    mean = unit[np.isin(rows, own)].mean(axis=0)
    scores = unit @ (mean / np.linalg.norm(mean))
    wanted = [int(rows[i]) for i in np.argsort(-scores, kind="stable") if rows[i] not in own]
    found = app.get("/api/rows", params={"like": chosen, "top": 6}).json()
    assert [row["row"] for row in found["rows"]] == wanted[:6]
    assert found["rows"][0]["score"] == pytest.approx(float(np.sort(scores[~np.isin(rows, own)])[-1]), abs=1e-5)
    assert app.get("/api/rows", params={"like": chosen, "text": "a disc", "top": 5}).json()["total"] == 5
    assert app.get("/api/rows", params={"like": ["s0003", "z0"], "top": 5}).json()["total"] == 5  # z0 has no vector
    for wrong in (["s0003", "nobody"], ["z0", "z0"], ["s0003"] * 51):
        assert app.get("/api/rows", params={"like": wrong}).status_code == 400


def test_the_map(app: TestClient, pool: Pool) -> None:
    places = np.frombuffer(app.get("/api/map").content, "<f4").reshape(2, -1)
    x = np.array([np.nan if v is None else v for v in pool.table(["x"])["x"].to_pylist()], np.float32)
    assert np.array_equal(places[0], x, equal_nan=True)
    colours = np.frombuffer(app.get("/api/colour", params={"column": "label"}).content, "<f4")
    names = app.get("/api/legend", params={"column": "label"}).json()["names"]
    labels = pool.table(["label"])["label"].to_pylist()
    assert [names[int(code)] if code >= 0 else None for code in colours] == labels


def test_columns_that_give_no_colour(app: TestClient) -> None:
    for column in ("captions", "embedding", "nothing"):
        for path in ("colour", "legend"):
            assert app.get(f"/api/{path}", params={"column": column}).status_code == 400


def test_a_pool_without_vectors_says_how_to_make_them(tmp_path: Path) -> None:
    with client(mixed(tmp_path / "plain.vd", 6)) as app:
        about = app.get("/api/pool").json()
        assert (about["map"], about["search"], about["text"]) == (False, None, False)
        for path in ("/api/map", "/api/rows?text=cat", "/api/neighbours?key=p0001"):
            assert "veduta annotate" in app.get(path).json()["error"]["message"]
