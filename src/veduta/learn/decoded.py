"""Decoded images of given rows, kept where they are few or small enough."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from veduta.engine.decode import decode
from veduta.errors import BadInput, Undecodable
from veduta.pool import View


class Decoded:
    """Pixels (h, w, 3) uint8 of the rows (m,) of a pool, reduced by a power of two while the short side stays >= `side`.

    If all of them fit into `cache_bytes` they are decoded once. Thread-safe: two threads may decode one image twice.
    """

    def __init__(self, pool: View, rows: NDArray[np.int64], side: int, cache_bytes: int) -> None:
        self._pool, self._rows, self._side = pool, rows, side
        broken = pool.take(rows, ["error"]).column(0).drop_null() if len(rows) else []
        if len(broken):
            raise BadInput(
                f"{len(broken)} of the {len(rows)} rows cannot be decoded (the first: {broken[0].as_py()}); "
                "leave them out with: error is null"
            )
        pool.rows()  # fills the address cache before threads share it
        self._kept: list[NDArray[np.uint8] | None] | None = None
        if _estimate(pool, rows, side) <= cache_bytes:
            self._kept = [None] * len(rows)

    def read(self, members: NDArray[np.int64]) -> list[NDArray[np.uint8]]:
        """The images of some places in `rows`, in that order."""
        found: list[NDArray[np.uint8] | None] = [None] * len(members)
        if self._kept is not None:
            found = [self._kept[i] for i in members.tolist()]
        missing = [place for place, pixels in enumerate(found) if pixels is None]
        if missing:
            rows = self._rows[members[missing]]
            for place, row, data in zip(missing, rows.tolist(), self._pool.read_images(rows), strict=True):
                found[place] = pixels_of(self._pool, row, data, self._side)
                if self._kept is not None:
                    self._kept[int(members[place])] = found[place]
        return [pixels for pixels in found if pixels is not None]


def pixels_of(pool: View, row: int, data: bytes | None, side: int) -> NDArray[np.uint8]:
    """The decoded bytes of a row. Raises BadInput, with the row's key, for an image that has gone or is damaged by now."""
    try:
        if data is None:
            raise Undecodable("its file is gone or no longer the image that was ingested")
        return decode(data, side).pixels
    except Undecodable as error:
        key = pool.take([row], ["key"]).column(0)[0].as_py()
        raise BadInput(
            f"the image {key} could be read when the pool was made and cannot be now ({error}); ingest its source again"
        ) from None


def _estimate(pool: View, rows: NDArray[np.int64], side: int) -> int:
    """Bytes of all decoded images."""
    size = pool.table(["width", "height"])
    width, height = (np.nan_to_num(size.column(i).to_numpy(zero_copy_only=False).astype(float))[rows] for i in (0, 1))
    short = np.maximum(np.minimum(width, height), 1)
    scale = np.ones_like(short)
    for factor in (2, 4, 8):
        scale = np.where(short // factor >= side, factor, scale)
    return int((3 * width * height / scale**2).sum())
