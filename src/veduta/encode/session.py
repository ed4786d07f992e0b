"""ONNX Runtime sessions, opened on first use."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veduta.errors import EncoderError


class Session:
    """One ONNX model on the CPU, opened at its first call; thread-safe.

    `path()` gives the file (and may make it). `threads` is the number of cores that one call uses: with one thread a
    call and two calling threads, two cores are as busy as with one call of two threads, and nothing waits for anything.
    A file that cannot be opened is handed to `damaged(error)`, if given, and `path()` is asked once more.
    """

    def __init__(
        self, path: Callable[[], Path], threads: int = 1, damaged: Callable[[Exception], None] | None = None
    ) -> None:
        self._path, self._threads, self._damaged = path, threads, damaged
        self._lock = threading.Lock()
        self._session: Any = None

    def open(self) -> Any:
        """The `onnxruntime.InferenceSession`. Raises EncoderError if the model cannot be opened."""
        if self._session is None:
            with self._lock:
                if self._session is None:
                    self._session = self._opened()
        return self._session

    def _opened(self) -> Any:
        path = self._path()
        try:
            return _session(path, self._threads)
        except Exception as error:
            # ONNX Runtime raises about ten unrelated types for an unreadable model; none of them is a bug of ours.
            if self._damaged is None:
                reason = str(error).splitlines()[0]
                raise EncoderError(f"The model {path} cannot be opened by ONNX Runtime: {reason}") from error
            self._damaged(error)
            return _session(self._path(), self._threads)

    def run(self, outputs: Sequence[str], inputs: dict[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
        """The named outputs for the named inputs."""
        return self.open().run(list(outputs), inputs)


def _session(path: Path, threads: int) -> Any:
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
