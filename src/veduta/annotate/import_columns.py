"""A table's columns as a pool keeps them: typed, NaN as null, class scores and vectors as lists of one length."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veduta.annotate.classes import CLASSES, SCORES, probable
from veduta.errors import BadInput
from veduta.pool.readers.notes import Notes
from veduta.pool.schema import FINGERPRINT

Values = Literal["auto", "probabilities", "logits", "independent"]
SPACE = "space:"
"""Begins the fingerprint of vectors whose space has a name and no encoder of Veduta's."""


def settled(name: str, values: pa.Array, notes: Notes) -> pa.Array:
    """The column in a type that a pool keeps, NaN as null."""
    kind, t = values.type, pa.types
    if t.is_dictionary(kind):
        return settled(name, values.dictionary_decode(), notes)
    if t.is_null(kind):
        return values.cast(pa.string())
    if t.is_large_string(kind) or kind == pa.string_view():
        return values.cast(pa.string())
    if t.is_decimal(kind):
        return values.cast(pa.float64())
    if t.is_large_list(kind):
        return values.cast(pa.list_(kind.value_type if not t.is_large_string(kind.value_type) else pa.string()))
    if t.is_floating(kind):
        nan = pc.is_nan(values).fill_null(False)
        if count := pc.sum(nan).as_py():
            notes.count(f"NaN in '{name}' became null", count)
            return pc.if_else(nan, pa.scalar(None, kind), values)
    return values


def fit_name(name: str, notes: Notes) -> str:
    """The name as a column of a pool may be called."""
    fitted = re.sub(r"[.`\s]+", "_", name.strip()) or "unnamed"
    if fitted != name:
        notes.count(f"column '{name}' is called '{fitted}'")
    return fitted


def scores(
    table: pa.Table, asked: str, classes: Sequence[str], values: Values, notes: Notes
) -> tuple[str, list[str], pa.Array, pa.Field]:
    """A scores column from a list column, or from columns of one class each, whose names the `*` of `asked` stands for.

    Returns its name, the columns that it takes the place of, and the column (n, c) float32 with its field.
    """
    if "*" not in asked:
        if not classes:
            raise BadInput(
                f"scores: say which classes the values of '{asked}' are of, in their order: --classes cat,dog"
            )
        members, names, matrix = [asked], list(classes), lists(table, asked, len(classes), "scores", notes)
        called = asked
    else:
        before, _, after = asked.partition("*")
        found = {n[len(before) : len(n) - len(after) or None]: n for n in table.column_names if fnmatchcase(n, asked)}
        names = list(classes) or list(found)
        absent = [name for name in names if name not in found]
        if absent or len(names) < 2:
            what = (
                f"no column '{before}{absent[0]}{after}'"
                if absent
                else f"{len(names)} columns like '{asked}', two are needed"
            )
            raise BadInput(f"scores: the table has {what}; it has: {', '.join(table.column_names[:40])}")
        members, called = [found[name] for name in names], (before + after).strip("_-. ") or "scores"
        matrix = _stacked(table, members)
    if len(set(names)) < len(names):
        raise BadInput(f"scores: the classes must be different, got {', '.join(names[:20])}")
    sound = np.isfinite(matrix).all(1)
    if lost := int((~sound).sum()):
        notes.count(f"rows without all {len(names)} scores in '{called}' became null", lost)
    told = _told(matrix[sound], values)
    if values == "auto":
        notes.guess(f"the scores in '{called}'", f"read as {told}", "--values probabilities|logits|independent")
    metadata = {CLASSES: json.dumps(names, ensure_ascii=False).encode(), SCORES: told.encode()}
    column = _fixed(matrix, sound)
    return called, members, column, pa.field(called, column.type, metadata=metadata)


def _told(matrix: np.ndarray, values: Values) -> str:
    if values == "probabilities" and not probable(matrix):
        raise BadInput(
            "scores: they are not probabilities, which are 0 or more and sum to 1; say --values logits or independent"
        )
    if values != "auto":
        return values
    if probable(matrix):
        return "probabilities"
    return "independent" if ((matrix >= 0) & (matrix <= 1)).all() else "logits"


def vectors(table: pa.Table, name: str, space: str | None, notes: Notes) -> tuple[pa.Array, pa.Field]:
    """A column of vectors (n, d) float32, with the name of their space where it has one."""
    matrix = lists(table, name, None, "vectors", notes)
    sound = np.isfinite(matrix).all(1)
    if lost := int((~sound).sum()):
        notes.count(f"rows without a finite vector in '{name}' became null", lost)
    column = _fixed(matrix, sound)
    metadata = {FINGERPRINT: f"{SPACE}{space}".encode()} if space else {}
    return column, pa.field(name, column.type, metadata=metadata)


def lists(table: pa.Table, name: str, length: int | None, what: str, notes: Notes) -> np.ndarray:
    """(n, length) float32 of a list column, or of texts that hold lists; rows of null are NaN."""
    if name not in table.column_names:
        raise BadInput(f"{what}: the table has no column '{name}'; it has: {', '.join(table.column_names[:40])}")
    values = table[name].combine_chunks()
    if pa.types.is_string(values.type):
        values = _from_texts(name, values, what)
    if not (
        pa.types.is_list(values.type) or pa.types.is_fixed_size_list(values.type) or pa.types.is_large_list(values.type)
    ):
        raise BadInput(f"{what}: the column '{name}' holds {values.type}, not lists of numbers")
    if not (pa.types.is_floating(values.type.value_type) or pa.types.is_integer(values.type.value_type)):
        raise BadInput(f"{what}: the column '{name}' holds {values.type}, not lists of numbers")
    sizes = np.asarray(pc.list_value_length(values).fill_null(-1))
    there = np.flatnonzero(sizes >= 0)
    if not len(there):
        raise BadInput(f"{what}: the column '{name}' has no value")
    length = length or int(np.bincount(sizes[there]).argmax())
    other = there[sizes[there] != length]
    if len(other) or not length:
        raise BadInput(
            f"{what}: {len(other):,} of {len(there):,} lists in '{name}' have not {length} values, row {int(other[0]) if len(other) else 0} "
            f"for instance has {int(sizes[other[0]]) if len(other) else 0}"
        )
    matrix = np.full((len(values), length), np.nan, np.float32)
    flat = pc.list_flatten(values).cast(pa.float32())
    matrix[there] = np.asarray(flat.fill_null(float("nan"))).reshape(-1, length)
    return matrix


def _from_texts(name: str, values: pa.Array, what: str) -> pa.Array:
    """Lists from texts such as "[0.1, 0.9]", "[0.1 0.9]" or "0.1;0.9", as CSV files hold them."""
    made: list[list[float] | None] = []
    for text in values.to_pylist():
        if text is None or not text.strip():
            made.append(None)
            continue
        try:
            made.append([float(part) for part in re.split(r"[\s,;]+", text.strip().strip("[]()").strip())])
        except ValueError:
            raise BadInput(f"{what}: the column '{name}' holds {text!r:.60}, which is not a list of numbers") from None
    return pa.array(made, pa.list_(pa.float64()))


def _stacked(table: pa.Table, members: Sequence[str]) -> np.ndarray:
    pieces = []
    for name in members:
        kind = table.schema.field(name).type
        if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
            raise BadInput(f"scores: the column '{name}' holds {kind}, not numbers; name the score columns' pattern")
        pieces.append(np.asarray(table[name].cast(pa.float64()).fill_null(float("nan")), np.float32))
    return np.stack(pieces, 1)


def _fixed(matrix: np.ndarray, sound: np.ndarray) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(matrix, np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, matrix.shape[1], mask=pa.array(~sound))
