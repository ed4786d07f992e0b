"""The column of label maps: for each place of an image its k strongest classes with their logits.

Legend: n rows, C classes, an h x w map, k classes kept a place.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.errors import BadInput

MAP = b"veduta:label-map"
"""Key in the Arrow field metadata of a column of label maps: a JSON object of `LabelMap`'s fields."""

LARGEST = 65504.0
"""float16 holds no more."""


@dataclass(frozen=True, slots=True)
class LabelMap:
    """How a column of maps is made up: `struct<logit: float16[k h w], class: int16[k h w]>`, null where there is no map.

    Both lists run over k, then rows from the top, then columns from the left ("rows-first"); at each place the strongest class is
    first. The map lies over the whole upright image, whatever its shape. classes: C names; `class` counts in them.
    """

    height: int
    width: int
    kept: int
    classes: tuple[str, ...]
    model: str
    size: int
    orientation: str = "rows-first"

    def field(self, name: str) -> pa.Field:
        """The column."""
        metadata = {MAP: json.dumps(asdict(self), ensure_ascii=False).encode()}
        return pa.field(name, self.type, metadata=metadata)

    @property
    def type(self) -> pa.DataType:
        """The column's type."""
        values = self.kept * self.height * self.width
        return pa.struct(
            [pa.field("logit", pa.list_(pa.float16(), values)), pa.field("class", pa.list_(pa.int16(), values))]
        )

    def pack(self, logits: NDArray[np.float32]) -> pa.Array:
        """Maps (n, C, h, w) as n values of the column. Logits beyond what float16 holds are cut to it."""
        n, count = logits.shape[:2]
        flat = np.ascontiguousarray(logits.reshape(n, count, -1).transpose(0, 2, 1))  # classes of a place side by side
        ids = np.argpartition(flat, count - self.kept, axis=2)[:, :, count - self.kept :]
        ids = np.sort(ids, axis=2)
        values = np.take_along_axis(flat, ids, axis=2)
        order = np.argsort(-values, axis=2, kind="stable")  # of equal ones the first class
        values = np.clip(np.take_along_axis(values, order, axis=2), -LARGEST, LARGEST).astype(np.float16)
        ids = np.take_along_axis(ids, order, axis=2).astype(np.int16)
        values, ids = (np.ascontiguousarray(each.transpose(0, 2, 1)) for each in (values, ids))
        lists = [
            pa.FixedSizeListArray.from_arrays(pa.array(each.reshape(-1)), self.kept * self.height * self.width)
            for each in (values, ids)
        ]
        return pa.StructArray.from_arrays(lists, fields=list(self.type))

    def unpack(
        self, column: pa.Array | pa.ChunkedArray
    ) -> tuple[NDArray[np.float16], NDArray[np.int16], NDArray[np.bool_]]:
        """n values of the column to logits (n, k, h, w) and classes (n, k, h, w), with zeros where there is no map, and (n,)
        whether there is one.
        """
        column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        known = np.asarray(column.is_valid())
        found = []
        for name, kind in (("logit", np.float16), ("class", np.int16)):
            out = np.zeros((len(column), self.kept, self.height, self.width), kind)
            lists = column.field(name)
            # `flatten` leaves out what is null in the list itself, so only rows that are null nowhere are asked for.
            out[known] = (
                lists.filter(pa.array(known)).flatten().to_numpy(zero_copy_only=False).reshape(-1, *out.shape[1:])
            )
            found.append(out)
        return found[0], found[1], known


def label_map(field: pa.Field, needed_by: str) -> LabelMap:
    """How a column of label maps is made up. Raises BadInput for another column."""
    said = (field.metadata or {}).get(MAP)
    if said is None:
        raise BadInput(
            f"{needed_by}: the column '{field.name}' holds {field.type}, not label maps; make them with: "
            "veduta annotate label-maps POOL"
        )
    facts = json.loads(said)
    return LabelMap(**{**facts, "classes": tuple(facts["classes"])})
