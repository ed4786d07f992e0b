"""Which rows a view has, in which order, and what they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.looked import HOSTILE, client, mixed, pick
from veduta.app import sql
from veduta.app.session import Session
from veduta.app.state import Pick, ViewState
from veduta.pool import Pool


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    return mixed(tmp_path_factory.mktemp("rows") / "mixed.vd")


@pytest.fixture(scope="module")
def app(pool: Pool) -> Iterator[TestClient]:
    with client(pool) as app:
        yield app


def match(app: TestClient, **state: Any) -> list[int]:
    answer = app.get("/api/match", params=state)
    assert answer.status_code == 200, answer.text
    return np.frombuffer(answer.content, "<u4").tolist()


def test_a_page_of_rows(app: TestClient, pool: Pool) -> None:
    answer = app.get("/api/rows", params={"start": 239, "count": 10}).json()
    assert answer["total"] == 242
    assert answer["version"] == pool.version
    assert [row["key"] for row in answer["rows"]] == ["p0239", "z0", "z1"]
    assert answer["rows"][0]["width"] == 40
    assert "JPEG" in answer["rows"][1]["error"]
    assert app.get("/api/rows", params={"start": 10_000}).json()["rows"] == []


PICKS = [
    Pick(column="label", values=("cat", None)),
    Pick(column="label", values=tuple(HOSTILE)),
    Pick(column="label", values=()),
    Pick(column="labels", values=("dog", "a'b")),
    Pick(column="labels", values=(None,)),
    Pick(column="labels", values=("cat", None)),
    Pick(column="flag", values=(True,)),
    Pick(column="flag", values=(False, None)),
    Pick(column="odd name", values=("n1",)),
    Pick(column="key", values=("p0003", "p0004", "nothing")),
    Pick(column="error", values=(None,)),
    *(Pick(column=name, low=0.1) for name in ("single", "double", "whole", "small")),
    *(Pick(column=name, low=-1.5, high=0.1) for name in ("single", "double", "whole", "small")),
    *(Pick(column=name, high=1e300) for name in ("single", "double", "whole", "small")),
    *(Pick(column=name, values=(None,)) for name in ("single", "double", "whole", "small")),
]


@pytest.mark.parametrize("chosen", PICKS, ids=str)
def test_a_choice_finds_in_memory_what_it_finds_in_sql(pool: Pool, chosen: Pick) -> None:
    here = Session(pool.path)
    found = here.views.rows(here.pool(), ViewState(pick=(chosen,))).rows
    assert found.tolist() == pool.rows(sql.of_pick(pool, chosen)).tolist()


def test_a_range_leaves_out_what_is_no_number(app: TestClient, pool: Pool) -> None:
    values = np.array([np.nan if v is None else v for v in pool.table(["double"])["double"].to_pylist()])
    with np.errstate(invalid="ignore"):
        wanted = np.flatnonzero(np.isfinite(values) & (values >= 0.1))
    assert match(app, pick=pick(column="double", low=0.1)) == wanted.tolist()
    assert match(app, pick=pick(column="double", values=[None])) == np.flatnonzero(~np.isfinite(values)).tolist()


@pytest.mark.parametrize("column", ["single", "double", "whole", "small", "flag", "label", "odd name", "key", "error"])
@pytest.mark.parametrize("desc", [False, True])
def test_sorted_as_python_sorts(app: TestClient, pool: Pool, column: str, desc: bool) -> None:
    values = pool.table([column])[column].to_pylist()
    missing = [i for i, v in enumerate(values) if v is None or v != v]
    have = [i for i, v in enumerate(values) if i not in missing]
    wanted = sorted(have, key=lambda i: values[i])
    if desc:  # equal values stay in row order
        wanted = sorted(have, key=lambda i: values[i], reverse=True)
    assert match(app, sort=column, desc=desc) == wanted + missing


def test_filter_choice_and_order_together(app: TestClient, pool: Pool) -> None:
    table = pool.table(["whole", "label", "width"]).to_pylist()
    wanted = [i for i, row in enumerate(table) if (row["whole"] or 0) > 0 and row["label"] in ("cat", "dog")]
    wanted.sort(key=lambda i: table[i]["whole"])
    found = match(app, where="whole > 0", pick=pick(column="label", values=["cat", "dog"]), sort="whole")
    assert found == wanted


def test_a_version_stays_what_it_was(app: TestClient, pool: Pool) -> None:
    before = pool.version - 1
    assert app.get("/api/rows", params={"version": before, "sort": "whole", "count": 1}).status_code in (200, 400)
    assert app.get("/api/rows", params={"version": 1}).json()["total"] == 0
    assert "has no version" in app.get("/api/rows", params={"version": 10_000}).json()["error"]["message"]


@pytest.mark.parametrize(
    "state",
    [
        {"sort": "nothing"},
        {"sort": "labels"},
        {"sort": "objects"},
        {"sort": "image"},
        {"where": "nothing > 1"},
        {"where": "label"},
        {"pick": "{"},
        {"pick": '[{"column": "label"}]'},
        {"pick": pick(column="nothing", values=["a"])},
        {"pick": pick(column="label", low=1)},
        {"pick": pick(column="whole", values=["1"])},
        {"pick": pick(column="flag", values=["true"])},
        {"pick": pick(column="label", values=[True])},
        {"pick": pick(column="objects", values=["a"])},
        {"pick": pick(column="image", values=[None])},
        {"like": "nothing"},
        {"text": "a cat"},
        {"image": "0" * 32},
        {"image": "../../secret"},
        {"count": 501},
        {"start": -1},
        {"version": 2**60},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_one_sentence(app: TestClient, state: dict[str, Any]) -> None:
    answer = app.get("/api/rows", params=state)
    assert 400 <= answer.status_code < 500
    message = answer.json()["error"]["message"]
    assert len(message) > 10
    assert "\n" not in message
