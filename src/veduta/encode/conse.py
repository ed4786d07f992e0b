"""Convex combination of semantic embeddings: an image in the space of words, through a classifier's posterior."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from veduta.encode.base import unit


def posterior(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Softmax over the last axis: (n, c) logits to (n, c) probabilities."""
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def conse(
    logits: NDArray[np.float32], words: NDArray[np.float32], top: int = 10, temperature: float = 1.0
) -> NDArray[np.float32]:
    """(n, c) logits and (c, d) unit vectors of class names to (n, d) unit vectors.

    f(x) = sum over the `top` likeliest classes of p(y | x) s(y), divided by the sum of these p
    (Norouzi et al. 2014, arXiv 1312.5650, section 3.2). The paper ranks by cosine, so the result is scaled to unit
    norm here, which makes the division void. `temperature` divides the logits first; the paper has 1.
    Ties between classes are broken by class number. Each row is computed by itself: it does not depend on its batch.
    """
    probabilities = posterior(logits / np.float32(temperature))
    top = min(top, words.shape[0])
    best = np.argsort(-probabilities, axis=-1, kind="stable")[:, :top]
    weights = np.take_along_axis(probabilities, best, -1)
    return unit(np.einsum("nk,nkd->nd", weights, words[best]))
