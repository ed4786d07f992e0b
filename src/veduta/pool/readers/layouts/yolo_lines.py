"""Lines of YOLO label files: boxes, polygons, oriented boxes, keypoints; as truth or as predictions.

| numbers after the class | meaning |
|---|---|
| 4 | x centre, y centre, width, height |
| 5 | a box and its score |
| 6, 8, 10, ... | corners x, y of a polygon; 8 may be the four corners of an oriented box |
| 7, 9, 11, ... | corners and a score |
| 4 + k d (+ 1) | a box and k keypoints of d = 2 or 3 numbers (and a score), where `kpt_shape` is [k, d] |
| box and 1 or 2 more, the last a whole number above 1 | track number, after the score if there is one |

All are fractions of the displayed picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

# Fractions a little outside are boxes that reach over the edge; anything further is in other units.
_LEAST, _MOST = -1.0, 2.0


def parse(line: str, points: tuple[int, int] | None = None) -> tuple[int, dict[str, Any]]:
    """Class number and COCO-like object, with all coordinates in fractions; ValueError with a reason.

    points: keypoints of an object, and numbers of a keypoint (2 or 3).
    """
    words = line.split()
    try:
        values = [float(w) for w in words]
    except ValueError:
        raise ValueError("not only numbers") from None
    if not values or not all(map(math.isfinite, values)):
        raise ValueError("numbers that are not finite")
    if values[0] < 0 or values[0] != int(values[0]):
        raise ValueError(f"{words[0]} is not a class number")
    return int(values[0]), _object(values[1:], points)


def _object(values: list[float], points: tuple[int, int] | None) -> dict[str, Any]:
    many = len(values)
    if points and 4 + points[0] * points[1] <= many <= 6 + points[0] * points[1]:
        end = 4 + points[0] * points[1]
        return {**_box(values[:4]), **_keypoints(values[4:end], points[1]), **_score(values[end:])}
    if many in (4, 5) or (many == 6 and _is_track(values[5])):
        return {**_box(values[:4]), **_score(values[4:])}
    if many < 6:
        raise ValueError(f"{many} numbers after the class, where at least 4 are needed")
    corners = values[: many - many % 2]
    _check(corners)
    xs, ys = corners[::2], corners[1::2]
    box = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
    four = {"corners": corners} if len(corners) == 8 else {}
    return {"bbox": box, "segmentation": [corners], **four, **_score(values[len(corners) :])}


def _box(values: Sequence[float]) -> dict[str, Any]:
    _check(values)
    x, y, w, h = values
    return {"bbox": [x - w / 2, y - h / 2, w, h]}


def _keypoints(values: Sequence[float], numbers: int) -> dict[str, Any]:
    flat: list[float] = []
    scores: list[float] = []
    for start in range(0, len(values), numbers):
        x, y, *rest = values[start : start + numbers]
        _check((x, y))
        seen = rest[0] if rest else (2.0 if x or y else 0.0)
        if seen not in (0, 1, 2):  # a prediction: how sure the model is of this point
            scores.append(seen)
            seen = 2.0
        flat += [x, y, seen] if seen or x or y else [0.0, 0.0, 0.0]
    return {"keypoints": flat, **({"keypoint_scores": scores} if scores else {})}


def _score(values: Sequence[float]) -> dict[str, Any]:
    if not values:
        return {}
    if len(values) == 1 and not _is_track(values[0]):
        return {"score": _in_unit(values[0])}
    if len(values) == 1:
        return {"track": int(values[0])}
    return {"score": _in_unit(values[0]), "track": int(values[1])}


def _in_unit(score: float) -> float:
    if not 0 <= score <= 1:
        raise ValueError(f"{score:g} is not a score from 0 to 1")
    return score


def _is_track(value: float) -> bool:
    return value > 1 and value == int(value)


def _check(values: Iterable[float]) -> None:
    far = next((v for v in values if not _LEAST <= v <= _MOST), None)
    if far is not None:
        raise ValueError(f"{far:g} is not a fraction of the picture")


def looks_alike(text: str, points: tuple[int, int] | None = None) -> bool:
    """Whether a text is surely one of YOLO's: a class number and fractions in at least half of its lines."""
    lines = [line for line in text.splitlines() if line.strip()][:40]
    return bool(lines) and 2 * sum(_is_label(line, points) for line in lines) >= len(lines)


def _is_label(line: str, points: tuple[int, int] | None) -> bool:
    try:
        parse(line, points)
    except ValueError:
        return False
    return True


def keypoint_shape(texts: Iterable[str]) -> tuple[int, int] | None:
    """[k, 3] where all lines are boxes with k keypoints: every third number is 0, 1 or 2, and a 2 is among them."""
    counts: set[int] = set()
    sure = False
    for text in texts:
        for line in text.splitlines():
            words = line.split()
            if not words:
                continue
            flags = words[7::3]
            try:
                if len(words) < 8 or (len(words) - 5) % 3 or not {float(f) for f in flags} <= {0.0, 1.0, 2.0}:
                    return None
            except ValueError:
                return None
            counts.add(len(flags))
            sure = sure or any(float(f) == 2 for f in flags)
    return (counts.pop(), 3) if sure and len(counts) == 1 else None
