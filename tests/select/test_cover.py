"""The greedy cover against a plain loop, and the promises that it makes."""

from __future__ import annotations

import numpy as np
import pytest
from tests.select.conftest import partner, unit

from veduta.select import cover as cover_module
from veduta.select import representatives
from veduta.select.cover import cover
from veduta.select.groups import group_table, lowest_pair
from veduta.select.relation import Relation, bit_vectors
from veduta.select.representatives import Lists
from veduta.select.shadow import shadow


def clumped(n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    """Clumps of very different tightness, as real embeddings have them, and a direction that all share."""
    centres = rng.standard_normal((n // 10, d)) + 1.0
    spread = rng.uniform(0.02, 0.9, n // 10)
    own = rng.integers(n // 10, size=n)
    return unit(centres[own] + spread[own][:, None] * rng.standard_normal((n, d)))


def slow_cover(vectors: np.ndarray, order: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """The definition, row by row."""
    owner, similarity = np.arange(len(vectors)), np.ones(len(vectors))
    standing: list[int] = []
    for row in order:
        best, best_cosine = -1, -2.0
        for other in standing:
            cosine = float(np.dot(vectors[row].astype(np.float64), vectors[other].astype(np.float64)))
            if cosine >= threshold and cosine > best_cosine + 1e-7:
                best, best_cosine = other, cosine
        if best < 0:
            standing.append(int(row))
        else:
            owner[row], similarity[row] = best, best_cosine
    return owner, similarity


@pytest.mark.parametrize("block", [64, 300, 16384])
@pytest.mark.parametrize("d", [24, 160])
def test_equals_the_plain_loop(block: int, d: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cover_module, "STEP", 50)
    rng = np.random.default_rng(d)
    vectors, order = clumped(700, d, rng), rng.permutation(700)
    found = cover(Relation(vectors, 0.9), order, block=block)
    owner, similarity = slow_cover(vectors, order, 0.9)
    assert 0.1 < (owner != np.arange(700)).mean() < 0.9
    assert (found.representative == owner).all()
    assert np.allclose(found.similarity, similarity, atol=1e-6)


def test_chains_are_cut() -> None:
    angles = np.deg2rad(np.arange(0, 60, 5.0))
    chain = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = cover(Relation(chain, float(np.cos(np.deg2rad(6)))), np.arange(len(chain)))
    assert (found.similarity >= np.cos(np.deg2rad(6.001))).all()
    assert len(np.unique(found.representative)) >= 4


def test_the_index_finds_planted_pairs_and_nothing_false(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(representatives, "EXACT_ROWS", 1000)
    rng = np.random.default_rng(3)
    base = unit(rng.standard_normal((6000, 96)))
    vectors = np.concatenate([base, partner(base[:600], rng.uniform(0.961, 1, 600), rng)])
    found = cover(Relation(vectors, 0.96), np.arange(len(vectors)), block=2048)
    assert found.search.endswith("lists")
    assert (found.representative[6000:] == np.arange(600)).mean() >= 0.99
    assert (found.representative[:6000] == np.arange(6000)).all()


def test_equal_images_cost_one_representative() -> None:
    vectors = np.repeat(unit(np.random.default_rng(0).standard_normal((3, 64))), 2000, axis=0)
    found = cover(Relation(vectors, 0.96), np.arange(6000))
    assert (found.representative == np.repeat([0, 2000, 4000], 2000)).all()


def test_result_does_not_depend_on_row_order() -> None:
    rng = np.random.default_rng(5)
    vectors = clumped(500, 32, rng)
    shuffle = rng.permutation(500)
    straight = cover(Relation(vectors, 0.9), np.arange(500))
    back = np.argsort(shuffle)
    mixed = cover(Relation(vectors[shuffle], 0.9), back)
    assert (shuffle[mixed.representative[back]] == straight.representative).all()


def test_shadow_never_lowers_a_cosine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veduta.select.shadow.FEW", 0)
    rng = np.random.default_rng(7)
    low_rank = rng.standard_normal((800, 20)) @ rng.standard_normal((20, 200)) + 0.1 * rng.standard_normal((800, 200))
    vectors = unit(low_rank)
    short = shadow(vectors, 0.9, rng)
    assert short.shape[1] < 200
    assert np.allclose(np.linalg.norm(short, axis=1), 1, atol=1e-5)
    assert (short @ short.T >= vectors @ vectors.T - 1e-5).all()


def test_hashes_as_vectors_and_as_a_second_condition() -> None:
    rng = np.random.default_rng(9)
    words = rng.integers(0, 2**63, 300).astype(np.uint64)
    words[1] = words[0] ^ np.uint64(0b1011)
    words[2] = words[0] ^ np.uint64(0b11111)
    vectors = bit_vectors(words)
    distance = np.bitwise_count(words[:, None] ^ words[None])
    assert np.allclose((1 - vectors @ vectors.T) * 32, distance, atol=1e-4)
    found = cover(Relation(vectors, 1 - 4.5 / 32), np.arange(300))
    assert found.representative[1] == 0
    assert found.representative[2] != 0

    same = np.repeat(unit(rng.standard_normal((1, 16))), 3, axis=0)
    both = cover(Relation(same, 0.9, hashes=words[:3], bits=4), np.arange(3))
    assert both.representative.tolist() == [0, 0, 2]  # 2 differs from 0 in five bits, and 1 represents nobody


def test_group_table_reports_the_lowest_pair() -> None:
    import pyarrow as pa

    rng = np.random.default_rng(1)
    vectors = clumped(300, 16, rng)
    relation = Relation(vectors, 0.85)
    found = cover(relation, np.arange(300))
    table = group_table(relation, found, pa.array([str(i) for i in range(300)])).to_pylist()
    assert [row["size"] for row in table] == sorted((row["size"] for row in table), reverse=True)
    for row in table:
        members = np.flatnonzero(found.representative == int(row["representative"]))
        cosines = vectors[members] @ vectors[members].T
        assert row["size"] == len(members) > 1
        assert row["lowest_pair"] == pytest.approx(cosines.min(), abs=1e-5)
        assert row["lowest_to_representative"] >= 0.85
    everyone = np.arange(300)
    assert lowest_pair(relation, everyone, np.ones(300, np.float32)) == pytest.approx((vectors @ vectors.T).min())


def test_probes_follow_the_threshold() -> None:
    vectors = unit(np.random.default_rng(2).standard_normal((8000, 48)))
    strict, loose = (Lists(Relation(vectors, threshold), 64, 0, vectors) for threshold in (0.98, 0.9))
    assert strict.probes < loose.probes
