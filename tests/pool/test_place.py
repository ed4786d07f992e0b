"""Paths of pools that the table engine would take for something else."""

from __future__ import annotations

from pathlib import Path

import pytest

import veduta
from items import Given
from pictures import encoded, picture
from veduta.errors import BadInput

CONTENT = {"a": encoded(picture(0, (32, 32)), "PNG")}


@pytest.mark.parametrize("name", ["a:b.vd", "s3:x", "http:x.vd", "file:x", "100%.vd", "per%20c.vd", "a#b?.vd", "~", "-x", " x ", "日本.vd", "*[a].vd", "a\\b", "'\".vd"])  # fmt: skip
def test_a_pool_may_have_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    pool = veduta.create(name)
    pool.ingest(Given(CONTENT))
    again = veduta.open(name)
    assert again.table(["key"]).column(0).to_pylist() == ["a"]
    assert next(iter(again.read_images(again.rows()))) == CONTENT["a"]
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert again.undo().version > pool.version


@pytest.mark.parametrize(
    ("name", "words"),
    [("a\tb.vd", "a\\tb.vd of the pool holds a control"), ("a\nb", "a\\nb of"), ("s3://b/x.vd", "is an address"), ("https://x/y", "is an address")],
)  # fmt: skip
def test_other_paths_are_refused_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    for call in (veduta.create, veduta.open):
        with pytest.raises(BadInput) as told:
            call(name)
        assert words in str(told.value)
    assert not list(tmp_path.iterdir())
