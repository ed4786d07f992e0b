"""Label Studio: exports as JSON (tasks with their annotations) and as JSON-MIN (one flat record a task)."""

from __future__ import annotations

import base64
import binascii
import contextlib
import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from veduta.errors import SourceError
from veduta.pool.readers import images
from veduta.pool.readers.layouts.coco_file import load_json
from veduta.pool.readers.layouts.gather import Entry, because, claimed, gather, plain
from veduta.pool.readers.layouts.label_studio_results import Results, flat_kinds
from veduta.pool.readers.layouts.noted import Noted
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.survey import Survey
from veduta.pool.readers.tree import Tree

_LIST = re.compile(rb"\s*\[\s*\{")
_RESULT = re.compile(rb'"(?:result|completed_by|was_cancelled)"\s*:')
_TASKS = re.compile(rb'"(?:annotations|completions)"\s*:\s*\[')
_DATA = re.compile(rb'"data"\s*:\s*\{')
_UPLOAD = re.compile(r"^[0-9a-f]{8}-(?=.)")
_MIN = (b'"annotation_id"', b'"lead_time"', b'"annotator"')
_MIN_OWN = frozenset({"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"})
_KEYS = ("image", "img", "image_url", "url", "photo", "picture", "data", "$undefined$")


def is_label_studio(head: bytes) -> bool:
    """Whether the start of a JSON file is surely that of an export of Label Studio."""
    head = head.removeprefix(b"\xef\xbb\xbf")
    if not _LIST.match(head):
        return False
    tasks = _TASKS.search(head) and (_RESULT.search(head) or (_DATA.search(head) and b'"predictions"' in head))
    return bool(tasks) or all(mark in head for mark in _MIN)


class LabelStudio:
    """The layout `label-studio`.

    Of several annotations of a task the first that was not cancelled is taken; the others and the predictions of
    models are counted and left aside. Choices become `labels` (and `label`, where there is one), text areas `captions`.
    """

    name = "label-studio"
    title = "Label Studio"

    def __init__(self, files: Sequence[str] | None = None) -> None:
        self._files = files

    def claim(self, survey: Survey, tree: Tree) -> str:
        return because(claimed(survey, tree, [".json"], is_label_studio), self.title)

    def load(self, survey: Survey, tree: Tree, notes: Notes) -> Noted:
        files = self._files if self._files is not None else claimed(survey, tree, [".json"], is_label_studio)
        return gather(self.title, tree, files, read, notes, asked=self._files is not None)


def read(data: bytes, path: str, notes: Notes) -> Iterator[Entry]:
    """The tasks of an export that have a picture."""
    tasks = load_json(data, path)
    if not isinstance(tasks, list):
        raise SourceError(f"{path} is not an export of Label Studio: expected a list of tasks")
    kinds = flat_kinds([t for t in tasks if isinstance(t, dict) and not isinstance(t.get("data"), dict)])
    for name, kind in kinds.items():
        place = "captions" if kind == "text" else "labels"
        notes.guess(f"the field '{name}' of {path}", f"{kind} in every task, since some tasks say so: {place}")
    for task in tasks:
        if not isinstance(task, dict):
            continue
        whole = isinstance(task.get("data"), dict)
        given = task["data"] if whole else task
        key, place = _picture(given, notes)
        if place is None:
            notes.count("tasks without a picture left out")
            continue
        results = Results(notes)
        rest = {k: v for k, v in given.items() if k != key}
        if whole:
            results.take(_chosen(task, notes))
        else:
            rest = {k: v for k, v in rest.items() if k not in _MIN_OWN}
            flat = {k for k, v in rest.items() if results.take_flat(k, v, kinds.get(k, ""))}
            rest = {k: v for k, v in rest.items() if k not in flat}
        record = {k: v for k, v in rest.items() if plain(v)}
        yield Entry(names(place), {**record, **results.record()})


def _chosen(task: dict[str, Any], notes: Notes) -> list[dict[str, Any]]:
    """The results of the annotation that counts."""
    given = task.get("annotations") or task.get("completions") or []
    every = [a for a in given if isinstance(a, dict)] if isinstance(given, list) else []
    sound = [a for a in every if not a.get("was_cancelled") and isinstance(a.get("result"), list)]
    if len(sound) > 1:
        notes.count("further annotations of the same task left aside", len(sound) - 1)
    if len(sound) < len(every):
        notes.count("cancelled annotations left aside", len(every) - len(sound))
    guessed = task.get("predictions")
    if isinstance(guessed, list) and guessed:
        notes.count("predictions of models left aside", len(guessed))
    return [r for r in sound[0]["result"] if isinstance(r, dict)] if sound else []


def _picture(given: dict[str, Any], notes: Notes) -> tuple[str, str | None]:
    """The field that holds the picture's address, and the address."""
    ordered = sorted(given, key=lambda k: _KEYS.index(k) if k in _KEYS else len(_KEYS))
    for key in ordered:
        value = given[key]
        if isinstance(value, list) and value and all(isinstance(v, str) for v in value) and _is_place(value[0]):
            notes.count("further pictures of the same task left out", len(value) - 1)
            value = value[0]
        if isinstance(value, str) and (_is_place(value) or key in _KEYS[:2]):
            return key, value
    return "", None


def _is_place(text: str) -> bool:
    return images.is_image(urlsplit(text).path) or "/data/local-files/" in text or "fileuri=" in text


def names(place: str) -> list[str]:
    """The names by which a picture may be found, from its address on the labelling server."""
    place = place.strip()
    if place.startswith("data:"):
        return ["embedded"]
    query = parse_qs(urlsplit(place).query)
    if "fileuri" in query:
        with contextlib.suppress(binascii.Error, ValueError):
            place = base64.b64decode(query["fileuri"][0] + "==").decode()
    elif "d" in query and "local-files" in place:
        return [query["d"][0]]
    found = [place]
    if "://" in place:
        found.append(unquote(urlsplit(place).path).lstrip("/"))
    folder, base = posixpath.split(found[-1].replace("\\", "/"))
    if _UPLOAD.match(base):
        found += [posixpath.join(folder, _UPLOAD.sub("", base)), _UPLOAD.sub("", base)]
    return [n for n in found if n]
