"""Which images a run was trained on, so that later operations can tell that they have been seen.

Kept in the run's folder, or beside the file of a head, as the first 16 hexadecimal digits of each image's digest: 8 bytes an image, so that the chance of
taking a new image for a seen one is below 1 in 1,000 for ten million trained images in a pool of a billion.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FILE = "trained_on.safetensors"


def file_of(place: Path) -> Path:
    """Where the numbers of a run (a folder) or of a head (a file) are."""
    return place.with_name(f"{place.stem}.{FILE}") if place.is_file() else place / FILE


def numbers(digests: Iterable[str | None]) -> NDArray[np.uint64]:
    """(n,) the first 64 bits of each digest; 0 for a row without one."""
    return np.array([int(digest[:16], 16) if digest else 0 for digest in digests], np.uint64)


def packed(digests: Iterable[str | None], *also: NDArray[np.uint64]) -> bytes:
    """The file's content for the digests of a run's images, and `also` those of the runs that it started from."""
    from safetensors.numpy import save

    found = np.unique(np.concatenate([numbers(digests), *also]))
    return save({"digest": found[found != 0]})


def read(place: Path) -> NDArray[np.uint64] | None:
    """Sorted numbers of the images that a run or head was trained on; None for one that does not say."""
    from safetensors.numpy import load

    file = file_of(place)
    return load(file.read_bytes())["digest"] if file.is_file() else None


def seen(digests: Iterable[str | None], trained: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """(n,) whether each digest is among those that `read` gave."""
    own = numbers(digests)
    if not len(trained):
        return np.zeros(len(own), bool)
    return trained[np.minimum(np.searchsorted(trained, own), len(trained) - 1)] == own
