"""Batches through worker threads, results in order, memory bounded."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

# Images of one batch are in memory together, decoded; small enough for 50-megapixel PNG files on two threads.
BATCH = 16


def workers() -> int:
    """Worker threads: VEDUTA_WORKERS, else the cores that this process may use."""
    given = os.environ.get("VEDUTA_WORKERS", "")
    return max(1, int(given)) if given.isdigit() else len(os.sched_getaffinity(0))


def batched(
    items: Iterable[T], size: int, weight: Callable[[T], int] | None = None, heavy: int = 0
) -> Iterator[list[T]]:
    """Consecutive lists of up to `size` items. weight: of an item; a list ends before its items weigh more than `heavy`."""
    batch: list[T] = []
    total = 0
    for item in items:
        more = weight(item) if weight else 0
        if batch and total + more > heavy > 0:
            yield batch
            batch, total = [], 0
        batch.append(item)
        total += more
        if len(batch) == size:
            yield batch
            batch, total = [], 0
    if batch:
        yield batch


def ordered_map(
    function: Callable[[T], R],
    inputs: Iterable[T],
    *,
    ahead: int = 2,
    weight: Callable[[T], int] | None = None,
    room: int = 0,
) -> Iterator[R]:
    """`map` over worker threads: results in the order of the inputs, at most `ahead` batches a worker in flight.

    weight: of a batch, in bytes; those in flight weigh at most `room` together, or a heavier one is alone.

    Decoders, ONNX Runtime and OpenCV release the interpreter lock, so each thread carries its batch through the
    whole chain: nothing is handed over and nothing is copied between stages. The first error ends the run.
    """
    count = workers()
    flying: deque[tuple[Future[R], int]] = deque()
    with ThreadPoolExecutor(count, thread_name_prefix="veduta") as pool:
        try:
            total = 0
            for item in inputs:
                more = weight(item) if weight else 0
                while flying and total + more > room > 0:
                    first, less = flying.popleft()
                    total -= less
                    yield first.result()
                flying.append((pool.submit(function, item), more))
                total += more
                del item  # or the batch would be held until the next one is there
                if len(flying) >= count * (1 + ahead):
                    first, less = flying.popleft()
                    total -= less
                    yield first.result()
            while flying:
                yield flying.popleft()[0].result()
        finally:
            for future, _ in flying:
                future.cancel()
