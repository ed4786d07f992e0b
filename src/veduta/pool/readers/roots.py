"""Where the files lie that a table names: below the table's folder or a root that the user named, nowhere else."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from veduta.pool import location
from veduta.pool.readers import images, places
from veduta.pool.readers.infer import clean
from veduta.pool.readers.lookup import DEEPER, TAIL, Lookup
from veduta.pool.readers.notes import Notes

LINKS = ("http://", "https://")
# Object stores that a table may lead to with its user's own credentials.
STORES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "hf", "oss", "oci")
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
        self._free = free
        self._notes = notes
        self._lookups: dict[str, Lookup] = {}

    def place(self, name: str) -> Place:
        """Where the file of this name lies; a place that does not exist where there is none."""
        if is_link(name):
            return Place(name, "link")
        scheme, _, rest = name.partition("://")
        if rest and scheme.lower() != "file":
            return self._remote(name, scheme.lower(), rest)
        path = location.escape(name.removeprefix("file://"))
        absolute = path.startswith("/")
        if absolute and (self._free or any(_inside(path, home) for home in self._homes)):
            found = self._at(places.absolute(path))
            if found:
                return found
        for home in self._homes if not absolute else ():
            for spelled in dict.fromkeys((path, location.escape(clean(name)))):
                uri = _below(home, spelled, self._free)
                found = self._at(uri) if uri else None
                if found:
                    return found
        return self._searched_for(name) or self._nowhere(name, path, absolute)

    def _at(self, uri: str) -> Place | None:
        stamp = places.stamp(uri)
        return Place(uri, stamp) if stamp != places.ABSENT else None

    def _nowhere(self, name: str, path: str, absolute: bool) -> Place:
        if not absolute and ":" not in name[:3]:
            uri = next((u for u in (_below(home, path, self._free) for home in self._homes) if u), "")
            if uri:
                return Place(uri)
        elif any(_inside(path, home) for home in self._homes) or self._free:
            return Place(path)
        where = " and ".join(self._homes[:3])
        return Place("", refusal=f"{name[:80]} lies outside of {where}; name its folder with --root")

    def _remote(self, name: str, scheme: str, rest: str) -> Place:
        known = {home.partition("://")[0] for home in self._homes if "://" in home}
        if scheme in known or scheme in STORES or self._free:
            return Place(name, places.stamp(name))
        return self._searched_for(rest) or Place(
            "", refusal=f"{name[:80]} lies behind the protocol '{scheme}', which a table may not open; copy it below the table"
        )

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
                return self._at(places.join(home, match.path))
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
    path = os.path.normpath(path)
    return path == home or path.startswith(home.rstrip("/") + "/")


def _names(home: str, notes: Notes) -> Iterator[str]:
    """The image files below a folder; links to folders are not followed."""
    stack, count = [("", home)], 0
    while stack:
        prefix, folder = stack.pop()
        try:
            entries = places.listing(folder)
        except OSError:
            continue
        for entry in entries:
            if entry.is_folder and not entry.is_link and not images.is_hidden(entry.name):
                stack.append((f"{prefix}{entry.name}/", entry.uri))
            elif not entry.is_folder and images.is_image(entry.name):
                count += 1
                if count > MOST_NAMES:
                    notes.warn(home, f"more than {MOST_NAMES} images; names were looked for among the first only")
                    return
                yield prefix + entry.name
