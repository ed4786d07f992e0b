"""Images of a tree of files (a folder, a zip, a tar) with what lies beside them: sidecars, annotations, folders' names."""

from __future__ import annotations

import difflib
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from veduta.errors import BadInput, SourceError
from veduta.pool.item import Item
from veduta.pool.readers import damaged, images, kinds, layouts, places, sidecar, sidecar_files, size, thumbnails
from veduta.pool.readers.fields import Columns
from veduta.pool.readers.infer import fit
from veduta.pool.readers.layout import FORCED, Layout
from veduta.pool.readers.layouts.noted import absent_file
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.survey import Survey
from veduta.pool.readers.tree import File, Tree

# Suffixes that programs give to whatever they could not name.
_DISGUISES = frozenset([".txt", ".dat", ".bin", ".data", ".html"])
_OURS = frozenset({sidecar.SCHEMA_FILE, "croissant.json"})


@dataclass
class _Plan:
    """What one look at the tree decided."""

    survey: Survey
    sidecars: sidecar_files.Beside
    annotations: layouts.Annotations | None
    others: list[tuple[str, layouts.Annotations]]
    refused: dict[str, str]  # tables that do not speak of the images, and why
    columns: Columns
    layout: Layout
    exact: bool
    thumbnails: dict[str, str]  # folder -> the folder of its originals
    decided: frozenset[str]  # core columns that a sidecar decides for every image
    damaged: set[str]  # files that cannot be read, which are told as such
    unsure: bool  # whether a part of the tree, or a file of records, could not be read


