"""Images in one zip or tar archive, read in place."""

from __future__ import annotations

from pathlib import Path

from veduta.pool.readers.tree_archive import ArchiveTree
from veduta.pool.readers.tree_reader import TreeReader


class Archive(TreeReader):
    """A zip or tar of images, read like the folder that it would unpack to (see `folder.Folder`).

    Members with absolute paths or `..`, links, devices and encrypted members are refused by name.
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
            ArchiveTree(str(source)),
            layout=layout,
            label_from=label_from,
            image=image,
            encoding=encoding,
            boxes_are_raw=boxes_are_raw,
        )
