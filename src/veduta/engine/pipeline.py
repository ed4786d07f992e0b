"""Batches through worker threads, results in order, memory bounded."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

# Images of one batch are in memory together, decoded; small enough for 50-megapixel PNG files on two threads.
BATCH = 16


def workers() -> int:
    """Worker threads: VEDUTA_WORKERS, else the cores that this process may use."""
    given = os.environ.get("VEDUTA_WORKERS", "")
    return max(1, int(given)) if given.isdigit() else len(os.sched_getaffinity(0))


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Consecutive lists of up to `size` items."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def ordered_map(function: Callable[[T], R], inputs: Iterable[T], *, ahead: int = 2) -> Iterator[R]:
    """`map` over worker threads: results in the order of the inputs, at most `ahead` batches a worker in flight.

    Decoders, ONNX Runtime and OpenCV release the interpreter lock, so each thread carries its batch through the
    whole chain: nothing is handed over and nothing is copied between stages. The first error ends the run.
    """
    count = workers()
    flying: deque = deque()
    with ThreadPoolExecutor(count, thread_name_prefix="veduta") as pool:
        try:
            for item in inputs:
                flying.append(pool.submit(function, item))
                if len(flying) >= count * (1 + ahead):
                    yield flying.popleft().result()
            while flying:
                yield flying.popleft().result()
        finally:
            for future in flying:
                future.cancel()
