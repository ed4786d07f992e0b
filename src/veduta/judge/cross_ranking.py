"""Images searched by texts and texts by images.

Legend: n images, m texts, d dimensions, q queries of a direction, s things that are searched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from veduta.errors import BadInput
from veduta.judge.intervals import bootstrap

CHUNK = 256
TOP = 5
Score = Literal["cosine", "dot"]


@dataclass(frozen=True, slots=True)
class Direction:
    """Queries that have something to find, of one direction.

    queries: (q,) which text or image; rank: (q,) place of the first true one, 1 at best; relevant: (q,) how many are true;
    top: (q, up to 5) what came first, best first; units: (q,) the image that a query belongs to; searched: s.
    """

    queries: NDArray[np.int64]
    rank: NDArray[np.int64]
    relevant: NDArray[np.int64]
    top: NDArray[np.int64]
    units: NDArray[np.int64]
    searched: int

    def recall(self, k: int) -> float:
        """R@k: the share of queries with a true one among the first k; NaN without queries."""
        return float((self.rank <= k).mean()) if len(self.rank) else float("nan")

    def median(self) -> float:
        """The median rank; NaN without queries."""
        return float(np.median(self.rank)) if len(self.rank) else float("nan")

    def by_chance(self, k: int) -> float:
        """R@k of a random order: the mean over queries of 1 - C(s - t, k) / C(s, k) for t true ones."""
        missed = np.ones(len(self.relevant))
        for i in range(min(k, self.searched)):
            missed *= np.maximum(self.searched - self.relevant - i, 0) / (self.searched - i)
        return float((1 - missed).mean()) if len(missed) else float("nan")

    def interval(
        self, of: Callable[[NDArray[np.int64]], float], rng: np.random.Generator, rounds: int = 1000
    ) -> tuple[float, float]:
        """95 % bootstrap interval of `of(ranks)` over images: all queries of a drawn image come together."""
        order = np.argsort(self.units, kind="stable")
        ranks = self.rank[order]
        _, start, count = np.unique(self.units[order], return_index=True, return_counts=True)

        def again(drawn: NDArray[np.int64]) -> float:
            counts = count[drawn]
            first = np.repeat(start[drawn] - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
            return of(ranks[first + np.arange(int(counts.sum()))])

        return bootstrap(again, len(start), rng, rounds)

    def hub(self) -> tuple[int, float]:
        """What comes first most often, and for which share of the queries: hubness (Radovanovic et al. 2010)."""
        if not len(self.top):
            return -1, float("nan")
        counts = np.bincount(self.top[:, 0], minlength=self.searched)
        return int(counts.argmax()), float(counts.max() / len(self.top))

    def reached(self) -> float:
        """The share of what is searched that comes first for some query; a hubbed space reaches few."""
        return len(np.unique(self.top[:, 0])) / self.searched if len(self.top) else float("nan")


@dataclass(frozen=True, slots=True)
class CrossFound:
    """Both directions. text_to_image: texts search images; image_to_text: images search texts."""

    text_to_image: Direction
    image_to_text: Direction


def cross_retrieval(
    images: NDArray[np.floating],
    texts: NDArray[np.floating],
    owner: NDArray[np.integer],
    *,
    groups: NDArray[np.integer] | None = None,
    score: Score = "cosine",
) -> CrossFound:
    """Search all images (n, d) with each text, and all texts (m, d) with each image.

    owner: (m,) the image that each text describes; an image may have several texts, of which the first found counts, or
    none, and then only disturbs. groups: (n,) images with the same number are true for each other's texts. score: cosine, or the
    inner product as the vectors come. Ties go to the lower row, so a space in which all is alike scores what chance does.
    Cost: 2 n m d multiplications; memory 1 KiB * max(n, m), besides the vectors. Raises BadInput for shapes that do not fit, vectors
    that are not finite, and owners that are not images.
    """
    if images.ndim != 2 or texts.ndim != 2 or images.shape[1] != texts.shape[1]:
        raise BadInput(f"images (n, d) and texts (m, d) must have the same d, got {images.shape} and {texts.shape}")
    if owner.shape != (len(texts),) or (len(owner) and not (owner.min() >= 0 and owner.max() < len(images))):
        raise BadInput(f"owner must name one of the {len(images)} images for each of the {len(texts)} texts")
    if groups is not None and groups.shape != (len(images),):
        raise BadInput(f"groups must have a number for each of the {len(images)} images, got {groups.shape}")
    if not (np.isfinite(images).all() and np.isfinite(texts).all()):
        raise BadInput("vectors of images and texts must be finite; leave rows without a sound vector out")
    images, texts = np.asarray(images, np.float32), np.asarray(texts, np.float32)
    if score == "cosine":
        from veduta.encode.base import unit

        images, texts = unit(images), unit(texts)
    own = np.arange(len(images)) if groups is None else np.asarray(groups, np.int64)
    theirs = own[owner]
    return CrossFound(
        _search(texts, images, theirs, own, np.asarray(owner, np.int64)),
        _search(images, texts, own, theirs, np.arange(len(images))),
    )


def _search(
    queries: NDArray[np.float32],
    searched: NDArray[np.float32],
    wanted: NDArray[np.int64],
    have: NDArray[np.int64],
    units: NDArray[np.int64],
) -> Direction:
    kept, ranks, relevant, tops = [], [], [], []
    places = np.arange(len(searched))
    for start in range(0, len(queries), CHUNK):
        scores = queries[start : start + CHUNK] @ searched.T
        for row, own in enumerate(scores, start):
            true = have == wanted[row]
            count = int(true.sum())
            if not count:
                continue
            best = own[true].max()
            first = int(np.flatnonzero(true & (own == best))[0])
            kept.append(row)
            relevant.append(count)
            ranks.append(1 + int((own > best).sum()) + int(((own == best) & (places < first)).sum()))
            tops.append(_top(own))
    at = np.array(kept, np.int64)
    top = np.array(tops, np.int64).reshape(len(kept), min(TOP, len(searched)))
    return Direction(at, np.array(ranks, np.int64), np.array(relevant, np.int64), top, units[at], len(searched))


def _top(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """The places of the largest scores, best first, of equals the lower place."""
    k = min(TOP, len(scores))
    least = np.partition(scores, len(scores) - k)[len(scores) - k]
    candidates = np.flatnonzero(scores >= least)
    return candidates[np.argsort(-scores[candidates], kind="stable")][:k]
