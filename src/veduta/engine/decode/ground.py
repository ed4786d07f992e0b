"""The ground under transparency.

White, unless the picture would vanish on it: where less than 2 % of what is visible (weighted by alpha) differs from
white by 32 of 255 levels in any channel, as in white icons, the ground is black. A wholly transparent picture is white.
"""

from __future__ import annotations

import numpy as np

DARK = "transparent pictures that white would hide, laid over black"

_SEEN_LEVELS = 32
_SEEN_SHARE = 0.02


def lay(colour: np.ndarray, alpha: np.ndarray, premultiplied: bool = False) -> tuple[np.ndarray, bool]:
    """(h, w, 3) and (h, w) uint8 laid over their ground, as (h, w, 3) uint8; and whether that is black.

    premultiplied: the colours are multiplied by their alpha already.
    """
    if alpha.min(initial=255) == 255:
        return colour, False
    dark = _hidden_by_white(colour, alpha, premultiplied)
    shown = colour.astype(np.uint32)
    if not premultiplied:
        shown = _over_255(shown * alpha[..., None])
    rest = 0 if dark else 255 - alpha[..., None].astype(np.uint32)
    return np.minimum(shown + rest, 255).astype(np.uint8), dark


def _hidden_by_white(colour: np.ndarray, alpha: np.ndarray, premultiplied: bool) -> bool:
    weight = float(alpha.sum(dtype=np.float64))
    if not weight:
        return False
    darkest = colour.min(axis=2).astype(np.int32)
    # Premultiplied colours lie below their alpha by what differs from white, times alpha.
    differs = (
        (alpha - darkest) * 255 >= _SEEN_LEVELS * alpha.astype(np.int32)
        if premultiplied
        else darkest <= 255 - _SEEN_LEVELS
    )
    return float((alpha * (differs & (alpha > 0))).sum(dtype=np.float64)) < _SEEN_SHARE * weight


def _over_255(product: np.ndarray) -> np.ndarray:
    """Division by 255, rounded."""
    product += 128
    return (product + (product >> 8)) >> 8
