"""Own threads over single-threaded BLAS: many small matrix products stay quick even when other processes want the cores.

BLAS threads wait for each other at the end of every product, and one that has lost its core holds up the rest;
measured on two cores with five busy processes, products of 1024 x 32 x 2048 ran 20 times slower with two BLAS threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from threadpoolctl import threadpool_limits

Each = Callable[[Callable[[Any], Any], Iterable[Any]], list[Any]]


def one_thread() -> threadpool_limits:
    """A context in which neither BLAS nor OpenMP starts threads: for work of milliseconds, which waiting would dominate."""
    return threadpool_limits(1)


def one_blas_thread() -> threadpool_limits:
    """A context in which BLAS has one thread: for small factorisations, which gain nothing from more."""
    return threadpool_limits(1, user_api="blas")


@contextmanager
def workers(count: int | None = None) -> Iterator[Each]:
    """A parallel map that keeps the order of its results; BLAS has one thread inside. `count`: default all cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with one_blas_thread(), ThreadPoolExecutor(count or cores) as pool:
        yield lambda function, items: list(pool.map(function, items))
