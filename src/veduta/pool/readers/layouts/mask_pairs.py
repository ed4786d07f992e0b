"""Which picture is the mask of which: by a suffix of its name or by the folder that it lies in, and the same stem."""

from __future__ import annotations

import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from veduta.pool.readers.folder_names import is_holder

FOLDERS = frozenset(
    {
        *("masks", "mask", "annotations", "annotation", "annot", "annots", "labels", "label", "segmentation"),
        *("segmentations", "segmentation_masks", "segmentationclass", "segmentationobject", "gt", "gts", "gtfine"),
        *("gtcoarse", "groundtruth", "ground_truth", "trimaps", "trimap", "semantic", "seg", "segs", "labelids"),
        *("labeledapproved_full", "labeled_approved_full", "semantic_masks", "instance_masks", "label_images"),
    }
)
_FOLDER_END = re.compile(r"(?:[_ -](?:masks?|labels?|gt|annotations?|segmentations?|annot)|annot)$", re.IGNORECASE)
_CITY = r"_gt(?:Fine|Coarse)_(?P<city>labelIds|instanceIds|labelTrainIds|instanceTrainIds|color)"
_SUFFIX = (
    r"[_.-](?P<kind>masks?|seg|segmentation|gt|groundtruth|labels?|L|matte|labelIds|instanceIds)(?:[_-]?(?P<n>\d+))?"
)
_MASK = re.compile(rf"^(?P<stem>.+?)(?:{_CITY}|{_SUFFIX})$")
_IMAGE_END = re.compile(r"_(?:leftImg8bit|image|img|sat|rgb)$")


@dataclass
class Pairs:
    """masks: image -> its masks, sorted; lonely: masks whose image is not there or not sure."""

    masks: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    lonely: list[str] = field(default_factory=list)


def may_be_mask(path: str) -> bool:
    """Whether a picture's name or folder says mask."""
    folder, _, name = path.rpartition("/")
    return bool(_MASK.match(posixpath.splitext(name)[0])) or any(map(_is_mask_folder, folder.split("/")))


def city_kind(path: str) -> str:
    """What Cityscapes' mask shows by its name: labelIds, instanceIds, ...; "" for other masks."""
    found = _MASK.match(posixpath.splitext(posixpath.basename(path))[0])
    return (found["city"] or "") if found else ""


def pair(paths: Iterable[str]) -> Pairs:
    """Masks and the images that they are of; of several images with the stem, the one in the most similar folder."""
    every = list(paths)
    plain = [p for p in every if not may_be_mask(p)]
    by_stem: dict[str, list[str]] = defaultdict(list)
    for path in plain:
        for stem in _image_stems(path):
            by_stem[stem].append(path)
    out = Pairs()
    for path in every:
        if not may_be_mask(path):
            continue
        # The whole name goes before what is left of it: the mask `a.b.png` is that of `a.b.jpg`, not of `a.jpg`.
        images = next((found for stem in _mask_stems(path) if (found := by_stem.get(stem))), [])
        image = _nearest(path, images)
        if image is None:
            out.lonely.append(path)
        else:
            out.masks[image].append(path)
    return out


def _image_stems(path: str) -> set[str]:
    stem = posixpath.splitext(posixpath.basename(path))[0]
    return {stem, _IMAGE_END.sub("", stem)}


def _mask_stems(path: str) -> list[str]:
    folder, _, name = path.rpartition("/")
    stem = posixpath.splitext(name)[0]
    found = _MASK.match(stem)
    stems = [found["stem"]] if found else []
    if any(map(_is_mask_folder, folder.split("/"))):
        stems.insert(0, stem)
        stems += [posixpath.splitext(stem)[0]] if "." in stem else []  # a.jpg.png
    return list(dict.fromkeys(stems))


def _nearest(path: str, candidates: list[str]) -> str | None:
    if len(set(candidates)) < 2:
        return candidates[0] if candidates else None
    parts = Counter(_words(path))
    scored = sorted(((sum((parts & Counter(_words(c))).values()), c) for c in set(candidates)), reverse=True)
    return scored[0][1] if scored[0][0] > scored[1][0] else None


def _words(path: str) -> list[str]:
    """The folders of a path, without what only says mask: `train_masks` and `trainannot` are `train`."""
    return [_FOLDER_END.sub("", part).lower() for part in path.split("/")[:-1]]


def _is_mask_folder(part: str) -> bool:
    if part.lower() in FOLDERS or _FOLDER_END.search(part):
        return True
    return is_holder(part) and bool(FOLDERS & set(re.split(r"[\W_]+", part.lower())))  # "label_images_semantic"
