"""Images of a tree of files (a folder, a zip, a tar) with what lies beside them: sidecars, annotations, folders' names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from veduta.pool.item import Item
from veduta.pool.readers import images, layouts, places, sidecar, size
from veduta.pool.readers.fields import Columns
from veduta.pool.readers.layout import SPLITS, Layout
from veduta.pool.readers.layouts.noted import absent_file
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.survey import Survey
from veduta.pool.readers.tree import File, Tree

_OURS = frozenset({*sidecar.NAMES, sidecar.SCHEMA_FILE, "croissant.json"})


@dataclass
class _Plan:
    """What one look at the tree decided."""

    survey: Survey
    sidecars: sidecar.Sidecars
    annotations: layouts.Annotations | None
    others: list[tuple[str, layouts.Annotations]]
    columns: Columns
    layout: Layout
    exact: bool


class TreeReader:
    """The images of a tree, one item each.

    What is known of an image comes from its record in a sidecar, then from the annotation layout, then from the names
    of the folders that it lies in. layout: the annotation layout by name, "none" for none; recognised when None.
    label_from: "folder", "none" or a column of the records that becomes the label; decided from the source when None.
    boxes_are_raw: boxes refer to the stored pixels, before EXIF orientation.
    Memory: the tree's own, some kilobytes a folder, and about 200 bytes for a sidecar's record.
    """

    def __init__(
        self,
        tree: Tree,
        *,
        layout: str | layouts.Layout | None = None,
        label_from: str | None = None,
        boxes_are_raw: bool = False,
    ) -> None:
        self.name = tree.name
        self.tree = tree
        self.boxes_are_raw = boxes_are_raw
        self.notes = Notes()
        self.skipped, self.problems = self.notes.skipped, self.notes.problems
        self.layout_name, self.layout_why = "images", ""
        self._wanted, self._label_from = layout, label_from
        self._planned: _Plan | None = None
        self._read_before = False

    def columns(self) -> dict[str, pa.DataType]:
        return self._plan().columns.free

    def is_empty(self) -> bool:
        """Whether there is no image, nor one that annotations name; stops at the first one."""
        if any(images.is_image(f.name) or _is_nameless_image(f) for f in self.tree.files(Notes())):
            return False
        return not getattr(self._plan().annotations, "absent", {})

    def __len__(self) -> int:
        plan = self._plan()
        return getattr(plan.annotations, "rows", plan.survey.images)

    def items(self) -> Iterator[Item]:
        if self._read_before:
            self._planned = None
            self.notes.clear()
        self._read_before = True
        plan = self._plan()
        for file in self.tree.files(self.notes):
            stamp = self._is_offered(file, plan)
            if stamp:
                yield self._item(file, stamp, plan)
        for name in sorted(getattr(plan.annotations, "absent", {})):
            yield self._item(absent_file(name), places.ABSENT, plan)
        plan.sidecars.report_missing()
        if plan.annotations:
            plan.annotations.report(self.notes)

    def _item(self, file: File, stamp: str, plan: _Plan) -> Item:
        key, layout = file.path, plan.layout
        beside = plan.sidecars.find(file.path, file.path.removeprefix("/".join([*layout.holders, ""])))
        noted = plan.annotations.record(file.path) if plan.annotations else None
        if noted and noted.get("relative"):
            noted = self._in_pixels(file, noted)
        fields: dict[str, Any] = {}
        if not plan.exact:
            fields = {k: v for k, v in layout.fields(file.path).items() if v is not None}
        if plan.annotations and plan.annotations.labelled:
            fields.pop("label", None)
        if beside is not None or noted is not None:
            record = {**(noted or {}), **(beside or {})}
            stamp = f"{stamp}:{sidecar.digest(record)}"
            if plan.exact and record.get("key"):
                key = record["key"]
        else:
            record = {}
        if len(plan.sidecars) or plan.annotations:
            if self._label_from in record:
                record["label"] = record[self._label_from]
            made = plan.columns.fields(record)
            # An annotation layout speaks of what it has; a sidecar with a column decides about it for every image.
            fields |= made if len(plan.sidecars) else {k: v for k, v in made.items() if v is not None}
        if self._label_from == "none":
            fields["label"] = None
        return Item(key, file.uri, stamp, file.read, fields)

    def _in_pixels(self, file: File, record: dict[str, Any]) -> dict[str, Any]:
        """A record whose coordinates are fractions of the picture as one in pixels."""
        found = size.of(file, stored=self.boxes_are_raw)
        objects = record.get("objects")
        if found is None:
            self.notes.count(
                f"images whose size cannot be read (objects kept with {size.RELATIVE})", int(bool(objects))
            )
            return {**record, "objects": objects and [size.without_pixels(o) for o in objects]}
        width, height = found
        objects = objects and [size.in_pixels(o, width, height) for o in objects]
        return {**record, "objects": objects, "width": width, "height": height}

    def _is_offered(self, file: File, plan: _Plan) -> str:
        """The file's stamp if it is offered as an image, else "" with a note."""
        annotations = plan.annotations
        if not images.is_image(file.name) and not _is_nameless_image(file):
            if file.name in _OURS or (annotations and annotations.is_used(file.path)):
                return ""
            other = next((name for name, a in plan.others if a.is_used(file.path)), "")
            end = images.suffix(file.name)
            if other:
                self.notes.skip(file.path, f"of {other} annotations, which are not used", f"{other} files ({end})")
            else:
                self.notes.skip(file.path, f"not an image by its name ({end})" if end else "not an image")
            return ""
        if annotations and not annotations.is_row(file.path):
            return ""
        other = next((name for name, a in plan.others if not a.is_row(file.path)), "")
        if other:
            self.notes.skip(file.path, f"of {other} annotations, which are not used", f"images of {other} annotations")
            return ""
        stamp = file.stamp()
        if stamp == places.SPECIAL:
            self.notes.skip(file.path, "not a regular file")
            return ""
        return stamp

    def _plan(self) -> _Plan:
        if self._planned is None:
            check = getattr(self.tree, "check", None)
            if check:
                check()
            survey = Survey.of(self.tree)
            schema = self._schema()
            sidecars = sidecar.Sidecars(self._sidecar_files(survey), self.notes)
            annotations, others = (None, []) if schema is not None and len(sidecars) else self._annotations(survey)
            if schema is not None:
                types = {f.name: f.type for f in schema}
                columns = Columns(types, self.notes, used=("file_name",), exact=True)
            else:
                types = {**(annotations.types if annotations else {}), **sidecars.types}
                if self._label_from in types:
                    types["label"] = types[self._label_from]
                columns = Columns(types, self.notes, used=sidecars.used)
            layout = Layout.of_folders(f for f, ends in survey.suffixes.items() if images.SUFFIXES & ends.keys())
            self._planned = _Plan(survey, sidecars, annotations, others, columns, layout, schema is not None)
        return self._planned

    def _annotations(self, survey: Survey) -> tuple[layouts.Annotations | None, list[tuple[str, layouts.Annotations]]]:
        """The annotations that are used, and by title those that are there as well and left aside."""
        if self._wanted == "none":
            return None, []
        found = layouts.recognise(survey, self.tree)
        if self._wanted is not None:
            layout = layouts.named(self._wanted) if isinstance(self._wanted, str) else self._wanted
            why = "as asked"
        elif found:
            layout, why = found[0]
        else:
            return None, []
        self.layout_name, self.layout_why = layout.name, why
        others = [other for other, _ in found if other.name != layout.name]
        if others and self._wanted is None:
            also = ", ".join(layouts.title(o) for o in others)
            self.notes.guess("annotations", f"{layouts.title(layout)} ({why}); {also} left aside", "--layout NAME")
        beside = [(layouts.title(o), o.load(survey, self.tree, Notes())) for o in others]
        return layout.load(survey, self.tree, self.notes), beside

    def _schema(self) -> pa.Schema | None:
        if self.tree.find(sidecar.SCHEMA_FILE) is None:
            return None
        return sidecar.read_schema(places.parent(self.tree.place(sidecar.SCHEMA_FILE)))

    def _sidecar_files(self, survey: Survey) -> list[tuple[str, str]]:
        """Metadata files of the root and of the split folders in it; the first of `sidecar.NAMES` in each."""
        tops = sorted({f.split("/")[0] for f in survey.suffixes if f and f.split("/")[0].lower() in SPLITS})
        found = []
        for prefix in ("", *(f"{top}/" for top in tops)):
            name = next((n for n in sidecar.NAMES if self.tree.find(prefix + n) is not None), None)
            if name:
                found.append((prefix, self.tree.place(prefix + name)))
        return found


def _is_nameless_image(file: File) -> bool:
    """Whether a file without a suffix starts like an image."""
    if images.suffix(file.name) or not file.uri or "#range=" in file.uri:
        return False
    try:
        with places.open_binary(file.uri) as stream:
            return images.has_image_magic(stream.read(images.MAGIC_BYTES))
    except OSError:
        return False
