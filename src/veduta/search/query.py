"""The parts of a query: what a user gives, as unit vectors in the space that is searched."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veduta.errors import BadInput, SourceError, Undecodable
from veduta.search.exact import unit
from veduta.search.place import dataset
from veduta.search.post import combined
from veduta.search.space import Space

if TYPE_CHECKING:
    from veduta.pool import View

PARTS = ("text", "image", "row", "vector")


def given(text: Any, image: Any, row: Any, vector: Any) -> dict[str, Any]:
    """The parts that are not None. Raises BadInput if there is none or one is empty."""
    parts = {name: part for name, part in zip(PARTS, (text, image, row, vector), strict=True) if part is not None}
    if not parts:
        raise BadInput("a search needs a query; give one or more of text, image, row, vector")
    if text is not None and (not isinstance(text, str) or not text.strip()):
        raise BadInput(f"text must be a sentence or a word, got {text!r}")
    return parts


def resolve(
    pool: View,
    space: Space,
    parts: Mapping[str, Any],
    weights: Mapping[str, float] | None = None,
    toward: tuple[Any, float] | None = None,
) -> tuple[NDArray[np.float32], int | None]:
    """The query (dim,) of unit norm, and the row to leave out of its own results.

    Several parts become the normalised sum of their unit vectors, each times its weight (default 1). `toward` =
    (vector or text, w) then moves it: q <- normalise(q + w * t), as LAION's service does with its aesthetic direction.
    """
    weights = dict(weights or {})
    unknown = sorted(set(weights) - set(parts))
    if unknown:
        raise BadInput(
            f"weights names '{unknown[0]}', which is not part of this query; its parts are: {', '.join(parts)}"
        )
    skip, vectors = None, []
    for name, part in parts.items():
        if name == "row":
            skip = position(pool, part)
        vector = row_vector(pool, space, skip) if name == "row" else _vector(space, name, part)
        vectors.append((name, float(weights.get(name, 1.0)), vector))
    query = combined(vectors)
    if toward is not None:
        if not isinstance(toward, (tuple, list)) or len(toward) != 2:
            raise BadInput(f"toward must be a pair (text or vector, weight), got {toward!r}")
        target, weight = toward
        name = "text" if isinstance(target, str) else "vector"
        query = combined([("query", 1.0, query), ("toward", float(weight), _vector(space, name, target))])
    return query, skip


def _vector(space: Space, name: str, part: Any) -> NDArray[np.float32]:
    if name == "text":
        return space.text([part])[0]
    if name == "image":
        return space.image(pixels(part, space.encoder.resize if space.encoder else None))
    vector = np.asarray(part, np.float32)
    if vector.shape != (space.dim,):
        raise BadInput(
            f"vector must have the {space.dim} values of the column '{space.column}', got shape {vector.shape}"
        )
    if not np.isfinite(vector).all() or not vector.any():
        raise BadInput("vector must be finite and not zero; it has no direction as it is")
    return unit(vector)


def position(pool: View, row: str | int) -> int:
    """The row position of a key (str) or of a position (int) itself. Raises BadInput if there is none."""
    if isinstance(row, str):
        found = pool.rows("key = '" + row.replace("'", "''") + "'")
        if not len(found):
            raise BadInput(f"row '{row}' is not a key of this pool; see its keys with: veduta show POOL")
        return int(found[0])
    total = dataset(pool).count_rows()
    if isinstance(row, bool) or not isinstance(row, (int, np.integer)) or not 0 <= row < total:
        raise BadInput(f"row must be a key or a position from 0 to {total - 1}, got {row!r}")
    return int(row)


def row_vector(pool: View, space: Space, row: int | None) -> NDArray[np.float32]:
    """The stored vector (dim,) of one row, unit norm."""
    record = pool.take([row], [space.column, "key", "error"]).to_pylist()[0]
    if record[space.column] is None:
        why = f" ({record['error']})" if record["error"] else ""
        raise BadInput(
            f"row {row} ('{record['key']}') has no vector in '{space.column}'{why}; choose another row, or embed it"
        )
    vector = np.asarray(record[space.column], np.float32)
    if not np.isfinite(vector).all() or not vector.any():
        raise BadInput(
            f"the vector of row {row} ('{record['key']}') in '{space.column}' has no direction; choose another row"
        )
    return unit(vector)


def pixels(image: Any, side: int | None = None) -> NDArray[np.uint8]:
    """A query image as (h, w, 3) uint8: a path, bytes of a file, a Pillow image, or an array (h, w[, 3 or 4]) uint8.

    Files are decoded as at ingest; Pillow images and arrays follow the same rules for alpha and depth.
    """
    from veduta.engine import decode

    if isinstance(image, (str, os.PathLike)):
        try:
            data = Path(image).read_bytes()
        except OSError as error:
            raise BadInput(
                f"the query image {image} cannot be read: {error.strerror}; give the path of an image file"
            ) from None
        return _decoded(data, side, str(image))
    if isinstance(image, (bytes, bytearray, memoryview)):
        return _decoded(bytes(image), side, "given as bytes")
    if isinstance(image, np.ndarray):
        if (
            image.dtype != np.uint8
            or image.ndim not in (2, 3)
            or 0 in image.shape
            or image.shape[2:] not in ((), (1,), (3,), (4,))
        ):
            raise BadInput(
                f"a query image array must be (h, w), (h, w, 3) or (h, w, 4) uint8, got {image.shape} {image.dtype}"
            )
        if image.shape[2:] == (3,):
            return np.ascontiguousarray(image)
        from PIL import Image

        return decode.to_rgb(Image.fromarray(image[..., 0] if image.shape[2:] == (1,) else image))
    try:
        from PIL import Image, ImageOps
    except ImportError:  # pragma: no cover - Pillow is a core dependency
        raise BadInput(f"image must be a path, bytes or an array, got {type(image).__name__}") from None
    if not isinstance(image, Image.Image):
        raise BadInput(f"image must be a path, bytes, a Pillow image or an array, got {type(image).__name__}")
    return decode.to_rgb(ImageOps.exif_transpose(image))


def _decoded(data: bytes, side: int | None, name: str) -> NDArray[np.uint8]:
    from veduta.engine.decode import decode

    try:
        return decode(data, side).pixels
    except (Undecodable, SourceError) as error:
        raise BadInput(f"the query image {name} cannot be decoded: {error}; give another file") from None
