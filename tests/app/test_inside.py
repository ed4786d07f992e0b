"""Rows inside a line drawn on the map: found by the server alone, kept as a condition, whatever their number."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from fastapi.testclient import TestClient

import veduta
from app.looked import client, mixed
from veduta.pool import Pool

STAR = [0.0, 2.0, 0.5, -1.5, -2.0, 0.75, 2.0, 0.75, -0.5, -1.5]
"""Crosses itself: its middle is outside by the even-odd rule."""
BOX = [-0.5, -0.5, 0.5, -0.5, 0.5, 0.5, -0.5, 0.5]


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    pool = mixed(tmp_path / "plane.vd", 400)
    rng = np.random.default_rng(3)
    total = len(pool)
    places = rng.normal(size=(2, total)).astype(np.float32)
    places[:, :4] = [[np.nan, 0, 0.5, -0.5], [0, np.nan, 0.5, -0.5]]  # no place; corners of BOX
    columns = {"x": pa.array(places[0], mask=rng.random(total) < 0.05), "y": pa.array(places[1])}
    with pool.writing():
        pool.define(pa.schema([(name, values.type) for name, values in columns.items()]))
        pool.fill(pa.table(columns), pool.pending(list(columns)))
    return pool


@pytest.fixture
def app(pool: Pool) -> Iterator[TestClient]:
    with client(pool) as app:
        yield app


def by_hand(pool: Pool, *polygons: list[float]) -> list[int]:
    """Rows in any of the polygons, point by point."""
    found = []
    for row, place in enumerate(pool.table(["x", "y"]).to_pylist()):
        x, y = place["x"], place["y"]
        for polygon in polygons:
            odd, corners = False, list(zip(polygon[::2], polygon[1::2], strict=True))
            for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True):
                if x is not None and (y1 > y) != (y2 > y) and x < x1 + (x2 - x1) * (y - y1) / (y2 - y1):
                    odd = not odd
            if odd:
                found.append(row)
                break
    return found


def shown(app: TestClient, **state: object) -> list[int]:
    given = {name: value if isinstance(value, str) else json.dumps(value) for name, value in state.items()}
    answer = app.get("/api/match", params=given)
    assert answer.status_code == 200, answer.text
    return np.frombuffer(answer.content, "<u4").tolist()


@pytest.mark.parametrize("polygons", [[BOX], [STAR], [BOX, STAR], [[0, 0, 1, 0, 2, 0]]])
def test_the_rows_inside_are_those_found_by_hand(app: TestClient, pool: Pool, polygons: list[list[float]]) -> None:
    assert shown(app, inside=polygons) == by_hand(pool, *polygons)


def test_a_line_goes_with_every_other_filter(app: TestClient, pool: Pool) -> None:
    cats = {row for row, label in enumerate(pool.table(["label"])["label"].to_pylist()) if label == "cat"}
    pick = [{"column": "label", "values": ["cat"]}]
    wanted = [row for row in by_hand(pool, STAR) if row in cats]
    assert wanted
    assert shown(app, inside=[STAR], pick=pick) == wanted
    assert sorted(shown(app, inside=[STAR], where="label = 'cat'", sort="single")) == wanted
    counted = app.get("/api/facet", params={"column": "label", "inside": json.dumps([STAR])}).json()
    assert next(value["count"] for value in counted["values"] if value["value"] == "cat") == len(wanted)


def test_a_selection_of_what_is_inside_is_a_condition(app: TestClient, pool: Pool) -> None:
    made = app.post("/api/selections", json={"name": "drawn", "state": {"inside": [BOX, STAR]}}).json()
    assert made["kept"] == len(by_hand(pool, BOX, STAR))
    again = veduta.open(pool.path)
    assert again.lineage()[-1].operation == "where"
    chosen = again.selection("drawn")
    assert chosen.rows().tolist() == by_hand(pool, BOX, STAR)
    assert {reason for reason in chosen.reasons.to_pylist() if reason} == {"not in the view: drawn around on the map"}
    wide = np.linspace(0, 2 * np.pi, 128, endpoint=False)
    circle = np.stack([np.cos(wide), np.sin(wide)], axis=1).ravel().round(4).tolist()
    assert app.post("/api/selections", json={"name": "round", "state": {"inside": [circle] * 20}}).json()["kept"]


@pytest.mark.parametrize(
    ("inside", "told"),
    [
        ("[[0, 0, 1, 1]]", "at least 6"),
        ("[[0, 0, 1, 1, 2, 2, 3]]", "two numbers a corner"),
        ("[[0, 0, 1, 1, 2, NaN]]", "inside.0.5"),
        ("[[0, 0, 1, 1, 2, 1e300]]", "inside.0.5"),
        ("[[0, 0, 1e-300, 1e-308, 0, 1]]", ""),
        ("5", "inside"),
        ("[[", "must be a JSON list"),
        (json.dumps([[0.0] * 258]), "at most 256"),
    ],
)
def test_wrong_lines_get_a_sentence(app: TestClient, inside: str, told: str) -> None:
    answer = app.get("/api/rows", params={"inside": inside})
    assert answer.status_code == (400 if told else 200)
    assert told in answer.text


def test_without_a_map_there_is_no_inside(tmp_path: Path) -> None:
    with client(mixed(tmp_path / "none.vd", 4)) as app:
        assert "veduta annotate project-2d" in app.get("/api/rows", params={"inside": json.dumps([BOX])}).text
