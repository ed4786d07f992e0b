"""Several records of one image made into one: captions and labels become lists, boxes become objects."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pyarrow as pa

from veduta.pool.readers.box_columns import RELATIVE, BoxColumns, Size
from veduta.pool.readers.notes import Notes

Record = dict[str, Any]

_CAPTIONS = (
    "caption",
    "captions",
    "text",
    "texts",
    "title",
    "sentence",
    "sentences",
    "comment",
    "prompt",
    "alt_text",
    "raw",
)
_LABELS = ("label", "words", "class", "class_name", "label_name", "category")
_SINGLE = ("split", "set", "license", "licence", "author", "source_url", "url", "width", "height", "key")
JOINED = "records joined with another of the same image"
UNKNOWN_SIZE = "boxes in fractions of an image whose size is not known, kept as attributes"


class Merger:
    """Learns from all records what differs between those of one image (`see`, then `settle`), then merges them.

    types: of the records' columns; after `settle`, of the merged ones. used: columns that say which image it is.
    """

    def __init__(self, types: Mapping[str, pa.DataType], notes: Notes, used: Collection[str] = ()) -> None:
        self.types = dict(types)
        self.boxes = BoxColumns.of({n: t for n, t in types.items() if n not in used})
        self._notes = notes
        self._used = set(used)
        self._differ: set[str] = set()
        self._joined = self._boxed = 0
        self._labels: str | None = None

    def see(self, records: Sequence[Record]) -> None:
        """All records of one image."""
        if self.boxes:
            for record in records:
                self.boxes.see(record)
        if len(records) > 1:
            self._joined += len(records)
            for name in self.types:
                if name not in self._differ and name not in self._used and not _agree([r.get(name) for r in records]):
                    self._differ.add(name)

    @property
    def is_needed(self) -> bool:
        """Whether any record changes by `merge`; known after `settle`."""
        return bool(self._joined or self.boxes)

    def settle(self) -> None:
        """Decide what the columns become, and say so."""
        if self._joined:
            self._notes.count(JOINED, self._joined)
        if self.boxes and not self.boxes.are_boxes:
            self.boxes = None
        if self.boxes:
            self._settle_boxes(self.boxes)
        else:
            self._settle_lists()

    def _settle_boxes(self, boxes: BoxColumns) -> None:
        unit = "fractions of the image" if boxes.are_fractions else "pixels"
        parts = f"{', '.join(boxes.box)} ({boxes.form}, in {unit})"
        self._notes.guess("boxes", parts + (f", class: {boxes.class_}" if boxes.class_ else ""))
        gone = {*boxes.box, *self._differ} | ({boxes.class_} if boxes.class_ and self._joined else set())
        if self._differ - {boxes.class_, *boxes.box}:
            self._notes.guess("attributes of the boxes", ", ".join(sorted(self._differ - {boxes.class_, *boxes.box})))
        self.types = {n: t for n, t in self.types.items() if n not in gone}
        self.types["objects"] = pa.list_(pa.struct([("class", pa.string())]))

    def _settle_lists(self) -> None:
        labels = [n for n in self.types if n.lower() in _LABELS]
        labels.sort(key=lambda n: (not pa.types.is_string(self.types[n]), _LABELS.index(n.lower())))
        for name in [n for n in self.types if n in self._differ]:
            kind = self.types[name]
            if name.lower() in _LABELS and "labels" not in self.types and not self._labels:
                self._labels = next(n for n in labels if n in self._differ)
                self.types["labels"] = pa.list_(self.types[self._labels])
            elif name.lower() in _CAPTIONS:
                self.types[name] = kind if pa.types.is_list(kind) else pa.list_(kind)
            elif name.lower() in (*_LABELS, *_SINGLE):
                self.types[f"{name}s"] = pa.list_(kind)
            else:
                self.types[name] = pa.list_(kind)
        if self._differ:
            self._notes.guess(
                "columns that differ between the records of one image",
                f"kept as lists: {', '.join(sorted(self._differ))}",
            )

    def merge(self, records: Sequence[Record], size: Size = lambda: None) -> Record:
        """The records of one image as one. size: gives its width and height, for boxes in fractions of it."""
        merged = dict(records[0])
        for record in records[1:]:
            for name, value in record.items():
                if merged.get(name) is None:
                    merged[name] = value
        if self.boxes:
            return self._with_objects(self.boxes, merged, records, size)
        for name in self._differ:
            values = [r.get(name) for r in records]
            lower, agree = name.lower(), _agree(values)
            if lower in _CAPTIONS:
                merged[name] = [t for v in values if v not in (None, "") for t in (v if isinstance(v, list) else [v])]
            elif lower in (*_LABELS, *_SINGLE):
                merged[name] = merged.get(name) if agree else None
                if name == self._labels:
                    merged["labels"] = _distinct(values)
                elif f"{name}s" in self.types:
                    merged[f"{name}s"] = values
            else:
                merged[name] = values
        return merged

    def _with_objects(self, boxes: BoxColumns, merged: Record, records: Sequence[Record], size: Size) -> Record:
        found = []
        extra = self._differ - {boxes.class_, *boxes.box}
        for record in records:
            thing = boxes.object(record, size)
            if thing is not None:
                if RELATIVE in thing:
                    self._notes.count(UNKNOWN_SIZE)
                attributes = {n: record[n] for n in sorted(extra) if record.get(n) is not None}
                found.append({**thing, "attributes": attributes} if attributes else thing)
            elif boxes.is_partial(record):
                self._notes.count("boxes with a missing side left out")
        merged["objects"] = found
        return merged


def _agree(values: Sequence[Any]) -> bool:
    """Whether all values that are there are equal."""
    there = [v for v in values if v is not None and v == v]  # NaN is nothing
    return all(v == there[0] for v in there[1:])


def _distinct(values: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value is not None and value not in found:
            found.append(value)
    return found
