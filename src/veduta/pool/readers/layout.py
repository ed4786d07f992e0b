"""What the folders above an image say: its class and its split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

SPLITS = frozenset(["train", "training", "val", "valid", "validation", "dev", "test", "testing"])
# Folders of these names only hold the images; they are no class when they stand alone.
HOLDERS = frozenset(["images", "image", "imgs", "img", "photos", "pictures", "jpegimages", "data", "jpegs"])


class Layout:
    """The imagefolder convention over the folders of a source.

    `root/label/x.jpg`, `root/split/label/x.jpg` and `root/label/split/x.jpg` give label and split; deeper trees take
    the folder nearest to the image. Where images lie in the root itself there are no labels. A single folder `images`
    (or the like) counts as the root.
    """

    def __init__(self, holders: Sequence[str] = (), *, labelled: bool = True) -> None:
        self.holders = list(holders)
        self.labelled = labelled

    @classmethod
    def of_folders(cls, folders: Iterable[str]) -> Layout:
        """From the "/"-separated paths of all folders that hold images; "" is the root."""
        split = {tuple(folder.split("/")) if folder else () for folder in folders}
        holders: list[str] = []
        while True:
            tops = {f[len(holders)] if len(f) > len(holders) else None for f in split}
            if len(tops) != 1 or (top := next(iter(tops))) is None or top.lower() not in HOLDERS:
                return cls(holders, labelled=None not in tops)
            holders.append(top)

    def fields(self, path: str) -> dict[str, str | None]:
        """`label` and `split` of the image at `path` below the root; None where the folders do not say."""
        parts = path.split("/")[:-1]
        if parts[: len(self.holders)] == self.holders:
            parts = parts[len(self.holders) :]
        split = None
        for end in (0, -1):
            if parts and parts[end].lower() in SPLITS:
                split = parts.pop(end)
                break
        return {"label": parts[-1] if parts and self.labelled else None, "split": split}
