"""Points, their neighbours and what is written about them, against loops over all pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tests.annotate.pools import pool_of, vectors_of

import veduta
from items import Given
from pictures import encoded, picture
from veduta.annotate import nearest as rooms
from veduta.annotate.local_dimension import LocalDimension, inverse_dimension
from veduta.annotate.nearest import nearest
from veduta.annotate.points import first_equal, read_points, room
from veduta.errors import BadInput, MissingColumn, NothingToDo


def all_distances(values: np.ndarray) -> np.ndarray:
    gaps = values[:, None].astype(np.float64) - values[None]
    distances = np.sqrt((gaps**2).sum(-1))
    np.fill_diagonal(distances, np.inf)
    return distances


@pytest.mark.parametrize("exact", [True, False])
def test_neighbours_are_those_of_all_pairs(exact: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not exact:
        monkeypatch.setattr(rooms, "EXACT_ROWS", 100)
        monkeypatch.setattr(rooms, "cells", lambda values: _all_cells(values))
    values = np.random.default_rng(0).standard_normal((300, 7)).astype(np.float32)
    values[1] = values[0] + 1e-5  # nearer than the rounding of |x|^2 - 2xy + |y|^2
    values += 100
    truth = all_distances(values)
    at = 0
    for part, distances, ids in nearest(values, 6):
        assert part.start == at
        at = part.stop
        assert np.allclose(distances, np.sort(truth[part], axis=1)[:, :6], rtol=1e-5, atol=1e-9)
        assert np.allclose(np.take_along_axis(truth[part], ids, 1), distances, rtol=1e-5, atol=1e-9)
    assert at == 300


def _all_cells(values: np.ndarray):
    import faiss

    index = faiss.IndexFlatL2(values.shape[1])
    index.add(values)
    return index


def test_fewer_points_than_neighbours() -> None:
    values = np.array([[0.0], [3.0]], np.float32)
    ((_, distances, ids),) = nearest(values, 3)
    assert ids.tolist() == [[1, -1, -1], [0, -1, -1]]
    assert distances.tolist() == [[3, np.inf, np.inf], [3, np.inf, np.inf]]


def test_equal_points_are_found_whatever_the_sign_of_zero() -> None:
    values = np.array([[1, 0], [2, 0], [1, -0.0], [2, 0], [3, 0]], np.float32)
    assert first_equal(values).tolist() == [0, 1, 0, 1, 4]


def test_pixels_and_vectors_are_read_without_what_is_damaged(tmp_path: Path) -> None:
    pool = veduta.create(tmp_path / "p.vd")
    files = {f"k{i}": encoded(picture(i, (40, 28)), "PNG") for i in range(5)}
    pool.ingest(Given(files | {"bad": b"\xff\xd8\xff broken"}))
    points = read_points(pool, "image", 8, pool.rows(), "test")
    assert points.values.shape == (5, 8 * 8 * 3)
    assert points.values.min() >= 0
    assert 0.5 < points.values.max() <= 1
    assert "8 x 8 x 3" in points.space
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    values[0], values[2] = 0, np.nan
    pool = pool_of(tmp_path / "v.vd", {"embedding": vectors_of(values, missing=(1,))})
    points = read_points(pool, "embedding", 8, pool.rows(), "test")
    assert points.rows.tolist() == [3]
    assert points.values.tolist() == [[9, 10, 11]]
    with pytest.raises(MissingColumn, match="annotate embed"):
        read_points(pool, "nothing", 8, pool.rows(), "test")
    with pytest.raises(BadInput, match="not vectors"):
        read_points(pool, "key", 8, pool.rows(), "test")


def test_local_dimension_is_that_of_a_loop_and_equal_images_share_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    values = rng.standard_normal((60, 4)).astype(np.float32)
    values[7] = values[3]
    pool = pool_of(tmp_path / "p.vd", {"embedding": vectors_of(values, missing=(11,))})
    pool.annotate(LocalDimension(k=5))
    got = pool.table(["local_dimension"])["local_dimension"]
    assert got.type == pa.float32()
    assert got[11].as_py() is None
    assert got[7].as_py() == got[3].as_py()
    different = np.delete(np.arange(60), [7, 11])
    truth = np.sort(all_distances(values[different]), axis=1)[:, :5]
    for place, row in enumerate(different):
        t = truth[place]
        loop = sum(np.log(t[4] / t[j]) for j in range(4)) / 3
        assert got[int(row)].as_py() == pytest.approx(1 / loop, rel=1e-4)
    with pytest.raises(NothingToDo, match="needs 100 different images, got 58"):
        LocalDimension(k=20).compute(pool)


def test_points_at_one_distance_have_no_dimension(tmp_path: Path) -> None:
    pool = pool_of(tmp_path / "p.vd", {"embedding": vectors_of(np.eye(30, dtype=np.float32))})
    pool.annotate(LocalDimension(k=5))
    assert pool.table(["local_dimension"])["local_dimension"].null_count == 30
    assert (inverse_dimension(np.ones((3, 5))) == 0).all()


def test_what_does_not_fit_into_memory_is_refused_before_anything_is_read() -> None:
    room(60_000, 3072, "test")
    with pytest.raises(BadInput, match="at most 2,730 rows"):
        room(60_000, 256 * 256 * 3, "test")
