"""Several images of one sample: `hr/x.png` and `lr/x.png`, `x_input.jpg` and `x_target.jpg`."""

from __future__ import annotations

import posixpath
import re
from collections import Counter, defaultdict
from typing import Any

import pyarrow as pa

from veduta.pool.readers import images
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.survey import Survey
from veduta.pool.readers.thumbnails import ENOUGH, stems
from veduta.pool.readers.tree import Tree

_ROLES = (
    "hr|lr|hq|lq|gt|inputs?|outputs?|targets?|sources?|before|after|clean|noisy|noise|blur|blurry|blurred|sharp|low|high"
    "|hazy|haze|clear|rain|rainy|norain|originals?|edited|left|right|rgb|depths?|disparity|normals?|thermal|infrared|visible"
    "|day|night|sketch(?:es)?|photos?|images?"
)
_FOLDER = re.compile(rf"(?:{_ROLES})(?:[ _-]?(?:images?|imgs?|bicubic|x\d))*", re.IGNORECASE)
_NAME = re.compile(rf"(.+?)[ _.-]({_ROLES})([ _.-]?x\d)?", re.IGNORECASE)


class Groups:
    """Images of one sample share a `group` and each has its `role`; all stay rows.

    They are told by the names of the folders that hold them (hr and lr, input and target, rgb and depth, ...) where nine
    of ten names come back in the other folder, or by such a word at the end of their names. Roles are not classes.
    """

    name = "groups"
    weak = True

    def claim(self, survey: Survey, tree: Tree) -> str:
        return Members(survey).why

    def load(self, survey: Survey, tree: Tree, notes: Notes) -> Members:
        found = Members(survey)
        notes.guess("groups", f"{found.why}: one sample each, all of them rows", "--layout none")
        return found


class Members:
    """Which image is of which group. Memory: some bytes a folder."""

    def __init__(self, survey: Survey) -> None:
        self.types: dict[str, pa.DataType] = {"group": pa.string(), "role": pa.string()}
        self._folders: dict[str, tuple[str, str]] = {}
        holding = [folder for folder, ends in survey.suffixes.items() if images.SUFFIXES & ends.keys()]
        by_base: dict[str, dict[str, str]] = defaultdict(dict)
        for folder in holding:
            parts = folder.split("/")
            at = next((i for i, part in enumerate(parts) if _FOLDER.fullmatch(part)), -1)
            if at >= 0:
                by_base["/".join(parts[:at] + parts[at + 1 :])][parts[at]] = folder
        roles: set[str] = set()
        for base, found in by_base.items():
            kept = {role: stems(survey, folder) for role, folder in found.items()}
            common = set.intersection(*kept.values()) if len(kept) > 1 else set()
            if common and len(common) >= ENOUGH * min(map(len, kept.values())):
                self._folders |= {folder: (base, role) for role, folder in found.items()}
                roles |= kept.keys()
        self.labelled = bool(self._folders)
        self._named = {
            folder for folder in holding if folder not in self._folders and _are_named(stems(survey, folder))
        }
        self.why = f"images of one name in {' and '.join(f'{r}/' for r in sorted(roles))}" if roles else ""
        if self._named and not self.why:
            self.why = "images whose names differ in a word like input and target"

    def record(self, path: str) -> dict[str, Any] | None:
        folder, _, name = path.rpartition("/")
        stem = posixpath.splitext(name)[0]
        if folder in self._folders:
            base, role = self._folders[folder]
            return {"group": posixpath.join(base, stem), "role": role}
        if folder in self._named:
            group, role = _split(stem)
            return {"group": posixpath.join(folder, group), "role": role}
        return None

    def is_row(self, path: str) -> bool:
        return True

    def is_used(self, path: str) -> bool:
        return False

    def report(self, notes: Notes) -> None:
        """There is nothing that could be missing."""


def _split(stem: str) -> tuple[str, str]:
    found = _NAME.fullmatch(stem)
    return (found[1], found[2] + (found[3] or "")) if found else (stem, "image")


def _are_named(found: set[str]) -> bool:
    """Whether nine of ten names have a partner that differs in its role."""
    split = [_split(stem) for stem in found]
    sizes = Counter(group for group, _ in split)
    paired = sum(sizes[group] > 1 for group, _ in split)
    return len({role for _, role in split}) > 1 and paired >= ENOUGH * len(split)
