"""Which annotation file belongs to an image: the same stem, in the same folder or in one that mirrors it."""

from __future__ import annotations

import posixpath
import unicodedata
from collections.abc import Callable, Iterable, Iterator

from veduta.pool.readers import images
from veduta.pool.readers.folder_names import HOLDERS, SPLITS
from veduta.pool.readers.survey import Survey
from veduta.pool.readers.tree import Tree


class Beside:
    """Annotation files of some suffixes, found by the image's path.

    holders: names of folders (any case; with "/" for folders in folders) that mirror those of the images, such as
    `labels` for `images/train/a.jpg` -> `labels/train/a.txt`. wanted: by their paths, which files take part; all when
    None. Memory: about 200 bytes for each annotation file.
    """

    def __init__(
        self,
        survey: Survey,
        tree: Tree,
        suffixes: Iterable[str],
        holders: Iterable[str],
        wanted: Callable[[str], bool] | None = None,
    ) -> None:
        self._holders = tuple(holders)
        self._files: dict[str, str] = {}
        for path in survey.every(tree, *suffixes):
            if wanted is None or wanted(path):
                self._files[_key(*posixpath.split(path))] = path
        self._real = {_fold(f): f for f in {_nfc(posixpath.dirname(p)) for p in self._files.values()}}
        self._candidates: dict[str, list[str]] = {}
        self._used: set[str] = set()
        self.folders = {
            found
            for folder, counts in survey.suffixes.items()
            if images.SUFFIXES & counts.keys()
            for found in self._of_folder(folder)
        }

    def count(self) -> int:
        """How many of the files lie where images look for theirs."""
        return sum(map(self.holds, self._files.values()))

    def find(self, path: str) -> str | None:
        """The path of the annotation file of the image at `path`."""
        folder, _, name = path.rpartition("/")
        for candidate in self._of_folder(folder):
            for stem in (posixpath.splitext(name)[0], name):
                found = self._files.get(f"{candidate}/{_nfc(stem)}")
                if found is not None:
                    return found
        return None

    def has_folder_for(self, path: str) -> bool:
        """Whether there are annotation files in a folder where the image at `path` looks for its own."""
        return bool(self._of_folder(posixpath.dirname(path)))

    def use(self, path: str) -> None:
        """Note that an image has the annotation file at `path`."""
        self._used.add(path)

    def holds(self, path: str) -> bool:
        """Whether the file at `path` is one of these, in a folder where images look for theirs."""
        folder, _, name = path.rpartition("/")
        return _nfc(folder) in self.folders and self._files.get(_key(folder, name)) == path

    def of_images(self, survey: Survey) -> Iterator[tuple[str, str]]:
        """Pairs of image and annotation file among the first names of every folder, for a look at some of them."""
        for image in survey.paths(*images.SUFFIXES):
            found = self.find(image)
            if found is not None:
                yield image, found

    def without_image(self) -> Iterator[str]:
        """The annotation files that no image used since the last call."""
        yield from (p for p in self._files.values() if p not in self._used and self.holds(p))
        self._used.clear()

    def _of_folder(self, folder: str) -> list[str]:
        """The folders that may hold the annotations of the images in `folder`, nearest first."""
        if folder not in self._candidates:
            guesses = [*mirrors(folder, self._holders)]
            found = [self._real[g] for g in map(_fold, guesses) if g in self._real]
            if not found:
                above = _nfc(posixpath.dirname(folder))
                found = [f for f in self._real.values() if f and posixpath.dirname(f) == above]
                found = found if len(found) == 1 and folder else []
            self._candidates[folder] = list(dict.fromkeys(found))
        return self._candidates[folder]


def mirrors(folder: str, holders: Iterable[str]) -> Iterator[str]:
    """Where annotations of the images in `folder` usually lie."""
    parts = folder.split("/") if folder else []
    base = parts[-1:] or []
    for holder in holders:
        for place in reversed(range(len(parts))):
            if parts[place].lower() in HOLDERS:
                yield "/".join([*parts[:place], holder, *parts[place + 1 :]])
    yield folder
    for holder in holders:
        yield "/".join([*parts, holder])
        yield "/".join([*parts[:-1], holder, *base])
        yield "/".join([*parts[:-1], holder])
        if len(parts) > 1:
            yield "/".join([*parts[:-2], holder, *base])


def split_of(path: str) -> str | None:
    """The split that a folder above the image names, the nearest one; None if there is none."""
    return next((p for p in reversed(path.split("/")[:-1]) if p.lower() in SPLITS), None)


def class_of(path: str, classes: Iterable[str | None]) -> str | None:
    """The folder of the image if it is surely its class: if one of the image's own objects is of that class."""
    folder = posixpath.basename(posixpath.dirname(path))
    return folder if folder.lower() not in (SPLITS | HOLDERS) and folder in set(classes) else None


def plural(number: int, word: str) -> str:
    """A count with its word: "1 class", "2,000 classes"."""
    return f"{number:,} {word}" + ("" if number == 1 else "es" if word.endswith("s") else "s")


def _key(folder: str, name: str) -> str:
    return _nfc(f"{folder}/{posixpath.splitext(name)[0]}")


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _fold(text: str) -> str:
    return _nfc(text).casefold()
