"""Small pools whose columns a test chooses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from veduta.pool import Pool

CORE = {"width": pa.int32(), "height": pa.int32(), "bytes": pa.int64(), "digest": pa.string(), "label": pa.string()}


@pytest.fixture
def make_pool(tmp_path: Path) -> Callable[..., Pool]:
    """A function: keys and columns (lists, arrays, (n, d) vectors with NaN-free rows or None) to a pool."""

    def make(keys: list[str], name: str = "pool.vd", **columns: Any) -> Pool:
        pool = Pool.create(tmp_path / name)
        core = {k: pa.array(v, CORE[k]) for k, v in columns.items() if k in CORE}
        if "error" in columns:
            core["error"] = pa.array(columns.pop("error"), pa.string())
        if keys:
            pool.append(pa.table({"key": pa.array(keys, pa.string()), **core}))
        extra = {}
        for column, values in columns.items():
            if column in CORE:
                continue
            if isinstance(values, np.ndarray) and values.ndim == 2:
                flat = pa.array(values.astype(np.float32).ravel())
                extra[column] = pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
            else:
                extra[column] = values if isinstance(values, pa.Array) else pa.array(values)
        if extra:
            table = pa.table(extra)
            pool.define(table.schema)
            if keys:
                pool.fill(table, pool.pending(table.schema.names))
        return pool

    return make


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1, float32."""
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def partner(vectors: np.ndarray, cosine: np.ndarray | float, rng: np.random.Generator) -> np.ndarray:
    """For each unit vector another one at exactly this cosine."""
    side = rng.standard_normal(vectors.shape)
    side -= np.sum(side * vectors, axis=1, keepdims=True) * vectors
    cosine = np.broadcast_to(np.asarray(cosine, dtype=np.float64), (len(vectors),))[:, None]
    return unit(cosine * vectors + np.sqrt(1 - cosine**2) * unit(side))
