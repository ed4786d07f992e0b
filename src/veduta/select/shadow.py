"""Shorter vectors whose cosine never falls below the true one, so that a search in them loses no pair.

Let P have orthonormal columns and split x = P Pᵀx + r_x. Then for unit vectors x, y

    x·y = Pᵀx · Pᵀy + r_x · r_y  <=  Pᵀx · Pᵀy + |r_x| |r_y|      (Cauchy-Schwarz)

so the shadow z_x = (Pᵀx, |r_x|), itself of unit norm, has z_x · z_y >= x · y. The fewer dimensions carry the data,
the tighter the bound; P are the leading eigenvectors of the second moment of a sample.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from veduta.select.spill import Spilled

FEW = 3000
"""Up to so many rows comparing whole vectors costs less than finding the axes of shorter ones."""
SAMPLE = 4096
DIMENSIONS = (31, 63, 127, 255)
FALSE_CANDIDATES = 16.0
"""How many rows a shadow may wrongly bring up for each row before a longer shadow is taken."""


def shadow(
    vectors: NDArray[np.float32] | Spilled, threshold: float, rng: np.random.Generator, *, chunk: int = 4096
) -> NDArray[np.float32]:
    """Shadows of unit vectors (n, d), as short as the data allows at this cosine threshold.

    Returns (n, k + 1) float32 of unit norm with k < d / 2, or `vectors` themselves where no shadow is worth it.
    Cost: one eigendecomposition (d, d), one pass, n * (k + 1) * 4 bytes.
    """
    n, d = vectors.shape
    sizes = [k for k in DIMENSIONS if 2 * (k + 1) <= d]
    if not sizes or n <= FEW:
        return vectors[:]
    rows = np.sort(rng.choice(n, min(n, SAMPLE), replace=False))
    sample = vectors[rows].astype(np.float64)
    basis = np.linalg.eigh(sample.T @ sample)[1][:, ::-1]
    some = sample[:: max(1, len(sample) // 1024)].astype(np.float32)
    pairs = len(some) * (len(some) - 1)
    true = _pairs(some, threshold)
    for k in sizes:
        axes = np.ascontiguousarray(basis[:, :k], dtype=np.float32)
        if n * (_pairs(_cast(some, axes), threshold) - true) <= FALSE_CANDIDATES * pairs:
            out = np.empty((n, k + 1), dtype=np.float32)
            for at in range(0, n, chunk):
                out[at : at + chunk] = _cast(vectors[at : at + chunk], axes)
            return out
    return vectors[:]


def _cast(vectors: NDArray[np.float32], axes: NDArray[np.float32]) -> NDArray[np.float32]:
    inside = vectors @ axes
    rest = np.sqrt(np.maximum(0.0, 1.0 - np.einsum("nk,nk->n", inside, inside)))
    return np.concatenate([inside, rest[:, None]], axis=1, dtype=np.float32)


def _pairs(vectors: NDArray[np.float32], threshold: float) -> int:
    return int((vectors @ vectors.T >= threshold).sum()) - len(vectors)
