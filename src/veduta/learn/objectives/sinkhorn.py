"""Balanced soft assignments."""

from __future__ import annotations

import torch
from torch import Tensor, distributed

from veduta.learn.objectives.gather import world


@torch.no_grad()
def sinkhorn(scores: Tensor, epsilon: float = 0.05, iterations: int = 3) -> Tensor:
    """(b, k) scores to (b, k) float32 codes: every row sums to 1, every prototype is used b / k times, as far as `iterations` go.

    Q = exp(scores / epsilon)', then in turn rows are scaled to 1 / k and columns to 1 / b, and at the end Q is times b
    (Caron et al. 2020, arXiv 2006.09882, section 3.1; Cuturi 2013). The largest score is subtracted first: exp(1 / 0.03)
    does not fit in half precision. Sums are over all processes.
    """
    q = scores.double().T
    largest = q.max()
    if world() > 1:
        distributed.all_reduce(largest, op=distributed.ReduceOp.MAX)
    q = torch.exp((q - largest) / epsilon)
    q /= _total(q.sum())
    prototypes, images = len(q), q.shape[1] * world()
    for _ in range(iterations):
        q /= _total(q.sum(1, keepdim=True)) * prototypes
        q /= q.sum(0, keepdim=True) * images
    return (q * images).T.float()


def _total(value: Tensor) -> Tensor:
    if world() > 1:
        distributed.all_reduce(value)
    return value
