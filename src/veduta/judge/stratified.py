"""Shares estimated from a stratified sample, weighted by the inverse of each row's chance to be drawn.

Legend: N_h rows and n_h judged rows of stratum h, x_h of which are hits; W_h = N_h / N.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from veduta.judge.intervals import Z


@dataclass(frozen=True, slots=True)
class Stratum:
    """A part of the population. size: N_h; judged: n_h, drawn at random from it; hits: x_h."""

    name: str
    size: int
    judged: int
    hits: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    def scaled(self, factor: float) -> Estimate:
        """All three times a factor."""
        return Estimate(self.value * factor, self.low * factor, self.high * factor)


UNKNOWN = Estimate(math.nan, math.nan, math.nan)


def share(strata: Sequence[Stratum]) -> Estimate:
    """The share of hits in the population: sum of W_h x_h / n_h (Horvitz and Thompson 1952), with Wilson's interval.

    Wilson's n is the effective one, p (1 - p) / V (Kish 1965; Korn and Graubard 1998 use it with Clopper and Pearson's interval).
    V = sum of W_h^2 p_h (1 - p_h) / n_h (1 - n_h / N_h) is taken at p_h = (x_h + 1/2) / (n_h + 1), so that a stratum without a
    hit does not pass for one that is certain. One stratum, sampled thinly, gives Wilson's interval; a census gives no width.
    Unknown (NaN) where a stratum has rows and none of them is judged.
    """
    strata = [one for one in strata if one.size]
    total = sum(one.size for one in strata)
    if not total or any(not one.judged for one in strata):
        return UNKNOWN
    weights = [one.size / total for one in strata]
    value = sum(w * one.hits / one.judged for w, one in zip(weights, strata, strict=True))
    smooth = [(one.hits + 0.5) / (one.judged + 1) for one in strata]
    variance = sum(
        w * w * p * (1 - p) / one.judged * (1 - one.judged / one.size)
        for w, p, one in zip(weights, smooth, strata, strict=True)
    )
    if variance <= 0:
        return Estimate(value, value, value)
    centre = sum(w * p for w, p in zip(weights, smooth, strict=True))
    n = centre * (1 - centre) / variance
    spread = Z * Z / n
    middle = (value + spread / 2) / (1 + spread)
    half = Z * math.sqrt(value * (1 - value) / n + spread / (4 * n)) / (1 + spread)
    return Estimate(value, max(0.0, min(value, middle - half)), min(1.0, max(value, middle + half)))


def part(found: Estimate, missed: Estimate) -> Estimate:
    """found / (found + missed) of two independent estimates of counts: recall from what both sides of a filter hold.

    The interval is that of the ratio missed / found, recovered from both intervals (MOVER; Donner and Zou 2012, Statistical
    Methods in Medical Research 21(4), equation for the ratio of two means). Unknown where nothing was found for certain.
    """
    if math.isnan(found.value) or math.isnan(missed.value) or found.value + missed.value == 0:
        return UNKNOWN
    value = found.value / (found.value + missed.value)
    return Estimate(value, 1 / (1 + _ratio(missed, found, upper=True)), 1 / (1 + _ratio(missed, found, upper=False)))


def _ratio(a: Estimate, b: Estimate, *, upper: bool) -> float:
    """The bound of a / b; infinite above where b may be 0."""
    far, near = (a.high, b.low) if upper else (a.low, b.high)
    below = near * (2 * b.value - near)
    if below <= 0:
        return math.inf if upper else 0.0
    product = a.value * b.value
    root = math.sqrt(max(0.0, product * product - far * (2 * a.value - far) * below))
    return max(0.0, (product + root if upper else product - root) / below)
