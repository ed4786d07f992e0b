"""Vectors in a file behave as vectors in memory."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from tests.select.conftest import partner, unit

from veduta.select import representatives, spill
from veduta.select.cover import cover
from veduta.select.relation import Relation
from veduta.select.spill import Spilled, stored


def test_reads_what_was_written(tmp_path: Path) -> None:
    whole = np.random.default_rng(0).standard_normal((70, 5)).astype(np.float32)
    kept = Spilled([whole[:30], whole[30:]], 5, tmp_path)
    assert len(kept) == 70
    assert kept.shape == (70, 5)
    rows = np.array([69, 0, 0, 31])
    assert (kept[rows] == whole[rows]).all()
    assert kept[rows[:0]].shape == (0, 5)
    assert (kept[10:40] == whole[10:40]).all()
    assert (kept[:] == whole).all()
    assert (kept[::7] == whole[::7]).all()
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(("rows", "spilled"), [(8, False), (9, True)])
def test_few_vectors_stay_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, spilled: bool) -> None:
    monkeypatch.setattr(spill, "HELD", 8 * 3 * 4)
    vectors = np.ones((rows, 3), np.float32)
    kept = stored([vectors], rows, 3, tmp_path)
    assert isinstance(kept, Spilled) == spilled
    assert (kept[:] == vectors).all()


def test_a_cover_of_spilled_vectors_is_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    base = unit(rng.standard_normal((4000, 96)))
    vectors = np.concatenate([base, partner(base[:300], rng.uniform(0.95, 1, 300), rng)])
    order = rng.permutation(len(vectors))
    held = cover(Relation(vectors, 0.94), order)
    read = cover(Relation(Spilled([vectors], 96, tmp_path), 0.94), order)
    assert (held.representative == read.representative).all()
    assert (held.similarity == read.similarity).all()


def test_an_index_of_spilled_vectors_is_tried_where_shadows_need_many_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(2)
    base = unit(rng.standard_normal((5000, 256)))
    vectors = np.concatenate([base, partner(base[:300], rng.uniform(0.95, 1, 300), rng)])
    relation = Relation(Spilled([vectors], 256, tmp_path), 0.94)
    monkeypatch.setattr(representatives, "EXACT_ROWS", 1000)
    monkeypatch.setattr(representatives, "TRAINING_ROWS", 16)  # so that rows are left to measure on
    monkeypatch.setattr(representatives, "MANY", 0)
    by_vector = representatives.representatives(relation, 0)
    assert isinstance(by_vector, representatives.Lists)
    assert isinstance(by_vector._points, Spilled)
    assert by_vector.probes < representatives.Lists(relation, by_vector.lists, 0).probes
    order = rng.permutation(len(vectors))
    found = cover(relation, order)
    monkeypatch.setattr(representatives, "EXACT_ROWS", 10_000)
    exact = cover(relation, order)
    assert (found.representative == exact.representative).mean() > 0.998
    monkeypatch.setattr(representatives, "EXACT_ROWS", 1000)
    monkeypatch.setattr(representatives, "HELD", 1000)  # too little for a training sample
    assert not isinstance(getattr(representatives.representatives(relation, 0), "_points", None), Spilled)


def test_reads_that_the_system_cuts_short_are_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.random.default_rng(3).standard_normal((50, 7)).astype(np.float32)
    spilled = Spilled([vectors], 7, tmp_path)
    real = os.preadv
    monkeypatch.setattr(os, "preadv", lambda file, into, at: real(file, [into[0][:10]], at))
    assert np.array_equal(spilled[:], vectors)
    assert np.array_equal(spilled[np.array([49, 3])], vectors[[49, 3]])
    os.ftruncate(spilled._file.fileno(), 100)
    with pytest.raises(EOFError, match="ends at byte 100"):
        spilled[:]
