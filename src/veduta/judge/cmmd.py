"""How far a set of images is from another, in an embedding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from veduta.encode.base import unit
from veduta.errors import BadInput

SIGMA, SCALE = 10.0, 1000.0


def cmmd(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """1,000 times the squared maximum mean discrepancy of vectors (n, d) and (m, d), scaled to unit norm; Gaussian kernel of
    sigma 10.

    Jayasumana et al. 2024 (Rethinking FID, CVPR, arXiv 2401.09603, section 5), who take CLIP embeddings; ours are those of the
    pool's encoder, so that values compare only within one. The biased estimate, as in their code: 0 for equal sets, never
    below. Cost: (n + m)^2 d multiplications, n^2 + n m + m^2 numbers. Raises BadInput for an empty set or other dimensions.
    """
    if not len(a) or not len(b) or a.shape[1] != b.shape[1]:
        raise BadInput(f"cmmd needs two sets of vectors of the same dimensions, got {a.shape} and {b.shape}")
    a, b = unit(a).astype(np.float64), unit(b).astype(np.float64)

    def kernel(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
        squares = np.maximum((x**2).sum(1)[:, None] + (y**2).sum(1)[None] - 2 * x @ y.T, 0)
        return float(np.exp(-squares / (2 * SIGMA**2)).mean())

    return SCALE * max(0.0, kernel(a, a) + kernel(b, b) - 2 * kernel(a, b))
