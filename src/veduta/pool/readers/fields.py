"""Which of a source's columns become which of the pool's: decided once, from names and types.

| core column | comes from |
|---|---|
| `label` | `label` (text); a numeric `label` takes the text of `words`, `class`, `class_name`, `label_name` or `category` and stays as `label_id`; without a `label`, the first of `class`, `class_name`, `label_name`, `category` that is text |
| `labels` | `labels` (list) |
| `captions` | `captions`, else `caption`, else `text`: one text or a list |
| `split`, `author`, `license`, `source_url` | the same name; also `licence`, and `url` for the last |
| `objects` | `objects` or `instances` (COCO-like), keypoints from `person_keypoints` |
| `relations`, `camera` | the same name; what is not text becomes JSON |

Names are compared without regard to case. Class numbers whose names are known become those names; the numbers of a column
`x` stay as `x_id`. Without a `label`, the only column of classes becomes the label; without a caption by these names, `title`,
`sentence`, `alt_text`, `prompt`, ... becomes the caption. Both are told.
Every other column is kept under its own name (see `names`); one whose name belongs to the pool is called `source_<name>`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import pyarrow as pa

from veduta.pool.readers import json_bounds
from veduta.pool.readers.annotations import add_keypoints, to_objects
from veduta.pool.readers.features import named_type, named_value
from veduta.pool.readers.infer import fit, settle
from veduta.pool.readers.names import renamed, tidy, tidy_type
from veduta.pool.readers.notes import Notes
from veduta.pool.schema import CORE, GIVEN, OWN

Record = Mapping[str, Any]

_LABEL_TEXTS = ("words", "class", "class_name", "label_name", "category")
_LIKE_LABELS = ("label", "class", "category")
_CAPTIONS = ("captions", "caption", "text", "texts")
_LIKE_CAPTIONS = ("caption_text", "sentence", "sentences", "title", "alt_text", "alt", "prompt", "comment", "raw")
_TEXTS = {
    "split": ("split", "set"),
    "license": ("license", "licence"),
    "author": ("author",),
    "source_url": ("source_url", "url", "image_url", "link"),
    "relations": ("relations",),
    "camera": ("camera",),
}


class Columns:
    """Turns a source's records into the fields of items.

    types: the source's columns. used: columns that the reader itself consumes (bytes, paths, keys).
    names: class names of columns that hold class numbers ("label" -> ["cat", "dog"]); see `features`.
    label: the column that becomes the label (a list becomes `labels`), "none" for none; by the table above when None.
    exact: the source was written by Veduta, so that names and types are the pool's already.
    """

    def __init__(
        self,
        types: Mapping[str, pa.DataType],
        notes: Notes,
        *,
        used: Collection[str] = (),
        names: Mapping[str, Sequence[str]] | None = None,
        label: str | None = None,
        exact: bool = False,
    ) -> None:
        self._notes = notes
        self._names = {} if exact else names or {}
        self._label = label
        self._types = {name: settle(kind) for name, kind in types.items() if name not in used}
        self._by_lower = {name.lower(): name for name in reversed(list(self._types))} | {n: n for n in self._types}
        self._are_exact = exact
        self._makers: dict[str, Callable[[Record], Any]] = {}
        self.free: dict[str, pa.DataType] = {}
        self._from: dict[str, str] = {}  # free column -> the source's column
        self._numbers: set[str] = set()  # free columns of class numbers, which stay numbers
        self._classed = {path.partition(".")[0] for path in self._names}
        taken = set(self._exact() if exact else self._plan())
        for name, kind in self._types.items():
            if name in taken or (exact and name in OWN):
                continue
            target = f"source_{name}" if name in CORE.names else name
            while target in self._types and target != name:
                target = f"source_{target}"
            self.free[target], self._from[target] = named_type(kind, name, self._names), name
            if name in self._names and pa.types.is_integer(kind) and f"{name}_id" not in self._types:
                self._keep_number(f"{target}_id", name)
        self._tidy()

    def _keep_number(self, target: str, name: str) -> None:
        self.free[target], self._from[target] = self._types[name], name
        self._numbers.add(target)

    def _tidy(self) -> None:
        """Names that the pool's table can have, for columns and for the fields of nested ones."""
        names = tidy(self.free, self._notes)
        self._given = dict(zip(names, self.free.values(), strict=True))
        self._numbers = {new for new, old in zip(names, self.free, strict=True) if old in self._numbers}
        self._from = dict(zip(names, self._from.values(), strict=True))
        self.free = {name: tidy_type(kind) for name, kind in self._given.items()}

    @property
    def core(self) -> list[str]:
        """Core columns that the source itself gives."""
        return list(self._makers)

    def fields(self, record: Record) -> dict[str, Any]:
        """The fields of one record; a value that does not fit its column becomes null and a warning is noted."""
        out: dict[str, Any] = {}
        for target, make in self._makers.items():
            out[target] = make(record)
        for target, kind in self._given.items():
            name = self._from[target]
            value = record.get(name)
            if name in self._classed and target not in self._numbers:
                value = named_value(value, name, self._names)
            out[target] = renamed(self._fit(value, kind, target), kind, self.free[target])
        return out

    def _fit(self, value: Any, kind: pa.DataType, name: str) -> Any:
        if isinstance(value, float) and value != value and not self._are_exact:
            return None
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
        taken += self._plan_lists("captions", _CAPTIONS) or self._plan_like_captions()
        for target, candidates in _TEXTS.items():
            name = next((n for n in self._named(candidates) if self._may_be(target, n)), None)
            if name:
                self._makers[target] = lambda r, name=name: fit(r.get(name) or None, pa.string())
                taken.append(name)
        return taken + self._plan_objects()

    def _named(self, candidates: Sequence[str]) -> list[str]:
        """The source's columns of these names, in this order, whatever their case."""
        return [self._by_lower[c] for c in candidates if c in self._by_lower]

    def _plan_like_captions(self) -> list[str]:
        found = self._plan_lists("captions", _LIKE_CAPTIONS)
        if found:
            self._notes.guess("captions", f"the column '{found[0]}', which is kept as well")
        return []

    def _may_be(self, target: str, name: str) -> bool:
        return self._is_text(name) or (target in ("split", "relations", "camera") and name.lower() == target)

    def _is_text(self, name: str) -> bool:
        kind = self._types.get(name)
        return name in self._names or (kind is not None and pa.types.is_string(kind))

    def _text(self, record: Record, name: str) -> str | None:
        value = record.get(name)
        texts = self._names.get(name)
        if texts and isinstance(value, int):
            return texts[value] if 0 <= value < len(texts) else None
        return None if value is None else fit(value, pa.string())

    @property
    def like_labels(self) -> list[str]:
        """Columns that could hold labels: of class numbers with names, and of text with a name that says so."""
        flat = {name: kind for name, kind in self._types.items() if not pa.types.is_nested(kind)}
        said = [n for n, kind in flat.items() if pa.types.is_string(kind) and n.lower().endswith(_LIKE_LABELS)]
        return [n for n in flat if n in said or n in self._names]

    def _plan_label(self) -> list[str]:
        if self._label == "none":
            return []
        if self._label is not None and self._label.lower() != "label":
            return self._plan_asked(self._label)
        taken = self._plan_named_label()
        classed = [n for n, kind in self._types.items() if n in self._names and not pa.types.is_nested(kind)]
        if "label" not in self._makers and len(classed) == 1:
            self._plan_asked(classed[0])
            self._notes.guess("labels", f"the classes of '{classed[0]}', which is kept as well", "--label-from none")
        return taken

    def _plan_asked(self, name: str) -> list[str]:
        target = "labels" if pa.types.is_list(self._types[name]) else "label"
        self._makers[target] = lambda r: self._text(r, name) if target == "label" else self._list(r.get(name), name)
        return []

    def _plan_named_label(self) -> list[str]:
        texts = [name for name in self._named(_LABEL_TEXTS) if self._is_text(name)]
        label = next(iter(self._named(("label",))), None)
        if label is None:
            if not texts or [t.lower() for t in texts] == ["words"]:
                return []
            name = next(t for t in texts if t.lower() != "words")
            self._makers["label"] = lambda r: self._text(r, name)
            return [name]
        kind = self._types[label]
        if pa.types.is_nested(kind) or pa.types.is_binary(kind):
            return []
        name = label
        if pa.types.is_integer(kind) and "label_id" not in self._types:
            self._keep_number("label_id", label)
        if not self._is_text(label) and texts:
            name = texts[0]
        self._makers["label"] = lambda r: self._text(r, name)
        return [label, name]

    def _plan_lists(self, target: str, candidates: tuple[str, ...]) -> list[str]:
        for name in self._named(candidates) if target not in self._makers else ():
            kind = self._types[name]
            items = kind.value_type if pa.types.is_list(kind) else kind
            if pa.types.is_string(items) or (target == "labels" and pa.types.is_integer(items)):
                self._makers[target] = lambda r, name=name: self._list(r.get(name), name)
                return [name]
        return []

    def _list(self, value: Any, name: str) -> list[str] | None:
        if isinstance(value, str) and value.startswith("["):  # CSV has no lists but JSON text
            try:
                value = json_bounds.loads(value)
            except ValueError:
                value = [value]
        if value is None or value == "":
            return None
        texts = self._names.get(name)
        values = value if isinstance(value, (list, tuple)) else [value]
        named = (texts[v] if texts and isinstance(v, int) and 0 <= v < len(texts) else v for v in values)
        return [fit(v, pa.string()) for v in named if v is not None]

    def _plan_objects(self) -> list[str]:
        name = next((n for n in self._named(("objects", "instances")) if self._holds_objects(n)), None)
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