class TreeReader:
    """The images of a tree, one item each.

    What is known of an image comes from its record in a sidecar, then from the annotation layout, then from the names
    of the folders that it lies in. layout: the annotation layout by name, "none" for none; recognised when None.
    label_from: "folder" (the nearest folder's name), "path" (the folders' names joined by "/"), "none" or a column of
    the records that becomes the label; decided from the source when None.
    layout_name and layout_why say what was recognised, in words, once `columns` or `items` was asked.
    image: the column that names the images in tables beside them; found by what it names when None.
    encoding: of the tables beside the images, where they are neither UTF-8 nor UTF-16.
    boxes_are_raw: boxes refer to the stored pixels, before EXIF orientation.
    Memory: the tree's own, some kilobytes a folder, and about 200 bytes for a sidecar's record.
    """

    def __init__(
        self,
        tree: Tree,
        *,
        layout: str | layouts.Layout | None = None,
        label_from: str | None = None,
        image: str | None = None,
        encoding: str | None = None,
        boxes_are_raw: bool = False,
    ) -> None:
        self.name = tree.name
        self.tree = tree
        self.boxes_are_raw = boxes_are_raw
        self.notes = Notes()
        self.skipped, self.problems = self.notes.skipped, self.notes.problems
        self.layout_name, self.layout_title, self.layout_why, self._why = "images", "", "", ""
        self._wanted, self._label_from, self._encoding = layout, label_from, encoding
        self._image = image
        self._planned: _Plan | None = None
        self._read_before = False

    def columns(self) -> dict[str, pa.DataType]:
        return self._plan().columns.free

    def is_empty(self) -> bool:
        """Whether there is no image, nor one that annotations name; stops at the first one."""
        if any(images.is_image(f.name) or _is_image_inside(f) for f in self.tree.files(Notes())):
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
        packed = getattr(self.tree, "packed", False)
        for file in self.tree.passing(self.notes) if packed else self.tree.files(self.notes):  # pyright: ignore[reportAttributeAccessIssue]
            stamp = self._is_offered(file, plan)
            if stamp:
                yield self._item(file, stamp, plan)
        for name in self._absent(plan):
            held = getattr(plan.annotations, "inside", {}).get(name)
            yield self._item(held or absent_file(name), held.stamp() if held else places.ABSENT, plan)
        plan.sidecars.report_missing()
        if plan.annotations:
            plan.annotations.report(self.notes)

    def _absent(self, plan: _Plan) -> list[str]:
        """Images that annotations name and that are not there; not those that may lie where the tree cannot be listed."""
        names = sorted(getattr(plan.annotations, "absent", {}))
        if not plan.survey.hidden:
            return names
        far = [name for name in names if absent_file(name).uri]
        if len(far) < len(names):
            words = "images that annotations name and that may lie in a folder that cannot be listed (no rows for now)"
            self.notes.count(words, len(names) - len(far))
            self.notes.hidden.append(("", plan.survey.hidden[0]))
        return far

    def _item(self, file: File, stamp: str, plan: _Plan) -> Item:
        key, layout = file.path, plan.layout
        names = file.path, file.path.removeprefix("/".join([*layout.holders, ""]))
        beside = plan.sidecars.find(*names)
        short, cut = plan.sidecars.doubt(*names) if beside is not None else (False, "")
        known = self.notes.counts["problems"]
        noted = {**(plan.annotations.record(file.path) or {})} if plan.annotations else {}
        loose = noted.pop("loose", frozenset())
        speaks = bool(noted.keys() - {"split", "relative"})  # else no annotation file was found for it
        unsure = plan.unsure or short or self.notes.counts["problems"] > known
        if noted.get("relative"):
            noted = self._in_pixels(file, noted)
        folders = {} if plan.exact else layout.fields(file.path)
        fields: dict[str, Any] = {k: v for k, v in folders.items() if v is not None}
        if plan.annotations and plan.annotations.labelled:
            fields.pop("label", None)
        record = {**noted, **(beside or {})}
        if record:
            stamp = f"{stamp}:{sidecar.digest(record)}"
            if plan.exact and record.get("key"):
                key = record["key"]
        if len(plan.sidecars) or plan.annotations:
            if self._is_column():
                record["label"] = fit(record.get(self._label_from), pa.string())
            made = plan.columns.fields(record)
            # An annotation layout speaks of what it has; a sidecar with a column decides about it for every image that it
            # names. What speaks of no image takes nothing back: such a field is left out, where None would say "empty".
            for name, value in made.items():
                if value is not None or (beside is not None and name in plan.decided):
                    fields[name] = value
                elif name in plan.decided:  # folders' names are not asked either
                    fields.pop(name, None)
                elif name not in plan.columns.core and (beside is not None or speaks):
                    fields[name] = value
        if "label" in plan.columns.core and (speaks or (beside is not None and "label" in plan.decided)):
            fields.setdefault("label", None)
        if "split" in plan.columns.core and "split" in record:
            fields.setdefault("split", None)
        if self._label_from in FORCED:
            fields["label"] = folders.get("label")
        if beside is None:
            for name in plan.decided & {"label", "split"}:
                if folders.get(name) is not None and fields.get(name) is None:
                    self.notes.count(f"images that the table with the column {name} does not name; they have no {name}")
        if plan.survey.hidden or plan.survey.unreadable:
            loose |= {n for n, v in folders.items() if v is not None and fields.get(n) == v}
        ends = self._ends(plan, record, cut) if cut else frozenset()
        return Item(key, file.uri, stamp, file.read, fields, unsure, frozenset(loose), ends, places.size_in(stamp))

    @staticmethod
    def _ends(plan: _Plan, record: dict[str, Any], column: str) -> frozenset[str]:
        """The fields that come from a column."""
        whole, without = plan.columns.fields(record), plan.columns.fields({**record, column: None})
        return frozenset(name for name, value in whole.items() if value != without[name])

    def _in_pixels(self, file: File, record: dict[str, Any]) -> dict[str, Any]:
        """A record whose coordinates are fractions of the picture as one in pixels."""
        objects = record.get("objects")
        if not objects:
            return record
        found = size.of(file, stored=self.boxes_are_raw)
        if found is None:
            self.notes.count(f"images whose size cannot be read (objects kept with {size.RELATIVE})")
            return {**record, "objects": [size.without_pixels(o) for o in objects]}
        width, height = found
        objects = [size.in_pixels(o, width, height) for o in objects]
        return {**record, "objects": objects, "width": width, "height": height}

    def _is_column(self) -> bool:
        return self._label_from is not None and self._label_from not in (*FORCED, "label")

    def _is_offered(self, file: File, plan: _Plan) -> str:
        """The file's stamp if it is offered as an image, else "" with a note."""
        if not images.is_image(file.name):
            if file.name in _OURS or file.path in plan.sidecars.paths or file.path in plan.damaged:
                return ""
            if plan.annotations and plan.annotations.is_used(file.path):
                return ""
            other = next((name for name, a in plan.others if a.is_used(file.path)), "")
            if other:
                kind = f"{other} files ({images.suffix(file.name)})"
                self.notes.skip(file.path, f"of {other} annotations, which are not used", kind)
                return ""
            if not _is_image_inside(file):
                self._leave_aside(file, plan.refused.get(file.path, ""))
                return ""
            if images.suffix(file.name):
                self.notes.warn(file.path, "an image, though its name does not say so; read as one")
        named = plan.sidecars.has(file.path)  # a table's images are rows
        if plan.annotations and not named and not plan.annotations.is_row(file.path):
            return ""
        if file.folder in plan.thumbnails:
            reason = f"a thumbnail of an image in {plan.thumbnails[file.folder] or 'the top folder'}"
            self.notes.skip(file.path, reason, "thumbnails of other images")
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

    def _leave_aside(self, file: File, kind: str) -> None:
        end, kind = images.suffix(file.name), kind or kinds.kind(file.name)
        if end in _DISGUISES and _starts_as_image(file):
            kind = f"images that are called {end}; rename them to have them read"
        self.notes.skip(file.path, f"not an image by its name ({end})" if end else "not an image", kind)

    def _plan(self) -> _Plan:
        if self._planned is None:
            check = getattr(self.tree, "check", None)
            if check:
                check()
            survey = Survey.of(self.tree)
            schema = self._schema()
            is_ours = schema is not None and sidecar_files.find(survey, self.tree, lambda path: False).files
            annotations, others = (None, []) if is_ours else self._annotations(survey)
            is_used = annotations.is_used if annotations else lambda path: False
            images_hidden = len(self.notes.hidden)
            tables = sidecar_files.find(survey, self.tree, is_used, self._image)
            sidecars = sidecar_files.Beside(tables.files, self.tree, self.notes, self._encoding)
            unsure = bool(survey.hidden) or any(not name for name, _ in self.notes.hidden)
            readers = [sidecars.paths.__contains__, *(a.is_used for a in (annotations, *dict(others).values()) if a)]
            broken = damaged.tell(survey, self.tree, readers, self.notes) if self._wanted != "none" else set()
            del self.notes.hidden[images_hidden:]  # what lies beside the images hides facts, and no image
            told = {*(path for path, _ in self.notes.problems), *sidecars.paths}
            for path, reason in survey.unreadable.items():
                if path not in told and not is_used(path):
                    self.notes.problem(path, f"cannot be read: {reason}", hides="all")
                    unsure = True
            if schema is not None:
                types = {f.name: f.type for f in schema}
                columns = Columns(types, self.notes, used=("file_name",), exact=True)
                decided = columns.core
            else:
                types = {**(annotations.types if annotations else {}), **sidecars.types}
                if self._is_column():
                    self._check_label(types)
                    types["label"] = pa.string()
                columns = Columns(types, self.notes, used=sidecars.used)
                decided = Columns(sidecars.written, Notes(), used=sidecars.used).core if len(sidecars) else []
            small = {} if schema is not None else thumbnails.folders(survey)
            passed = {*small, *getattr(annotations, "folders", ())}
            holding = {f: count for f, count in self._image_folders(survey).items() if f not in passed}
            layout, exact = Layout(holding, self._label_from), schema is not None
            self._planned = _Plan(
                *(survey, sidecars, annotations, others, tables.refused, columns, layout, exact, small),
                frozenset(decided),
                broken,
                unsure or bool(broken),
            )
            self._tell(self._planned)
        return self._planned

    def _tell(self, plan: _Plan) -> None:
        if plan.exact:
            self.layout_name, self.layout_why = (plan.annotations and self.layout_name) or "folder", "written by Veduta"
            return
        others = "label" in plan.decided or self._is_column() or bool(plan.annotations and plan.annotations.labelled)
        plan.layout.tell(self.notes, labels=not others)
        if plan.annotations and plan.annotations.labelled and self._label_from is None and plan.layout.classes:
            title = self.layout_title or self.layout_name
            how = f"none from the names of folders ({plan.layout.describe()}), since there are annotations ({title})"
            self.notes.guess("labels", how, "--label-from folder")
        words = plan.layout.describe(labels=not others)
        tables = sorted(plan.sidecars.paths - plan.sidecars.broken)
        named = "" if not tables else f"{tables[0]}" + (f" and {len(tables) - 1:,} more tables" if tables[1:] else "")
        if plan.annotations is None and (words or named):
            self.layout_name = "folders"
        self.layout_why = "; ".join(part for part in (self._why, named, words) if part)

    def _check_label(self, types: dict[str, pa.DataType]) -> None:
        if self._label_from in types:
            return
        near = difflib.get_close_matches(str(self._label_from), [*types, *FORCED], 1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        there = f"columns: {', '.join(types)}" if types else "no table beside the images has columns"
        raise BadInput(
            f"{self.name}: no column '{self._label_from}' to take labels from{hint}; {there}; or {', '.join(FORCED)}"
        )

    def _image_folders(self, survey: Survey) -> dict[str, int]:
        """How many images lie in each folder that holds any; of those without a suffix, the first are looked into."""
        found = {}
        for folder, ends in survey.suffixes.items():
            count = sum(number for end, number in ends.items() if end in images.SUFFIXES)
            if not count and ends[""]:
                paths = (posixpath.join(folder, name) for name in survey.names[folder, ""][:3])
                files = (self.tree.find(path) for path in paths)
                count = ends[""] if any(f is not None and _is_image_inside(f) for f in files) else 0
            if count:
                found[folder] = count
        return found

    def _annotations(self, survey: Survey) -> tuple[layouts.Annotations | None, list[tuple[str, layouts.Annotations]]]:
        """The annotations that are used, and by title those that are there as well and left aside."""
        if self._wanted == "none":
            return None, []
        found = layouts.recognise(survey, self.tree)
        if self._wanted is not None:
            layout = layouts.named(self._wanted) if isinstance(self._wanted, str) else self._wanted
            why, annotations = "as asked", layout.load(survey, self.tree, self.notes)
        else:
            loaded = ((one, why, one.load(survey, self.tree, self.notes)) for one, why in found)
            readable = next((made for made in loaded if not getattr(made[2], "failed", False)), None)
            if readable is None:
                return None, []
            layout, why, annotations = readable
        self.layout_name, self.layout_title, self._why = layout.name, layouts.title(layout), why
        others = [other for other, _ in found if other.name != layout.name and not getattr(other, "weak", False)]
        beside = [(layouts.title(o), o.load(survey, self.tree, Notes())) for o in others]
        if others and self._wanted is None:
            also = ", ".join(layouts.title(o) for o in others)
            self.notes.guess(
                "annotations", f"{layouts.title(layout)} ({why}); {also} left aside", f"--layout {others[0].name}"
            )
        return annotations, beside

    def _schema(self) -> pa.Schema | None:
        if self.tree.find(sidecar.SCHEMA_FILE) is None:
            return None
        return sidecar.read_schema(places.parent(self.tree.place(sidecar.SCHEMA_FILE)))


def _is_image_inside(file: File) -> bool:
    """Whether a file whose name does not say what it is starts like an image."""
    return not kinds.is_known(file.name) and _starts_as_image(file)


def _starts_as_image(file: File) -> bool:
    try:
        if not file.uri or "#range=" in file.uri:
            return images.has_image_magic(file.read()[: images.MAGIC_BYTES])
        with places.open_binary(file.uri) as stream:
            return images.has_image_magic(stream.read(images.MAGIC_BYTES))
    except (OSError, SourceError):
        return False
