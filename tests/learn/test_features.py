"""Batches of stored vectors."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from veduta.errors import BadInput
from veduta.learn.features import FeatureLoader

VECTORS = np.arange(20, dtype=np.float32).reshape(10, 2)
ROWS = np.arange(100, 110)


def test_a_batch_holds_the_vectors_of_its_rows_and_tells_its_epoch() -> None:
    batches = list(islice(FeatureLoader(VECTORS, ROWS, 5, seed=1).batches(), 6))
    assert [batch.epoch for batch in batches] == [0, 0, 1, 1, 2, 2]
    assert [batch.step for batch in batches] == list(range(6))
    for batch in batches:
        assert (batch.images[0].numpy() == VECTORS[batch.rows - 100]).all()
    later = next(FeatureLoader(VECTORS, ROWS, 5, seed=1).batches(3))
    assert (later.rows == batches[3].rows).all()
    assert later.epoch == 1


def test_two_processes_share_each_batch() -> None:
    whole = next(FeatureLoader(VECTORS, ROWS, 4, seed=1).batches())
    parts = [next(FeatureLoader(VECTORS, ROWS, 4, 1, rank, 2).batches()) for rank in (0, 1)]
    assert sorted(np.concatenate([part.rows for part in parts])) == sorted(whole.rows)


def test_batches_that_cannot_be() -> None:
    with pytest.raises(BadInput, match="larger than the 10 training rows"):
        FeatureLoader(VECTORS, ROWS, 11, 0)
    with pytest.raises(BadInput, match="cannot be shared by 2 processes"):
        FeatureLoader(VECTORS, ROWS, 5, 0, 0, 2)
