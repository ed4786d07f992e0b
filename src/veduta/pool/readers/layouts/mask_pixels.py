"""Mask pictures as objects: one a class, or one an instance."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np

from veduta.pool import masks

MOST_PIXELS = 1 << 28
# Above this many values a picture is a photograph or a soft mask, not a map of classes.
MOST_VALUES = 64
VOID = 255
BACKGROUND = frozenset({"background", "_background_", "unlabeled", "unlabelled", "void", "none", "ignore", "unknown"})


def load(data: bytes) -> np.ndarray:
    """(h, w) int32 numbers of classes or grey values; colours that are not grey are 0x1RRGGBB, so that they differ.

    A palette gives its indices. ValueError with a reason for what is not a sound picture.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels are too many for a mask")
            if image.mode == "LA":
                image = image.getchannel(0)
            elif image.mode not in ("1", "L", "P", "I", "I;16", "I;16B"):
                image = image.convert("RGB")
            pixels = np.asarray(image).astype(np.int32)
    except ValueError:
        raise
    except Exception as error:  # noqa: BLE001 - Pillow's plugins raise many types on damaged files
        raise ValueError(f"not a sound picture: {error}") from None
    if pixels.ndim == 2:
        return pixels
    if (pixels == pixels[..., :1]).all():
        return pixels[..., 0]
    colours = 0x1000000 | pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]
    return np.where((pixels == pixels[..., :1]).all(-1), pixels[..., 0], colours)


def values(pixels: np.ndarray) -> list[int]:
    """The numbers in a mask, sorted."""
    return [int(v) for v in np.unique(pixels)]


def is_colour(value: int) -> bool:
    """Whether a number of `load` is a colour."""
    return value >= 0x1000000


def colour(r: int, g: int, b: int) -> int:
    """A colour as `load` gives it; grey in a mask of colours is a number like others."""
    return r if r == g == b else 0x1000000 | r << 16 | g << 8 | b


def by_class(pixels: np.ndarray, name: Callable[[int], str | None]) -> list[dict[str, Any]]:
    """An object for each number whose name is not None."""
    named = ((value, name(value)) for value in values(pixels))
    return [{"class": word or None, **region(pixels == value)} for value, word in named if word is not None]


def by_instance(instances: np.ndarray, classes: np.ndarray, name: Callable[[int], str | None]) -> list[dict[str, Any]]:
    """An object for each number of an instance mask but 0 and 255; its class is the commonest below it."""
    found = []
    for value in values(instances):
        here = instances == value
        below = classes[here]
        below = below[(below != 0) & (below != VOID)]
        if value in (0, VOID) or not len(below):
            continue
        numbers, counts = np.unique(below, return_counts=True)
        found.append({"class": name(int(numbers[counts.argmax()])), **region(here)})
    return found


def region(where: np.ndarray) -> dict[str, Any]:
    """`bbox` and `mask` of the pixels that are true; there is at least one."""
    rows, columns = np.flatnonzero(where.any(1)), np.flatnonzero(where.any(0))
    x, y = int(columns[0]), int(rows[0])
    box = [x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y]
    return {"bbox": box, "mask": masks.from_pixels(where)}


def is_mask(pixels: np.ndarray) -> bool:
    """Whether a picture is surely a mask: few values, numbers of instances, or almost only black and white (JPEG)."""
    found = values(pixels)
    if len(found) <= MOST_VALUES:
        return True
    if found[-1] > VOID:
        return not is_colour(found[-1])
    return is_black_and_white(pixels)


def is_black_and_white(pixels: np.ndarray) -> bool:
    """Whether greys are rare, as where a mask was stored as JPEG or has soft edges."""
    return float(((pixels < 32) | (pixels > 223)).mean()) > 0.9
