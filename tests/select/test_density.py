"""SemDeDup and density-based pruning against loops written from the equations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import spearmanr
from tests.select.conftest import unit

from veduta.errors import BadInput
from veduta.pool import Pool
from veduta.select.clusters import small_clusters, spherical_kmeans
from veduta.select.density import complexity, share_out
from veduta.select.density_prune import DensityPrune
from veduta.select.semantic_deduplicate import SemanticDeduplicate
from veduta.select.semdedup import closest_before, epsilon_for

MakePool = Callable[..., Pool]


def concepts(rng: np.random.Generator, k: int = 12, d: int = 24, rows: int = 900) -> np.ndarray:
    """Concepts that differ in size and spread."""
    centres = rng.standard_normal((k, d))
    own = rng.choice(k, rows, p=rng.dirichlet(np.full(k, 3.0)))
    return unit(centres[own] + np.linspace(0.05, 0.8, k)[own][:, None] * rng.standard_normal((rows, d)))


def names(n: int) -> list[str]:
    return [f"{i:05d}" for i in range(n)]


def test_kmeans_clusters_are_full_and_repeatable() -> None:
    vectors = concepts(np.random.default_rng(0))
    one, two = spherical_kmeans(vectors, 15, seed=3), spherical_kmeans(vectors, 15, seed=3)
    assert (one.assigned == two.assigned).all()
    assert (one.sizes > 0).all()
    assert np.allclose(one.distance, 1 - (vectors @ one.centroids.T).max(axis=1), atol=1e-6)
    few = unit(np.repeat(np.eye(3), 20, axis=0))
    assert (spherical_kmeans(few, 6).sizes > 0).all()  # more clusters than distinct rows


def test_semdedup_equals_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veduta.select.semdedup.BLOCK", 17)
    vectors = concepts(np.random.default_rng(1), rows=400)
    found = spherical_kmeans(vectors, 5)
    rank = np.arange(400)
    closest, by = closest_before(vectors, found, rank)
    for cluster in range(5):
        members = np.flatnonzero(found.assigned == cluster)
        members = sorted(members, key=lambda row: (-found.distance[row], rank[row]))
        for j, row in enumerate(members):
            before = [float(vectors[i] @ vectors[row]) for i in members[:j]]
            if before:
                assert closest[row] == pytest.approx(max(before), abs=1e-6)
                assert vectors[by[row]] @ vectors[row] == pytest.approx(max(before), abs=1e-6)
            else:
                assert by[row] == -1


@pytest.mark.parametrize("remove", [0.0, 0.1, 0.5, 0.9])
def test_eps_for_a_fraction(remove: float) -> None:
    closest = np.random.default_rng(2).uniform(0, 1, 1000).astype(np.float32)
    dropped = (closest > 1 - epsilon_for(closest, remove)).mean()
    assert remove - 0.002 <= dropped <= remove


def test_semantic_deduplicate_on_a_pool(make_pool: MakePool) -> None:
    rng = np.random.default_rng(3)
    base = concepts(rng, rows=300)
    pool = make_pool(names(330), embedding=np.concatenate([base, base[:30]]))
    chosen = pool.select(SemanticDeduplicate(eps=1e-4, clusters=4))
    assert len(chosen) <= 300
    gone = chosen.columns["semantic_duplicate_of"].to_pylist()
    assert sum(name is not None for name in gone) == 330 - len(chosen)
    assert "shows the same as" in chosen.reasons.drop_null()[0].as_py()
    fraction = pool.select(SemanticDeduplicate(remove=0.25), name="quarter")
    assert 0 <= 330 * 0.75 - len(fraction) + 1 <= 2
    with pytest.raises(BadInput, match="either eps or remove"):
        SemanticDeduplicate(eps=0.1, remove=0.1)


def test_complexity_equals_the_definition() -> None:
    vectors = concepts(np.random.default_rng(4))
    found = spherical_kmeans(vectors, 9)
    d_intra, d_inter, product = complexity(found, 3)
    for j in range(9):
        members = vectors[found.assigned == j]
        assert d_intra[j] == pytest.approx(np.mean([1 - x @ found.centroids[j] for x in members]), abs=1e-5)
        others = sorted(1 - float(found.centroids[i] @ found.centroids[j]) for i in range(9) if i != j)
        assert d_inter[j] == pytest.approx(np.mean(others[:3]), abs=1e-5)
        assert product[j] == pytest.approx(d_intra[j] * d_inter[j], abs=1e-9)


def test_complex_concepts_keep_more_and_the_budget_is_exact() -> None:
    found = spherical_kmeans(concepts(np.random.default_rng(5), rows=3000), 20)
    given = share_out(found, 700, neighbours=5, tau="auto", floor=0.0, uniform=False)
    assert given.target.sum() == 700
    assert given.tau == pytest.approx(given.complexity.std())
    inside = ~given.at_bound
    assert spearmanr(given.complexity[inside], given.target[inside]).statistic > 0.95
    even = share_out(found, 700, neighbours=5, tau=0.1, floor=0.0, uniform=True)
    assert np.abs(even.target / found.sizes - 700 / 3000).max() < 0.05
    balanced = share_out(found, 700, neighbours=5, tau="auto", floor=1.0, uniform=False)
    assert (balanced.target >= np.minimum(35, found.sizes - 1)).all()


@pytest.mark.parametrize("which", ["hard", "easy", "random"])
@pytest.mark.parametrize("keep", [0.2, 0.6])
def test_density_prune_on_a_pool(make_pool: MakePool, which: str, keep: float) -> None:
    vectors = concepts(np.random.default_rng(6), rows=800)
    pool = make_pool(names(800), embedding=vectors)
    chosen = pool.select(DensityPrune(keep=keep, clusters=12, neighbours=4, tau="auto", dedup_eps=0.002, which=which))
    assert len(chosen) == round(keep * 800)
    table = chosen.artifacts["concepts"].to_pydict()
    assert sum(table["kept"]) == sum(table["target"]) == len(chosen)
    cluster = chosen.columns["density_cluster"].to_numpy(zero_copy_only=False)
    distance = chosen.columns["density_distance"].to_numpy(zero_copy_only=False)
    for j in range(12):
        kept, left = distance[(cluster == j) & chosen.keep], distance[(cluster == j) & ~chosen.keep]
        if which == "hard" and len(kept) and len(left):
            assert kept.min() >= left.max()
        if which == "easy" and len(kept) and len(left):
            assert kept.max() <= left.min()
    words = [text for text in chosen.reasons.to_pylist() if text and text.startswith("concept")]
    assert words
    assert "rows, this one is" in words[0]
    assert 0 < chosen.summary["entropy"] <= 1


def test_density_prune_repeats_itself_and_follows_the_seed(make_pool: MakePool) -> None:
    pool = make_pool(names(500), embedding=concepts(np.random.default_rng(7), rows=500))
    prune = DensityPrune(keep=0.3, clusters=10, neighbours=3, dedup_eps=None)
    first = prune.select(pool)
    assert (first.keep == prune.select(pool).keep).all()
    assert (first.keep != prune.model_copy(update={"seed": 1}).select(pool).keep).any()


def test_density_prune_wrong_use(make_pool: MakePool) -> None:
    pool = make_pool(names(100), embedding=np.repeat(concepts(np.random.default_rng(8), rows=10), 10, axis=0))
    with pytest.raises(BadInput, match="only 10 are left after semantic"):
        pool.select(DensityPrune(keep=0.5, clusters=4, neighbours=2))
    with pytest.raises(BadInput, match="more than neighbours"):
        pool.select(DensityPrune(keep=0.5, clusters=20, neighbours=20))
    with pytest.raises(BadInput, match="at most the 100 rows"):
        pool.select(DensityPrune(keep=0.5, clusters=200, dedup_eps=None))
    with pytest.raises(BadInput, match="tau"):
        pool.select(DensityPrune(keep=0.5, tau=0))
    with pytest.raises(BadInput, match="keep"):
        DensityPrune(keep=1.2)
    rough = pool.select(DensityPrune(keep=0.05, clusters=5, neighbours=2))
    assert "fewer than 10 rows a concept" in rough.summary["remarks"][0]


def test_many_small_clusters_in_two_steps_are_nearly_those_in_one(monkeypatch: pytest.MonkeyPatch):
    vectors = concepts(np.random.default_rng(6), rows=4000)
    one = spherical_kmeans(vectors, 60)
    monkeypatch.setattr("veduta.select.clusters.FLAT", 20)
    two, again = small_clusters(vectors, 60), small_clusters(vectors, 60)
    assert np.array_equal(two.assigned, again.assigned)
    assert np.array_equal(two.centroids, again.centroids)
    assert 50 <= len(two.centroids) <= 62
    assert (two.sizes > 0).all()
    own = np.einsum("nd,nd->n", vectors, two.centroids[two.assigned])
    assert np.allclose(two.distance, 1 - own, atol=1e-5)
    assert two.distance.mean() < 1.1 * one.distance.mean()
    assert np.array_equal(small_clusters(vectors, 20).assigned, spherical_kmeans(vectors, 20).assigned)
