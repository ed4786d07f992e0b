"""Folders of thumbnails, whose images lie elsewhere in full size."""

from __future__ import annotations

import posixpath
import re

from veduta.pool.readers import images
from veduta.pool.readers.survey import Survey

_NAMES = re.compile(r"(?:thumb(?:nail)?s?|previews?)(?:[ _-]?\d+)?", re.IGNORECASE)
_MARK = re.compile(r"^(?:thumb(?:nail)?|tn)[ _-]|[ _.-](?:thumb(?:nail)?|tn|small|preview)$", re.IGNORECASE)
# Of the names looked at, so many must be those of images in the other folder.
ENOUGH = 0.9


def folders(survey: Survey) -> dict[str, str]:
    """Folders of thumbnails, each with the folder of its originals: the one above, or another one in there."""
    found = {}
    holding = [folder for folder, ends in survey.suffixes.items() if images.SUFFIXES & ends.keys()]
    for folder in holding:
        parent, _, name = folder.rpartition("/")
        if not _NAMES.fullmatch(name):
            continue
        small = {_MARK.sub("", stem) for stem in stems(survey, folder)}
        for other in holding:
            if other != folder and (other == parent or other.rpartition("/")[0] == parent):
                full = stems(survey, other)
                if len(small & full) >= ENOUGH * len(small):
                    found[folder] = other
                    break
    return found


def stems(survey: Survey, folder: str) -> set[str]:
    """The names without suffix of the images in a folder that a survey keeps."""
    kept = (survey.names[folder, end] for end in images.SUFFIXES & survey.suffixes[folder].keys())
    return {posixpath.splitext(name)[0] for names in kept for name in names}
