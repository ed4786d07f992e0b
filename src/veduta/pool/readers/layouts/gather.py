"""Annotation files that list many images, read into `Noted`: what the layouts of such files share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from veduta.errors import SourceError
from veduta.pool.readers import images
from veduta.pool.readers.layouts.image_roots import ImageRoots, Root, absent_path
from veduta.pool.readers.layouts.noted import Noted, Record
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.survey import Survey
from veduta.pool.readers.tree import File, Tree

# Files of one kind that are looked at before a tree is taken for something else.
LOOKED_AT = 100


@dataclass
class Entry:
    """One image of an annotation file. names: how the file calls it, the surest first; record: what it says of it.

    is_frame: one of a video, which need not be there. inside: makes the picture from the file's bytes, where it is in it.
    """

    names: list[str]
    record: Record = field(default_factory=dict)
    is_frame: bool = False
    inside: Callable[[bytes], bytes] | None = None


Read = Callable[[bytes, str, Notes], Iterable[Entry]]


def claimed(survey: Survey, tree: Tree, suffixes: Sequence[str], is_ours: Callable[[bytes], bool]) -> list[str]:
    """The files that are of a layout by their start, of those nearest to the root."""
    nearest = sorted(survey.paths(*suffixes), key=lambda p: (p.count("/"), p))
    return [p for p in nearest[:LOOKED_AT] if is_ours(survey.head(tree, p))]


def because(found: Sequence[str], what: str) -> str:
    """Why a tree is of a layout, from the files that were found."""
    if len(found) > 1:
        return f"{found[0]} and {len(found) - 1} more are {what} files"
    return f"{found[0]} is a {what} file" if found else ""


def gather(
    title: str,
    tree: Tree,
    files: Sequence[str],
    read: Read,
    notes: Notes,
    *,
    only_named: bool = True,
    asked: bool = False,
) -> Noted:
    """Read the files and find the images that they name.

    A file that cannot be read is told, and all images are rows then, as it may name any. asked: the files are those
    that the user named, so that SourceError is raised if none can be read. A second record of an image is joined to the first: its objects
    and captions are added, its other values fill gaps.
    """
    pictures = [file.path for file in tree.files(Notes()) if images.is_image(file.name)]
    roots = ImageRoots(pictures)
    noted = Noted(title, only_named=only_named)
    noted.pictures = len(pictures)
    failures: list[SourceError] = []
    for path in files:
        try:
            entries = list(_entries(tree, path, read, notes))
        except SourceError as error:
            failures.append(error)
            notes.problem(path, str(error).removeprefix(f"{path} "), hides="all")
            continue
        noted.used.add(path)
        root = roots.root([n for e in entries for n in e.names], path)
        missing = sum(not _add(noted, entry, roots, root, notes, tree, path) for entry in entries)
        if entries and missing == len(entries):
            name = entries[0].names[0]
            notes.warn(path, f"the images that it names were not found ({name}); lay them beside it")
    if failures:
        noted.failed = len(failures) == len(files)
        if noted.failed and asked:
            raise failures[0]
        noted.take_all()
    noted.declare()
    return noted


def _entries(tree: Tree, path: str, read: Read, notes: Notes) -> Iterator[Entry]:
    file = tree.find(path)
    try:
        if file is None:
            raise SourceError(f"{path} does not exist")
        yield from read(file.read(), path, notes)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from None


def _add(noted: Noted, entry: Entry, roots: ImageRoots, root: Root, notes: Notes, tree: Tree, source: str) -> bool:
    """Take one entry of the file `source`; whether its image is there."""
    if not entry.names:
        notes.count("entries without a file name left out")
        return True
    found = next((p for name in entry.names if (p := roots.find(name, root, notes))), None)
    if found is None and entry.is_frame:
        notes.count("frames of videos whose pictures are not there left out")
        return False
    target = noted.absent if found is None else noted.records
    path = found or absent_path(entry.names[0], root)
    if path in target:
        notes.count("further records of the same image joined to the first")
        join(target[path], entry.record)
    else:
        target[path] = entry.record
    if found is None and entry.inside and (file := tree.find(source)):
        noted.inside[path] = File(path, "", file.stamp, partial(_inside, file, entry.inside))
        notes.count(f"pictures taken from inside their {noted.title} files, since they are not beside them")
    return found is not None or entry.inside is not None


def _inside(file: File, make: Callable[[bytes], bytes]) -> bytes:
    try:
        return make(file.read())
    except (ValueError, TypeError, KeyError) as error:
        raise SourceError(f"the picture inside {file.path} cannot be read: {error}") from None


def join(record: Record, more: Record) -> None:
    """Add what another record of the same image says."""
    for name, value in more.items():
        have = record.get(name)
        if name in ("objects", "captions", "labels") and isinstance(have, list):
            have.extend(v for v in value or [] if v not in have or name == "objects")
        elif have is None:
            record[name] = value


def plain(value: Any) -> bool:
    """Whether a value is one text, number or truth value."""
    return isinstance(value, (str, int, float, bool))


def listed(value: Any) -> list[Any]:
    """The value if it is a list, else an empty one: files of strangers hold anything anywhere."""
    return value if isinstance(value, list) else []
