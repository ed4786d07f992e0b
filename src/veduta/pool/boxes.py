"""Boxes and keypoints under EXIF orientation."""

from __future__ import annotations

from typing import Any


def orient_objects(objects: list[dict[str, Any]], orientation: int, width: int, height: int) -> list[dict[str, Any]]:
    """Objects given in the coordinates of the stored pixels, moved to those of the oriented image.

    width, height: of the oriented image, in pixels. Boxes are (x, y, w, h); keypoints (x, y, visibility) triples.
    Masks cannot be moved without pixels and are dropped when the orientation is not 1.
    """
    if orientation == 1:
        return objects
    moved = []
    for thing in objects:
        new = {**thing, "mask": None}
        if thing.get("box") is not None:
            x, y, w, h = thing["box"]
            corners = [_point(px, py, orientation, width, height) for px, py in ((x, y), (x + w, y + h))]
            (x0, y0), (x1, y1) = corners
            new["box"] = [min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0)]
        if thing.get("keypoints"):
            flat = thing["keypoints"]
            triples = [flat[i : i + 3] for i in range(0, len(flat), 3)]
            new["keypoints"] = [v for t in triples for v in _keypoint(t, orientation, width, height)]
        moved.append(new)
    return moved


def _point(x: float, y: float, orientation: int, width: int, height: int) -> tuple[float, float]:
    """A point of the stored image in the oriented one: transpose first for 5 to 8, then mirror."""
    if orientation in (5, 6, 7, 8):
        x, y = y, x
    if orientation in (2, 3, 6, 7):
        x = width - x
    if orientation in (3, 4, 7, 8):
        y = height - y
    return x, y


def _keypoint(triple: list[float], orientation: int, width: int, height: int) -> tuple[float, ...]:
    """(x, y, visibility); a point that was not annotated, (0, 0, 0), stays what it is."""
    x, y, visible = triple
    return (x, y, visible) if not (x or y or visible) else (*_point(x, y, orientation, width, height), visible)
