"""Which of a source's columns become which of the pool's: decided once, from names and types.

| core column | comes from |
|---|---|
| `label` | `label` (text); a numeric `label` takes the text of `words`, `class`, `class_name`, `label_name` or `category` and stays as `label_id`; without a `label`, the first of `class`, `class_name`, `label_name`, `category` that is text |
| `labels` | `labels` (list) |
| `captions` | `captions`, else `caption`, else `text`: one text or a list |
| `split`, `author`, `license`, `source_url` | the same name; also `licence`, and `url` for the last |
| `objects` | `objects` or `instances` (COCO-like), keypoints from `person_keypoints` |
| `relations`, `camera` | the same name; what is not text becomes JSON |

Every other column is kept under its own name; one whose name belongs to the pool is called `source_<name>`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import pyarrow as pa

from veduta.pool.readers.annotations import add_keypoints, to_objects
from veduta.pool.readers.infer import fit, settle
from veduta.pool.readers.notes import Notes
from veduta.pool.schema import CORE, GIVEN, OWN

Record = Mapping[str, Any]

_LABEL_TEXTS = ("words", "class", "class_name", "label_name", "category")
_TEXTS = {
    "split": ("split",),
    "license": ("license", "licence"),
    "author": ("author",),
    "source_url": ("source_url", "url"),
    "relations": ("relations",),
    "camera": ("camera",),
}


class Columns:
    """Turns a source's records into the fields of items.

    types: the source's columns. used: columns that the reader itself consumes (bytes, paths, keys).
    names: class names of columns that hold class numbers ("label" -> ["cat", "dog"]).
    exact: the source was written by Veduta, so that names and types are the pool's already.
    """

    def __init__(
        self,
        types: Mapping[str, pa.DataType],
        notes: Notes,
        *,
        used: Collection[str] = (),
        names: Mapping[str, Sequence[str]] | None = None,
        exact: bool = False,
    ) -> None:
        self._notes = notes
        self._names = names or {}
        self._types = {name: settle(kind) for name, kind in types.items() if name not in used}
        self._makers: dict[str, Callable[[Record], Any]] = {}
        self.free: dict[str, pa.DataType] = {}
        self._from: dict[str, str] = {}  # free column -> the source's column
        taken = set(self._exact() if exact else self._plan())
        for name, kind in self._types.items():
            if name in taken or (exact and name in OWN):
                continue
            target = f"source_{name}" if name in CORE.names else name
            while target in self._types and target != name:
                target = f"source_{target}"
            self.free[target], self._from[target] = kind, name

    @property
    def core(self) -> list[str]:
        """Core columns that the source itself gives."""
        return list(self._makers)

    def fields(self, record: Record) -> dict[str, Any]:
        """The fields of one record; a value that does not fit its column becomes null and a warning is noted."""
        out: dict[str, Any] = {}
        for target, make in self._makers.items():
            out[target] = make(record)
        for target, kind in self.free.items():
            out[target] = self._fit(record.get(self._from[target]), kind, target)
        return out

    def _fit(self, value: Any, kind: pa.DataType, name: str) -> Any:
        try:
            return fit(value, kind)
        except ValueError as error:
            self._notes.count(f"values of '{name}' that do not fit")
            if self._notes.counts[f"values of '{name}' that do not fit"] == 1:
                self._notes.warn(f"column {name}", f"a value does not fit and is left empty: {error}")
            return None

    def _exact(self) -> list[str]:
        taken = [name for name in GIVEN if name in self._types]
        for name in taken:
            kind = CORE.field(name).type
            self._makers[name] = lambda r, name=name, kind=kind: self._fit(r.get(name), kind, name)
        return taken

    def _plan(self) -> list[str]:
        taken = self._plan_label()
        taken += self._plan_lists("labels", ("labels",))
        taken += self._plan_lists("captions", ("captions", "caption", "text"))
        for target, candidates in _TEXTS.items():
            name = next((c for c in candidates if c in self._types and self._may_be(target, c)), None)
            if name:
                self._makers[target] = lambda r, name=name: fit(r.get(name) or None, pa.string())
                taken.append(name)
        return taken + self._plan_objects()

    def _may_be(self, target: str, name: str) -> bool:
        return self._is_text(name) or target in ("split", "relations", "camera")

    def _is_text(self, name: str) -> bool:
        kind = self._types.get(name)
        return name in self._names or (kind is not None and pa.types.is_string(kind))

    def _text(self, record: Record, name: str) -> str | None:
        value = record.get(name)
        texts = self._names.get(name)
        if texts and isinstance(value, int):
            return texts[value] if 0 <= value < len(texts) else None
        return None if value is None else fit(value, pa.string())

    def _plan_label(self) -> list[str]:
        texts = [name for name in _LABEL_TEXTS if self._is_text(name)]
        if "label" not in self._types:
            if not texts or texts == ["words"]:
                return []
            name = next(t for t in texts if t != "words")
            self._makers["label"] = lambda r: self._text(r, name)
            return [name]
        kind = self._types["label"]
        if pa.types.is_nested(kind) or pa.types.is_binary(kind):
            return []
        name = "label"
        if pa.types.is_integer(kind) and "label_id" not in self._types:
            self.free["label_id"], self._from["label_id"] = kind, "label"
        if not self._is_text("label") and texts:
            name = texts[0]
        self._makers["label"] = lambda r: self._text(r, name)
        return ["label", name]

    def _plan_lists(self, target: str, candidates: tuple[str, ...]) -> list[str]:
        for name in candidates:
            kind = self._types.get(name)
            if kind is None:
                continue
            items = kind.value_type if pa.types.is_list(kind) else kind
            if pa.types.is_string(items) or (name == "labels" and pa.types.is_integer(items)):
                self._makers[target] = lambda r, name=name: self._list(r.get(name), name)
                return [name]
        return []

    def _list(self, value: Any, name: str) -> list[str] | None:
        if isinstance(value, str) and value.startswith("["):  # CSV has no lists but JSON text
            try:
                value = json.loads(value)
            except ValueError:
                value = [value]
        if value is None or value == "":
            return None
        texts = self._names.get(name)
        values = value if isinstance(value, (list, tuple)) else [value]
        named = (texts[v] if texts and isinstance(v, int) and 0 <= v < len(texts) else v for v in values)
        return [fit(v, pa.string()) for v in named if v is not None]

    def _plan_objects(self) -> list[str]:
        name = next((n for n in ("objects", "instances") if n in self._types and self._holds_objects(n)), None)
        people = "person_keypoints" if "person_keypoints" in self._types else None
        if name is None and people is None:
            return []
        names = next((v for k, v in self._names.items() if name and k.startswith(f"{name}.")), ())

        def make(record: Record) -> list[dict[str, Any]] | None:
            given = record.get(name) if name else None
            if given is None and (people is None or not record.get(people)):
                return None
            width, height = (v if isinstance(v := record.get(k), int) and v > 0 else None for k in ("width", "height"))
            objects = to_objects(given, width, height, self._notes, names)
            if people and record.get(people):
                add_keypoints(objects, record[people], width, height, self._notes)
            return objects

        self._makers["objects"] = make
        return [n for n in (name, people) if n]

    def _holds_objects(self, name: str) -> bool:
        kind = self._types[name]
        if pa.types.is_list(kind):
            return pa.types.is_struct(kind.value_type) or pa.types.is_string(kind.value_type)
        return pa.types.is_struct(kind) or pa.types.is_string(kind)
