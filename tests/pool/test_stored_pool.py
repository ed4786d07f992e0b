"""Pools of earlier releases open, hold what they held, and go on."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

import veduta
from pool.stored_pool import HERE, content, facts
from veduta.annotate.blank import Blank

RELEASES = sorted(path.stem for path in HERE.glob("*.zip"))


@pytest.mark.parametrize("release", RELEASES)
def test_a_pool_of_an_earlier_release_opens_and_goes_on(release: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(HERE / f"{release}.zip") as archive:
        archive.extractall(tmp_path)
    pool = veduta.open(tmp_path / "pool.vd")
    wanted = json.loads((HERE / f"{release}.json").read_text("utf-8"))
    assert facts(pool) == wanted
    assert not pool.check().problems
    before = pool.digest()
    pool.annotate(Blank())
    assert pool.undo().digest() == before
    assert pool.ingest(content(0, 9)).outcomes["ingested"] == 1
    out = veduta.export(pool, tmp_path / "out", selection="some")
    assert len(list(Path(out.path).rglob("*.png"))) == 2
    assert pool.undo(wanted["log"][0][2]).selections() == []


def test_this_release_has_its_pool() -> None:
    assert veduta.__version__ in RELEASES
