"""Counts of a column's values, in the view without the column's own choice and in the pool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.looked import client, mixed, pick
from veduta.app.columns import Codes, Names
from veduta.app.held import Held
from veduta.pool import Pool


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    return mixed(tmp_path_factory.mktemp("facet") / "mixed.vd")


@pytest.fixture(scope="module")
def app(pool: Pool) -> Iterator[TestClient]:
    with client(pool) as app:
        yield app


def facet(app: TestClient, column: str, **state: object) -> dict:
    answer = app.get("/api/facet", params={"column": column, **state})
    assert answer.status_code == 200, answer.text
    return answer.json()


def counted(found: dict, which: str) -> dict:
    return {value["value"]: value[which] for value in found["values"] if value[which]}


@pytest.mark.parametrize("column", ["label", "flag", "odd name"])
def test_values_are_counted(app: TestClient, pool: Pool, column: str) -> None:
    table = pool.table([column, "whole"]).to_pylist()
    found = facet(app, column, where="whole > 0")
    every, inside = Counter(r[column] for r in table), Counter(r[column] for r in table if (r["whole"] or 0) > 0)
    assert found["nulls"] == {"count": inside.pop(None, 0), "all": every.pop(None, 0)}
    assert counted(found, "count") == dict(inside)
    assert counted(found, "all") == dict(every)


def test_members_of_lists_are_counted_once_a_row(app: TestClient, pool: Pool) -> None:
    table = pool.table(["labels", "flag"]).to_pylist()
    found = facet(app, "labels", where="flag")
    assert counted(found, "all") == dict(Counter(name for row in table for name in set(row["labels"] or [])))
    inside = [row for row in table if row["flag"]]
    assert counted(found, "count") == dict(Counter(name for row in inside for name in set(row["labels"] or [])))
    assert found["nulls"]["count"] == sum(not row["labels"] for row in inside)


@pytest.mark.parametrize("column", ["single", "double", "whole", "small", "width"])
def test_numbers_are_counted_between_edges(app: TestClient, pool: Pool, column: str) -> None:
    read = pool.table([column, "flag"]).to_pylist()
    values = np.array([np.nan if row[column] is None else row[column] for row in read], np.float64)
    inside = np.array([bool(row["flag"]) for row in read])
    found = facet(app, column, where="flag")
    finite = np.isfinite(values)
    assert found["edges"] == sorted(found["edges"])
    assert len(found["edges"]) == 31
    assert sum(found["all"]) == finite.sum()
    assert sum(found["counts"]) == (finite & inside).sum()
    assert found["nulls"] == {"count": int((~finite & inside).sum()), "all": int((~finite).sum())}
    half = found["edges"][15]
    assert abs(sum(found["all"][15:]) - (values[finite] >= half).sum()) <= 1  # the edge itself, in float32


def test_the_own_choice_does_not_count(app: TestClient) -> None:
    free = facet(app, "label", where="whole > 0")
    assert facet(app, "label", where="whole > 0", pick=pick(column="label", values=["cat"])) == free
    other = facet(app, "flag", where="whole > 0", pick=pick(column="label", values=["cat"]))
    assert sum(counted(other, "count").values()) + other["nulls"]["count"] == counted(free, "count")["cat"]


def test_a_column_that_names_its_rows_is_told_as_such(app: TestClient, pool: Pool) -> None:
    found = facet(app, "key")
    assert (found["kind"], found["distinct"], found["values"]) == ("names", len(pool), [])


def test_values_are_suggested(app: TestClient) -> None:
    ask = lambda **given: app.get("/api/suggest", params=given).json()  # noqa: E731
    assert ask(column="label", prefix="CA") == ["cat"]
    assert ask(column="label", prefix="a'") == ["a'b"]
    assert ask(column="key", prefix="p000") == [f"p{i:04d}" for i in range(10)]
    assert len(ask(column="key")) == 20
    assert ask(column="whole") == []
    assert "error" in ask(column="nothing")
    assert "error" in ask(column="embedding")


def test_vectors_and_structures_have_no_counts(app: TestClient) -> None:
    for column in ("objects", "image", "nothing"):
        answer = app.get("/api/facet", params={"column": column})
        assert answer.status_code == 400
        assert column in answer.json()["error"]["message"]


def test_a_column_is_read_once_for_all_versions_that_share_it(tmp_path: Path) -> None:
    pool, held = mixed(tmp_path / "v.vd", 12), Held()
    before = pool.at(pool.version)
    label = held.column(before, "label")
    pool.drop(["flag"])
    assert held.column(pool.at(pool.version), "label") is label
    pool.append(
        pool.table(["key"], limit=1)
        .set_column(0, "key", [["new"]])
        .cast(pool.schema.empty_table().select(["key"]).schema)
    )
    after = held.column(pool.at(pool.version), "label")
    assert isinstance(after, Codes)
    assert len(after.codes) == len(pool)
    assert isinstance(held.column(before, "label"), Codes | Names)


def test_an_empty_pool(tmp_path: Path) -> None:
    with client(Pool.create(tmp_path / "empty.vd")) as app:
        assert app.get("/api/rows").json()["rows"] == []
        for column in ("label", "labels", "width", "key"):
            assert facet(app, column)["nulls"] == {"count": 0, "all": 0}
        assert app.get("/api/rows", params={"sort": "width"}).json()["total"] == 0
        assert app.get("/api/pool").json()["rows"] == 0
        assert app.get("/api/thumbs", params={"rows": "0"}).status_code == 400
