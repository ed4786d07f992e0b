"""WebDataset: tar shards in which the files of one sample share their name (see `samples` for names with dots)."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from veduta.errors import SourceError
from veduta.pool.item import Item
from veduta.pool.readers import images, json_bounds, kinds, members, places, sidecar, source
from veduta.pool.readers.fields import Columns
from veduta.pool.readers.infer import clean, join, kind
from veduta.pool.readers.members import Member
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.samples import Naming, main_picture

# Text members and the columns that they become; the fields of .json members are columns of their own.
_TEXTS = {
    **dict.fromkeys(("txt", "text", "caption", "transcript"), "caption"),
    **dict.fromkeys(("cls", "class"), "label"),
    "cls2": "cls2",
    "url": "url",
    "error": "download_error",
    **{name: name for name in ("count", "index", "inx", "id")},
}
_NUMBERS = ("label", "cls2", "count", "index", "inx", "id")
_JSON = ("json", "jsn")
_PLAIN = ("", "caption", "captions", "text", "cls", "label")  # roles of texts that say no more than their suffix
_MOST_TEXT = 1 << 24


class WebDataset:
    """Tar shards: one file, several, a folder of them, or a pattern such as `train-{000..127}.tar`.

    An item for every sample with an image, with key `shard/path`; `.json` members give its columns, `.txt` its caption,
    `.cls` its label. Further images of a sample (`x.seg.png` beside `x.jpg`) become columns of bytes; other members are
    left aside by kind. A shard that Veduta wrote gives its pool's keys and types back.
    The shards' headers are read three times and text members twice, to find the columns. Memory: one sample.
    """

    def __init__(self, source: str | Path | Sequence[str | Path]) -> None:
        self.name = str(source) if isinstance(source, (str, Path)) else ", ".join(map(str, source))
        self.notes = Notes()
        self.skipped, self.problems = self.notes.skipped, self.notes.problems
        self._shards = _shards(source)
        self._planned: tuple[Columns, bool] | None = None
        self._naming = Naming()

    def columns(self) -> dict[str, pa.DataType]:
        return self._plan()[0].free

    def items(self) -> Iterator[Item]:
        columns, exact = self._plan()
        self.notes.clear()
        for shard in self._shards:
            stem = places.base(shard).removesuffix(".gz").removesuffix(".tar").removesuffix(".tgz")
            for pictures, texts in self._samples(shard, self.notes):
                record = self._record(texts, self.notes)
                main = main_picture(pictures)
                member = pictures.pop(main)
                key = (record.get("key") if exact else None) or f"{stem}/{member.path}"
                stamps = ":".join([member.stamp, *(m.stamp for m in pictures.values())])
                stamp = f"{stamps}:{sidecar.digest(record)}" if record else stamps
                record |= {end: _bytes(further, self.notes) for end, further in pictures.items()}
                yield Item(key, member.uri, stamp, member.read, columns.fields(record), size=member.size)

    def _plan(self) -> tuple[Columns, bool]:
        if self._planned is None:
            self._learn_names()
            schema = sidecar.read_schema(places.parent(self._shards[0]))
            types = {f.name: f.type for f in schema} if schema is not None else self._types()
            self._planned = Columns(types, self.notes, exact=schema is not None), schema is not None
        return self._planned

    def _learn_names(self) -> None:
        for shard in self._shards:
            present, names = None, []
            for member in members.members(shard, Notes()):
                folder, name = posixpath.split(member.path)
                sample = posixpath.join(folder, name.partition(".")[0])
                if sample != present or len(names) >= 1000:
                    self._naming.see(names)
                    present, names = sample, []
                if not images.is_hidden(member.path):
                    names.append(name)
            self._naming.see(names)

    def _types(self) -> dict[str, pa.DataType]:
        types: dict[str, pa.DataType] = {}
        further: dict[str, pa.DataType] = {}
        for shard in self._shards:
            for pictures, texts in self._samples(shard, Notes()):
                for name, value in self._record(texts, self.notes).items():
                    types[name] = join(types.get(name, pa.null()), kind(value))
                if len(pictures) > 1:
                    further |= dict.fromkeys(pictures.keys() - {main_picture(pictures)}, pa.large_binary())
        if further:
            said = ", ".join(sorted(further)[:8])
            self.notes.guess("further images of a sample", f"{said}: kept as columns of bytes")
        return types | further

    def _samples(self, shard: str, notes: Notes) -> Iterator[tuple[dict[str, Member], dict[str, Member]]]:
        """Images and other members of each sample, by extension; the members of one sample lie side by side."""
        present = None
        pictures: dict[str, Member] = {}
        texts: dict[str, Member] = {}
        for member in members.members(shard, notes):
            folder, name = posixpath.split(member.path)
            if images.is_hidden(member.path):
                notes.count("hidden files and folders passed over")
                continue
            start, end = self._naming.split(name)
            sample = posixpath.join(folder, start)
            if sample != present or end in pictures or end in texts:
                if pictures:
                    yield pictures, texts
                elif texts:
                    notes.skip(f"{places.base(shard)}/{present}", "a sample without an image")
                present, pictures, texts = sample, {}, {}
            (pictures if images.is_image(name) else texts)[end] = member
        if pictures:
            yield pictures, texts
        elif texts:
            notes.skip(f"{places.base(shard)}/{present}", "a sample without an image")

    @staticmethod
    def _record(texts: Mapping[str, Member], notes: Notes) -> dict[str, Any]:
        record: dict[str, Any] = {}
        for end in sorted(texts, key=lambda e: (e.rpartition(".")[2] not in _JSON, e.count("."))):  # JSON first
            member = texts[end]
            role, _, name = end.rpartition(".")
            if name not in _JSON and name not in _TEXTS:
                notes.skip(member.path, f"neither image nor text (.{end})", kinds.kind(member.path))
                continue
            try:
                text = _text(member, notes)
                value = json_bounds.loads(text) if name in _JSON else text.strip()
            except (OSError, SourceError, ValueError, RecursionError) as error:
                notes.problem(member.path, f"cannot be read: {error}", hides="all")
                continue
            if name not in _JSON:
                column = _TEXTS[name] if role in _PLAIN else end
                value = int(value) if column in _NUMBERS and value.isdecimal() and len(value) < 19 else value
                _add(record, column, value, end)
            elif isinstance(value, dict):
                for field, given in value.items():
                    _add(record, field, given, f"{role or name}.{field}")
            else:
                _add(record, role or "json", value, end)
        return record


def _add(record: dict[str, Any], column: str, value: Any, other: str) -> None:
    """Put a value into its column, or into `other` where something else stands there already."""
    if column not in record:
        record[column] = value
    elif record[column] != value:
        record[other] = value


def _text(member: Member, notes: Notes) -> str:
    """A text in UTF-8, UTF-16 or UTF-32 as its first bytes show; what is none of them is read as Windows-1252."""
    data = member.read()[:_MOST_TEXT]
    text = data.decode(source.encoding(data), "surrogateescape").removeprefix("\ufeff")
    found = clean(text)
    if found != text:
        notes.guess("encoding of texts in shards", "Windows-1252, where it is not UTF-8")
    return found


def _bytes(member: Member, notes: Notes) -> bytes | None:
    try:
        return member.read()
    except (OSError, SourceError) as error:
        notes.problem(member.path, f"cannot be read: {error}", hides="all")
        return None


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
