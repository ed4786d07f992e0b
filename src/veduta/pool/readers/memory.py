"""Images that are in memory already: tables of pandas and polars, lists of Pillow images, arrays, torchvision data sets."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pyarrow as pa

from veduta.errors import SourceError
from veduta.pool.readers.infer import fit, join_all, kind, settle
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.rows import ArrowRows, Row, Rows, TableInMemory

_WANTED = "give images as bytes or paths, as Pillow images or as uint8 arrays"


def rows(source: Any, notes: Notes) -> Rows:
    """Rows of a pyarrow.Table, a pandas or polars DataFrame, a sequence of images, or a data set of (image, target).

    Pillow images that come from a file are read from that file again; others, and arrays (height, width) or
    (height, width, 3 or 4) of uint8, are kept as PNG, without loss.
    """
    if isinstance(source, pa.Table):
        return ArrowRows([TableInMemory(source)])
    home = type(source).__module__.split(".")[0]
    if home == "polars":
        frame = source.collect() if hasattr(source, "collect") else source
        return ArrowRows([TableInMemory(frame.to_arrow())])
    if home == "pandas":
        return ArrowRows([TableInMemory(_of_pandas(source))])
    return _Sequence(source, notes)


def is_known(source: Any) -> bool:
    """Whether `rows` takes the object."""
    if isinstance(source, pa.Table) or type(source).__module__.split(".")[0] in ("pandas", "polars"):
        return True
    if isinstance(source, np.ndarray) and source.dtype != object:
        return source.dtype == np.uint8 and source.ndim in (3, 4) and len(source) > 0
    if isinstance(source, (str, bytes, dict, Path)) or not (
        hasattr(source, "__getitem__") and hasattr(source, "__len__")
    ):
        return False
    if not len(source):
        return False
    first = source[0]
    image = first[0] if isinstance(first, tuple) and first else first.get("image") if isinstance(first, dict) else first
    return _encoder(image) is not None


class _Sequence:
    """A sequence of images, of (image, target) pairs or of mappings with an image, read by position."""

    def __init__(self, source: Any, notes: Notes) -> None:
        self._source, self._notes = source, notes
        self._classes = list(getattr(source, "classes", None) or [])
        self._samples = getattr(source, "samples", None)  # torchvision's folders: (path, class number)
        first = self._row(0)
        types = {name: settle(kind(value)) for name, value in first.items()}
        for position in range(1, min(len(source), 100) if "image" in first else 0):
            row = self._row(position)
            for name in row:
                types[name] = settle(join_all([types.get(name, pa.null()), kind(row[name])]))
        types["image"] = pa.string() if isinstance(first["image"], str) else pa.binary()
        self.schema = pa.schema(list(types.items()))
        notes.guess(
            "images in memory",
            "kept as they are in their files" if isinstance(first["image"], str) else "kept as PNG, without loss",
        )

    def rows(self) -> Iterator[Row]:
        empty = dict.fromkeys(self.schema.names)
        for position in range(len(self._source)):
            row = {**empty, **self._row(position)}
            yield {n: row[n] if n == "image" else fit(row[n], self.schema.field(n).type) for n in empty}

    def by_file(self) -> Iterator[tuple[int, Row]]:
        return ((0, row) for row in self.rows())

    def values(self, column: str) -> Iterator[Any]:
        top = column.partition(".")[0]
        return (row.get(top) for row in self.rows())

    def __len__(self) -> int:
        return len(self._source)

    def _row(self, position: int) -> Row:
        if self._samples is not None and len(self._samples) == len(self._source):
            path, target = self._samples[position][:2]
            return {"image": os.path.abspath(path), **self._target(target)}
        one = self._source[position]
        if isinstance(one, dict):
            return {**{k: v for k, v in one.items() if k != "image"}, "image": _encoded(one.get("image"), position)}
        if isinstance(one, tuple):
            return {"image": _encoded(one[0], position), **(self._target(one[1]) if len(one) > 1 else {})}
        return {"image": _encoded(one, position)}

    def _target(self, target: Any) -> Row:
        target = target.item() if getattr(target, "shape", None) == () else target
        if isinstance(target, int) and not isinstance(target, bool):
            if 0 <= target < len(self._classes):
                return {"label": str(self._classes[target]), "label_id": target}
            return {"label": str(target)}
        if isinstance(target, str):
            return {"label": target}
        if isinstance(target, (list, tuple)) and target and all(isinstance(t, str) for t in target):
            return {"captions": list(target)}
        self._notes.count("targets other than a class, a label or captions left out")
        return {}


def _of_pandas(frame: Any) -> pa.Table:
    """The frame as a table. A column of mixed values becomes the narrowest type that holds them; NaN is null."""
    columns: list[pa.Array] = []
    names: list[str] = []
    for place in range(frame.shape[1]):
        series = frame.iloc[:, place]
        try:
            columns.append(_column(series))
        except (pa.ArrowException, TypeError, ValueError, AttributeError) as error:
            words = str(error).splitlines()[0]
            raise SourceError(f"the column '{frame.columns[place]}' cannot be read: {words}; {_WANTED}") from None
        names.append(_name(frame.columns[place]))
    return pa.Table.from_arrays(columns, names=names)


def _name(name: Any) -> str:
    return "_".join(map(str, name)) if isinstance(name, tuple) else "" if name is None else str(name)


def _column(series: Any) -> pa.Array:
    if series.dtype == object:
        return _objects(list(series))
    array = pa.Array.from_pandas(series)
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    if pa.types.is_floating(array.type) and array.null_count and _are_whole(array):
        return array.cast(pa.int64())
    return array


def _are_whole(array: pa.Array) -> bool:
    values = array.drop_null().to_numpy(zero_copy_only=False)
    return len(values) > 0 and bool(np.all((np.mod(values, 1) == 0) & (np.abs(values) <= 2**53)))


def _objects(values: list[Any]) -> pa.Array:
    encode = next((e for v in values if (e := _encoder(v)) is not None), None)
    if encode is not None:
        return pa.array([None if _is_nothing(v) else _encoded(v, i) for i, v in enumerate(values)], pa.large_binary())
    values = [_plain(v) for v in values]
    try:
        found = pa.array(values)
        if not pa.types.is_null(found.type):
            return found
    except (pa.ArrowException, OverflowError):
        pass
    type_ = settle(join_all(map(kind, values)))
    return pa.array([fit(v, type_) for v in values], type_)


def _plain(value: Any) -> Any:
    if _is_nothing(value):
        return None
    if isinstance(value, PurePath):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return {str(k): _plain(v) for k, v in value.items()} if isinstance(value, dict) else value


def _is_nothing(value: Any) -> bool:
    return (
        value is None or (isinstance(value, float) and value != value) or type(value).__name__ in ("NAType", "NaTType")
    )


def _encoder(value: Any) -> Callable[[Any], bytes] | None:
    """How the bytes of an image in memory are made; None for what is none."""
    if type(value).__module__.split(".")[0] == "PIL" and hasattr(value, "save"):
        return _of_pillow
    if (
        isinstance(value, np.ndarray)
        and value.dtype == np.uint8
        and value.ndim in (2, 3)
        and (value.ndim == 2 or value.shape[2] in (1, 3, 4))
    ):
        return _of_array
    return None


def _encoded(value: Any, position: int) -> bytes:
    if isinstance(value, bytes):
        return value
    encode = _encoder(value)
    if encode is None:
        raise SourceError(f"item {position} holds {type(value).__name__}, not an image; {_WANTED}")
    return encode(value)


def _of_pillow(image: Any) -> bytes:
    name = getattr(image, "filename", "")
    if name and os.path.isfile(name) and getattr(image, "tile", None):  # as it was opened, not changed since
        return Path(name).read_bytes()
    stream = io.BytesIO()
    form = "TIFF" if image.mode in ("CMYK", "YCbCr", "LAB", "HSV", "F") else "PNG"
    image.save(stream, form)
    return stream.getvalue()


def _of_array(pixels: np.ndarray) -> bytes:
    from PIL import Image

    return _of_pillow(Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels))
