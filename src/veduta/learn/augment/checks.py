"""What parameters and images must be, each with its sentence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from veduta.errors import BadInput


def within(owner: object, name: str, low: float, high: float = float("inf")) -> None:
    """Raise BadInput unless the field `name` of an augmentation lies in [low, high]; NaN never does."""
    given = getattr(owner, name)
    if not low <= given <= high:
        most = "" if high == float("inf") else f" and at most {high:g}"
        raise BadInput(f"{name} of {type(owner).__name__} must be at least {low:g}{most}, got {given}")


def positive(owner: object, name: str) -> None:
    """Raise BadInput unless the field `name` of an augmentation is above 0 and finite."""
    given = getattr(owner, name)
    if not 0 < given < float("inf"):
        raise BadInput(f"{name} of {type(owner).__name__} must be above 0 and finite, got {given}")


def span(owner: object, name: str, low: float, high: float = float("inf"), *, above: bool = False) -> None:
    """Raise BadInput unless the field `name` is a pair (a, b) with low <= a <= b <= high; `above`: low < a."""
    given = getattr(owner, name)
    if len(given) != 2 or not (low < given[0] if above else low <= given[0]) or not given[0] <= given[1] <= high:
        bound = f"{'above' if above else 'from'} {low:g}" + ("" if high == float("inf") else f" to {high:g}")
        raise BadInput(f"{name} of {type(owner).__name__} must be two rising numbers {bound}, got {tuple(given)}")


def picture(image: NDArray[np.uint8]) -> None:
    """Raise BadInput unless an image is (h, w, 3) uint8 with at least one pixel."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise BadInput(
            f"an image to augment must be (h, w, 3) uint8 with h, w > 0, got {image.shape} {image.dtype}; "
            "convert it to RGB of 8 bits"
        )
