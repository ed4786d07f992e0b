"""Damaged files, hostile names and wrong use: each gets its named outcome or its sentence."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

import pytest

import corpus
import veduta
from items import Mean
from pictures import encoded, picture
from veduta.errors import SourceError, VedutaError
from veduta.pool.readers import open_source


@pytest.fixture
def folder(tmp_path: Path) -> tuple[Path, dict[bytes, str]]:
    root = tmp_path / "corpus"
    return root, corpus.write(root)


def test_each_file_of_the_corpus_has_its_outcome(tmp_path, folder):
    root, expected = folder
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.monotonic()
    pool = veduta.create(tmp_path / "p.vd")
    report = pool.ingest(root, annotators=[Mean()])
    assert time.monotonic() - start < 60
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20  # KiB: under 1 GiB
    table = pool.table(["key", "uri", "error", "width", "height", "mean"]).to_pylist()
    got = {row["key"]: row for row in table}
    assert len(got) == len(expected) == report.offered
    wrong = {}
    for name, outcome in expected.items():
        key = name.decode("utf-8") if b"\xff" not in name else next(k for k in got if k.startswith("not_utf8_"))
        row = got[key]
        found = corpus.INGESTED if row["error"] is None else corpus.UNDECODABLE
        if found != outcome or (row["mean"] is None) != (row["error"] is not None):
            wrong[key] = (outcome, row)
    assert not wrong
    assert (got["orientation_6.jpg"]["width"], got["orientation_6.jpg"]["height"]) == (40, 64)
    assert "too large: 50000 x 50000" in got["bomb.png"]["error"]


def test_the_corpus_again_is_all_unchanged(tmp_path, folder):
    root, expected = folder
    pool = veduta.create(tmp_path / "p.vd")
    pool.ingest(root)
    version = pool.version
    assert pool.ingest(root).outcomes == {"unchanged": len(expected)}
    assert pool.version == version


def test_a_file_that_goes_away_between_listing_and_reading(tmp_path, make_folder):
    root = make_folder(6, 0)
    reader = open_source(root)

    class Vanishing:
        name = reader.name
        columns = staticmethod(reader.columns)

        @staticmethod
        def items():
            listed = list(reader.items())
            (root / "picture_003.jpg").unlink()
            yield from listed

    pool = veduta.create(tmp_path / "p.vd")
    report = pool.ingest(Vanishing())
    assert report.outcomes == {"ingested": 5, "unreadable": 1}
    assert "No such file" in report.problems[0][2]


def test_an_unreadable_permission_is_tried_again(tmp_path, make_folder, monkeypatch):
    root = make_folder(3, 0)
    locked = root / "picture_001.jpg"
    content = locked.read_bytes()
    locked.unlink()
    os.symlink("/proc/1/mem" if os.geteuid() else str(tmp_path / "nowhere.jpg"), locked)
    pool = veduta.create(tmp_path / "p.vd")
    report = pool.ingest(root)
    assert report.outcomes["ingested"] == 2
    locked.unlink()
    locked.write_bytes(content)
    pool.ingest(root)
    assert len(pool.where("error is null")) == 3


def test_an_empty_folder_and_a_missing_one(tmp_path):
    (tmp_path / "empty").mkdir()
    for place in ("empty", "missing"):
        with pytest.raises(SourceError, match=place):
            open_source(tmp_path / place)


WRONG = {
    "unknown column": (lambda pool: pool.table(["nope"]), "lacks"),
    "bad sql": (lambda pool: pool.where("label ="), "not valid SQL"),
    "no such selection": (lambda pool: pool.selection("x"), "no selection 'x'"),
    "no such version": (lambda pool: pool.at(10_000), "no version"),
    "selection name": (
        lambda pool: pool.select(veduta.engine.registry.find("combine")(), name="a b"),
        "letters, digits",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_gets_one_sentence(tmp_path, make_folder, case):
    import veduta.engine.registry

    pool = veduta.create(tmp_path / "p.vd")
    pool.ingest(make_folder(3, 0))
    act, words = WRONG[case]
    with pytest.raises(VedutaError, match=words) as caught:
        act(pool)
    assert "\n" not in str(caught.value)


def test_hostile_names_survive_a_round_trip(tmp_path):
    root = tmp_path / "names"
    root.mkdir()
    for i, name in enumerate(["a'b.jpg", 'c"d.jpg', "e;f.jpg", "g%20h.jpg", "i\\j.jpg", "~k.jpg", "-l.jpg"]):
        (root / name).write_bytes(encoded(picture(i, (40, 30))))
    pool = veduta.create(tmp_path / "p.vd")
    pool.ingest(root)
    for row in pool.table(["key"]).to_pylist():
        quoted = row["key"].replace("'", "''")
        assert len(pool.where(f"key = '{quoted}'")) == 1
    changed = root / "a'b.jpg"
    changed.write_bytes(encoded(picture(77, (40, 30))))
    assert pool.ingest(root).outcomes["updated"] == 1
    assert len(pool) == 7
