"""Images in a folder and its sub-folders, on the local disk or any fsspec file system."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from veduta.errors import SourceError
from veduta.pool import location
from veduta.pool.item import Item
from veduta.pool.readers import images, places, sidecar
from veduta.pool.readers.fields import Columns
from veduta.pool.readers.layout import HOLDERS, SPLITS, Layout
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.places import Entry

_OURS = (*sidecar.NAMES, sidecar.SCHEMA_FILE, "croissant.json")


class Folder:
    """Images below a folder; classes and splits from the folders' names, anything else from a metadata file.

    The metadata file (`metadata.jsonl`, `metadata.csv`, `index.jsonl`, ...) lies in the root or in a split's folder and
    names its images in a column `file_name`, `file`, `path` or `image`, relative to itself. Where it has a `label`
    (or `split`) column, that alone decides about labels (splits). See `fields` for what becomes of its columns and
    `layout` for the folders' names. Hidden files are passed over; links to folders are followed once.

    boxes_are_raw: boxes refer to the stored pixels, before EXIF orientation.
    Memory: the names in the folders on the way to the present image, and about 200 bytes for a metadata record.
    """

    def __init__(self, source: str | Path, *, boxes_are_raw: bool = False) -> None:
        self.name = str(source)
        self.boxes_are_raw = boxes_are_raw
        self.notes = Notes()
        self.skipped, self.problems = self.notes.skipped, self.notes.problems
        self._root = places.absolute(self.name)
        self._prepared: tuple[sidecar.Sidecars, Columns, Layout, bool] | None = None
        self._length: int | None = None
        self._read_before = False
        if not places.is_folder(self._root):
            raise SourceError(f"{source} is not a folder; name a folder of images")

    def columns(self) -> dict[str, pa.DataType]:
        return self._prepare()[1].free

    def is_empty(self) -> bool:
        """Whether there is no image; stops at the first one."""
        return not any(images.is_image(e.name) or self._is_nameless_image(e) for _, e in self._walk(Notes()))

    def __len__(self) -> int:
        if self._length is None:
            self._length = sum(1 for _, entry in self._walk(Notes()) if images.is_image(entry.name))
        return self._length

    def items(self) -> Iterator[Item]:
        if self._read_before:
            self._prepared = None
            self.notes.clear()
        self._read_before = True
        sidecars, columns, layout, exact = self._prepare()
        for path, entry in self._walk(self.notes):
            stamp = self._is_offered(path, entry)
            if not stamp:
                continue
            bare = path.removeprefix("/".join([*layout.holders, ""]))
            record = sidecars.find(path, bare)
            fields: dict[str, Any] = {} if exact else {k: v for k, v in layout.fields(path).items() if v is not None}
            key = path
            if record is not None:
                stamp = f"{stamp}:{sidecar.digest(record)}"
                key = (record.get("key") if exact else None) or path
            if len(sidecars):
                fields |= columns.fields(record or {})
            yield Item(key, entry.uri, stamp, partial(location.read, entry.uri), fields)
        sidecars.report_missing()

    def _is_offered(self, path: str, entry: Entry) -> str:
        """The file's stamp if it is offered as an image, else "" with a note."""
        if not images.is_image(entry.name) and not self._is_nameless_image(entry):
            if entry.name not in _OURS:
                end = images.suffix(entry.name)
                self.notes.skip(path, f"not an image by its name ({end})" if end else "not an image")
            return ""
        stamp = places.stamp(entry.uri)
        if stamp == places.SPECIAL:
            self.notes.skip(path, "not a regular file")
            return ""
        return stamp

    @staticmethod
    def _is_nameless_image(entry: Entry) -> bool:
        """Whether a file without a suffix starts like an image."""
        if images.suffix(entry.name):
            return False
        try:
            with places.open_binary(entry.uri) as stream:
                return images.has_image_magic(stream.read(images.MAGIC_BYTES))
        except OSError:
            return False

    def _prepare(self) -> tuple[sidecar.Sidecars, Columns, Layout, bool]:
        if self._prepared is None:
            try:
                entries = places.listing(self._root)
            except OSError as error:
                raise SourceError(
                    f"{self.name} cannot be listed: {error.strerror or error}; check its permissions"
                ) from None
            layout = self._layout(entries)
            schema = sidecar.read_schema(self._root)
            sidecars = sidecar.Sidecars(self._sidecars(entries), self.notes)
            if schema is not None:
                types = {f.name: f.type for f in schema}
                columns = Columns(types, self.notes, used=("file_name",), exact=True)
            else:
                columns = Columns(sidecars.types, self.notes, used=sidecars.used)
            self._prepared = sidecars, columns, layout, schema is not None
        return self._prepared

    def _layout(self, entries: list[Entry]) -> Layout:
        holders: list[str] = []
        while True:
            seen = [e for e in entries if not images.is_hidden(e.name)]
            folders = [e for e in seen if e.is_folder]
            here = any(images.is_image(e.name) for e in seen if not e.is_folder)
            if here or len(folders) != 1 or folders[0].name.lower() not in HOLDERS:
                return Layout(holders, labelled=not here)
            holders.append(folders[0].name)
            try:
                entries = places.listing(folders[0].uri)
            except OSError:
                return Layout(holders)

    def _sidecars(self, entries: list[Entry]) -> list[tuple[str, str]]:
        """Metadata files of the root and of the split folders in it; the first of `sidecar.NAMES` in each."""
        names = {e.name: e.uri for e in entries if not e.is_folder}
        found = [("", names[name]) for name in sidecar.NAMES if name in names][:1]
        for folder in sorted((e for e in entries if e.is_folder and e.name.lower() in SPLITS), key=lambda e: e.name):
            try:
                inside = {e.name: e.uri for e in places.listing(folder.uri) if not e.is_folder}
            except OSError:
                continue
            found += [(f"{folder.name}/", inside[name]) for name in sidecar.NAMES if name in inside][:1]
        return found

    def _walk(self, notes: Notes) -> Iterator[tuple[str, Entry]]:
        """All visible files with their paths below the root, in the order of the paths."""
        links = _Links(self._root, notes)
        stack = [iter(self._sorted("", self._root, notes))]
        while stack:
            step = next(stack[-1], None)
            if step is None:
                stack.pop()
                continue
            path, entry = step
            if not entry.is_folder:
                yield path, entry
            elif not entry.is_link or links.may_enter(path, entry):
                stack.append(iter(self._sorted(f"{path}/", entry.uri, notes)))

    @staticmethod
    def _sorted(prefix: str, folder: str, notes: Notes) -> list[tuple[str, Entry]]:
        try:
            entries = [e for e in places.listing(folder) if not images.is_hidden(e.name)]
        except OSError as error:
            notes.problem(prefix or ".", f"the folder cannot be listed: {error.strerror or error}")
            return []
        entries.sort(key=lambda e: f"{e.name}/" if e.is_folder else e.name)
        return [(prefix + e.name, e) for e in entries]


class _Links:
    """Decides which links to folders are followed: every folder is read once, and loops end."""

    def __init__(self, root: str, notes: Notes) -> None:
        self._root = "" if location.is_remote(root) else os.path.realpath(location.local(root))
        self._outside: list[str] = []
        self._notes = notes

    def may_enter(self, path: str, entry: Entry) -> bool:
        target = os.path.realpath(location.local(entry.uri))
        if any(_within(place, target) for place in (self._root, *self._outside)):
            self._notes.skip(path, "a link back to a folder above it")
            return False
        inside = _within(target, self._root) and not images.is_hidden(os.path.relpath(target, self._root))
        if inside or any(_within(target, place) for place in self._outside):
            self._notes.skip(path, "a link to a folder that is read in its own place")
            return False
        self._outside.append(target)
        return True


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
