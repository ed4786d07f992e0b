"""Which files of a WebDataset shard are one sample, where names hold dots.

WebDataset cuts a name at its first dot: `x.jpg`, `x.seg.png` and `x.meta.json` are the sample `x`. Many shards hold names
with dots of their own, such as `photo.v1.png` and `photo.v1.txt`. What stands between the first dot and the suffix is
either a *role* within the sample (`seg`, `meta`) or a part of the sample's name (`v1`); the shards themselves tell which.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterable

from veduta.pool.readers import images

MAIN = ("image", "img", "input", "rgb", "photo", "picture", "original", "color")
ASIDE = ("seg", "mask", "masks", "depth", "segmentation", "semantic", "instance", "normal", "normals", "edge", "edges")
ASIDE += ("target", "output", "gt", "label", "alpha", "matte", "thumb", "thumbnail", "thermal", "ir", "nir", "flow")
KNOWN = frozenset((*MAIN, *ASIDE, "caption", "captions", "text", "meta", "metadata", "cls", "info"))
MOST_ROLES = 16
_MOST_NAMES = 10_000
_VERSION = re.compile(r"v?\d+([-_.]\d+)*", re.IGNORECASE)


class Naming:
    """Learns from the names in shards which middles are roles. Memory: at most 10,000 middles."""

    def __init__(self) -> None:
        self._votes: dict[str, Counter[str]] = {}
        self._roles: frozenset[str] | None = None

    def see(self, names: Iterable[str]) -> None:
        """The base names (without folder) of the files that share a name up to the first dot."""
        pictures: set[str] = set()
        others: set[str] = set()
        for name in names:
            middle = _parts(name)[1]
            (pictures if images.is_image(name) else others).add(middle)
        for middle in (pictures | others) - {""}:
            if middle not in self._votes and len(self._votes) >= _MOST_NAMES:
                continue
            if middle in pictures and middle in others:
                vote = "name"
            elif middle in pictures:
                vote = "role" if "" in pictures else "picture"
            else:
                vote = "role" if pictures else "nothing"
            self._votes.setdefault(middle, Counter())[vote] += 1

    def split(self, name: str) -> tuple[str, str]:
        """(name of the sample, extension within it) of a file's base name; the extension in lower case."""
        stem, middle, suffix = _parts(name)
        if not middle:
            return stem, suffix
        if self._is_role(middle):
            return stem, f"{middle}.{suffix}".lower()
        front, _, last = middle.rpartition(".")
        if front and last.lower() in KNOWN:
            return f"{stem}.{front}", f"{last}.{suffix}".lower()
        return f"{stem}.{middle}", suffix

    def _is_role(self, middle: str) -> bool:
        if middle.lower() in KNOWN:
            return True
        if self._roles is None:
            clear = {m for m, v in self._votes.items() if v["role"] > v["name"]}
            # pictures without a plain one beside them: the same few words in sample after sample
            like = {m for m, v in self._votes.items() if v["picture"] > max(1, v["name"]) and not _VERSION.fullmatch(m)}
            self._roles = frozenset(clear | (like if len(like) <= MOST_ROLES else set()))
        return middle in self._roles


def main_picture(extensions: Iterable[str]) -> str:
    """The extension of the picture that the sample is about: the plain one, else `image.*`, else the first that is not a mask."""

    def rank(end: str) -> int:
        role = end.rpartition(".")[0]
        return 0 if not role else 1 if role in MAIN else 3 if role in ASIDE else 2

    return min(extensions, key=rank)


def _parts(name: str) -> tuple[str, str, str]:
    """x.a.b.png -> ("x", "a.b", "png"); x.png -> ("x", "", "png")."""
    stem, _, end = name.partition(".")
    middle, suffix = posixpath.splitext(f"_.{end}") if end else ("", "")
    return stem, middle[2:], suffix[1:].lower()
