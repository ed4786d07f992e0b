"""Small files of strangers, read with bounds; what fails is told and is None."""

from __future__ import annotations

from veduta.errors import SourceError
from veduta.pool.readers.layouts import texts
from veduta.pool.readers.notes import Hides, Notes
from veduta.pool.readers.tree import Tree

MOST_BYTES = 64 << 20


def data(tree: Tree, path: str, notes: Notes, most: int = MOST_BYTES, hides: Hides = "name") -> bytes | None:
    """The bytes of a file of the tree; None with a problem told if it cannot be read or has more than `most` bytes.

    hides: what a file that cannot be read may hide (see `Notes.problem`).
    """
    file = tree.find(path)
    if file is None:
        return None
    try:
        found = file.read()
    except (OSError, SourceError) as error:
        notes.problem(path, f"cannot be read: {getattr(error, 'strerror', None) or error}", hides)
        return None
    if len(found) > most:
        notes.problem(path, f"has {len(found):,} bytes, more than the {most >> 20} MiB that are read")
        return None
    return found


def text(tree: Tree, path: str, notes: Notes, most: int = MOST_BYTES, hides: Hides = "name") -> str | None:
    """The text of a file: UTF-8 with or without a mark, UTF-16 with one, else Windows-1252; None as `data`, or binary."""
    found = data(tree, path, notes, most, hides)
    if found is None:
        return None
    if b"\0" in found[:4096] and found[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        notes.problem(path, "is not a text", hides)
        return None
    return texts.decode(found, notes)
