"""Which row of a table belongs to which image."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Ids = list[str | None]


def comparable(values: pa.ChunkedArray | pa.Array, *, numbers: bool) -> Ids:
    """Each value as a text that is equal where the values are: 7, 7.0 and, among numbers, "007"."""
    return [_comparable(value, numbers) for value in values.to_pylist()]


def are_numbers(kind: pa.DataType) -> bool:
    """Whether a column's values are compared as numbers."""
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _comparable(value: Any, numbers: bool) -> str | None:
    if value is None or value != value:
        return None
    if isinstance(value, str):
        text = unicodedata.normalize("NFC", value.strip())
        return str(int(text)) if numbers and re.fullmatch(r"[+-]?\d{1,18}", text) else text
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def by_file(names: Ids, keys: Sequence[str], uris: Sequence[str | None]) -> tuple[list[int], list[str]]:
    """For each name the image whose key or place has the longest tail of path parts in common with it, -1 for none.

    Also the names that fit several images equally well. A name without a suffix stands for a file of any, and one that is a
    number for a file whose name is that number ("139", `000000000139.jpg`).
    """
    # For every tail of parts the rows that end in it; -1 where they are several.
    tails: dict[tuple[str, ...], int] = {}
    for row, (key, uri) in enumerate(zip(keys, uris, strict=True)):
        for path in {key, uri or key}:
            parts = _parts(path)
            for start in range(max(0, len(parts) - 8), len(parts)):
                for tail in _forms(parts[start:]):
                    tails[tail] = row if tails.get(tail, row) == row else -1
    found, doubtful = [], []
    for name in names:
        parts = _parts(name or "")
        here = -2
        for start in range(max(0, len(parts) - 8), len(parts)):
            tail = parts[start:]
            row = tails.get(tail, tails.get((*tail[:-1], _number(tail[-1])), -2))
            if row != -2:
                here = row
                break
        if here == -1 and name:
            doubtful.append(name)
        found.append(max(here, -1))
    return found, doubtful


def _parts(path: str) -> tuple[str, ...]:
    text = unicodedata.normalize("NFC", path).replace("\\", "/").split("://", 1)[-1]
    return tuple(part for part in text.split("/") if part not in ("", "."))


def _forms(tail: tuple[str, ...]) -> set[tuple[str, ...]]:
    stem = re.sub(r"\.\w{2,5}$", "", tail[-1])
    return {tail, (*tail[:-1], stem), (*tail[:-1], _number(stem))}


def _number(stem: str) -> str:
    return str(int(stem)) if re.fullmatch(r"\d{1,18}", stem) else stem


def repeated(ids: Ids) -> dict[str, list[int]]:
    """The ids that stand in more than one row, with those rows."""
    rows: dict[str, list[int]] = {}
    for row, one in enumerate(ids):
        if one is not None:
            rows.setdefault(one, []).append(row)
    return {one: where for one, where in rows.items() if len(where) > 1}


def places(pool: Ids, table: Ids, *, last: bool) -> NDArray[np.int64]:
    """(n,) for each image the row of the table with its id, the first or last of several, -1 for none."""
    order = range(len(table)) if last else range(len(table) - 1, -1, -1)
    found = {table[row]: row for row in order if table[row] is not None}
    return np.array([found.get(one, -1) if one is not None else -1 for one in pool], np.int64)


def gathered(columns: dict[str, pa.Array], ids: Ids) -> tuple[dict[str, pa.Array], Ids]:
    """Each column as lists of the values of one id, in the table's order, and the ids in order of first mention."""
    numbers = {one: number for number, one in enumerate(dict.fromkeys(one for one in ids if one is not None))}
    group = np.array([numbers.get(one, -1) if one is not None else -1 for one in ids], np.int64)
    order = np.argsort(group, kind="stable")[int((group < 0).sum()) :]
    ends = np.concatenate([[0], np.cumsum(np.bincount(group[order], minlength=len(numbers)))])
    offsets = pa.array(ends, pa.int32())
    lists = {name: pa.ListArray.from_arrays(offsets, values.take(pa.array(order))) for name, values in columns.items()}
    return lists, list(numbers)
