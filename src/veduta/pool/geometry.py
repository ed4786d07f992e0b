"""Annotated objects brought into the pixels of the decoded picture.

A source states boxes, masks and keypoints in a frame of its own. Its stated width and height, compared with what was
decoded, say which: the upright picture, the stored pixels before EXIF orientation, or a copy of another size. What
explains the difference moves the objects along; what does not is told and marks the objects with their `stated_size`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from veduta.errors import MissingPackage
from veduta.pool import masks
from veduta.pool.boxes import Size, clip, inside, similar, turn_point

Object = dict[str, Any]
Count = Callable[[str], None]

TURNED = "pictures whose objects were turned with them (stated for the stored pixels, before EXIF orientation)"
SCALED = "pictures whose objects were scaled with them (stated for another size)"
UNFIT = "pictures whose stated size does not fit, so that their objects are left where they are (marked `stated_size`)"
SWAPPED = "pictures whose stated width and height are swapped (their boxes fit the picture itself)"
UPRIGHT = "pictures with an EXIF orientation whose objects are taken as those of the upright picture (otherwise: --boxes-are-raw)"
NO_MASKS = "masks kept as polygons or dropped, as moving them needs: pip install 'veduta[detect]'"
NO_FIT_MASK = "masks that are not of the image's size dropped"
BAD_MASK = "malformed masks dropped"
POINTS = "objects with keypoints outside the image"


class Seen(Protocol):
    """A decoded picture: its upright size in pixels, and the EXIF orientation that was applied."""

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def orientation(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Move:
    """From a frame of `size` to the upright picture: scaled, then turned by `orientation`. words: for the count."""

    size: Size
    orientation: int = 1
    words: str = ""
    fits: bool = True


def stated_size(row: Mapping[str, Any]) -> Size | None:
    """The width and height that a source's record gives, None without both."""
    found = []
    for name in ("width", "height"):
        try:
            value = float(row.get(f"source_{name}") or 0)
        except (TypeError, ValueError):
            return None
        if not value >= 1 or value != int(value):
            return None
        found.append(int(value))
    return found[0], found[1]


def settle(objects: list[Object], stated: Size | None, seen: Seen, raw: bool, count: Count) -> list[Object]:
    """The objects in the pixels of the decoded picture; polygons become masks, boxes end at the edge.

    objects: as the readers make them. stated: (width, height) in pixels that the source gives. raw: whether the source
    is known to mean the stored pixels. count: is told, in words, each thing that was moved, clipped, dropped or guessed.
    Safe in several threads as long as `count` is.
    """
    if not any(o.get("box") or o.get("mask") or o.get("keypoints") or _polygons(o) for o in objects):
        return objects
    move = explain(objects, stated, seen, raw)
    if move.words:
        count(move.words)
    moved = [_moved(thing, move, stated, seen, count) for thing in objects]
    return [thing for thing in moved if thing is not None]


def explain(objects: list[Object], stated: Size | None, seen: Seen, raw: bool) -> Move:
    """What brings a frame of the stated size to the picture."""
    upright, turn = (seen.width, seen.height), seen.orientation
    stored = upright[::-1] if turn >= 5 else upright
    if raw:
        if stated is None or stated == stored:
            return Move(stored, turn)
        return Move(stated, turn, SCALED) if similar(stated, stored) else Move(stored, turn, UNFIT, False)
    boxes = [b for o in objects if (b := o.get("box")) is not None]
    if stated in (None, upright) and turn >= 5 and not inside(boxes, upright) and inside(boxes, stored):
        return Move(stored, turn, TURNED)
    if stated is None:
        return Move(upright, 1, UPRIGHT if turn > 1 else "")
    if turn > 1 and similar(stated, upright) and similar(stated, stored):
        return Move(stated, 1, UPRIGHT)
    if stated == upright:
        return Move(upright)
    if turn > 1 and similar(stated, stored):
        return Move(stated, turn, TURNED)
    if stated == upright[::-1] and inside(boxes, upright) and not inside(boxes, stated):
        return Move(upright, 1, SWAPPED)
    return Move(stated, 1, SCALED) if similar(stated, upright) else Move(upright, 1, UNFIT, False)


