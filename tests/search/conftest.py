"""Pools made of vectors alone, and a small pool of drawn images with real embeddings."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageDraw

import veduta
from veduta.pool import Item, Pool


def unit_vectors(n: int, d: int, seed: int = 0, clusters: int = 0) -> np.ndarray:
    """(n, d) float32 unit vectors, uniform or around some centres."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, d))
    if clusters:
        vectors = rng.normal(size=(clusters, d))[rng.integers(clusters, size=n)] + 0.5 * vectors
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def as_column(vectors: np.ndarray | list) -> pa.Array:
    """Vectors (rows may be None) as a fixed-size-list column."""
    size = next(len(v) for v in vectors if v is not None)
    return pa.array([None if v is None else np.asarray(v).tolist() for v in vectors], pa.list_(pa.float32(), size))


def add_rows(pool: Pool, vectors: np.ndarray | list, column: str = "emb", **fields: list) -> None:
    """Append rows k0, k1, ... with a vector and further fields, as one fragment."""
    start = len(pool)
    with pool.writing():
        pool.append(pa.table({"key": [f"k{start + i}" for i in range(len(vectors))], **fields}))
        made = as_column(vectors)
        if column not in pool.schema.names:
            pool.define(pa.schema([pa.field(column, made.type)]))
        pool.fill(pa.table({column: made}), pool.pending([column])[-1:])


@pytest.fixture
def vector_pool(tmp_path: Path) -> Callable[..., Pool]:
    """A function (vectors, column="emb", **fields) -> a pool that holds them."""

    def make(vectors: np.ndarray | list, column: str = "emb", name: str = "v.vd", **fields: list) -> Pool:
        pool = veduta.create(tmp_path / name)
        add_rows(pool, vectors, column, **fields)
        return pool

    return make


def drawing(seed: int) -> Image.Image:
    """A picture of some shapes on a plain ground, 160 x 120."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (160, 120), tuple(int(c) for c in rng.integers(0, 255, 3)))
    pen = ImageDraw.Draw(image)
    for _ in range(4):
        x, y, r = (int(v) for v in rng.integers((0, 0, 10), (160, 120, 60)))
        shape = pen.ellipse if rng.random() < 0.5 else pen.rectangle
        shape((x - r, y - r, x + r, y + r), fill=tuple(int(c) for c in rng.integers(0, 255, 3)))
    return image


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    """The bytes of an image file."""
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


class Drawings:
    """A reader of 12 drawings and one broken file."""

    name = "drawings"

    def items(self):
        for i in range(12):
            data = encoded(drawing(i))
            yield Item(f"{i:02}.png", "", str(i), lambda data=data: data, {"label": "even" if i % 2 == 0 else "odd"})
        yield Item("broken.png", "", "x", lambda: b"\x89PNG broken", {"label": "odd"})

    def columns(self):
        return {}


@pytest.fixture(scope="session")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    """12 drawings embedded by the offline encoder, whole and in 5 patches, and one undecodable row; do not change it."""
    from veduta.annotate.embed import Embed
    from veduta.search import EmbedPatches

    pool = veduta.create(tmp_path_factory.mktemp("drawings") / "d.vd")
    pool.ingest(Drawings())
    pool.annotate([Embed(), EmbedPatches(levels=2)])
    return pool
