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

ASKED = 1 << 30
"""Bytes that are asked for at once: the system gives 2 GiB at most."""


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
        size = 4 * self.shape[1]
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step != 1:
                return self[np.arange(start, stop, step)]
            out = np.empty((max(0, stop - start), self.shape[1]), np.float32)
            self._read(memoryview(out).cast("B"), size * start)
            return out
        out = np.empty((len(rows), self.shape[1]), np.float32)
        for place, row in zip(out, rows.tolist(), strict=True):
            self._read(memoryview(place).cast("B"), size * row)
        return out

    def _read(self, into: memoryview, at: int) -> None:
        """Fill `into` from the byte `at` on, in as many pieces as the system gives."""
        done = 0
        while done < len(into):
            got = os.preadv(self._file.fileno(), [into[done : done + ASKED]], at + done)
            if not got:
                raise EOFError(f"the file of vectors ends at byte {at + done}")
            done += got


def stored(pieces: Iterable[NDArray[np.float32]], rows: int, width: int, folder: Path) -> NDArray[np.float32] | Spilled:
    """The `pieces`, together (rows, width) float32: in memory up to 64 MiB, else in a file in `folder`."""
    if 4 * rows * width > HELD:
        return Spilled(pieces, width, folder)
    return held(pieces, rows, width)


def held(pieces: Iterable[NDArray[np.float32]], rows: int, width: int) -> NDArray[np.float32]:
    """The `pieces`, together (rows, width) float32, in memory."""
    out, at = np.empty((rows, width), np.float32), 0
    for piece in pieces:
        out[at : at + len(piece)] = piece
        at += len(piece)
    return out
