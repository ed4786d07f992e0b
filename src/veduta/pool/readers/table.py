"""Images in a table: bytes in a column, or paths or links beside it."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from veduta.errors import BadInput, SourceError
from veduta.pool import limits, location
from veduta.pool.item import Item
from veduta.pool.readers import hub, memory, pasted, places, sidecar
from veduta.pool.readers.features import class_names
from veduta.pool.readers.fields import Columns
from veduta.pool.readers.grouped import Grouped
from veduta.pool.readers.image_column import ImageColumn, bytes_form, find_image_column, no_column, other_paths
from veduta.pool.readers.infer import clean
from veduta.pool.readers.names import tell_renamed
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.path_columns import IDS, PATH_COLUMNS, named
from veduta.pool.readers.roots import Place, Roots, is_link
from veduta.pool.readers.rows import Rows, open_rows
from veduta.pool.readers.size import header_size

if TYPE_CHECKING:
    from veduta.pool.fetch import Policy
    from veduta.pool.readers.web_fetch import Offered

# In the schema's metadata of tables that Veduta wrote: names and types are the pool's.
EXPORTED = b"veduta:export"
_KEYS = ("key", "__key__")
# The least that is an image at all: a table of links lists what its user wants, thumbnails included.
LEAST_BYTES = 64
PEEK = 50  # rows that are looked at to find the image column


class Table:
    """Parquet, Arrow, CSV, JSON or Lance tables (one, several, a folder, a pattern), or a table or images in memory.

    The image column is found by type (binary, or a struct of `bytes` and `path` as Hugging Face has it), else by
    name (`file_name`, `file`, `path`, `image`, ..., `url`, in any case), else by its values; `image` names it. It holds
    bytes, paths, links, base64, or lists of these, which become a row each with a column `group`. Further columns of
    images are kept as bytes. `label_from` names the column of the labels, "none" for none. `key` names the column of the keys; else it is the first of `key`, the path column, `id`
    whose values differ in every row, else the row's number below the name of its file. Rows that name the same image become one (see `merge`), and
    boxes in columns become objects. See `fields` for what becomes of the other columns.

    Paths count from the table's folder and from the folders `root`; a path of another machine is looked up by its end
    below them. Nothing outside of them is opened, except what a table in memory names. Links to the web are fetched as
    `veduta.pool.fetch` does, within `policy`; what was fetched once is not fetched again.
    allow_private: hosts of one's own network that links may name. encoding: of text tables that are not UTF-8. config: the configuration of a cloned Hub repository.
    Memory: 64 rows (of Parquet also a page, which some writers make as large as a row group), and 8 bytes a row.
    """

    def __init__(
        self,
        source: str | Path | Sequence[str | Path] | pa.Table | Any,
        *,
        image: str | None = None,
        key: str | None = None,
        label_from: str | None = None,
        root: str | Path | Sequence[str | Path] = (),
        encoding: str | None = None,
        config: str | None = None,
        policy: Policy | None = None,
        allow_private: Sequence[str] = (),
        boxes_are_raw: bool = False,
    ) -> None:
        self.boxes_are_raw = boxes_are_raw
        self.notes = Notes()
        self.skipped, self.problems = self.notes.skipped, self.notes.problems
        self._policy, self._allow_private = policy, allow_private
        self._card: dict[str, list[str]] = {}
        self._label_from = label_from
        is_file = isinstance(source, (str, Path))
        is_listed = is_file or (isinstance(source, (list, tuple)) and source and isinstance(source[0], (str, Path)))
        if is_listed:
            uris, splits, folder = _files(source, self.notes, config)
            self.name = str(source) if is_file else ", ".join(map(str, source))
            self._stems = hub.stems(uris)
            if is_file and folder == places.absolute(str(source)):
                self._card = hub.class_names(folder, config)
            rows = open_rows(uris, self.notes, splits, encoding)
        else:
            self.name, self._stems, folder = "a table in memory", ["row"], places.absolute(".")
            rows = memory.rows(source, self.notes)
        self._start(rows, image, key, Roots(folder, _many(root), self.notes, free=not is_listed))

    @classmethod
    def of_rows(
        cls,
        rows: Rows,
        name: str,
        stems: Sequence[str],
        *,
        image: str | None = None,
        key: str | None = None,
        label_from: str | None = None,
        root: str | Path | Sequence[str | Path] = (),
        policy: Policy | None = None,
        allow_private: Sequence[str] = (),
        boxes_are_raw: bool = False,
        folders: Sequence[str] = (),
    ) -> Table:
        """A reader over rows that somebody else opened.

        stems: of each of their files, what the keys of its rows begin with where no column has them. folders: where the
        images may lie; anywhere if none is given.
        """
        new = cls.__new__(cls)
        new.boxes_are_raw, new.notes, new._policy = boxes_are_raw, Notes(), policy
        new._allow_private = allow_private
        new.skipped, new.problems = new.notes.skipped, new.notes.problems
        new.name, new._stems = name, list(stems)
        new._card, new._label_from = {}, label_from
        folder, *more = folders or [places.absolute(".")]
        new._start(rows, image, key, Roots(folder, [*_many(root), *more], new.notes, free=not folders))
        return new

    def _start(self, rows: Rows, image: str | None, key: str | None, roots: Roots) -> None:
        self._rows, self._roots = rows, roots
        for old, new in getattr(rows, "renamed", ()):
            tell_renamed(old, new, self.notes)
        schema = rows.schema
        self._exact = EXPORTED in (schema.metadata or {})
        first = _first(rows)
        self._image = find_image_column(schema, image, self.name, first, self.notes, roots)
        self._is_named = False
        names_before = schema.names
        if not self._exact and not self._image.is_list:
            self._join_rows(first)
        schema = self._rows.schema
        more = {f.name: form for f in schema if (form := bytes_form(f.type)) and f.name != self._image.name}
        self._more = {} if self._exact else {n: ImageColumn(n, form) for n, form in more.items()}
        if self._more:
            self.notes.guess("further columns of images", f"{', '.join(self._more)}: kept as bytes", "image='...'")
        if named_too := other_paths(first, self._image):
            self.notes.guess("further columns that name images", f"{', '.join(named_too)}: kept as text", "image='...'")
        self._key = self._key_column(key, first)
        used = {self._image.name, self._key or self._image.name}
        types = {f.name: pa.large_binary() if f.name in self._more else f.type for f in schema}
        if self._image.is_list:
            types |= {"group": pa.string(), "position": pa.int32()}
        used -= {self._checked_label(names_before, schema)}
        names = class_names(schema)
        if said := {n: texts for n, texts in self._card.items() if n not in names and n.partition(".")[0] in types}:
            self.notes.guess("class names", f"of {', '.join(said)}, from the card (README.md)")
        self._columns = Columns(
            types, self.notes, used=used, names=said | names, label=self._label_from, exact=self._exact
        )
        like = [] if self._exact or self._label_from else self._columns.like_labels
        if like and not {"label", "labels"} & set(self._columns.core):
            could = f"'{like[0]}' could hold them" if len(like) == 1 else f"{', '.join(like)} could all hold them"
            self.notes.guess("labels", f"none: {could}", "--label-from COLUMN")
        self._told = self.notes.snapshot()

    def _join_rows(self, first: list[dict[str, Any]]) -> None:
        """Rows that name the same image, and boxes in columns."""
        is_pasted = any(pasted.is_pasted(v) for row in first if isinstance(v := row.get(self._image.name), str))
        if self._image.form == "path" and is_pasted:
            return
        grouped = Grouped(self._rows, self._image.name, self.notes, self._size)
        self._is_named = self._image.form == "path" and grouped.all_named
        if grouped.is_needed:
            self._rows = grouped

    def _checked_label(self, names_before: list[str], schema: pa.Schema) -> str | None:
        """The column that labels come from, if one is asked for. Raises BadInput if it is not there."""
        name = self._label_from
        if name in (None, "none") or name in schema.names:
            return name
        if name in ("folder", "path"):
            raise BadInput(f"{self.name} is a table: name a column with label_from (--label-from COLUMN), or none")
        if name in names_before:
            raise BadInput(f"{self.name}: the column '{name}' is the class of the boxes, so it cannot be the label too")
        raise no_column(self.name, name, schema, "labels")

    def columns(self) -> dict[str, pa.DataType]:
        return self._columns.free

    def __len__(self) -> int:
        return len(self._rows)

    def close(self) -> None:
        """End all connections."""
        if "_offered" in self.__dict__:
            self._fetcher.close()

    def items(self) -> Iterator[Item]:
        self.notes.restore(self._told)
        if "_offered" in self.__dict__:
            self._offered.clear()
        numbers: Counter[int] = Counter()
        for file, row in self._rows.by_file():
            key = _at(row, self._key) if self._key else None
            key = location.escape(_key_text(key)) if key is not None else f"{self._stems[file]}/{numbers[file]:08d}"
            numbers[file] += 1
            contents = self._image.contents(row)
            if self._image.is_list:
                if not contents:
                    self.notes.count("rows without an image left out")
                for position, one in enumerate(contents):
                    yield self._item(f"{key}/{position}", {**row, "group": clean(key), "position": position}, *one)
            else:
                yield self._item(key, row, *contents[0])

    def _item(self, key: str, row: dict[str, Any], content: bytes | None, path: str | None) -> Item:
        place, read = Place(""), partial(_refuse, "the record has neither bytes nor a path")
        if content is not None and len(content) > limits.FILE.bytes:
            words, content = f"too large: {len(content):,} bytes; {limits.FILE.says(len(content))}", None
            read = partial(_refuse, words)
        elif content is not None:
            read = partial(_given, content)
        elif path and pasted.is_pasted(path):
            read = partial(pasted.content, path)
            content = path.encode("utf-8", "surrogateescape")
        elif path:
            place = self._roots.place(path)
            read = self._reading(place)
        for name, column in self._more.items():
            row = {**row, name: self._further(column, row)}
        fields = self._columns.fields(row)
        if is_link(place.uri) and not fields.get("source_url"):
            fields["source_url"] = place.uri
        stamp = self._stamp(row, content, place)
        size = len(content) if content is not None else places.size_in(place.stamp)
        return Item(clean(key), place.uri, stamp, read, fields, size=size)

    def _reading(self, place: Place) -> Callable[[], bytes]:
        if place.refusal:
            self.notes.count("files outside of the folders that may be read, not opened")
            return partial(_refuse, place.refusal)
        return self._offered.reading(place.uri) if is_link(place.uri) else partial(location.read, place.uri)

    @cached_property
    def _offered(self) -> Offered:
        from veduta.pool.fetch import Fetcher, Policy
        from veduta.pool.readers.web_fetch import Offered

        self._fetcher = Fetcher((self._policy or Policy(min_bytes=LEAST_BYTES)).trusting(self._allow_private))
        return Offered(self._fetcher)

    def _further(self, column: ImageColumn, row: dict[str, Any]) -> bytes | None:
        content, path = column.contents(row)[0]
        if content is None and path:
            place = self._roots.place(path)
            try:
                return location.read(place.uri) if place.uri and not is_link(place.uri) else None
            except (OSError, SourceError) as error:
                self.notes.problem(f"{column.name}: {path[:80]}", f"cannot be read: {error}")
        return content

    def _size(self, name: Any) -> tuple[int, int] | None:
        place = self._roots.place(str(name)) if name not in (None, "") else Place("")
        return header_size(place.uri) if place.uri and not is_link(place.uri) else None

    def _stamp(self, row: dict[str, Any], content: bytes | None, place: Place) -> str:
        rest = {k: v for k, v in row.items() if k != self._image.name}
        if is_link(place.uri):
            rest[self._image.name] = place.uri
        if content is None:
            return f"{place.stamp}:{sidecar.digest(rest)}"
        return hashlib.blake2b(content, digest_size=12).hexdigest() + ":" + sidecar.digest(rest)

    def _key_column(self, key: str | None, first: list[dict[str, Any]]) -> str | None:
        schema = self._rows.schema
        if key is not None:
            if key not in schema.names:
                raise no_column(self.name, key, schema, "keys")
            return key
        wanted = [named(schema.names, [n]) for n in (*_KEYS, *PATH_COLUMNS, *IDS)]
        candidates = [n for n in dict.fromkeys(wanted) if n and _may_be_key(schema.field(n).type)]
        if any(isinstance(v := row.get(self._image.name), str) and pasted.is_pasted(v) for row in first):
            candidates = [n for n in candidates if n != self._image.name]
        if self._image.form == "struct" and not self._image.is_list:
            candidates.append(f"{self._image.name}.path")
        for name in candidates:
            if (name == self._image.name and self._is_named) or _differ(self._rows.values(name)):
                return name
        return None


def _first(rows: Rows) -> list[dict[str, Any]]:
    """The first rows, up to PEEK, or fewer if they are large."""
    found: list[dict[str, Any]] = []
    left = 2 * limits.ROWS
    for row in itertools.islice(rows.rows(), PEEK):
        found.append(row)
        left -= sum(_held(value) for value in row.values())
        if left < 0:
            break
    return found


def _held(value: Any) -> int:
    if isinstance(value, (bytes, str)):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_held, value.values()))
    return sum(map(_held, value)) if isinstance(value, list) else 8


def _key_text(key: Any) -> str:
    """1.0 and 1 are the same key."""
    return str(int(key)) if isinstance(key, float) and key.is_integer() else str(key)


def _may_be_key(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)


def _at(row: dict[str, Any], column: str) -> Any:
    top, _, leaf = column.partition(".")
    if column in row or not leaf:
        return row.get(column)
    return (row.get(top) or {}).get(leaf)


def _differ(values: Iterator[Any]) -> bool:
    """Whether all values are there and no two are equal (up to a collision of 64-bit hashes)."""
    hashes: list[np.ndarray] = []
    while part := list(itertools.islice(values, 65536)):
        if any(v is None or v == "" for v in part):
            return False
        hashes.append(np.fromiter(map(_hash, part), np.int64, len(part)))
        if len(np.unique(hashes[-1])) < len(part):
            return False
    total = np.concatenate(hashes) if hashes else np.empty(0, np.int64)
    return len(np.unique(total)) == len(total)


def _hash(value: Any) -> int:
    return hash(value if isinstance(value, (str, int, float)) else str(value))


def _many(root: str | Path | Sequence[str | Path]) -> list[str]:
    return [str(root)] if isinstance(root, (str, Path)) else [str(one) for one in root]


def _files(
    source: str | Path | Sequence[str | Path], notes: Notes, config: str | None
) -> tuple[list[str], list[str], str]:
    """The files of a table, the split of each ("" for none), and the folder that paths count from."""
    if not isinstance(source, (str, Path)):
        uris = [uri for one in source for uri in _files(one, notes, config)[0]]
        return uris, hub.splits(uris), places.parent(uris[0])
    text = str(source)
    uri = places.absolute(text)
    if places.exists(text) and places.is_folder(uri) and not uri.lower().endswith(".lance"):
        found, splits = hub.tables(uri, notes, config)
        folder = uri
    else:
        found = places.expand(text)
        splits, folder = hub.splits(list(map(places.base, found))), places.parent(found[0]) if found else ""
    gone = next((uri for uri in found if not places.exists(uri)), None)
    if gone or not found:
        raise SourceError(f"{gone or text} does not exist; name a table, a folder of tables or a pattern")
    return found, splits, folder


def _given(content: bytes) -> bytes:
    return content


def _refuse(reason: str) -> bytes:
    raise SourceError(reason)
