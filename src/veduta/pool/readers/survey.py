"""What lies in a tree, from one pass over its names: the facts by which layouts are recognised."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from veduta.errors import SourceError
from veduta.pool.readers import images, places
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.tree import File, Tree

# Names kept of the files of one suffix in one folder; an annotation file for each image can be a million of them.
MOST_NAMES = 64
# Bytes of a text file's start that tell what it is, and how many starts are kept.
HEAD_BYTES = 1 << 16
MOST_HEADS = 256


@dataclass
class Survey:
    """Counts of files by folder and suffix, and the first of them. Memory: some kilobytes a folder.

    suffixes: folder -> suffix (lower case, with its dot) -> how many files; names: (folder, suffix) -> the first names.
    images: how many files are images by their names, in the whole tree. hidden: why parts could not be listed.
    unreadable: path -> why a file could not be opened that might have been one of annotations.
    """

    suffixes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    names: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    images: int = 0
    hidden: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    _every: dict[frozenset[str], list[str]] = field(default_factory=dict)
    _heads: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, tree: Tree) -> Survey:
        """Look at all names of a tree."""
        new, notes = cls(), Notes()
        for file in tree.files(notes):
            new.add(file)
        new.hidden = [f"{name} {reason}".strip() for name, reason in notes.hidden]
        return new

    def add(self, file: File) -> None:
        """Count one file."""
        end = images.suffix(file.name)
        self.suffixes[file.folder][end] += 1
        self.images += end in images.SUFFIXES
        kept = self.names[file.folder, end]
        if len(kept) < MOST_NAMES:
            kept.append(file.name)

    def every(self, tree: Tree, *suffixes: str) -> list[str]:
        """All paths of files with one of the suffixes, from another pass over the tree; kept, about 150 bytes each."""
        wanted = frozenset(suffixes)
        if wanted not in self._every:
            here = any(counts[end] for counts in self.suffixes.values() for end in wanted)
            found = tree.files(Notes()) if here else ()
            self._every[wanted] = [file.path for file in found if images.suffix(file.name) in wanted]
        return self._every[wanted]

    def head(self, tree: Tree, path: str) -> bytes:
        """The first 64 KiB of a file; kept, as every layout asks for them. b"", and noted, where it cannot be read."""
        if path not in self._heads:
            file = tree.find(path)
            try:
                found = _head(file) if file else b""
            except (OSError, SourceError) as error:
                found = b""
                self.unreadable[path] = str(getattr(error, "strerror", None) or error)
            if len(self._heads) >= MOST_HEADS:
                return found
            self._heads[path] = found
        return self._heads[path]

    def paths(self, *suffixes: str) -> Iterator[str]:
        """The kept paths of files with one of the suffixes, sorted by folder."""
        for folder, end in sorted(self.names):
            if end in suffixes:
                yield from (f"{folder}/{name}" if folder else name for name in self.names[folder, end])

    def count(self, *suffixes: str, under: str = "") -> int:
        """How many files have one of the suffixes, in the whole tree or below a folder."""
        inside = (f for f in self.suffixes if not under or f == under or f.startswith(under + "/"))
        return sum(self.suffixes[folder][end] for folder in inside for end in suffixes)

    def folders(self, name: str) -> list[str]:
        """The paths of folders whose last part is `name` in any case, those that only hold folders included."""
        found = set()
        for folder in self.suffixes:
            parts = folder.split("/")
            found |= {"/".join(parts[: i + 1]) for i, part in enumerate(parts) if part.lower() == name.lower()}
        return sorted(found)


def _head(file: File) -> bytes:
    place, _, span = file.uri.partition("#range=")
    if not place:
        return file.read()[:HEAD_BYTES]
    start, size = (int(v) for v in span.split("+")) if span else (0, HEAD_BYTES)
    with places.open_binary(place) as stream:
        stream.seek(start)
        return stream.read(min(size, HEAD_BYTES))
