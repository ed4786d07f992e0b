"""Pools that the tests of the app look at: every kind of column with everything that may be missing in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from fastapi.testclient import TestClient

import veduta
from items import Given
from pictures import encoded, picture
from veduta.app.server import create_app
from veduta.pool import Pool

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "a'b",
    'say "hi"',
    "back`tick",
    "-- ; drop",
    "päper ☃",
    "\\ %_",
    "tab\tnew\nline",
]


def client(pool: Pool | Path) -> TestClient:
    """A browser of this machine before the app over a pool."""
    path = pool.path if isinstance(pool, Pool) else pool
    return TestClient(create_app(path), base_url="http://localhost")


def mixed(path: Path, count: int = 240, damaged: int = 2) -> Pool:
    """Rows with label, labels and columns of numbers, truths and texts; a tenth of each is missing."""
    rng = np.random.default_rng(7)
    content = {f"p{i:04d}": encoded(picture(i % 5, (40, 30))) for i in range(count)}
    content |= {f"z{i}": b"\xff\xd8\xffbroken" for i in range(damaged)}
    names = [*HOSTILE, "cat", "dog"]
    fields = {
        f"p{i:04d}": {
            "label": None if rng.random() < 0.1 else names[int(rng.integers(len(names)))],
            "labels": None if i % 10 == 0 else [names[int(k)] for k in rng.integers(0, len(names), i % 4)],
        }
        for i in range(count)
    }
    pool = veduta.create(path)
    pool.ingest(Given(content, fields))
    total = len(pool)
    missing = rng.random(total) < 0.1
    wild = rng.normal(size=total)
    wild[:6] = [np.nan, np.inf, -np.inf, 0.1, 0.0, -0.0]
    columns = {
        "single": pa.array(wild.astype(np.float32), mask=missing),
        "double": pa.array(wild, mask=missing),
        "whole": pa.array(rng.integers(-4, 5, total), pa.int64(), mask=missing),
        "small": pa.array(rng.integers(-4, 5, total), pa.int8(), mask=missing),
        "flag": pa.array(rng.random(total) < 0.5, mask=missing),
        "odd name": pa.array([f"n{k}" for k in rng.integers(0, 3, total)], mask=missing),
    }
    with pool.writing():
        pool.define(pa.schema([pa.field(name, values.type) for name, values in columns.items()]))
        pool.fill(pa.table(columns), pool.pending(list(columns)))
    return pool


def pick(**choice: Any) -> str:
    """One pick as the query parameter."""
    return json.dumps([choice])
