"""Where the images of an annotation file lie: the folder under which its names are found."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from veduta.pool import location
from veduta.pool.readers.folder_names import HOLDERS
from veduta.pool.readers.lookup import TAIL, Lookup
from veduta.pool.readers.notes import Notes

# Names of an annotation file that are looked at to find its folder.
_SAMPLE = 300
_SPLIT = re.compile(r"(?:^|[^a-z])(train|val|test|dev)(?:ing|id|idation)?(?:\d{4})?(?=[^a-z]|$)")
_FOLDER = re.compile(r"(?:ima?ge?s?[_-])?(train|val|test|dev)(?:ing|id|idation)?(?:[_-]?\d{4})?(?:[_-]ima?ge?s?)?")
_ANNOTATIONS = frozenset({"annotations", "annotation", "annos", "labels", "gt", "json"})


@dataclass(frozen=True, slots=True)
class Root:
    """A folder relative to the tree's root. rivals: folders that hold the same names, none of which was taken.

    home: the folder of the data set that the annotation file belongs to. cut: how many folders at the start of its
    names belong to another machine.
    split: the split that the annotation file is of; images in a folder of another split are never its images.
    """

    folder: str
    home: str = ""
    split: str | None = None
    rivals: tuple[str, ...] = ()
    cut: int = 0


class ImageRoots:
    """The images of a tree, found by the names that annotation files give them. Memory: about 500 bytes an image."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._lookup = Lookup(paths)
        self._by_base: dict[str, list[str]] = defaultdict(list)
        for path in self._lookup:
            self._by_base[_nfc(posixpath.basename(path))].append(path)

    def root(self, names: Sequence[str], file: str, split: str | None = None) -> Root:
        """The folder that the names of the annotation file at path `file` count from.

        Of the folders under which most names are found, the one in the annotation file's own folder, or of its words
        (instances_val2017 -> val2017). Where nothing decides between two, the annotation file's folder.
        """
        home = _home(file)
        split = split_of(posixpath.splitext(posixpath.basename(file))[0]) or folder_split(file) or split
        votes: Counter[str] = Counter()
        cuts: Counter[tuple[str, int]] = Counter()
        sample = names if len(names) <= _SAMPLE else [names[i * len(names) // _SAMPLE] for i in range(_SAMPLE)]
        for name in sample:
            places = self._roots(name)
            votes.update(folder for folder, _ in places)
            cuts.update(places)
        most = max(votes.values(), default=0)
        words = set(re.split(r"[_\-.]", posixpath.splitext(posixpath.basename(file))[0].lower()))
        ranked = sorted(
            (_rank(folder, home, words, split), n >= most, n, folder)
            for folder, n in votes.items()
            if 2 * n >= min(most, len(sample)) and not _contradicts(split, f"{folder}/", home)
        )
        if not ranked or 2 * ranked[-1][2] < len(sample):
            return Root(home, home, split)
        best = ranked[-1]
        same = [r for r in ranked if r[:3] == best[:3]]
        if len(same) > 1:
            return Root(home, home, split, tuple(r[3] for r in same))
        cut = max((n, number) for (folder, number), n in cuts.items() if folder == best[3])[1]
        return Root(best[3], home, split, cut=cut)

    def find(self, name: str, root: Root, notes: Notes | None = None) -> str | None:
        """The image that an annotation file with this root means by `name`; None if it is not there, or not surely it."""
        found, rule = None, ""
        match = self._lookup.match(name, root.folder)
        if match:
            found, rule = match.path, match.rule
        else:
            parts = _parts(name)
            if len(parts) > 1:
                found, rule = self._lookup.find(parts[-1], root.folder), TAIL
        if found is None or _contradicts(root.split, found, root.home):
            return None
        if rule and notes is not None:
            notes.count(rule)
        return found

    def _roots(self, name: str) -> list[tuple[str, int]]:
        """The folders below which the longest end of the name is a path, and how many parts before it there are."""
        parts = _parts(name)
        if not parts:
            return []
        best, roots = 0, list[tuple[str, int]]()
        for path in self._by_base.get(_nfc(parts[-1]), ())[:1000]:
            have = path.split("/")
            same = 1
            while same < min(len(have), len(parts)) and _nfc(have[-1 - same]) == _nfc(parts[-1 - same]):
                same += 1
            root = ("/".join(have[:-same]), len(parts) - same)
            if same > best:
                best, roots = same, [root]
            elif same == best:
                roots.append(root)
        return roots


def split_of(text: str) -> str | None:
    """The split that a file's or folder's name says (instances_val2017 -> val); None if it names none or several."""
    found = {"val" if s == "dev" else s for s in _SPLIT.findall(text.lower())}
    if found == {"test", "val"} and "test-dev" in text.lower():
        return "test"
    return next(iter(found)) if len(found) == 1 else None


def folder_split(path: str) -> str | None:
    """The split that the folder of a file belongs to (train2017/a.jpg -> train), the nearest one; None if none."""
    for part in reversed(path.lower().split("/")[:-1]):
        found = _FOLDER.fullmatch(part)
        if found:
            return "val" if found[1] == "dev" else found[1]
    return None


def absent_path(name: str, root: Root) -> str:
    """The path that a missing image would have; never above the tree's root."""
    if "://" in name and not name.lower().startswith("file:"):
        return name
    parts = _parts(name)
    return posixpath.join(root.folder, *(parts[root.cut :] or parts)) or "unnamed"


def _parts(name: str) -> list[str]:
    text = name
    if "://" in text:
        text = unquote(urlsplit(text).path)
    text = location.escape(text.replace("\\", "/"))
    parts = [p for p in text.split("/") if p not in ("", ".", "..")]
    return parts[1:] if len(parts) > 1 and re.fullmatch(r"[A-Za-z]:", parts[0]) else parts


def _home(file: str) -> str:
    """The folder of a data set that an annotation file belongs to: its own, or the one above `annotations`."""
    parts = posixpath.dirname(file).split("/")
    for place, part in enumerate(parts):
        if part.lower() in _ANNOTATIONS:
            return "/".join(parts[:place])
    return "/".join(parts)


def _rank(folder: str, home: str, words: set[str], split: str | None) -> tuple[int, ...]:
    own = not home or folder == home or folder.startswith(f"{home}/")
    parts = [p.lower() for p in folder.split("/") if p]
    last = parts[-1] if parts else ""
    return (
        own,
        any(p in words for p in parts),
        split is not None and folder_split(f"{folder}/") == split,
        folder == home,
        last in HOLDERS,
    )


def _contradicts(split: str | None, path: str, home: str) -> bool:
    other = folder_split(path.removeprefix(home) if home else path)
    return split is not None and other is not None and other != split


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)
