"""Sources of images: folders, archives, tables, data sets; one file a format.

`open_source` finds the right reader. Packages add readers under the entry-point group `veduta.readers`: a callable
that takes the source and options and returns a `veduta.pool.item.Reader`; a function `claims(source: str) -> bool` on it
lets it be found without being named.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import posixpath
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from veduta.errors import BadInput, SourceError
from veduta.pool.item import Reader
from veduta.pool.readers import places

GROUP = "veduta.readers"

# Options that override what a reader would guess, and their flags on the command line.
FLAGS = {
    "layout": "--layout",
    "label_from": "--label-from",
    "image": "--image-column",
    "key": "--key-column",
    "root": "--root",
    "encoding": "--encoding",
    "config": "--config",
    "boxes_are_raw": "--boxes-are-raw",
    "allow_private": "--allow-private",
}

# Imported when they are asked for: most runs need one of them.
_BUILT_IN = {
    "folder": "veduta.pool.readers.folder:Folder",
    "archive": "veduta.pool.readers.archive:Archive",
    "webdataset": "veduta.pool.readers.webdataset:WebDataset",
    "table": "veduta.pool.readers.table:Table",
    "coco": "veduta.pool.readers.coco:Coco",
    "annotations": "veduta.pool.readers.annotation_file:AnnotationFile",
    "huggingface": "veduta.pool.readers.huggingface:huggingface",
    "products": "veduta.pool.readers.products:Products",  # by name: pages, feeds and lists of links are others' too
    "web": "veduta.pool.readers.web:WebReader",  # by name, and for web archives: a table of links is a table to everybody else
}
_TABLE = (".parquet", ".pq", ".parq", ".arrow", ".feather", ".ipc", ".csv", ".tsv", ".jsonl", ".ndjson")
_PACKED = (".gz", ".bz2")
_FIRST_BYTES = 256 << 20  # of a tar that are looked at to tell what it holds
_HOW = "name a folder of images, an archive, WebDataset shards, a table, an annotation file or hf:NAME"


def formats() -> list[str]:
    """Names of all formats that can be read."""
    return [*_BUILT_IN, *(e.name for e in sorted(entry_points(group=GROUP), key=lambda e: e.name))]


def open_source(source: Any, format: str | None = None, **options: Any) -> Reader:
    """A reader over `source`.

    source: a path or URL (any fsspec protocol), a pattern ("shards-{000..012}.tar", "*.parquet"), `hf:NAME`, a list of
    paths, a Reader, a pyarrow.Table, a DataFrame of pandas or polars, a datasets.Dataset, a list of Pillow images or
    arrays, or a data set of (image, target) pairs such as torchvision's.
    format: one of `formats()`; found from the source when None. options: the reader's own.
    Raises SourceError where nothing can be read, with what would be.
    """
    if format is None:
        reader = _known_object(source, options)
        if reader is not None:
            return reader
    name = format or _detect(source)
    reader = _build(name, source, options)
    if name in ("folder", "archive") and reader.is_empty():
        from veduta.pool.readers.members import is_archive

        list(reader.items())  # for the reasons
        packed = [path for path, _ in _listed(reader, "skipped") if is_archive(path)] if name == "folder" else []
        if len(packed) == 1:
            inner = open_source(f"{str(source).rstrip('/')}/{packed[0]}", **options)
            notes = getattr(inner, "notes", None)
            if notes is not None:
                notes.guess("archive", f"{packed[0]}, the only one in a folder without images")
            return inner
        if packed:
            raise SourceError(
                f"{source} holds no images, but {len(packed)} archives; name one of them, such as "
                f"{str(source).rstrip('/')}/{packed[0]}, or shards by a pattern, such as "
                f"'{str(source).rstrip('/')}/{posixpath.join(posixpath.dirname(packed[0]), '*.tar')}'"
            )
        listed = [
            f"{path}: {reason}" for path, reason in [*_listed(reader, "problems"), *_listed(reader, "skipped")][:3]
        ]
        words = f" (found: {'; '.join(listed)})" if listed else ""
        raise SourceError(f"{source} holds no images{words}; {_HOW}")
    return reader


def _listed(reader: Reader, name: str) -> list[tuple[str, str]]:
    return list(getattr(reader, name, []))


def _known_object(source: Any, options: dict[str, Any]) -> Reader | None:
    if isinstance(source, (str, Path)):
        return None
    home = type(source).__module__.split(".")[0]
    if home in ("pyarrow", "pandas", "polars"):
        return _build("table", source, options)
    if home == "datasets":
        return _build("huggingface", source, options)
    if isinstance(source, Reader):
        return source
    if isinstance(source, (list, tuple)) and source and all(isinstance(s, (str, Path)) for s in source):
        return _build(_detect(source[0]), list(source), options)
    from veduta.pool.readers.memory import is_known

    if is_known(source):
        return _build("table", source, options)
    raise SourceError(f"a {type(source).__name__} is not a source of images; {_HOW}, or give a Reader or a table")


def _build(name: str, source: Any, options: dict[str, Any]) -> Reader:
    maker = _maker(name)
    if isinstance(source, Path):
        source = str(source)
    if options:
        taken = inspect.signature(maker).parameters.values()
        names = [p.name for p in taken if p.kind is p.KEYWORD_ONLY]
        wrong = next((o for o in options if o not in names), None)
        if wrong and not any(p.kind is p.VAR_KEYWORD for p in taken):
            have = ", ".join(map(_flag, names)) or "none"
            raise BadInput(f"a source read as '{name}' has no option {_flag(wrong)}; its options: {have}")
    return maker(source, **options)


def _flag(option: str) -> str:
    """An option as it is called in Python and, where it has a flag, on the command line."""
    return f"{option} ({FLAGS[option]})" if option in FLAGS else option


def _maker(name: str) -> Callable[..., Reader]:
    if name in _BUILT_IN:
        module, _, attribute = _BUILT_IN[name].partition(":")
        return getattr(importlib.import_module(module), attribute)
    entry = next((e for e in entry_points(group=GROUP) if e.name == name), None)
    if entry is None:
        near = difflib.get_close_matches(name, formats(), 1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise SourceError(f"there is no format '{name}'{hint}; formats: {', '.join(formats())}")
    return entry.load()


def _detect(source: str | Path | Sequence[str]) -> str:
    """The format of a path, URL, pattern or `hf:NAME`, from its name and what lies there."""
    text = str(source)
    for entry in entry_points(group=GROUP):
        claims = getattr(entry.load(), "claims", None)
        if claims and claims(text):
            return entry.name
    if text.startswith("hf:"):
        return "huggingface"
    uri = places.absolute(text)
    there = places.exists(uri)
    if there and places.is_folder(uri):
        return _detect_folder(uri)
    if not there and not places.is_pattern(text):
        raise SourceError(f"{text} {places.why_not_there(uri)}; {_HOW}")
    if not there and not places.expand(text):
        raise SourceError(f"the pattern {text} matches nothing; {_HOW}")
    return _detect_file(uri if there else places.expand(text)[0], text, several=not there)


def _detect_folder(uri: str) -> str:
    try:
        names = {e.name.lower() for e in places.listing(uri)}
    except OSError as error:
        raise SourceError(f"{uri} cannot be listed: {error.strerror or error}; check its permissions") from None
    if names & {"state.json", "dataset_dict.json"} and "://" not in uri:
        return "huggingface"
    from veduta.pool.readers.folder import Folder
    from veduta.pool.readers.hub import holds_tables
    from veduta.pool.readers.images import is_image

    if any(is_image(n) for n in names) or not Folder(uri).is_empty():
        return "folder"
    tars = [e.uri for e in places.listing(uri) if e.name.lower().endswith((".tar", ".tar.gz", ".tgz"))]
    if len(tars) > 1 or (tars and _has_samples(tars[0])):
        return "webdataset"
    return "table" if holds_tables(uri) else "folder"


def _detect_file(uri: str, text: str, several: bool) -> str:
    from veduta.pool.readers.images import has_image_magic, is_image
    from veduta.pool.readers.members import is_archive

    name = uri.lower()
    if name.endswith(".zip"):
        return "archive"
    if is_archive(name):
        return "webdataset" if several or _has_samples(uri) else "archive"
    if name.endswith(".json"):
        from veduta.pool.readers.coco import is_coco_file

        if is_coco_file(uri):
            return "coco"
    if name.endswith((".json", ".jsonl", ".ndjson", ".xml", ".csv")):
        from veduta.pool.readers.annotation_file import is_annotation_file

        if is_annotation_file(uri):
            return "annotations"
    if name.endswith(".json"):
        return "table"
    for end in _PACKED:
        name = name.removesuffix(end)
    if name.endswith(_TABLE):
        return "table"
    if name.endswith((".warc", ".wat")):
        return "web"
    try:
        with places.open_binary(uri) as stream:
            start = stream.read(16)
    except OSError as error:
        raise SourceError(f"{text} cannot be read: {error.strerror or error}; check its permissions") from None
    if start.startswith((b"PAR1", b"ARROW1")):
        return "table"
    if is_image(uri) or has_image_magic(start):
        raise SourceError(f"{text} is a single image; name the folder that it lies in")
    raise SourceError(f"{text} is in no known format; {_HOW}, or say which with format=... ({', '.join(formats())})")


def _has_samples(uri: str) -> bool:
    """Whether a tar's first files come in samples (an image and texts of one name), as WebDataset's do."""
    from veduta.pool.readers.images import is_image
    from veduta.pool.readers.layouts.labelme import is_labelme
    from veduta.pool.readers.members import members
    from veduta.pool.readers.notes import Notes
    from veduta.pool.readers.survey import HEAD_BYTES

    stems: dict[str, set[bool]] = {}
    for _, member in zip(range(20), members(uri, Notes(), until=_FIRST_BYTES)):
        folder, _, name = member.path.rpartition("/")
        if name.endswith(".json") and is_labelme(member.read()[:HEAD_BYTES]):
            return False
        if not name.startswith("."):
            stems.setdefault(f"{folder}/{name.partition('.')[0]}", set()).add(is_image(name))
    return any(len(kinds) == 2 for kinds in stems.values())