def _moved(thing: Object, move: Move, stated: Size | None, seen: Seen, count: Count) -> Object | None:
    new = dict(thing)
    if not move.fits and stated is not None:
        new["attributes"] = _attributes(new, stated_size=list(stated))
    if thing.get("box") is not None:
        x, y, w, h = thing["box"]
        (x0, y0), (x1, y1) = (_point(px, py, move, seen) for px, py in ((x, y), (x + w, y + h)))
        box = [min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0)]
        new["box"], outcome = clip(box, seen.width, seen.height)
        if outcome:
            count(outcome)
        if new["box"] is None:
            return None
    if thing.get("keypoints"):
        new["keypoints"] = _keypoints(thing["keypoints"], move, seen, count)
    _settle_mask(new, move, stated, seen, count)
    return new


def _settle_mask(thing: Object, move: Move, stated: Size | None, seen: Seen, count: Count) -> None:
    """Replace the mask, or the polygons that wait for the image's size, by the mask of the upright picture."""
    mask, polygons, size = thing.get("mask"), _polygons(thing), move.size
    if mask is None and not polygons:
        return
    try:
        if mask is None:
            if isinstance(polygons, dict):
                size = tuple(int(v) for v in polygons.get("size", ())[::-1])
            mask = masks.encode(polygons, *size)
            thing["attributes"] = _attributes(thing, segmentation=None)
        elif not move.fits and stated is not None:
            size = stated
        thing["mask"] = None if mask is None else masks.move(mask, size, move.orientation, (seen.width, seen.height))
        if mask is not None and thing["mask"] is None:
            count(NO_FIT_MASK)
    except MissingPackage:
        thing["mask"] = None
        count(NO_MASKS)
    except (ValueError, TypeError):
        thing["mask"] = None
        count(BAD_MASK)


def _point(x: float, y: float, move: Move, seen: Seen) -> tuple[float, float]:
    width, height = (seen.height, seen.width) if move.orientation >= 5 else (seen.width, seen.height)
    x, y = x * width / move.size[0], y * height / move.size[1]
    return turn_point(x, y, move.orientation, seen.width, seen.height)


def _keypoints(flat: list[float], move: Move, seen: Seen, count: Count) -> list[float]:
    """Triples (x, y, visibility); a point that was not annotated, (0, 0, 0), stays what it is."""
    moved: list[float] = []
    for i in range(0, len(flat) - len(flat) % 3, 3):
        x, y, visible = flat[i : i + 3]
        moved += (x, y, visible) if not (x or y or visible) else (*_point(x, y, move, seen), visible)
    points = zip(moved[::3], moved[1::3], strict=True)
    if any(not (-1 <= x <= seen.width + 1 and -1 <= y <= seen.height + 1) for x, y in points):
        count(POINTS)
    return moved


def _polygons(thing: Object) -> Any:
    """The polygons or run lengths that wait in the attributes for the image's size."""
    text = thing.get("attributes")
    if not isinstance(text, str) or '"segmentation"' not in text:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found.get("segmentation") if isinstance(found, dict) else None


def _attributes(thing: Object, **changes: Any) -> str | None:
    """The attributes with some set, or taken away by None; anything but a JSON object becomes the value `attributes`."""
    text = thing.get("attributes")
    try:
        held = json.loads(text) if isinstance(text, str) and text else {}
    except ValueError:
        held = text
    held = held if isinstance(held, dict) else {"attributes": held}
    held = {k: v for k, v in {**held, **changes}.items() if v is not None}
    return json.dumps(held, ensure_ascii=False, sort_keys=True) if held else None
