"""Which source a row came from, and whether that source is still in its place."""

from __future__ import annotations

import os
from collections.abc import Sequence

from veduta.pool import Pool, Reader, location
from veduta.pool.readers import places


def of_reader(reader: Reader) -> str | None:
    """The place of a source that can be listed as a whole; None for tables in memory, patterns and lists of files.

    Only with such a place can rows be missed. A reader that offers what a network lets it see says so with `partial`; one whose
    name does not show its place has it in `place`.
    """
    if getattr(reader, "partial", False):
        return None
    return getattr(reader, "place", None) or of_name(reader.name)


def of_name(name: str) -> str | None:
    """The place behind a source's name, independent of the working directory."""
    if name.startswith("hf:") or location.is_remote(name):
        return None if places.is_pattern(name) else name.rstrip("/")
    return places.absolute(name) if os.path.exists(location.local(name)) else None


def recorded(pool: Pool) -> list[str]:
    """The sources that the pool's log names, for rows that do not say where they came from."""
    names = {str(r.parameters.get("source", "")) for r in pool.lineage() if r.operation == "ingest"}
    return sorted(
        {name if location.is_remote(name) or name.startswith("hf:") else places.absolute(name) for name in names}
    )


def of_row(uri: str, known: Sequence[str]) -> str | None:
    """The source of a row that does not say it: the only one there was, or the innermost that its address lies in."""
    if len(known) == 1:
        return known[0]
    inside = [place for place in known if within(uri.partition("#")[0], place)]
    return max(inside, key=len, default=None)


def within(place: str, folder: str) -> bool:
    """Whether a place is a folder (or file) or lies in it."""
    return place == folder or place.startswith(folder.rstrip("/") + "/")


def stands(place: str) -> bool:
    """Whether the source is still there, as far as can be told; what cannot be told counts as there."""
    if location.is_remote(place) or place.startswith("hf:"):
        return True
    try:
        os.lstat(location.local(place))
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def title(place: str | None, name: str) -> str:
    """A short name of a source, for keys that another source has taken."""
    words = places.base(place or name) or "source"
    stem, dot, _ = words.rpartition(".")
    return stem if dot and stem else words
