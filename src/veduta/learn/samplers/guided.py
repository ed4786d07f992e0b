"""Batches in which no two images are of one cluster."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from veduta.errors import BadInput


class Guided:
    """Batches of one image of each of `batch` clusters (Chakraborty et al. 2020, arXiv 2009.12007, G-SimCLR).

    clusters: (n,) int64. Differences from the released code: members are shuffled anew in every epoch, and the clusters of
    a batch are those with most unseen members, so that sizes may differ without ranks being mixed. Small clusters are
    used again. strict: refuse batches larger than the number of clusters; else these take clusters twice. Implements
    `Order`.
    """

    def __init__(self, clusters: NDArray[np.int64], batch: int, *, seed: int = 0, strict: bool = True) -> None:
        self.names, self._number = np.unique(clusters, return_inverse=True)
        if len(self.names) < 2:
            raise BadInput(
                f"guided batches need two clusters or more, got {len(self.names)}; cluster with a larger count"
            )
        if strict and batch > len(self.names):
            raise BadInput(
                f"a batch of {batch} cannot hold one image of each of {len(self.names)} clusters; give --batch "
                f"{len(self.names)} or less, or make more clusters"
            )
        self.batch, self.seed, self.strict = batch, seed, strict
        self._members = [np.flatnonzero(self._number == k) for k in range(len(self.names))]
        self._steps = len(clusters) // batch

    def epoch(self, number: int) -> NDArray[np.int64]:
        """(steps, batch) int64; as many steps as n / batch, small clusters being used again where large ones are not done."""
        rng = np.random.default_rng([self.seed, 0x6D, number])
        waiting = [rng.permutation(members) for members in self._members]
        left = np.array([len(members) for members in waiting])
        taken = np.zeros(len(left), np.int64)
        found = np.empty((self._steps, self.batch), np.int64)
        for step in range(self._steps):
            # The clusters with most unseen members first; ties and used-up ones in random order.
            order = np.lexsort((rng.random(len(left)), -np.maximum(left - taken, 0)))
            chosen = np.resize(order, self.batch) if self.batch > len(order) else order[: self.batch]
            for place, k in enumerate(chosen.tolist()):
                found[step, place] = waiting[k][taken[k] % len(waiting[k])]
                taken[k] += 1
        return found

    def report(self, number: int = 0, labels: NDArray[np.int64] | None = None) -> dict[str, Any]:
        """Of one epoch: rows unused and repeated, share of same-cluster pairs in batches, and of same-label pairs."""
        batches = self.epoch(number)
        counts = np.bincount(batches.ravel(), minlength=len(self._number))
        facts = {
            "clusters": len(self.names),
            "sizes": np.sort(np.bincount(self._number))[::-1].tolist(),
            "unused": int((counts == 0).sum()),
            "repeated": int((counts > 1).sum()),
            "same_cluster_pairs": same_pairs(batches, self._number),
        }
        if labels is not None:
            facts["same_label_pairs"] = same_pairs(batches, labels)
        return facts


def same_pairs(batches: NDArray[np.int64], values: NDArray[np.int64]) -> float:
    """The share of pairs of a batch whose rows have the same value; batches (steps, batch), values (n,)."""
    own = values[batches]
    same = (own[:, :, None] == own[:, None, :]).sum((1, 2)) - own.shape[1]
    return float(same.mean() / (own.shape[1] * (own.shape[1] - 1)))


def expected_same_label(clusters: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    """The mean over pairs of clusters a != b of sum_c p_a(c) p_b(c): what batches of one image of each cluster would have."""
    _, a = np.unique(clusters, return_inverse=True)
    _, c = np.unique(labels, return_inverse=True)
    share = np.zeros((a.max() + 1, c.max() + 1))
    np.add.at(share, (a, c), 1)
    share /= share.sum(1, keepdims=True)
    k = len(share)
    total = share.sum(0)
    return float((total @ total - (share**2).sum()) / (k * (k - 1)))
