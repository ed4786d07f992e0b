"""Finders of people and faces behind one protocol, named by a URI as encoders are.

`nanodet:FILE` and `fastestdet:FILE` find persons (COCO), `yunet:FILE` and `ultralight:FILE` faces, all as ONNX files that the
user has; `torchvision:NAME` finds persons with one of torchvision's COCO detectors, whose weights are fetched because
the user names them. A file that is given without a folder is looked for here, then in the folder `weights` of the samples
(`VEDUTA_DATA/weights`).
"""

from __future__ import annotations

import difflib
import importlib
from functools import lru_cache
from pathlib import Path

from veduta.annotate.detect.base import Detector
from veduta.errors import BadInput

__all__ = ["FACE", "PERSON", "Detector", "load"]

PERSON = ("nanodet", "fastestdet", "torchvision")
FACE = ("yunet", "ultralight")
SOURCES = {
    "nanodet": "hpc203/nanodet-opncv-dnn-cpp-python",
    "fastestdet": "dog-qiuqiu/FastestDet",
    "yunet": "ShiqiYu/libfacedetection.train",
    "ultralight": "Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB",
}
"""Where the networks are published; no file is fetched from there by itself."""


def load(uri: str, finds: str) -> Detector:
    """The detector `KIND:NAME`, of a kind that finds "person" or "face"; opened once a process.

    Raises BadInput for an unknown kind, a file that is not there, and one that is not such a network.
    """
    kind, _, name = uri.partition(":")
    kinds = PERSON if finds == "person" else FACE
    if kind not in kinds or not name:
        near = difflib.get_close_matches(kind, kinds, 1)
        hint = f"; did you mean '{near[0]}:{name or 'FILE'}'?" if near and (near[0] != kind or not name) else ""
        raise BadInput(
            f"a detector of {finds}s must be one of {', '.join(f'{k}:NAME' for k in kinds)}, got '{uri}'{hint}"
        )
    if kind == "torchvision":
        return _opened(kind, name, 0)
    file = _file(uri, name)
    return _opened(kind, str(file), file.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _opened(kind: str, name: str, stamp: int) -> Detector:
    return importlib.import_module(f"veduta.annotate.detect.{kind}").load(name)


def _file(uri: str, name: str) -> Path:
    from veduta.samples.place import data

    given, folder = Path(name).expanduser(), data()
    places = [given] if given.parent != Path() or folder is None else [given, folder / "weights" / name]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        also = " nor in the folder VEDUTA_DATA/weights" if given.parent == Path() else ""
        raise BadInput(
            f"the detector '{uri}' names a file that is not there{also}; give the path of its .onnx file (published in the GitHub "
            f"repository {SOURCES[uri.partition(':')[0]]})"
        )
    return found
