"""Reading and reducing vectors."""

import numpy as np
import pytest
from tests.annotate.pools import pool_of, unit, vectors_of

from veduta.annotate.vectors import leading_directions, read_vectors
from veduta.errors import BadInput, MissingColumn


def test_leading_directions_are_those_of_the_svd():
    rng = np.random.default_rng(0)
    for shape in ((300, 80), (40, 200)):
        matrix = (rng.standard_normal(shape) * np.geomspace(8, 0.1, shape[1])).astype(np.float32)
        found = leading_directions(matrix, 10)
        exact = np.linalg.svd(matrix.astype(np.float64), full_matrices=False)[2][:10]
        assert np.allclose(np.abs(np.sum(found * exact, axis=1)), 1, atol=1e-3)
        assert np.allclose(found @ found.T, np.eye(10), atol=1e-5)
        assert (found[np.arange(10), np.abs(found).argmax(1)] > 0).all()


def test_projection_keeps_distances_up_to_the_rest(tmp_path):
    rng = np.random.default_rng(1)
    values = unit(rng.standard_normal((400, 8)) @ rng.standard_normal((8, 60)) + 0.05 * rng.standard_normal((400, 60)))
    pool = pool_of(tmp_path / "p.vd", {"embedding": vectors_of(values)})
    whole = read_vectors(pool, "embedding", needed_by="test")
    assert whole.directions is None
    assert np.allclose(whole.values, values, atol=1e-6)
    small = read_vectors(pool, "embedding", needed_by="test", dimensions=8, whole=100)
    assert small.values.shape == (400, 8)
    true = ((values[0] - values) ** 2).sum(1)
    kept = ((small.values[0] - small.values) ** 2).sum(1)
    slack = 2 * np.sqrt(small.rest[0] * small.rest) + small.rest[0] + small.rest
    assert (np.abs(true - kept) <= slack + 1e-4).all()


def test_missing_zero_and_broken_vectors_are_left_out(tmp_path):
    values = np.eye(6, dtype=np.float32) * 2
    values[1], values[2, 0] = 0, np.nan
    pool = pool_of(tmp_path / "p.vd", {"embedding": vectors_of(values, missing=(4,)), "width": [1] * 6})
    found = read_vectors(pool, "embedding", needed_by="test")
    assert found.rows.tolist() == [0, 3, 5]
    assert np.allclose(found.values, np.eye(6)[[0, 3, 5]])
    with pytest.raises(MissingColumn, match="veduta annotate embed"):
        read_vectors(pool, "nothing", needed_by="test")
    with pytest.raises(BadInput, match="not vectors"):
        read_vectors(pool, "width", needed_by="test")
