"""Column names made fit for the pool's table, by one function for all readers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from veduta.pool.readers.infer import clean
from veduta.pool.readers.notes import Notes

# The table engine keeps these for itself or makes them in its answers.
RESERVED = re.compile(r"_(rowid|rowaddr|rowoffset|row_.*|distance|score|relevance_score|fragid)", re.IGNORECASE)
LONGEST = 200
_ODD = re.compile("[\\x00-\\x1f\\x7f-\\x9f\u2028\u2029.`]+")


def tidy(names: Iterable[str], notes: Notes | None = None) -> list[str]:
    """The names as columns can have them: in NFC, without dots, backticks and control characters, each one once.

    An empty name becomes `unnamed_<position>`, a reserved one such as `_rowid` gets the prefix `source`, the second of
    two equal names the end `_2`. notes: told of every name that changed.
    """
    given = list(names)
    taken = {name for name in given if _plain(name, 0) == name}
    used: set[str] = set()
    out = []
    for place, name in enumerate(given):
        new = _plain(name, place)
        if new in used or (new != name and new in taken):
            stem, number = new, 2
            while (new := f"{stem}_{number}") in used or new in taken:
                number += 1
        used.add(new)
        out.append(new)
        if new != name and notes is not None:
            tell_renamed(name, new, notes)
    return out


def tell_renamed(old: str, new: str, notes: Notes) -> None:
    """Note that a column has another name than its source gave it."""
    same = unicodedata.normalize("NFC", clean(old)) == new
    why = ": each accented letter is one character now (Unicode NFC)" if same else ""
    notes.warn(f"column {clean(old)[:80]!r}", f"renamed to '{new}'{why}")
    notes.count("columns renamed")


def tidy_type(kind: pa.DataType) -> pa.DataType:
    """The type with the names of all structs in it made tidy; the same type where they are."""
    t = pa.types
    if t.is_struct(kind):
        names = tidy(f.name for f in kind)
        return pa.struct([pa.field(n, tidy_type(f.type)) for n, f in zip(names, kind, strict=True)])
    if t.is_fixed_size_list(kind):
        return pa.list_(tidy_type(kind.value_type), kind.list_size)
    if t.is_list(kind):
        return pa.list_(tidy_type(kind.value_type))
    return kind


def renamed(value: Any, old: pa.DataType, new: pa.DataType) -> Any:
    """A value of the type `old` under the names of `new`, which is its tidy form."""
    if value is None or old == new:
        return value
    if pa.types.is_struct(old):
        return {n.name: renamed(value.get(o.name), o.type, n.type) for o, n in zip(old, new, strict=True)}
    return [renamed(v, old.value_type, new.value_type) for v in value]


def _plain(name: str, place: int) -> str:
    text = _ODD.sub("_", unicodedata.normalize("NFC", clean(name)).strip())[:LONGEST].rstrip()
    if text in ("", "*") or (not text.strip("_ ") and text != name):
        return f"unnamed_{place}"
    return f"source{text}" if RESERVED.fullmatch(text) else text
