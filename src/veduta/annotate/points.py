"""Images as points of a Euclidean space: their pixels at one size, or vectors that an encoder made.

Legend: n rows, d numbers a row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.annotate.vectors import sound
from veduta.engine.decode import decode
from veduta.engine.operation import Field
from veduta.errors import BadInput, Undecodable
from veduta.pool import View
from veduta.pool.schema import FINGERPRINT

IMAGE = "image"
MOST = 2 << 30
"""Bytes of points that are held at once."""
AT_ONCE = 64

COLUMN = Field("embedding", description="column of vectors, or image: the pixels themselves")
SIZE = Field(32, ge=2, le=256, description="side in pixels to which images are squeezed; for the column image only")


@dataclass(frozen=True)
class Points:
    """values: (n, d) float32; rows: (n,) int64 positions in the pool, ascending; space: what the numbers are, in words.

    Distances of two sets can be compared only if their spaces are the same.
    """

    values: NDArray[np.float32]
    rows: NDArray[np.int64]
    space: str

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> Points:
        """Some of them."""
        return Points(self.values[chosen], self.rows[chosen], self.space)


def check_column(pool: View, column: str, needed_by: str) -> None:
    """Raise MissingColumn or BadInput unless the column is `image` or holds vectors."""
    if column == IMAGE:
        return
    kind = pool.require(column, needed_by=needed_by, mend="make it with: veduta annotate embed POOL").type
    if not pa.types.is_fixed_size_list(kind):
        raise BadInput(
            f"{needed_by}: the column '{column}' holds {kind}, not vectors; name a column of vectors, or image"
        )


def read_points(pool: View, column: str, size: int, rows: NDArray[np.int64], needed_by: str) -> Points:
    """The points of some ascending rows; rows without an image or a sound vector are left out.

    Images are squeezed into size x size RGB, in [0, 1]; vectors are as they are stored. Memory: 4 bytes x n x d, which must
    stay below 2 GiB (BadInput). One pass.
    """
    check_column(pool, column, needed_by)
    width = size * size * 3 if column == IMAGE else pool.schema.field(column).type.list_size
    room(len(rows), width, needed_by)
    if column == IMAGE:
        pieces = [
            (np.stack(images).astype(np.float32).reshape(len(images), -1) / np.float32(255), at)
            for images, at in _squeezed(pool, rows, size)
        ]
        space = f"pixels, {size} x {size} x 3, in [0, 1]"
    else:
        pieces = list(_vectors(pool, column, rows))
        made = (pool.schema.field(column).metadata or {}).get(FINGERPRINT, b"").decode()
        space = f"vectors '{column}', {width} numbers, of the encoder {made[:12] or 'unknown'}"
    values = np.concatenate([np.empty((0, width), np.float32), *(v for v, _ in pieces)])
    return Points(values, np.concatenate([np.empty(0, np.int64), *(r for _, r in pieces)]), space)


def room(rows: int, width: int, needed_by: str) -> None:
    """Raise BadInput if so many points do not fit into memory."""
    if rows * width * 4 > MOST:
        raise BadInput(
            f"{needed_by} holds its points in memory, and {rows:,} of {width:,} numbers are {rows * width * 4 / 2**30:.1f} GiB, "
            f"more than the 2 GiB there may be; take at most {MOST // (4 * width):,} rows, or make images smaller"
        )


def images_of(
    pool: View, rows: NDArray[np.int64], side: int
) -> Iterator[tuple[list[NDArray[np.uint8]], NDArray[np.int64]]]:
    """Decoded images (h, w, 3) uint8 of short side about `side`, and their rows, a few at a time; those that cannot be
    decoded are left out.
    """

    def make(data: bytes | None) -> NDArray[np.uint8] | None:
        try:
            return decode(data, side).pixels if data else None
        except Undecodable:
            return None

    with ThreadPoolExecutor(4, thread_name_prefix="points") as workers:
        for start in range(0, len(rows), AT_ONCE):
            part = rows[start : start + AT_ONCE]
            made = list(workers.map(make, pool.read_images(part)))
            good = [i for i, image in enumerate(made) if image is not None]
            if good:
                yield [image for image in made if image is not None], part[good]


def _squeezed(
    pool: View, rows: NDArray[np.int64], size: int
) -> Iterator[tuple[list[NDArray[np.uint8]], NDArray[np.int64]]]:
    from veduta.encode.base import resized

    for images, at in images_of(pool, rows, size):
        yield [image if image.shape[:2] == (size, size) else resized(image, size, "bicubic") for image in images], at


def _vectors(
    pool: View, column: str, rows: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    for start in range(0, len(rows), 8192):
        part = rows[start : start + 8192]
        values = pool.take(part, [column]).column(0).combine_chunks()
        there = np.asarray(values.is_valid())
        made = np.asarray(values.drop_null().flatten(), np.float32).reshape(int(there.sum()), -1)
        good = sound(made)
        yield made[good], part[there][good]


def first_equal(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """(n,) for each point the first one that is equal to it, itself if there is none before."""
    seen: dict[bytes, int] = {}
    return np.array(
        [seen.setdefault(hashlib.blake2b(v + np.float32(0), digest_size=16).digest(), i) for i, v in enumerate(values)],
        np.int64,
    )


def labels_of(pool: View, column: str, rows: NDArray[np.int64], needed_by: str) -> list[str | None]:
    """The labels of some rows as text. Raises BadInput for a column of anything but one label a row."""
    kind = pool.require(column, needed_by=needed_by, mend="name the column of labels").type
    single = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)
    if not (single or pa.types.is_boolean(kind) or pa.types.is_dictionary(kind)):
        raise BadInput(
            f"{needed_by} needs one label a row, text or whole numbers, but the column '{column}' holds {kind}"
        )
    return [None if v is None else str(v) for v in pool.take(rows, [column]).column(0).to_pylist()]
