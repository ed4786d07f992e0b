"""VOC's ImageSets: lists of image ids by split, with the classes of each image for some."""

from __future__ import annotations

import posixpath

from veduta.pool.readers.folder_names import SPLITS
from veduta.pool.readers.layouts import reading
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.survey import Survey
from veduta.pool.readers.tree import Tree

# Of an image in several lists, the first of these: `trainval` only repeats `train` and `val`.
_ORDER = ("test", "val", "train")
_TASKS = ("Main", "Segmentation", "Layout", "Action", "")


class ImageSets:
    """The split of an image by its stem. Memory: about 100 bytes for each id listed."""

    def __init__(self, survey: Survey, tree: Tree, notes: Notes) -> None:
        self._roots = survey.folders("ImageSets")
        self._splits: dict[tuple[str, str], str] = {}
        for root in self._roots:
            above = posixpath.dirname(root)
            for task in _TASKS:
                names = survey.names.get((posixpath.join(root, task) if task else root, ".txt"), [])
                for split in sorted((n[:-4] for n in names if n[:-4].lower() in SPLITS), key=_rank):
                    path = posixpath.join(root, task, f"{split}.txt")
                    for line in (reading.text(tree, path, notes) or "").splitlines():
                        words = line.split()
                        if words:
                            self._splits.setdefault((above, line.strip()), split)
                            self._splits.setdefault((above, words[0]), split)

    @property
    def are_stated(self) -> bool:
        """Whether any list says a split, so that an image in none of them has none."""
        return bool(self._splits)

    def of(self, path: str) -> str | None:
        """The split of the image at `path`."""
        stem = posixpath.splitext(posixpath.basename(path))[0]
        for root in self._roots:
            above = posixpath.dirname(root)
            if (not above or path.startswith(f"{above}/")) and (above, stem) in self._splits:
                return self._splits[above, stem]
        return None

    def is_used(self, path: str) -> bool:
        """Whether the file is such a list."""
        return any(path.startswith(f"{root}/") for root in self._roots)


def _rank(split: str) -> int:
    return _ORDER.index(split.lower()) if split.lower() in _ORDER else len(_ORDER)
