"""One COCO JSON file: told by its start, read, and its numbers made comparable."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from veduta.errors import SourceError
from veduta.pool.readers import json_bounds

# `info.contributor` of files that Veduta wrote.
WRITER = "veduta"

_IMAGES = re.compile(rb'"images"\s*:\s*\[\s*(?:\]|\{)')
_ENTRY = re.compile(rb'"(?:file_name|coco_url)"\s*:\s*"')
_ANNOTATIONS = re.compile(rb'"annotations"\s*:\s*\[\s*(?:\]|\{)')
_OF_IMAGE = re.compile(rb'"image_id"\s*:')
_THING = re.compile(rb'"(?:bbox|segmentation|keypoints|category_id|segments_info|caption)"\s*:')
_RESULT = re.compile(rb'\s*\[\s*\{[^{}\[\]]*"image_id"\s*:')

CAPTIONS, OBJECTS, SEGMENTS, CLASSES = "captions", "boxes", "panoptic segments", "classes of images"


def looks_like_coco(head: bytes) -> bool:
    """Whether the start of a JSON file (64 KiB of it) is surely that of COCO's."""
    head = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not head.startswith(b"{"):
        return False
    if _IMAGES.search(head) and (_ENTRY.search(head) or _ANNOTATIONS.search(head)):
        return True
    found = _ANNOTATIONS.search(head)
    return bool(found and _OF_IMAGE.search(head, found.start()) and _THING.search(head, found.start()))


def looks_like_results(head: bytes) -> bool:
    """Whether the start is that of a list of detections in COCO's format for results."""
    return bool(_RESULT.match(head)) and b'"category_id"' in head[:4096]


@dataclass
class CocoFile:
    """The content of one file. images, annotations: its entries that are objects; categories and licences by id.

    things: the categories that are countable; above: the names of the categories of each supercategory that says anything.
    """

    path: str
    images: list[dict[str, Any]]
    annotations: list[dict[str, Any]]
    categories: dict[Any, str]
    things: set[Any]
    above: dict[str, list[str]]
    licences: dict[Any, str | None]
    exact: bool

    @classmethod
    def parse(cls, data: bytes, path: str) -> CocoFile:
        """Raises SourceError with one sentence for anything that is not COCO."""
        content = load_json(data, path)
        if not isinstance(content, dict) or not isinstance(content.get("images"), list):
            raise SourceError(f"{path} is not COCO: expected an object with a list `images`; name the annotation file")
        info = content.get("info")
        categories = list(_objects(content, "categories"))
        above: dict[str, list[str]] = {}
        for one in categories:
            wider = one.get("supercategory")
            if wider and wider not in ("none", one.get("name")):
                above.setdefault(str(wider), []).append(str(one.get("name")))
        return cls(
            path,
            list(_objects(content, "images")),
            list(_objects(content, "annotations")),
            {same_id(c.get("id")): str(c.get("name")) for c in categories},
            {same_id(c.get("id")) for c in categories if c.get("isthing")},
            above,
            {same_id(c.get("id")): c.get("name") or c.get("url") for c in _objects(content, "licenses")},
            isinstance(info, dict) and info.get("contributor") == WRITER,
        )

    def kind(self, annotation: dict[str, Any]) -> str:
        """What one annotation says of its image."""
        if "segments_info" in annotation:
            return SEGMENTS
        if any(annotation.get(k) for k in ("bbox", "segmentation", "keypoints")):
            return OBJECTS
        if annotation.get("caption") is not None:
            return CAPTIONS
        if self.exact:
            return OBJECTS
        return OBJECTS if {"bbox", "segmentation", "keypoints"} & annotation.keys() else CLASSES

    @property
    def predicted(self) -> bool:
        """Whether the objects are a model's: most of them carry a score."""
        things = [a for a in self.annotations[:1000] if self.kind(a) == OBJECTS]
        scored = sum(isinstance(a.get("score"), float) for a in things)
        return not self.exact and bool(things) and 2 * scored > len(things)


def load_json(data: bytes, path: str) -> Any:
    """The content of a JSON file; SourceError with one sentence where it has none."""
    try:
        return json_bounds.loads(data.decode("utf-8-sig") if data[:3] == b"\xef\xbb\xbf" else data)
    except json.JSONDecodeError as error:
        early = error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated")
        why = (
            f"it ends early, after {len(data):,} byte{'' if len(data) == 1 else 's'}; fetch it again"
            if early
            else f"{error}; mend the file"
        )
        raise SourceError(f"{path} cannot be read as JSON: {why}") from None
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path} cannot be read as JSON: {error}; mend the file") from None
    except MemoryError:
        raise SourceError(
            f"{path} is too large for this machine's memory ({len(data):,} bytes); split it by images"
        ) from None


def file_name(image: dict[str, Any]) -> str | None:
    """The name that an entry of `images` gives its file: `file_name`, or the end of COCO's URL (LVIS has no names)."""
    name = image.get("file_name")
    if isinstance(name, str) and name.strip():
        return name
    url = image.get("coco_url")
    return urlsplit(url).path.lstrip("/") or None if isinstance(url, str) else None


def first_names(head: bytes) -> list[str]:
    """The file names of the first entries, from the start of a file."""
    found = []
    for quoted in re.findall(rb'"file_name"\s*:\s*("(?:[^"\\]|\\.)*")', head)[:10]:
        try:
            found.append(posixpath.normpath(json.loads(quoted)))
        except ValueError:
            continue
    return found


def same_id(value: Any) -> Any:
    """An id by its value: 1, 1.0 and "1" are one; what cannot be an id becomes its text."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        text = value.strip()
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 and str(int(text)) == text else text
    return value if isinstance(value, int) or value is None else str(value)


def _objects(content: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    given = content.get(name)
    return (v for v in given if isinstance(v, dict)) if isinstance(given, list) else iter(())
