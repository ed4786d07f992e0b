"""Views that were drawn once, stored so that they can be applied again, with what a teacher said of each.

Legend: n records, k classes kept of a teacher's answer.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.learn.augment.base import Params
from veduta.learn.augment.crop import RandomResizedCrop
from veduta.learn.augment.erasing import Erasing
from veduta.learn.augment.flip import HorizontalFlip
from veduta.learn.augment.named import view as named_view
from veduta.learn.augment.randaugment import OPERATIONS, RandAugment
from veduta.learn.augment.view import View

RECIPE = b"veduta:reinforcement"
"""Key in the Arrow field metadata of a column of records: the `Recipe`, as JSON."""

VERSION = 1
"""Raise it when the same parameters would no longer give the same pixels, or the fields of a record change."""

LONGEST = 65_535
"""The longest side in pixels whose windows fit into a record."""

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Recipe:
    """How the records of a column were made: what replaying and reading them needs.

    name: of the view; size: its side in pixels; side: the short side that images were decoded for; samples: records a row;
    topk: classes kept; steps: the view's own account; libraries: name -> version; teachers: uri and fingerprint of each.
    """

    name: str
    size: int
    side: int
    samples: int
    topk: int
    seed: int
    steps: dict[str, Any]
    libraries: dict[str, str]
    teachers: list[dict[str, str]]
    version: int = VERSION

    @property
    def view(self) -> View:
        """The view, of which this version of Veduta may make another than `steps` says."""
        return named_view(self.name, self.size)

    def to_json(self) -> bytes:
        """For the metadata of a field."""
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def of(cls, field: pa.Field) -> Recipe:
        """From the metadata of a field, which must have it."""
        return cls(**json.loads((field.metadata or {})[RECIPE]))


def record_type(view: View, topk: int) -> pa.StructType:
    """A struct with the numbers of the view's steps, what the pixels were, and the answer."""
    fields = []
    for step in view.steps:
        if isinstance(step, RandomResizedCrop):
            fields.append(pa.field("crop", pa.list_(pa.uint16(), 4)))
        elif isinstance(step, HorizontalFlip):
            fields.append(pa.field("flip", pa.bool_()))
        elif isinstance(step, RandAugment):
            fields.append(pa.field("op", pa.list_(pa.int8(), step.layers)))
            fields.append(pa.field("magnitude", pa.list_(pa.float32(), step.layers)))
        elif isinstance(step, Erasing):
            fields.append(pa.field("erase", pa.list_(pa.uint16(), 4)))
        else:
            raise TypeError(f"records have no place for the parameters of {type(step).__name__}")
    answer = [pa.field("p", pa.list_(pa.float16(), topk)), pa.field("cls", pa.list_(pa.int16(), topk))]
    return pa.struct([*fields, *answer, pa.field("crc", pa.uint32()), pa.field("sketch", pa.int32())])


def draw(view: View, key: str, count: int, seed: int, height: int, width: int) -> Arrays:
    """The parameters of `count` views of the image `key` of this size, by (seed, key, number) alone."""
    own = np.frombuffer(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:16], "<u8")
    drawn = []
    for number in range(count):
        bits = np.random.Philox(key=[seed, number], counter=[0, 0, int(own[0]), int(own[1])])
        drawn.append(view.sample(np.random.Generator(bits), height, width))
    return pack(view, drawn)


def pack(view: View, params: list[list[Params]]) -> Arrays:
    """The parameters of n views in arrays; magnitudes are rounded to float32."""
    found: Arrays = {}
    for step, own in zip(view.steps, zip(*params, strict=True), strict=True):
        if isinstance(step, RandomResizedCrop):
            found["crop"] = np.array([p["window"] for p in own], np.uint16)
        elif isinstance(step, HorizontalFlip):
            found["flip"] = np.array([bool(p) for p in own])
        elif isinstance(step, RandAugment):
            found["op"] = np.array([[OPERATIONS.index(name) for name, _ in p["steps"]] for p in own], np.int8)
            found["magnitude"] = np.array([[value for _, value in p["steps"]] for p in own], np.float32)
        elif isinstance(step, Erasing):  # a rectangle without area is none
            found["erase"] = np.array([p["window"] if p else [0, 0, 0, 0] for p in own], np.uint16)
    return found


def unpack(view: View, arrays: Arrays, at: Any) -> list[Params]:
    """The parameters of the record at a place of the arrays, for `View.apply`."""
    found: list[Params] = []
    for step in view.steps:
        if isinstance(step, RandomResizedCrop):
            found.append({"window": arrays["crop"][at].tolist()})
        elif isinstance(step, HorizontalFlip):
            found.append({"flip": 1} if arrays["flip"][at] else {})
        elif isinstance(step, RandAugment):
            names = [OPERATIONS[number] for number in arrays["op"][at].tolist()]
            found.append({"steps": [list(each) for each in zip(names, arrays["magnitude"][at].tolist(), strict=True)]})
        else:
            top, left, bottom, right = window = arrays["erase"][at].tolist()
            found.append({"window": window} if bottom > top and right > left else {})
    return found


def to_struct(arrays: Arrays, kind: pa.StructType) -> pa.StructArray:
    """Arrays (n, ...) as an Arrow array of records."""
    columns = []
    for field in kind:
        values = arrays[field.name]
        flat = pa.array(np.ascontiguousarray(values).reshape(-1))
        columns.append(pa.FixedSizeListArray.from_arrays(flat, values.shape[1]) if values.ndim == 2 else flat)
    return pa.StructArray.from_arrays(columns, fields=list(kind))


def from_struct(records: pa.StructArray) -> Arrays:
    """The way back."""
    found: Arrays = {}
    for field, column in zip(records.type, records.flatten(), strict=True):
        if pa.types.is_fixed_size_list(field.type):
            found[field.name] = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, field.type.list_size)
        else:
            found[field.name] = column.to_numpy(zero_copy_only=False)
    return found
