"""Finds the file that a record means, though another program, system or machine wrote its name.

One look-up for tables, sidecars and annotation files. It only compares names with the paths that it was given: it opens
nothing, and a name that leads out of the root finds nothing but a file inside.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from veduta.pool import location
from veduta.pool.readers import images
from veduta.pool.readers.infer import clean
from veduta.pool.readers.notes import Notes

SPELLING = "file names found in another spelling (Unicode form, backslashes, percent signs)"
TAIL = "file names found by the end of their path"
DEEPER = "file names found in a folder below"
CASE = "file names found without regard to case"
SUFFIX = "file names found with another spelling of their suffix, or without one"
_SAME = {".jpeg": ".jpg", ".jpe": ".jpg", ".jfif": ".jpg", ".tiff": ".tif"}
_DRIVE = re.compile(r"^[A-Za-z]:(?=[/\\]|$)")


@dataclass(frozen=True, slots=True)
class Match:
    """A path that a name means. rule: "" where the name is the path, else how it was found (a key for `Notes.count`)."""

    path: str
    rule: str = ""


class Lookup:
    """Paths ("/"-separated, relative to the root) found by names.

    Tried in this order: the path itself (below `below`, then below the root); another spelling (NFC or NFD, backslashes,
    `./`, percent-encoded, `file://`); the end of an absolute or foreign path; the whole name in a folder further down;
    without regard to case; with another spelling of the suffix (.jpeg) or without one. All but the first count only where a single file fits. A name
    whose folder is there is never looked for in another one. Memory: about 300 bytes a path, more once the rarer rules
    are used.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = dict.fromkeys(paths)
        self._folded: dict[Callable[[str], str], _Index] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def find(self, name: str, below: str = "", notes: Notes | None = None) -> str | None:
        """The path that `name` means; None if there is none or several fit. below: the folder that the name counts from.

        notes: told how the name was found where it is not the path itself.
        """
        found = self.match(name, below)
        if found is None:
            return None
        if found.rule and notes is not None:
            notes.count(found.rule)
        return found.path

    def match(self, name: str, below: str = "") -> Match | None:
        """As `find`, with the rule that led to the path."""
        below = below.strip("/")
        for folder in _homes(name, below):
            path = posixpath.normpath(posixpath.join(folder, name)) if name else ""
            if path in self._paths:
                return Match(path)
        spelled = list(_spellings(name))
        for fold, rule in ((_nfc, ""), (_casefold, CASE), (_alike, SUFFIX), (_stem, SUFFIX)):
            if fold is _stem and images.is_image(name):
                break  # a.jpg never means a.png
            index = self._index(fold)
            for text in spelled:
                found = index.find(text, below)
                if found:
                    return Match(found.path, rule or found.rule)
        return None

    def namesakes(self, name: str, below: str = "") -> list[str]:
        """All paths that end in the name, whatever its case and, where it has none, with any suffix; [] where one fits."""
        index = self._index(_casefold if images.is_image(name) else _stem)
        below = below.strip("/")
        return next((found for text in _spellings(name) if len(found := index.all(text, below)) > 1), [])

    def _index(self, fold: Callable[[str], str]) -> _Index:
        if fold not in self._folded:
            self._folded[fold] = _Index(self._paths, fold, _casefold if fold is _stem else fold)
        return self._folded[fold]


class _Index:
    """The paths under one way of folding names into one. of_name: how the names that are looked for are folded."""

    def __init__(self, paths: Iterable[str], fold: Callable[[str], str], of_name: Callable[[str], str]) -> None:
        self._fold = of_name
        self._whole: dict[str, str | None] = {}  # None: several paths fold into one
        self._by_base: dict[str, list[str]] | None = None
        self._folders: set[str] = set()
        for path in paths:
            key = fold(path)
            self._whole[key] = None if key in self._whole else path
            folder = posixpath.dirname(key)
            while folder and folder not in self._folders:
                self._folders.add(folder)
                folder = posixpath.dirname(folder)

    def find(self, name: str, below: str) -> Match | None:
        below = posixpath.dirname(self._fold(f"{below}/x")) if below else ""
        key = self._fold(name)
        absolute = key.startswith("/") or bool(_DRIVE.match(key))
        parts = [p for p in key.split("/") if p not in ("", ".", "..") and not _DRIVE.match(p)]
        tails = ["/".join(parts[start:]) for start in range(len(parts))]
        for start, tail in enumerate(tails):
            homes = _homes(tail, below)
            for home in homes:
                path = self._whole.get(posixpath.normpath(posixpath.join(home, tail)))
                if path:
                    return Match(path, TAIL if start or absolute else SPELLING)
            first, _, rest = tail.partition("/")
            if rest and any(posixpath.join(home, first) in self._folders for home in homes):
                return None  # its folder is here, and the file is not in it
        for start, tail in enumerate(tails):
            if start and "/" not in tail:  # a bare name from another folder could be any file
                break
            path = self._deeper(tail, below)
            if path:
                return Match(path, DEEPER)
        return None

    def all(self, name: str, below: str) -> list[str]:
        """The paths below a folder that end in the name, as they are folded."""
        key = self._fold(name).removeprefix(f"{below}/" if below else "")
        self._deeper(key, "")
        start = f"{below}/" if below else ""
        here = (self._by_base or {}).get(posixpath.basename(key), ())
        return [k for k in here if k.startswith(start) and f"/{k}".endswith(f"/{key}")]

    def _deeper(self, tail: str, below: str) -> str | None:
        if self._by_base is None:
            self._by_base = defaultdict(list)
            for key in self._whole:
                self._by_base[posixpath.basename(key)].append(key)
        start = f"{below}/" if below else ""
        here = self._by_base.get(posixpath.basename(tail), ())
        keys = [k for k in here if k.startswith(start) and k.endswith(f"/{tail}")]
        return self._whole[keys[0]] if len(keys) == 1 else None


def _homes(name: str, below: str) -> tuple[str, ...]:
    """The folders that a name may count from; a bare name in a folder's own table never means the root's file."""
    return (below, "") if below and "/" in name else (below,)


def _spellings(name: str) -> Iterator[str]:
    """The name as a path, then as it may have been meant."""
    seen: set[str] = set()
    plain = name.strip()
    if plain.lower().startswith("file:"):
        plain = urlsplit(plain).path
    elif "://" in plain:
        return
    for text in (plain, location.escape(plain), clean(plain), unquote(plain)):
        for spelled in (text, text.replace("\\", "/")):
            spelled = posixpath.normpath(spelled) if spelled else ""
            if spelled and spelled not in seen:
                seen.add(spelled)
                yield spelled


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _casefold(text: str) -> str:
    return _nfc(_nfc(text).casefold())


def _alike(text: str) -> str:
    stem, end = posixpath.splitext(_casefold(text))
    return stem + _SAME.get(end, end)


def _stem(text: str) -> str:
    return posixpath.splitext(_casefold(text))[0]
