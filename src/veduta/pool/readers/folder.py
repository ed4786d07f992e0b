"""Images in a folder and its sub-folders, on the local disk or any fsspec file system."""

from __future__ import annotations

from pathlib import Path

from veduta.pool.readers.tree_folder import FolderTree
from veduta.pool.readers.tree_reader import TreeReader


class Folder(TreeReader):
    """Images below a folder; classes and splits from the folders' names, anything else from the files beside them.

    A metadata file (`metadata.jsonl`, `metadata.csv`, `index.jsonl`, ...) lies in the root or in a split's folder and
    names its images in a column `file_name`, `file`, `path` or `image`, relative to itself. Where it has a `label`
    (or `split`) column, that alone decides about labels (splits). Annotations of other programs (see `layouts`) are
    recognised by their own files. See `fields` for what becomes of the columns and `layout` for the folders' names.
    Hidden files are passed over; links to folders are followed once.
    """

    def __init__(
        self,
        source: str | Path,
        *,
        layout: str | None = None,
        label_from: str | None = None,
        image: str | None = None,
        encoding: str | None = None,
        boxes_are_raw: bool = False,
    ) -> None:
        super().__init__(
            FolderTree(str(source)),
            layout=layout,
            label_from=label_from,
            image=image,
            encoding=encoding,
            boxes_are_raw=boxes_are_raw,
        )
