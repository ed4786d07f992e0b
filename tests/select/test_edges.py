"""Empty pools, single rows and rows that could not be decoded: an answer or a VedutaError, never a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from tests.select.conftest import unit

from veduta.engine.operation import Selector
from veduta.errors import VedutaError
from veduta.pool import Pool
from veduta.select.deduplicate import Deduplicate
from veduta.select.density_prune import DensityPrune
from veduta.select.exact_duplicates import ExactDuplicates
from veduta.select.sample import Sample
from veduta.select.semantic_deduplicate import SemanticDeduplicate
from veduta.select.top import Top
from veduta.select.where import Where

ALL: list[Selector] = [
    ExactDuplicates(),
    Deduplicate(),
    Deduplicate(by="hash"),
    Deduplicate(by="both", prefer="first"),
    SemanticDeduplicate(),
    SemanticDeduplicate(remove=0.5),
    DensityPrune(keep=0.5, clusters=2, neighbours=1),
    Top(column="score", keep=0.5),
    Top(column="score", count=1),
    Sample(keep=0.5),
    Sample(keep=0.5, method="balanced"),
    Sample(count=1, method="stratified"),
    Where(sql="score > 0"),
]


@pytest.mark.parametrize("rows", [0, 1, 2, 3])
@pytest.mark.parametrize("operation", ALL, ids=lambda operation: f"{operation.operation()}")
def test_tiny_pools(make_pool: Callable[..., Pool], operation: Selector, rows: int) -> None:
    broken = rows == 3  # the last row has no pixels and so no vector, hash or score
    present = pa.array([broken and i == rows - 1 for i in range(rows)], pa.bool_())
    vectors = unit(np.random.default_rng(0).standard_normal((rows, 8))) if rows else np.empty((0, 8), np.float32)
    pool = make_pool(
        [f"{i}.jpg" for i in range(rows)],
        digest=[str(i) for i in range(rows)],
        label=["x"] * rows,
        error=["truncated" if broken and i == rows - 1 else None for i in range(rows)],
        embedding=pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 8, mask=present),
        hash=pa.array([None if broken and i == rows - 1 else bytes([i] * 8) for i in range(rows)], pa.binary(8)),
        score=pa.array([None if broken and i == rows - 1 else 0.5 for i in range(rows)], pa.float32()),
    )
    try:
        chosen = pool.select(operation)
    except VedutaError:
        return
    assert len(chosen.keep) == rows
    assert all(len(column) == rows for column in chosen.columns.values())
    json.dumps(chosen.summary)
    assert (pool.selection(operation.operation().replace("-", "_")).keep == chosen.keep).all()


def test_purpose_and_parameters() -> None:
    for operation in ALL:
        assert operation.purpose().endswith(".")
        assert type(operation)(**operation.parameters()) == operation
        assert all(field.description for field in type(operation).model_fields.values())
