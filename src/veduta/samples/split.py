"""Splits that depend on a row's own key alone, so that they never move when rows come or go."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping


def stable_share(key: str, salt: str) -> float:
    """A number in [0, 1), uniform over keys and the same on every machine: the first 8 bytes of sha256(salt:key)."""
    return int.from_bytes(hashlib.sha256(f"{salt}:{key}".encode()).digest()[:8], "big") / 2**64


def stable_split(key: str, salt: str, shares: Mapping[str, float]) -> str:
    """The split of `key`: `shares` maps names to fractions that sum to 1, taken in order."""
    share, edge = stable_share(key, salt), 0.0
    for name, fraction in shares.items():
        edge += fraction
        if share < edge:
            return name
    return list(shares)[-1]  # the fractions' sum may be 1 only up to rounding
