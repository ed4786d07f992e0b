"""COCO JSON named by its files: one, or several of the same images, with the images beside them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path

from veduta.errors import BadInput, SourceError
from veduta.pool import limits, location
from veduta.pool.readers import places
from veduta.pool.readers.layouts.coco import Coco as CocoLayout
from veduta.pool.readers.layouts.coco_file import WRITER, first_names, looks_like_coco
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.tree import File
from veduta.pool.readers.tree_folder import FolderTree
from veduta.pool.readers.tree_reader import TreeReader

__all__ = ["WRITER", "Coco", "annotation_files"]

# Where images lie beside an annotation file, or beside the folder that it lies in.
_TAILS = ("", "images", "data", "imgs", "JPEGImages")


class Coco(TreeReader):
    """One annotation file, several of the same images (instances, keypoints, captions), or the folder above them.

    Keys are paths below the folder of the data set: that of the annotation file, or the one above its `annotations`.
    root: the folder that the file names count from (`images` is its older name); found for each annotation file when None.
    Boxes are (x, y, w, h) in pixels of the displayed image; with `boxes_are_raw`, of the stored one.
    Boxes are clipped to the image and dropped where no area is left; annotations of unknown categories keep the
    number as their class; all of this is counted in `notes`. Polygons become masks, which needs pycocotools.
    Memory: the whole annotation files.
    """

    def __init__(
        self,
        source: str | Path | Sequence[str | Path],
        *,
        root: str | Path | Sequence[str | Path] | None = None,
        images: str | Path | None = None,
        label_from: str | None = None,
        boxes_are_raw: bool = False,
    ) -> None:
        images = images or _one(root)
        many = [str(one) for one in ([source] if isinstance(source, (str, Path)) else source)]
        files = [uri for one in many for uri in annotation_files(one)]
        if len(many) == 1 and images is None and places.is_folder(places.absolute(many[0])):
            tree, layout = FolderTree(many[0]), CocoLayout()
        else:
            tree, layout = _given(files, None if images is None else places.absolute(str(images)))
        super().__init__(tree, layout=layout, label_from=label_from, boxes_are_raw=boxes_are_raw)
        self.name = ", ".join(many)
        self._plan()


def _one(root: str | Path | Sequence[str | Path] | None) -> str | Path | None:
    if root is None or isinstance(root, (str, Path)):
        return root
    if len(root) > 1:
        raise BadInput(f"COCO annotations take one folder of images (root, --root), got {len(root)}")
    return root[0] if root else None


class _Part(FolderTree):
    """Some folders of a folder: what a user meant who named an annotation file in it."""

    def __init__(self, root: str, folders: Sequence[str]) -> None:
        super().__init__(root)
        self._folders = sorted(f for f in set(folders) if not any(f.startswith(f"{o}/") for o in folders))

    def files(self, notes: Notes) -> Iterator[File]:
        for folder in self._folders:
            for file in FolderTree(places.join(self.root, folder)).files(notes):
                yield File(f"{folder}/{file.path}", file.uri, file.stamp, file.read)


def _given(files: list[str], images: str | None) -> tuple[FolderTree, CocoLayout]:
    """The tree and layout of annotation files that were named one by one."""
    if images is not None:
        tree = _Elsewhere(images, files)
        return tree, CocoLayout(tree.names, "")
    root = _common([_home(uri) for uri in files])
    named = [location.escape(posixpath.relpath(uri, root)) for uri in files]
    folders = [_folder(uri, root) for uri in files]
    known = [f for f in folders if f]
    tree = _Part(root, known) if len(known) == len(files) else FolderTree(root)
    return tree, CocoLayout(named)


class _Elsewhere(FolderTree):
    """A folder of images whose annotation files lie somewhere else. names: those files as the tree calls them."""

    def __init__(self, images: str, files: Sequence[str]) -> None:
        super().__init__(images)
        self._files = {places.base(uri): uri for uri in files}
        if len(self._files) < len(files):
            self._files = {uri: uri for uri in files}
        self.names = list(self._files)

    def find(self, path: str) -> File | None:
        uri = self._files.get(path)
        if uri is None:
            return super().find(path)
        return File(path, uri, lambda: places.stamp(uri), lambda: location.read(uri, limits.DOCUMENT))


def _home(uri: str) -> str:
    folder = places.parent(uri)
    return places.parent(folder) if places.base(folder).lower() == "annotations" else folder


def _folder(uri: str, root: str) -> str | None:
    """The folder, relative to the root, in which one of the first named images is found; None for a wider search."""
    names = [n for n in first_names(_head(uri)) if "://" not in n and not n.startswith(("../", "/"))][:3]
    stem = posixpath.splitext(places.base(uri))[0]
    split = stem.rsplit("_", 1)[-1]
    for start in dict.fromkeys((places.parent(uri), _home(uri))):
        for tail in (*_TAILS, split, f"images/{split}"):
            folder = places.join(start, tail) if tail else start
            if any(places.exists(places.join(folder, location.escape(n))) for n in names):
                found = posixpath.relpath(folder, root)
                return None if found == "." else found
    return None


def _common(folders: list[str]) -> str:
    first, *rest = [f.split("/") for f in folders]
    same = len(first)
    for other in rest:
        same = next(
            (i for i, (a, b) in enumerate(zip(first[:same], other, strict=False)) if a != b), min(same, len(other))
        )
    return "/".join(first[:same]) or "/"


def annotation_files(source: str) -> list[str]:
    """The files or the folder that a source stands for; more than one for a pattern."""
    uri = places.absolute(source)
    if not places.exists(uri):
        found = places.expand(source) if places.is_pattern(source) else []
        if not found:
            raise SourceError(f"{source} does not exist; name a COCO JSON file or its folder")
        return found
    if not places.is_folder(uri):
        return [uri]
    return [source]


def is_coco_file(uri: str) -> bool:
    """Whether a JSON file starts like COCO's; reads 64 KiB."""
    return looks_like_coco(_head(uri))


def _head(uri: str) -> bytes:
    try:
        with places.open_binary(uri) as stream:
            return stream.read(1 << 16)
    except OSError:
        return b""
