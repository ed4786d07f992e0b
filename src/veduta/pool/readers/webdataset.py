"""WebDataset: tar shards in which the files of one sample share their name up to the first dot."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from veduta.errors import SourceError
from veduta.pool.item import Item
from veduta.pool.readers import images, members, places, sidecar
from veduta.pool.readers.fields import Columns
from veduta.pool.readers.infer import clean, join, kind
from veduta.pool.readers.members import Member
from veduta.pool.readers.notes import Notes

# Text members and the columns that they become; the fields of .json members are columns of their own.
_TEXTS = {
    "txt": "caption",
    "text": "caption",
    "caption": "caption",
    "cls": "label",
    "cls2": "label",
    "url": "url",
    "error": "download_error",
}
_MOST_TEXT = 1 << 24


class WebDataset:
    """Tar shards: one file, several, a folder of them, or a pattern such as `train-{000..127}.tar`.

    An item for every image member, with key `shard/path`; `.json` members give its columns, `.txt` its caption, `.cls`
    its label. A shard that Veduta wrote gives its pool's keys and types back.
    The shards' headers and text members are read twice, once to find the columns. Memory: one sample.
    """

    def __init__(self, source: str | Path | Sequence[str | Path]) -> None:
        self.name = str(source) if isinstance(source, (str, Path)) else ", ".join(map(str, source))
        self.notes = Notes()
        self.skipped, self.problems = self.notes.skipped, self.notes.problems
        self._shards = _shards(source)
        self._planned: tuple[Columns, bool] | None = None

    def columns(self) -> dict[str, pa.DataType]:
        return self._plan()[0].free

    def items(self) -> Iterator[Item]:
        columns, exact = self._plan()
        self.notes.clear()
        for shard in self._shards:
            stem = places.base(shard).removesuffix(".gz").removesuffix(".tar").removesuffix(".tgz")
            for pictures, texts in self._samples(shard, self.notes):
                record = self._record(texts, self.notes)
                for member in pictures:
                    key = (record.get("key") if exact else None) or f"{stem}/{member.path}"
                    stamp = f"{member.stamp}:{sidecar.digest(record)}" if record else member.stamp
                    yield Item(key, member.uri, stamp, member.read, columns.fields(record))

    def _plan(self) -> tuple[Columns, bool]:
        if self._planned is None:
            schema = sidecar.read_schema(places.parent(self._shards[0]))
            if schema is not None:
                types = {f.name: f.type for f in schema}
            else:
                types: dict[str, pa.DataType] = {}
                for shard in self._shards:
                    for _, texts in self._samples(shard, Notes()):
                        for name, value in self._record(texts, Notes()).items():
                            types[name] = join(types.get(name, pa.null()), kind(value))
            self._planned = Columns(types, self.notes, exact=schema is not None), schema is not None
        return self._planned

    @staticmethod
    def _samples(shard: str, notes: Notes) -> Iterator[tuple[list[Member], dict[str, Member]]]:
        """Image members and other members of each sample; the members of one sample lie side by side."""
        present, pictures, texts = None, [], {}
        for member in members.members(shard, notes):
            folder, name = posixpath.split(member.path)
            if images.is_hidden(member.path):
                continue
            start, _, end = name.partition(".")
            sample = posixpath.join(folder, start)
            if sample != present:
                if pictures:
                    yield pictures, texts
                elif texts:
                    notes.skip(f"{places.base(shard)}/{present}", "a sample without an image")
                present, pictures, texts = sample, [], {}
            if images.is_image(name):
                pictures.append(member)
            else:
                texts[end.lower()] = member
        if pictures:
            yield pictures, texts

    @staticmethod
    def _record(texts: dict[str, Member], notes: Notes) -> dict[str, Any]:
        record: dict[str, Any] = {}
        for end, member in texts.items():
            name = end.rsplit(".", 1)[-1]
            if name != "json" and name not in _TEXTS:
                notes.skip(member.path, f"neither image nor text (.{end})")
                continue
            try:
                text = clean(member.read()[:_MOST_TEXT].decode("utf-8", "replace"))
                value = json.loads(text) if name == "json" else text.strip()
            except (OSError, SourceError, ValueError) as error:
                notes.problem(member.path, f"cannot be read: {error}")
                continue
            if name != "json":
                column = _TEXTS[name]
                record.setdefault(column, int(value) if column == "label" and value.isdigit() else value)
            elif isinstance(value, dict):
                record = {**record, **value}
            else:
                record[end.replace(".", "_")] = value
        return record


def _shards(source: str | Path | Sequence[str | Path]) -> list[str]:
    if not isinstance(source, (str, Path)):
        return [shard for one in source for shard in _shards(one)]
    text = str(source)
    if places.exists(text) and places.is_folder(places.absolute(text)):
        found = sorted(
            e.uri for e in places.listing(places.absolute(text)) if e.name.lower().endswith((".tar", ".tar.gz", ".tgz"))
        )
    else:
        found = places.expand(text)
    if not found:
        raise SourceError(
            f"{text} names no tar shard; expected a .tar, a folder of them or a pattern like train-{{000..127}}.tar"
        )
    gone = next((shard for shard in found if not places.exists(shard)), None)
    if gone:
        raise SourceError(f"the shard {gone} does not exist; mend the pattern {text}")
    return found
