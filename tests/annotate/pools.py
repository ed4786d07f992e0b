"""Small pools made of columns, for tests of operations that need no pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from veduta.pool import Pool
from veduta.pool.schema import FINGERPRINT, OPERATION, PARAMETERS


def vectors_of(values: np.ndarray, missing: tuple[int, ...] = ()) -> pa.Array:
    """(n, d) as a fixed-size-list column, null at the rows `missing`."""
    flat = pa.array(np.ascontiguousarray(values, dtype=np.float32).reshape(-1))
    gone = np.isin(np.arange(len(values)), missing)
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1], mask=pa.array(gone) if gone.any() else None)


def made_by_embed(fingerprint: str, encoder: str = "offline") -> dict[bytes, bytes]:
    """Field metadata as embed leaves it."""
    parameters = f'{{"encoder": "{encoder}", "column": "embedding"}}'.encode()
    return {FINGERPRINT: fingerprint.encode(), OPERATION: b"embed", PARAMETERS: parameters}


def pool_of(path: Path, columns: dict[str, object], metadata: dict[str, dict] | None = None) -> Pool:
    """A pool of rows without images; `metadata`: column -> field metadata."""
    pool = Pool.create(path)
    arrays = {name: values if isinstance(values, pa.Array) else pa.array(values) for name, values in columns.items()}
    count = len(next(iter(arrays.values())))
    new = [
        pa.field(n, a.type, metadata=(metadata or {}).get(n)) for n, a in arrays.items() if n not in pool.schema.names
    ]
    with pool.writing():
        pool.define(pa.schema(new))
        arrays = {"key": pa.array([f"{i:05}" for i in range(count)], pa.string()), **arrays}
        schema = pa.schema([pool.schema.field(name) for name in arrays])
        pool.append(pa.table({n: a.cast(schema.field(n).type) for n, a in arrays.items()}, schema=schema))
    return pool


def unit(values: np.ndarray) -> np.ndarray:
    """Rows of unit norm, float32."""
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)
