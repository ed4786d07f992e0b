"""The 2-D map of a pool: points coloured by group, with one picture standing for each group."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from veduta.judge.pictures import Picture

WIDTH, HEIGHT, MARGIN = 1000, 620, 40
PICTURE = 58


@dataclass(slots=True)
class Scatter:
    """Points in the plane as one inline SVG: a path a group (7 bytes a point), pictures at `pins`.

    x, y: (n,) finite floats; groups: (n,) int, -1 for none; names: of the groups; pins: (group, x, y, picture).
    """

    kind: ClassVar[str] = "scatter"
    title: str
    x: np.ndarray
    y: np.ndarray
    groups: np.ndarray
    names: dict[int, str]
    pins: list[tuple[int, float, float, Picture]] = field(default_factory=list)
    note: str = ""

    def _frame(self) -> tuple[np.ndarray, np.ndarray]:
        """Centre and scale that map the points into the drawing; each axis by its own extent."""
        points = np.stack([self.x, self.y], 1).astype(np.float64)
        low, high = (np.percentile(points, q, axis=0) for q in (0.5, 99.5))
        scale = np.array([WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN]) / np.maximum(high - low, 1e-9)
        return (low + high) / 2, scale

    def _place(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        centre, scale = self._frame()
        at = (np.stack([x, y], 1) - centre) * scale * [1, -1] + [WIDTH / 2, HEIGHT / 2]
        return np.clip(at, 6, [WIDTH - 6, HEIGHT - 6])

    def paths(self) -> list[tuple[int, str, str]]:
        """(group, name, SVG path data) of every group, the ungrouped first so that they lie below."""
        at = np.rint(self._place(self.x, self.y)).astype(int)
        out = []
        for group in np.unique(self.groups).tolist():
            data = "".join(f"M{x} {y}h0" for x, y in at[self.groups == group].tolist())
            out.append((group, self.names.get(group, "no group"), data))
        return out

    def placed_pins(self) -> list[tuple[int, int, int, int, int, Picture]]:
        """(group, x, y of the picture's centre, x, y of its point, picture), pushed apart until they do not overlap."""
        if not self.pins:
            return []
        home = self._place(np.array([p[1] for p in self.pins]), np.array([p[2] for p in self.pins]))
        at = home.copy()
        need = PICTURE + 8
        for _ in range(100):
            delta = at[:, None] - at[None]
            overlap = need - np.abs(delta).max(-1)
            np.fill_diagonal(overlap, 0)
            if (overlap <= 0).all():
                break
            # Ties (equal places) part along a fixed direction for each pair, so that the drawing is reproducible.
            tie = (delta == 0).all(-1)
            order = np.sign(np.subtract.outer(np.arange(len(at)), np.arange(len(at))))
            delta = np.where(tie[..., None], order[..., None] * np.array([1.0, 0.6]), delta)
            along = np.abs(delta) == np.abs(delta).max(-1, keepdims=True)
            push = np.where(along, np.sign(delta), 0) * np.maximum(overlap, 0)[..., None]
            at += 0.35 * push.sum(1)
            at = np.clip(at, PICTURE / 2 + 2, [WIDTH - PICTURE / 2 - 2, HEIGHT - PICTURE / 2 - 2])
        whole = np.rint(np.concatenate([at, home], 1)).astype(int).tolist()
        return [(pin[0], *place, pin[3]) for pin, place in zip(self.pins, whole, strict=True)]

    def facts(self) -> dict[str, Any]:
        groups, counts = np.unique(self.groups, return_counts=True)
        named = [{"group": self.names.get(int(g), ""), "points": int(c)} for g, c in zip(groups, counts)]
        return {"title": self.title, "points": len(self.x), "groups": named, "note": self.note}
