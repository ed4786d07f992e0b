"""Hand-made image features and their classifiers: what frozen features have to beat.

Legend: n images, k classes. All classifiers choose their parameters by cross-validation on the training rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from veduta.learn import linear

Handmade = Literal["hog+color", "bow-orb", "pixels"]
SIDE = 64
ORB_SIDE = 128
WORDS = 200
COSTS = (1.0, 10.0, 100.0)
WIDTHS = (0.5, 1.0, 2.0, 4.0)
"""Candidates for gamma, in units of one over the mean squared distance between training rows."""


def hog_color(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(h, w, 3) uint8 to (2084,) float32: HOG at 64 x 64 and colour histograms, each half of unit norm.

    HOG (Dalal and Triggs 2005): 9 orientations, cells of 8 x 8, blocks of 2 x 2, the strongest channel at each pixel.
    Colour: joint 4 x 4 x 4 RGB histograms of the image and of its quarters, square-rooted (Hellinger).
    """
    from skimage.feature import hog

    small = _square(image, SIDE)
    edges = hog(small, 9, (8, 8), (2, 2), channel_axis=-1, feature_vector=True).astype(np.float32)
    bins = small.astype(np.int64) >> 6
    codes = bins[..., 0] * 16 + bins[..., 1] * 4 + bins[..., 2]
    half = SIDE // 2
    quarters = [codes[i : i + half, j : j + half] for i in (0, half) for j in (0, half)]
    histograms = [np.bincount(part.ravel(), minlength=64) / part.size for part in (codes, *quarters)]
    colours = np.sqrt(np.concatenate(histograms)).astype(np.float32)
    return np.concatenate([edges / max(float(np.linalg.norm(edges)), 1e-9), colours / float(np.linalg.norm(colours))])


