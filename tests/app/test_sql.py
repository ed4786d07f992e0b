"""Conditions from a page: what may stand in one, and that nothing else reaches Lance or brings it down."""

from __future__ import annotations

import pytest

from app.looked import client, mixed
from veduta.app import held, sql
from veduta.app.session import Session
from veduta.errors import BadInput
from veduta.pool import Pool


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    return mixed(tmp_path_factory.mktemp("sql") / "mixed.vd", 20)


@pytest.mark.parametrize(
    "condition",
    [
        "width > 10",
        "label = 'a''b' or label like 'c%'",
        "`odd name` in ('n1', 'n2') and not flag",
        "label is null",
        "single between -1 and 1.5e0",
        "array_has(labels, 'cat')",
        "lower(label) = 'cat' and length(key) > 3",
        "label = 'select from -- /* || repeat('",
        "cast(whole as string) = '1'",
        "regexp_like(label, '^c')",
        "(whole + 1) * 2 - -3 >= 0",
        "key != 'päper ☃'",
    ],
)
def test_runs(pool: Pool, condition: str) -> None:
    assert held.rows(pool, sql.checked(condition)).tolist() == pool.rows(condition).tolist()


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("repeat(label, 1000000000) = 'x'", "'repeat'"),
        ("REPEAT (label, 9) = 'x'", "'repeat'"),
        ("`repeat`(label, 9) = 'x'", "'`repeat`'"),
        ("lpad(label, 1000000000) = 'x'", "'lpad'"),
        ("regexp_replace(label, 'a', 'aaaa') = 'x'", "'regexp_replace'"),
        ("label || label = 'x'", "'||'"),
        ("whole > (select max(whole) from t)", "'select'"),
        ("1 = 1; drop table t", "';' may not stand"),
        ("1 = 1 -- and", "'--'"),
        ("1 = 1 /* and", "'/*'"),
        ("$$a$$ = label", "cannot be read"),
        ("label = 'a", "quote is not closed"),
        ("1 = 1) or (1 = 1", "not opened"),
        ("(1 = 1", "not closed"),
        ("  ", "empty"),
        ("(" * 60 + "flag" + ")" * 60, "nested"),
        ("not " * 60 + "flag", "nested"),
        ("- " * 60 + "whole > 1", "nested"),
        ("flag or " * 480 + "flag and flag or " * 20 + "x" * 4000, "characters"),
    ],
)
def test_is_refused(condition: str, told: str) -> None:
    with pytest.raises(BadInput, match=r"condition|function|closed|stand") as error:
        sql.checked(condition)
    assert told in str(error.value)


@pytest.mark.parametrize(
    "condition",
    [
        "1",
        "null",
        "label",
        "nothing = 1",
        "label = ",
        "whole = 'x' = flag",
        "a.b = 1",
        "date_trunc(1)",
        "flag[1]",
        "x'zz'",
    ],
)
def test_what_lance_refuses_is_one_sentence(pool: Pool, condition: str) -> None:
    with client(pool) as app:
        answer = app.get("/api/rows", params={"where": condition})
    assert answer.status_code in (200, 400)
    if answer.status_code == 400:
        assert "columns:" in answer.json()["error"]["message"]


def test_what_brings_lance_down_is_told(pool: Pool) -> None:
    with pytest.raises(BadInput, match="not valid SQL"):
        held.rows(pool, "$$a$$ = label")  # as if the guard had let it through


def test_a_condition_ends_in_time(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "SECONDS", -1)
    with pytest.raises(BadInput, match="took more than"):
        held.rows(pool, "width > 0")


def test_a_long_list_of_choices_runs(pool: Pool) -> None:
    here = Session(pool.path)
    many = " or ".join(f"whole = {i}" for i in range(270))
    assert here.held.matches(here.pool(), sql.checked(many)).any()
