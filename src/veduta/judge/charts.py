"""Bars and histograms, drawn by the page template as inline SVG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from veduta.judge.items import Tone, plain, shown


@dataclass(slots=True)
class Bars:
    """Named counts as horizontal bars."""

    kind: ClassVar[str] = "bars"
    title: str
    values: list[tuple[str, float]]
    note: str = ""
    total: float = 0.0
    tone: Tone = ""

    @property
    def top(self) -> float:
        return max((value for _, value in self.values), default=0) or 1

    def facts(self) -> dict[str, Any]:
        return {"title": self.title, "values": plain(dict(self.values)), "note": self.note}


@dataclass(slots=True)
class Histogram:
    """Counts between edges; `mark` draws a threshold. Edges are `len(counts) + 1` ascending numbers."""

    kind: ClassVar[str] = "histogram"
    title: str
    counts: list[int]
    edges: list[float]
    unit: str = ""
    mark: float | None = None
    note: str = ""

    @classmethod
    def of(cls, values: np.ndarray, *, title: str, bins: int = 30, log: bool = False, **options: Any) -> Histogram:
        """Count finite `values` in `bins` equal (or, with `log`, geometric) bins between their extremes."""
        values = np.asarray(values, dtype=np.float64)
        values = values[np.isfinite(values)]
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
        if low == high:
            low, high = (low / 1.1, high * 1.1) if log and low > 0 else (low - 0.5, high + 0.5)
        edges = np.geomspace(low, high, bins + 1) if log and low > 0 else np.linspace(low, high, bins + 1)
        counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
        return cls(title, counts.tolist(), edges.tolist(), **options)

    def bars(self) -> list[tuple[float, float, float, str]]:
        """(x, width, height, description) of each bar in a unit square."""
        top, n = max(self.counts, default=0) or 1, len(self.counts)
        text = [
            f"{shown(a)} to {shown(b)} {self.unit}: {c:,}" for a, b, c in zip(self.edges, self.edges[1:], self.counts)
        ]
        return [(i / n, 1 / n, c / top, text[i]) for i, c in enumerate(self.counts)]

    def ticks(self) -> list[tuple[float, str]]:
        """Five labels along the axis."""
        n = len(self.counts)
        return [(place / 4, shown(self.edges[round(place * n / 4)])) for place in range(5)]

    def mark_at(self) -> float | None:
        """Where the threshold stands, in [0, 1]; None when there is none inside the edges."""
        if self.mark is None or not self.edges[0] <= self.mark <= self.edges[-1]:
            return None
        return float(np.interp(self.mark, self.edges, np.linspace(0, 1, len(self.edges))))

    def facts(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "counts": self.counts,
            "edges": plain(self.edges),
            "unit": self.unit,
            "mark": plain(self.mark),
        }
