"""Common corruptions of images, at five severities.

After Hendrycks and Dietterich 2019 (Benchmarking neural network robustness to common corruptions and perturbations, ICLR,
arXiv 1903.12261, section 3 and appendix): the severities are the published ones, those of ImageNet-C for images of more than
64 pixels and those of CIFAR-10-C for smaller ones, which at the same strength would have nothing left to see. JPEG is
encoded by OpenCV and blurred borders are mirrored, so pixels differ slightly from the published files.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from veduta.errors import BadInput

Image = NDArray[np.uint8]
SMALL = 64
LEVELS = (1, 2, 3, 4, 5)
# Name -> (levels for images up to 64 pixels, levels for larger ones).
STRENGTHS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "gaussian-noise": ((0.04, 0.06, 0.08, 0.09, 0.10), (0.08, 0.12, 0.18, 0.26, 0.38)),
    "gaussian-blur": ((0.4, 0.6, 0.7, 0.8, 1.0), (1.0, 2.0, 3.0, 4.0, 6.0)),
    "contrast": ((0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05)),
    "jpeg": ((80, 65, 58, 50, 40), (25, 18, 15, 10, 7)),
}
NAMES = tuple(STRENGTHS)


def strength(name: str, level: int, side: int) -> float:
    """The published strength: a standard deviation of noise in [0, 1], of a blur in pixels, a factor, a JPEG quality.

    side: of the image in pixels. Raises BadInput for a name or a level that does not exist.
    """
    if name not in STRENGTHS or level not in LEVELS:
        raise BadInput(f"a corruption must be one of {', '.join(NAMES)} at a level from 1 to 5, got {name} at {level}")
    return STRENGTHS[name][side > SMALL][level - 1]


def corrupted(image: Image, name: str, level: int, rng: np.random.Generator) -> Image:
    """(h, w, 3) uint8 to the same size. rng: used by noise alone."""
    value = strength(name, level, min(image.shape[:2]))
    return _HOW[name](image, value, rng)


def _noise(image: Image, value: float, rng: np.random.Generator) -> Image:
    return _bytes(image / 255.0 + rng.normal(0, value, image.shape))


def _blur(image: Image, value: float, rng: np.random.Generator) -> Image:
    import cv2

    return _bytes(cv2.GaussianBlur(image / 255.0, (0, 0), value, borderType=cv2.BORDER_REFLECT_101))


def _contrast(image: Image, value: float, rng: np.random.Generator) -> Image:
    scaled = image / 255.0
    mean = scaled.mean(axis=(0, 1), keepdims=True)
    return _bytes((scaled - mean) * value + mean)


def _jpeg(image: Image, value: float, rng: np.random.Generator) -> Image:
    import cv2

    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(value)])
    decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(decoded[..., ::-1])


def _bytes(values: NDArray[np.floating]) -> Image:
    return (np.clip(values, 0, 1) * 255).astype(np.uint8)


_HOW: dict[str, Callable[[Image, float, np.random.Generator], Image]] = {
    "gaussian-noise": _noise, "gaussian-blur": _blur, "contrast": _contrast, "jpeg": _jpeg,
}  # fmt: skip
