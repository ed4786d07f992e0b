"""What is kept in memory: made once, within its bound."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from veduta.app.kept import Kept


def test_many_who_ask_at_once_wait_for_one() -> None:
    kept, made, go = Kept(), [], threading.Event()

    def make() -> int:
        go.wait(5)
        made.append(1)
        return 7

    with ThreadPoolExecutor(8) as workers:
        asked = [workers.submit(kept.get, "a", make, lambda _: 1) for _ in range(8)]
        go.set()
        assert [each.result() for each in asked] == [7] * 8
    assert len(made) == 1


def test_the_least_used_gives_way() -> None:
    kept = Kept(100)
    for name in ("a", "b", "a", "c", "d"):
        kept.get(name, lambda: name, lambda _: 30)  # noqa: B023 - called at once
    assert kept.total <= 100
    assert kept.get("a", lambda: "anew", lambda _: 30) == "a"
    assert kept.get("b", lambda: "anew", lambda _: 30) == "anew"


def test_what_would_push_the_rest_out_is_not_kept() -> None:
    kept = Kept(100)
    kept.get("small", lambda: 1, lambda _: 10)
    kept.get("large", lambda: 2, lambda _: 60)
    assert kept.get("small", lambda: 3, lambda _: 10) == 1
    assert kept.get("large", lambda: 4, lambda _: 60) == 4


def test_an_error_is_told_and_not_kept() -> None:
    kept = Kept()

    def fail() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        kept.get("a", fail, lambda _: 1)
    assert kept.get("a", lambda: 5, lambda _: 1) == 5
