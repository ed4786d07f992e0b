"""The ground under transparency.

White, unless the picture would vanish on it: where less than 2 % of what is visible (weighted by alpha) differs from
white by 32 of 255 levels in any channel, as in white icons, the ground is black. A wholly transparent picture is white.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

DARK = "transparent pictures that white would hide, laid over black"

_SEEN_LEVELS = 32
_SEEN_SHARE = 0.02

_STRIP = 1 << 20  # pixels that are laid at a time


def lay(colour: np.ndarray, alpha: np.ndarray, premultiplied: bool = False) -> tuple[np.ndarray, bool]:
    """(h, w, 3) and (h, w) uint8 laid over their ground, as (h, w, 3) uint8; and whether that is black.

    premultiplied: the colours are multiplied by their alpha already. Memory: the result and some 40 MB, at any size.
    """
    if alpha.min(initial=255) == 255:
        return colour, False
    parts = strips(*alpha.shape)
    dark = is_dark(((colour[part], alpha[part]) for part in parts), premultiplied)
    out = np.empty_like(colour)
    for part in parts:
        out[part] = over(colour[part], alpha[part], dark, premultiplied)
    return out, dark


def is_dark(parts: Iterable[tuple[np.ndarray, np.ndarray]], premultiplied: bool = False) -> bool:
    """Whether the ground of a picture, given in parts of colours and alpha, is black."""
    weight = seen = 0.0
    for colour, alpha in parts:
        weight += float(alpha.sum(dtype=np.float64))
        seen += _seen_on_white(colour, alpha, premultiplied)
    return bool(weight) and seen < _SEEN_SHARE * weight


def over(colour: np.ndarray, alpha: np.ndarray, dark: bool, premultiplied: bool = False) -> np.ndarray:
    """A part of a picture laid over black or white: (h, w, 3) uint8. Memory: 24 bytes a pixel."""
    shown = colour.astype(np.uint32)
    if not premultiplied:
        shown = _over_255(shown * alpha[..., None])
    rest = 0 if dark else 255 - alpha[..., None].astype(np.uint32)
    return np.minimum(shown + rest, 255).astype(np.uint8)


def strips(height: int, width: int) -> list[slice]:
    """The rows of a picture in parts of about a million pixels, each a multiple of 8 rows."""
    rows = max(8, _STRIP // max(1, width) // 8 * 8)
    return [slice(top, top + rows) for top in range(0, height, rows)]


def _seen_on_white(colour: np.ndarray, alpha: np.ndarray, premultiplied: bool) -> float:
    """The sum of alpha where the picture differs from white."""
    darkest = colour.min(axis=2).astype(np.int32)
    # Premultiplied colours lie below their alpha by what differs from white, times alpha.
    differs = (
        (alpha - darkest) * 255 >= _SEEN_LEVELS * alpha.astype(np.int32)
        if premultiplied
        else darkest <= 255 - _SEEN_LEVELS
    )
    return float((alpha * (differs & (alpha > 0))).sum(dtype=np.float64))


def _over_255(product: np.ndarray) -> np.ndarray:
    """Division by 255, rounded."""
    product += 128
    return (product + (product >> 8)) >> 8