def pixels(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(h, w, 3) uint8 to (3072,) float32: the image at 32 x 32, its mean removed, of unit norm."""
    flat = _square(image, 32).astype(np.float32).ravel()
    flat -= flat.mean()
    return flat / max(float(np.linalg.norm(flat)), 1e-9)


def orb(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h, w, 3) uint8 to (m, 32) uint8: ORB descriptors (Rublee et al. 2011) of at most 200 keypoints at 128 x 128."""
    import cv2

    detector = cv2.ORB_create(nfeatures=WORDS, edgeThreshold=8, patchSize=16, fastThreshold=5)  # pyright: ignore[reportAttributeAccessIssue]
    _, found = detector.detectAndCompute(cv2.cvtColor(_square(image, ORB_SIDE), cv2.COLOR_RGB2GRAY), None)
    return np.empty((0, 32), np.uint8) if found is None else np.asarray(found, np.uint8)


def bags_of_words(descriptors: Sequence[NDArray[np.uint8]], train: NDArray[np.int64], seed: int) -> NDArray[np.float32]:
    """n lists of ORB descriptors to (n, 200) float32: square-rooted shares of visual words, the vocabulary from `train`.

    Bits count as coordinates for k-means (faiss), so a distance is the Hamming distance's root. An image without
    keypoints is all zero.
    """
    import faiss

    known = [descriptors[row] for row in train if len(descriptors[row])]
    bags = np.zeros((len(descriptors), WORDS), np.float32)
    if not known:
        return bags
    sample = np.unpackbits(np.concatenate(known), axis=1).astype(np.float32)
    words = min(WORDS, len(sample))
    means = faiss.Kmeans(
        sample.shape[1], words, niter=15, seed=seed + 1, max_points_per_centroid=100, min_points_per_centroid=1
    )
    means.train(sample)
    for row, own in enumerate(descriptors):
        if len(own):
            _, nearest = means.assign(np.unpackbits(own, axis=1).astype(np.float32))
            bags[row] = np.sqrt(np.bincount(nearest, minlength=WORDS) / len(own))
    return bags


def classify(
    kind: Handmade,
    images: Iterable[NDArray[np.uint8]],
    targets: NDArray[np.bool_],
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    *,
    exclusive: bool,
    seed: int,
) -> tuple[NDArray[np.float32], dict[str, float]]:
    """Scores (test rows, k) of a hand-made baseline and the parameters it chose; `images` gives all n images, once."""
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng([seed, 7])
    with threadpool_limits(1):  # see `linear`: on a busy machine threads of BLAS and OpenMP mostly wait for each other
        if kind == "hog+color":
            features = np.stack([hog_color(image) for image in images])
            return rbf_svm(features[train], targets[train], features[test], rng, exclusive=exclusive)
        if kind == "bow-orb":
            features = bags_of_words([orb(image) for image in images], train, seed)
        else:
            features = np.stack([pixels(image) for image in images])
            features -= features[train].mean(0)
    c, _ = linear.choose_c(features[train], targets[train], "linear-svm", rng, exclusive=exclusive)
    weights, bias = linear.fit(features[train], targets[train], c, exclusive=exclusive)
    return features[test] @ weights.T + bias, {"C": c}


def rbf_svm(
    x: NDArray[np.float32],
    targets: NDArray[np.bool_],
    x_test: NDArray[np.float32],
    rng: np.random.Generator,
    *,
    exclusive: bool,
    count: int = 3,
) -> tuple[NDArray[np.float32], dict[str, float]]:
    """Scores of an RBF-kernel SVM with C and gamma by cross-validation, and both. Memory: n * n * 8 bytes.

    Exclusive classes go by scikit-learn's one-vs-one votes, as the paper has it; otherwise one-vs-rest.
    """
    distances = _squared_distances(x, x)
    unit = 1 / max(float(distances.mean()), 1e-9)
    fold = linear.folds(targets, count, rng)
    best = (-1.0, COSTS[0], WIDTHS[0])
    for width in WIDTHS:
        kernel = np.exp(-width * unit * distances)
        for cost in COSTS:
            found = [
                linear.score(
                    _svc(kernel[np.ix_(a, a)], targets[a], kernel[np.ix_(b, a)], cost, exclusive),
                    targets[b],
                    exclusive=exclusive,
                )
                for a, b in linear.splits(fold, count)
            ]
            best = max(best, (float(np.mean(found)), cost, width), key=lambda each: round(each[0], 9))
    _, cost, width = best
    kernel, across = np.exp(-width * unit * distances), np.exp(-width * unit * _squared_distances(x_test, x))
    return _svc(kernel, targets, across, cost, exclusive), {"C": cost, "gamma": width * unit}


def _svc(
    kernel: NDArray[np.float64], targets: NDArray[np.bool_], across: NDArray[np.float64], cost: float, exclusive: bool
) -> NDArray[np.float32]:
    from sklearn.svm import SVC

    k = targets.shape[1]
    if exclusive:
        present = np.flatnonzero(targets.any(0))
        scores = np.full((len(across), k), -np.inf, np.float32)
        if len(present) == 1:
            scores[:, present] = 0
            return scores
        machine = SVC(C=cost, kernel="precomputed", decision_function_shape="ovr").fit(kernel, targets.argmax(1))
        found = machine.decision_function(across)
        scores[:, present] = found if found.ndim == 2 else np.column_stack([-found, found])
        return scores
    scores = np.full((len(across), k), -1.0, np.float32)
    for label in np.flatnonzero(targets.any(0) & ~targets.all(0)):
        machine = SVC(C=cost, kernel="precomputed").fit(kernel, targets[:, label])
        scores[:, label] = machine.decision_function(across)
    return scores


def _squared_distances(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    return np.maximum(0, (a64**2).sum(1)[:, None] + (b64**2).sum(1)[None] - 2 * a64 @ b64.T)


def _square(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    import cv2

    shrinks = min(image.shape[:2]) > side
    kernel = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(image), (side, side), interpolation=kernel), np.uint8)
