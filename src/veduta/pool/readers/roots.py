"""Where the files lie that a table names: below the table's folder or a root that the user named, nowhere else."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from veduta.pool import location
from veduta.pool.readers import places
from veduta.pool.readers.infer import clean
from veduta.pool.readers.lookup import DEEPER, TAIL, Lookup
from veduta.pool.readers.notes import Notes

LINKS = ("http://", "https://")
MOST_NAMES = 1_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """uri: "" if nothing may be opened; then `refusal` says why."""

    uri: str
    stamp: str = places.ABSENT
    refusal: str = ""


def is_link(text: str) -> bool:
    """Whether the text is a link to the web."""
    return text[:8].lower().startswith(LINKS)


class Roots:
    """Finds the files that rows name.

    folder: of the table. roots: further folders or URLs that names may count from. free: paths come from the user's own
    program, so absolute ones are taken as they are. Memory: the names below all roots, once a name fits no file as it
    stands.
    """

    def __init__(self, folder: str, roots: Sequence[str], notes: Notes, *, free: bool = False) -> None:
        self._homes = list(dict.fromkeys([*map(places.absolute, roots), folder]))
        self._searched = list(map(places.absolute, roots)) if free else self._homes
        self._real = [
            location.escape(os.path.realpath(location.unescape(h))) for h in self._homes if not location.is_remote(h)
        ]
        self._free = free
        self._notes = notes
        self._lookups: dict[str, Lookup] = {}

    def place(self, name: str) -> Place:
        """Where the file of this name lies; a place that does not exist where there is none."""
        if is_link(name):
            return Place(name, "link")
        if "\0" in name:
            return Place("", refusal=f"{name[:80]!r} is not a file name")
        scheme, _, rest = name.partition("://")
        if rest and scheme.lower() != "file":
            return self._remote(name, scheme.lower(), rest)
        path = location.escape(name.removeprefix("file://"))
        absolute = path.startswith("/")
        if absolute and (self._free or any(_inside(path, home) for home in self._homes)):
            found = self._at(places.absolute(path), name)
            if found:
                return found
        for home in self._homes if not absolute else ():
            for spelled in dict.fromkeys((path, location.escape(clean(name)))):
                uri = _below(home, spelled, self._free)
                found = self._at(uri, name) if uri else None
                if found:
                    return found
        return self._searched_for(name) or self._nowhere(name, path, absolute)

    def _at(self, uri: str, name: str) -> Place | None:
        """The file there; a refusal where a link on its way leads out of all roots; None where there is none."""
        if not self._free and not location.is_remote(uri):
            real = location.escape(os.path.realpath(location.unescape(uri)))
            if not any(_inside(real, home) for home in self._real):
                return Place("", refusal=self._outside(name)) if os.path.lexists(location.unescape(uri)) else None
        stamp = places.stamp(uri)
        return Place(uri, stamp) if stamp != places.ABSENT else None

    def _outside(self, name: str) -> str:
        where = " and ".join(home[-80:] for home in self._homes[:2])
        return f"{name[-80:]} lies outside of {where}; name its folder with --root"

    def _nowhere(self, name: str, path: str, absolute: bool) -> Place:
        if not absolute and ":" not in name[:3]:
            uri = next((u for u in (_below(home, path, self._free) for home in self._homes) if u), "")
            if uri:
                return Place(uri)
        elif any(_inside(path, home) for home in self._homes) or self._free:
            return Place(path)
        return Place("", refusal=self._outside(name))

    def _remote(self, name: str, scheme: str, rest: str) -> Place:
        is_below = "::" not in name and ".." not in rest.split("/") and any(_inside(name, home) for home in self._homes)
        if is_below or self._free:
            return Place(name, places.stamp(name))
        return self._searched_for(rest) or Place("", refusal=self._outside(name))

    def _searched_for(self, name: str) -> Place | None:
        for home in self._searched:
            if home not in self._lookups:
                self._lookups[home] = Lookup(_names(home, self._notes))
            match = self._lookups[home].match(name)
            if match is not None:
                if match.rule:
                    self._notes.count(match.rule)
                if match.rule in (TAIL, DEEPER):
                    self._notes.guess("where the files lie", f"below {home}: {match.rule}", "--root FOLDER")
                return self._at(places.join(home, match.path), name)
        return None


def _below(home: str, path: str, free: bool) -> str:
    """The path below a home; "" where it leads out of it."""
    inner = posixpath.normpath(path)
    if location.is_remote(home):
        return "" if inner.startswith("..") else places.join(home, inner)
    if inner.startswith("..") and not free:
        return ""
    return posixpath.normpath(f"{home.rstrip('/')}/{inner}")


def _inside(path: str, home: str) -> bool:
    path = path if location.is_remote(path) else os.path.normpath(path)
    return path == home or path.startswith(home.rstrip("/") + "/")


def _names(home: str, notes: Notes) -> Iterator[str]:
    """The image files below a folder, up to MOST_NAMES."""
    for count, name in enumerate(places.image_paths(home)):
        if count == MOST_NAMES:
            notes.warn(home, f"more than {MOST_NAMES} images; names were looked for among the first only")
            return
        yield name
