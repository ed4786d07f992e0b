"""Shapes of annotation programs as COCO-like objects: bbox [x, y, w, h], segmentation, keypoints, in one unit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from veduta.pool.readers.notes import Notes

Points = Sequence[tuple[float, float]]

ROTATED = "rotated boxes kept as the boxes around them (corners in the attributes)"
_CIRCLE = 48


def points(given: Any) -> list[tuple[float, float]] | None:
    """Pairs of finite numbers, from pairs; None if they are not."""
    try:
        found = [(float(p[0]), float(p[1])) for p in given]
    except (TypeError, ValueError, IndexError, KeyError):
        return None
    return found if found and all(math.isfinite(v) for p in found for v in p) else None


def around(corners: Iterable[tuple[float, float]]) -> list[float]:
    """The smallest upright box around points, as [x, y, w, h]."""
    xs, ys = zip(*corners, strict=True)
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def polygon(*rings: Points) -> dict[str, Any]:
    """One object of one or several rings."""
    flat = [[v for point in ring for v in point] for ring in rings]
    return {"bbox": around(p for ring in rings for p in ring), "segmentation": flat}


def turned(corners: Points, notes: Notes) -> dict[str, Any]:
    """A rotated box, given by its corners in order."""
    notes.count(ROTATED)
    return {"bbox": around(corners), "corners": [v for point in corners for v in point]}


def rotate(corners: Points, centre: tuple[float, float], degrees: float) -> list[tuple[float, float]]:
    """Points turned clockwise (y points down) around a centre."""
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    cx, cy = centre
    return [(cx + (x - cx) * cosine - (y - cy) * sine, cy + (x - cx) * sine + (y - cy) * cosine) for x, y in corners]


def corners(x: float, y: float, width: float, height: float) -> list[tuple[float, float]]:
    """The corners of an upright box, clockwise from the top left."""
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]


def ellipse(cx: float, cy: float, rx: float, ry: float, degrees: float = 0) -> dict[str, Any]:
    """An ellipse as a polygon of 48 corners; its own box where it is not turned."""
    steps = [2 * math.pi * i / _CIRCLE for i in range(_CIRCLE)]
    ring = rotate([(cx + rx * math.cos(a), cy + ry * math.sin(a)) for a in steps], (cx, cy), degrees)
    found = polygon(ring)
    return found if degrees % 180 else {**found, "bbox": [cx - rx, cy - ry, 2 * rx, 2 * ry]}


def keypoints(given: Points, visible: Sequence[int] | None = None) -> dict[str, Any]:
    """Points as (x, y, visibility) triples: 0 not there, 1 hidden, 2 seen. The box is that around those that are there."""
    seen = list(visible) if visible is not None else [2] * len(given)
    there = [p for p, v in zip(given, seen, strict=True) if v]
    box = {"bbox": around(there)} if len(there) > 1 and all(around(there)[2:]) else {}
    return {**box, "keypoints": [v for (x, y), s in zip(given, seen, strict=True) for v in (x, y, s)]}


def line(given: Points) -> dict[str, Any]:
    """An open line: the box around it, its points in the attributes."""
    box = around(given)
    return {**({"bbox": box} if all(box[2:]) else {}), "line": [v for point in given for v in point]}
