"""Which split an image is of, as YOLO's data.yaml or obj.data says: by folders or by lists of images."""

from __future__ import annotations

import posixpath

from veduta.pool.readers import images
from veduta.pool.readers.layouts import reading
from veduta.pool.readers.layouts.beside import split_of
from veduta.pool.readers.layouts.yolo_names import Named
from veduta.pool.readers.lookup import Lookup
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.survey import Survey
from veduta.pool.readers.tree import Tree

MOST_BYTES = 1 << 30
_VALIDATION = {"val", "valid", "validation", "dev"}


class Splits:
    """Memory: some hundred bytes for each image where there are lists, else nothing."""

    def __init__(self, named: list[Named], survey: Survey, tree: Tree, notes: Notes) -> None:
        self._folders: dict[str, str | None] = {}
        self._listed: dict[str, str] = {}
        self._lists: set[str] = set()
        self._lookup: Lookup | None = None
        folders = {f for f, ends in survey.suffixes.items() if images.SUFFIXES & ends.keys()}
        above = {"/".join(f.split("/")[: n + 1]) for f in folders for n in range(f.count("/") + 1)} | {""}
        for one in named:
            for split, places in one.splits.items():
                for place in places:
                    if place.lower().endswith(".txt"):
                        self._read_list(one, split, place, survey, tree, notes)
                    else:
                        self._add_folder(one.base, split, place, above)

    @property
    def are_stated(self) -> bool:
        """Whether any folder or list says a split, so that an image in none of them has none."""
        return bool(self._folders or self._listed)

    def of(self, path: str) -> str | None:
        """The split of the image at `path`; None if nothing says."""
        named, said = split_of(path), self._stated(path)
        # The folder's own word is kept where it means the same: `val: ../valid/images`.
        return named if said is None or (named and {said.lower(), named.lower()} <= _VALIDATION) else said

    def _stated(self, path: str) -> str | None:
        if path in self._listed:
            return self._listed[path]
        folder = posixpath.dirname(path)
        while folder and folder not in self._folders:
            folder = posixpath.dirname(folder)
        return self._folders.get(folder)

    def is_used(self, path: str) -> bool:
        """Whether the file is a list of images of a split."""
        return path in self._lists

    def _add_folder(self, base: str, split: str, place: str, folders: set[str]) -> None:
        """A folder as data.yaml writes it, from wherever: found by its end, as `../train/images` by `train/images`."""
        parts = [p for p in place.replace("\\", "/").split("/") if p not in ("", ".", "..")]
        for start in range(len(parts)):
            folder = posixpath.join(base, *parts[start:])
            if folder in folders:
                # The same folder for two splits says nothing.
                self._folders[folder] = split if self._folders.get(folder, split) == split else None
                return

    def _read_list(self, one: Named, split: str, place: str, survey: Survey, tree: Tree, notes: Notes) -> None:
        path = Lookup(survey.paths(".txt")).find(place, one.base)
        text = reading.text(tree, path, notes, MOST_BYTES) if path else None
        if path is None or text is None:
            notes.problem(place, f"the list of '{split}' that {one.path} names is not there")
            return
        self._lists.add(path)
        if self._lookup is None:
            self._lookup = Lookup(survey.every(tree, *images.SUFFIXES))
        for line in text.splitlines():
            if not line.strip():
                continue
            found = self._lookup.find(line.strip(), posixpath.dirname(path)) or self._lookup.find(
                line.strip(), one.base
            )
            if found is None:
                notes.problem(line.strip(), f"named in {path}, but there is no such image", hides="nothing")
            elif self._listed.setdefault(found, split) != split:
                notes.warn(found, f"listed in '{self._listed[found]}' and in '{split}'; the first is used")
