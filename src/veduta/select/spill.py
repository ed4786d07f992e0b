"""Vectors too many to hold: kept in a file that has no name, read row by row where they are needed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HELD = 64 << 20
"""Bytes of vectors that stay in memory."""


class Spilled:
    """Vectors (n, d) float32 in a file; `spilled[rows]` reads (m, d) of them. The file goes with the object, however the
    process ends. Plain reads, because the pages of a mapped file count as memory of the process.
    """

    def __init__(self, pieces: Iterable[NDArray[np.float32]], width: int, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - open as long as the object
        for piece in pieces:
            self._file.write(np.ascontiguousarray(piece, np.float32).data)
        self._file.flush()
        self.shape = (os.fstat(self._file.fileno()).st_size // (4 * width), width)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> NDArray[np.float32]:
        """Thread-safe."""
        size, handle = 4 * self.shape[1], self._file.fileno()
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step != 1:
                return self[np.arange(start, stop, step)]
            found = os.pread(handle, size * max(0, stop - start), size * start)
            return np.frombuffer(found, np.float32).reshape(-1, self.shape[1])
        out = np.empty((len(rows), self.shape[1]), np.float32)
        for place, row in zip(out, rows.tolist(), strict=True):
            os.preadv(handle, [place], size * row)
        return out


def stored(pieces: Iterable[NDArray[np.float32]], rows: int, width: int, folder: Path) -> NDArray[np.float32] | Spilled:
    """The `pieces`, together (rows, width) float32: in memory up to 64 MiB, else in a file in `folder`."""
    if 4 * rows * width > HELD:
        return Spilled(pieces, width, folder)
    return np.concatenate([np.empty((0, width), np.float32), *pieces])
