"""Bytes that wait for a decision."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO

IN_MEMORY = 16 << 20


class Aside:
    """Bytes put aside, from 16 MiB on in a file without a name in `folder`, which goes with this process. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._lock = threading.Lock()

    def put(self, data: bytes) -> Callable[[], bytes]:
        """Keep the bytes; returns what reads them."""
        with self._lock:
            if self._file is None:
                self._file = tempfile.SpooledTemporaryFile(IN_MEMORY, dir=self._folder)  # noqa: SIM115
            start = self._file.seek(0, 2)
            self._file.write(data)
        return partial(self._get, start, len(data))

    def _get(self, start: int, size: int) -> bytes:
        with self._lock:
            assert self._file is not None
            self._file.seek(start)
            return self._file.read(size)
