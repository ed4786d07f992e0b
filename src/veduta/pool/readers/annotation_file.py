"""One annotation file of another program, named by the user: the pictures are looked for around it."""

from __future__ import annotations

from pathlib import Path

from veduta.errors import SourceError
from veduta.pool import location
from veduta.pool.readers import places
from veduta.pool.readers.layouts import cvat, fiftyone, label_studio, labelbox, labelme, via
from veduta.pool.readers.tree_folder import FolderTree
from veduta.pool.readers.tree_reader import TreeReader

_KINDS = (
    ((".json",), label_studio.is_label_studio, label_studio.LabelStudio),
    ((".json",), fiftyone.is_fiftyone, fiftyone.FiftyOne),
    ((".json", ".csv"), via.is_via, via.Via),
    ((".json",), labelme.is_labelme, labelme.LabelMe),
    (labelbox.SUFFIXES, labelbox.is_labelbox, labelbox.Labelbox),
    ((".xml",), cvat.is_cvat, cvat.Cvat),
)


class AnnotationFile(TreeReader):
    """A file of Label Studio, FiftyOne, VIA, LabelMe, Labelbox or CVAT, with the pictures in its folder or below.

    Where the file lies in a folder `annotations`, the folder above that is searched.
    """

    def __init__(self, source: str | Path, *, label_from: str | None = None, boxes_are_raw: bool = False) -> None:
        uri = places.absolute(str(source))
        maker = _maker(uri)
        if maker is None:
            raise SourceError(f"{source} is not an annotation file that Veduta knows; name the folder of its images")
        folder = places.parent(uri)
        above = places.base(folder).lower() in ("annotations", "labels")
        root = places.parent(folder) if above else folder
        tree = FolderTree(location.unescape(root) if not location.is_remote(root) else root)
        path = uri.removeprefix(f"{root.rstrip('/')}/")
        super().__init__(tree, layout=maker([path]), label_from=label_from, boxes_are_raw=boxes_are_raw)
        self.name = str(source)


def is_annotation_file(uri: str) -> bool:
    """Whether a file is surely one of these, by its first 64 KiB."""
    return _maker(uri) is not None


def _maker(uri: str) -> type | None:
    try:
        with places.open_binary(uri) as stream:
            head = stream.read(1 << 16)
    except OSError:
        return None
    lower = uri.lower()
    return next((maker for ends, is_ours, maker in _KINDS if lower.endswith(ends) and is_ours(head)), None)
