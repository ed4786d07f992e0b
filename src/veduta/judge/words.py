"""Numbers, sizes and times as people read them."""

from __future__ import annotations

import math

import numpy as np


def number(value: float | int) -> str:
    """1234567 -> "1,234,567"; 0.98765 -> "0.988"; what is not finite -> "–"."""
    if isinstance(value, (int, np.integer)):
        return f"{value:,}"
    if not math.isfinite(value):
        return "–"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 100:
        return f"{value:.1f}"
    return f"{value:.3g}" if size >= 1e-4 else f"{value:.1e}"


def count(n: int, one: str, many: str = "") -> str:
    """(1, "image") -> "1 image"; (2, "image") -> "2 images"."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def share(part: float, whole: float) -> str:
    """A fraction in percent, precise enough to be never a false 0 % or 100 %."""
    if whole <= 0:
        return "–"
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "< 0.1 %"
    if 99.9 < percent < 100:
        return "> 99.9 %"
    return f"{percent:.2g} %" if percent < 1 else f"{percent:.3g} %"


def size(octets: float) -> str:
    """Bytes in decimal units: 33_100_000 -> "33.1 MB"."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(octets) < 999.5 or unit == "TB":
            return f"{octets:.0f} B" if unit == "B" else f"{octets:.3g} {unit}"
        octets /= 1000
    return ""


def duration(seconds: float) -> str:
    """0.0123 -> "12 ms"; 75 -> "1 min 15 s"; 7500 -> "2 h 5 min"."""
    if not math.isfinite(seconds):
        return "–"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60:,} h {minutes % 60} min"
