"""Brightness, contrast, saturation, hue, grey, and inverted highlights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veduta.learn.augment import checks
from veduta.learn.augment.base import Image, Params, Still

_ORDER = ("brightness", "contrast", "saturation", "hue")


@dataclass(frozen=True)
class ColourJitter(Still):
    """With probability `p`, the four changes in a random order, each by a factor drawn evenly.

    brightness, contrast, saturation: strength s, factors in [max(0, 1 - s), 1 + s], or a range. hue: strength h <= 0.5,
    shifts in [-h, h] of the full circle.
    """

    brightness: float | tuple[float, float] = 0.4
    contrast: float | tuple[float, float] = 0.4
    saturation: float | tuple[float, float] = 0.4
    hue: float = 0.1
    p: float = 1.0

    def __post_init__(self) -> None:
        for name in _ORDER[:3]:
            check = checks.span if isinstance(getattr(self, name), tuple) else checks.within
            check(self, name, 0)
        checks.within(self, "hue", 0, 0.5)
        checks.within(self, "p", 0, 1)

    def sample(self, rng: np.random.Generator, height: int, width: int) -> Params:
        if rng.random() >= self.p:
            return {}
        draws = rng.random(4).tolist()
        found: Params = {"order": rng.permutation(4).tolist()}
        for name, draw in zip(_ORDER[:3], draws, strict=False):
            given = getattr(self, name)
            low, high = given if isinstance(given, tuple) else (max(0.0, 1 - given), 1 + given)
            found[name] = low + (high - low) * draw
        found["hue"] = self.hue * (2 * draws[3] - 1)
        return found

    def apply(self, image: Image, params: Params) -> Image:
        for place in params.get("order", ()):
            name = _ORDER[place]
            if params[name] != (0 if name == "hue" else 1):
                image = _CHANGE[name](image, params[name])
        return image


def _brightness(image: Image, factor: float) -> Image:
    import cv2

    table = np.clip(np.arange(256, dtype=np.float32) * factor, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table), np.uint8)


def _contrast(image: Image, factor: float) -> Image:
    import cv2

    middle = float(_grey(image).mean())
    table = np.clip(np.arange(256, dtype=np.float32) * factor + middle * (1 - factor), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table), np.uint8)


def _saturation(image: Image, factor: float) -> Image:
    import cv2

    grey = np.repeat(_grey(image)[:, :, None], 3, axis=2)
    return np.asarray(cv2.addWeighted(image, factor, grey, 1 - factor, 0), np.uint8)


def _hue(image: Image, shift: float) -> Image:
    import cv2

    hsv = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL))
    hsv[:, :, 0] += np.uint8(round(shift * 256) % 256)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL), np.uint8)


_CHANGE = {"brightness": _brightness, "contrast": _contrast, "saturation": _saturation, "hue": _hue}


def _grey(image: Image) -> NDArray[np.uint8]:
    import cv2

    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


@dataclass(frozen=True)
class Greyscale(Still):
    """With probability `p`, all three channels the luma."""

    p: float = 0.2

    def __post_init__(self) -> None:
        checks.within(self, "p", 0, 1)

    def sample(self, rng: np.random.Generator, height: int, width: int) -> Params:
        return {"grey": 1} if rng.random() < self.p else {}

    def apply(self, image: Image, params: Params) -> Image:
        return np.repeat(_grey(image)[:, :, None], 3, axis=2) if params else image


@dataclass(frozen=True)
class Solarise(Still):
    """With probability `p`, values of `threshold` and above inverted."""

    p: float = 0.2
    threshold: int = 128

    def __post_init__(self) -> None:
        checks.within(self, "p", 0, 1)
        checks.within(self, "threshold", 0, 256)

    def sample(self, rng: np.random.Generator, height: int, width: int) -> Params:
        return {"threshold": self.threshold} if rng.random() < self.p else {}

    def apply(self, image: Image, params: Params) -> Image:
        return solarised(image, params["threshold"]) if params else image


def solarised(image: Image, threshold: float) -> Image:
    """Values of `threshold` and above inverted, by a table."""
    import cv2

    values = np.arange(256, dtype=np.uint8)
    return np.asarray(cv2.LUT(image, np.where(values >= threshold, 255 - values, values)), np.uint8)
