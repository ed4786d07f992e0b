import numpy as np
import pytest
from sklearn.decomposition import PCA

import veduta
from veduta.encode import load
from veduta.errors import BadInput, NothingToDo, SpaceMismatch
from veduta.search import Whiten
from veduta.search.exact import unit
from veduta.search.whiten import Whitening, find, fit

from .conftest import Drawings, drawing, unit_vectors


def by_the_paper(train, vectors, dims, power):
    """L2, PCA with whitening, L2, signed power, L2, by scikit-learn; axes' signs are free, so each is made positive."""
    pca = PCA(dims, whiten=True, svd_solver="full").fit(unit(train).astype(np.float64))
    signs = np.sign(pca.components_[np.arange(dims), np.abs(pca.components_).argmax(1)])
    white = unit(pca.transform(unit(vectors).astype(np.float64)) * signs)
    return unit(np.sign(white) * np.abs(white) ** power)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_fit_is_pca_whitening(power):
    rng = np.random.default_rng(0)
    train = rng.normal(size=(400, 20)) * np.linspace(0.2, 3, 20) + 0.5
    whitening = fit(np.array_split(train, 7), 12, power)
    np.testing.assert_allclose(whitening.apply(train[:50]), by_the_paper(train, train[:50], 12, power), atol=2e-4)


def test_whitened_axes_have_one_variance():
    train = np.random.default_rng(1).normal(size=(2000, 10)) * np.linspace(0.1, 2, 10)
    whitening = fit([train], 8, 1.0)
    white = (unit(train) - whitening.mean) @ whitening.components.T * whitening.scale
    np.testing.assert_allclose(np.cov(white.T), np.eye(8), atol=2e-3)


@pytest.mark.parametrize(("n", "d", "most"), [(5, 20, 5), (50, 8, 8)])
def test_too_many_dims_name_the_maximum(n, d, most):
    train = unit_vectors(n, d)
    fit([train], most, 0.5)
    with pytest.raises(BadInput, match=f"at most {most} "):
        fit([train], most + 1, 0.5)


def test_directions_without_variance_stay_finite():
    train = np.zeros((30, 6), np.float32)
    train[:, :2] = np.random.default_rng(0).normal(size=(30, 2))
    assert np.isfinite(fit([train], 6, 0.5).apply(train)).all()


def test_artifact_survives_and_is_named_by_its_content(tmp_path):
    whitening = fit([unit_vectors(60, 9)], 4, 0.5)
    first = whitening.save(tmp_path, {"column": "c"})
    assert whitening.save(tmp_path, {"column": "c"}) == first
    other = Whitening(whitening.mean, whitening.components, whitening.scale, 2.0)
    assert other.save(tmp_path, {"column": "c"}) != first
    assert len(list(tmp_path.iterdir())) == 2


def test_column_queries_and_the_rows_held_out(vector_pool):
    vectors = unit_vectors(120, 16)
    pool = vector_pool([*vectors, None], split=["query" if i < 20 else None for i in range(121)])
    pool.annotate(Whiten(embedding="emb", dims=8, queries="split = 'query'", column="white"))
    expected = fit([vectors[20:]], 8, 0.5)
    stored, rows = pool.vectors("white")
    assert rows.tolist() == list(range(120))
    np.testing.assert_allclose(stored, expected.apply(vectors), atol=1e-5)
    np.testing.assert_allclose(find(pool, "white").components, expected.components, atol=1e-5)
    hits = veduta.search(pool, row=4, k=5, embedding="white")
    order = np.argsort(-(stored @ stored[4]), kind="stable")
    assert hits.rows.tolist() == [int(i) for i in order if i != 4][:5]


def test_a_refit_does_not_pair_with_the_old_column(vector_pool):
    pool = vector_pool(unit_vectors(90, 12))
    pool.annotate(Whiten(embedding="emb", dims=6, column="white"))
    version = pool.version
    old = find(pool, "white")
    pool.annotate(Whiten(embedding="emb", dims=6, power=2.0, column="white"))
    assert find(pool, "white").power == 2.0
    pool.undo(version)
    assert find(pool, "white").power == old.power == 0.5
    for path in (pool.path / "artifacts").glob("whiten-*"):
        path.unlink()
    with pytest.raises(SpaceMismatch, match="run whiten"):
        find(pool, "white")


def test_an_image_query_goes_through_the_same_artifact(tmp_path):
    from veduta.annotate.embed import Embed

    pool = veduta.create(tmp_path / "w.vd")
    pool.ingest(Drawings())
    pool.annotate([Embed(), Whiten(dims=6)])
    hits = veduta.search(pool, image=drawing(9), k=1, embedding="embedding_white")
    assert hits.rows.tolist() == [9]
    assert hits.scores[0] > 0.999
    by_text = veduta.search(pool, text="ball", k=3, embedding="embedding_white")
    joint = pool.vectors("embedding_text")[0] @ load("offline").text(["ball"])[0]
    assert by_text.rows.tolist() == np.argsort(-joint, kind="stable")[:3].tolist()


def test_wrong_use(vector_pool):
    pool = vector_pool(unit_vectors(40, 8))
    with pytest.raises(BadInput, match="at most 8"):
        pool.annotate(Whiten(embedding="emb", dims=9))
    with pytest.raises(BadInput, match="at most 5 "):
        pool.annotate(Whiten(embedding="emb", dims=6, queries="key >= 'k13'"))
    with pytest.raises(BadInput, match="not vectors"):
        pool.annotate(Whiten(embedding="label", dims=6))
    with pytest.raises(BadInput, match="not valid SQL"):
        pool.annotate(Whiten(embedding="emb", dims=6, queries="no such"))
    empty = vector_pool([*unit_vectors(2, 8)[:0], None, unit_vectors(1, 8)[0]], name="e.vd")
    with pytest.raises((NothingToDo, BadInput)):
        empty.annotate(Whiten(embedding="emb", dims=6))
