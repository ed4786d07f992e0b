"""How a text table is written: its separator, its header, its quotes and what its cells are."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from veduta.pool import limits
from veduta.pool.readers import images
from veduta.pool.readers.infer import fit

SEPARATORS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "pipe"}
_INT = re.compile(r"-?(0|[1-9][0-9]{0,17})")
# A leading zero or too many digits mean that a cell is a name made of digits.
_FLOAT = re.compile(r"-?(?:(?:0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+|[1-9][0-9]*(?=e))(?:e[-+]?[0-9]+)?|-?inf")
_ROUND = re.compile(r"-?(0|[1-9][0-9]{0,14})\.0*")
_COMMA = re.compile(r"-?[0-9]+,[0-9]+")

# What a cell is. ROUND: a whole number with a point, as pandas writes integers beside gaps; LONG: digits that a float
# would round; COMMA: a number with a decimal comma.
NULL, NAN, TRUTH, WHOLE, LONG = "null", "nan", "truth", "whole", "long"
ROUND, REAL, COMMA, TEXT = "round", "real", "comma", "text"
# Words for a missing value among numbers. Among texts they may be meant ("None" of a defect, "NA" for Namibia).
MISSING = frozenset(("NA", "N/A", "n/a", "<NA>", "#N/A", "None", "NULL", "null", "NaN", "nan"))
_WIDER = {
    frozenset(pair): wide
    for *pair, wide in (
        (WHOLE, LONG, LONG),
        (WHOLE, ROUND, REAL),
        (WHOLE, REAL, REAL),
        (ROUND, REAL, REAL),
        *((NAN, number, number) for number in (TRUTH, WHOLE, LONG, ROUND, REAL)),
    )
}
_TYPES = {TRUTH: pa.bool_(), WHOLE: pa.int64(), LONG: pa.int64(), ROUND: pa.float64(), REAL: pa.float64()}


def cell_kind(cell: str) -> str:
    """What one cell is by itself."""
    if cell == "":
        return NULL
    first = cell[0]
    if first in "0123456789-.":
        if _INT.fullmatch(cell):
            return WHOLE if len(cell) < 16 else LONG
        if _ROUND.fullmatch(cell):
            return ROUND
        if _FLOAT.fullmatch(cell.lower()):
            return REAL
        return COMMA if _COMMA.fullmatch(cell) else TEXT
    if cell in MISSING:
        return NAN
    if len(cell) < 6 and first in "tTfFnNi":
        lower = cell.lower()
        if lower in ("true", "false"):
            return TRUTH
        return NAN if lower == "nan" else REAL if lower == "inf" else TEXT
    return TEXT


def wider(a: str, b: str) -> str:
    """What a column of both is."""
    if a == b or b == NULL:
        return a
    return b if a == NULL else _WIDER.get(frozenset((a, b)), TEXT)


def column_type(kind: str, gaps: bool) -> pa.DataType:
    """The Arrow type of a column of a kind. gaps: whether some of its cells are empty."""
    return pa.int64() if kind == ROUND and gaps else _TYPES.get(kind, pa.string())


def cell_value(cell: str, type_: pa.DataType) -> Any:
    """A cell as a value of its column's type. Text stays as it is: a path may hold bytes that are not UTF-8."""
    if cell == "":
        return None
    if pa.types.is_string(type_):
        return cell
    if cell in MISSING or cell.lower() == "nan":
        return None
    if pa.types.is_boolean(type_):
        return cell.lower() == "true"
    return int(cell.partition(".")[0]) if pa.types.is_integer(type_) else fit(cell, type_)


@dataclass(frozen=True)
class Dialect:
    """separator: between cells; spaced: a space follows it; by_line: every line is a row, whatever its quotes."""

    separator: str
    spaced: bool = False
    by_line: bool = False

    def records(self, lines: Iterator[str]) -> Iterator[list[str]]:
        """The cells of every record."""
        csv.field_size_limit(limits.CELL)
        if not self.by_line:
            return csv.reader(lines, delimiter=self.separator, skipinitialspace=self.spaced)
        return map(self._cells, lines)  # goes on after a line that cannot be parsed, where a generator would end

    def _cells(self, line: str) -> list[str]:
        quoting = csv.QUOTE_NONE if line.count('"') % 2 else csv.QUOTE_MINIMAL
        return next(csv.reader([line], delimiter=self.separator, skipinitialspace=self.spaced, quoting=quoting), [])


def sniff(lines: Sequence[str], usual: str, by_line: bool) -> Dialect:
    """The dialect of a table's first lines. usual: the separator that its name speaks for, taken where none fits better."""

    def fits(separator: str) -> tuple[int, int, bool]:
        try:
            rows = [row for row in Dialect(separator, by_line=by_line).records(iter(lines)) if row]
        except csv.Error:
            rows = []
        width = len(rows[0]) if rows else 0
        same = sum(abs(len(row) - width) <= 1 for row in rows)
        return (width > 1) * same, width, separator == usual

    best = max(SEPARATORS, key=fits)
    separator = best if fits(best)[1] > 1 else usual
    cells = lines[0].rstrip("\r\n").split(separator) if lines else []
    return Dialect(separator, len(cells) > 1 and all(c.startswith(" ") for c in cells[1:]), by_line)


def header(rows: Sequence[Sequence[str]]) -> tuple[list[str], str]:
    """The names of the columns, and "" if the first row holds them, else what the table looks like without them.

    rows: the first rows. A row that names an image is not a header.
    """
    first = [cell.strip() for cell in rows[0]]
    place = next((i for i, cell in enumerate(first) if _is_image(cell)), None)
    if place is None:
        if rows[1:] and all(len(row) == len(first) + 1 and not _is_image(row[0]) for row in rows[1:] if row):
            return ["", *first], ""  # row names, as R writes them
        return first, ""
    names = [f"column_{i}" for i in range(len(first))]
    names[place] = "file_name"
    rest = [i for i in range(len(first)) if i != place]
    numbers = [
        i
        for i in rest
        if Counter(cell_kind(r[i]) in (WHOLE, ROUND, REAL, NULL) for r in rows if len(r) > i)[True] == len(rows)
    ]
    others = [i for i in rest if i not in numbers]
    if (
        len(first) >= 10
        and place == 1
        and first[0].upper() in ("TRAIN", "TRAINING", "TEST", "VALIDATE", "VALIDATION", "UNASSIGNED")
    ):
        names[:3] = ["split", "file_name", "class"]
        names[3], names[4], names[7], names[8] = "xmin", "ymin", "xmax", "ymax"
        return names, "split, file_name, class and a box by its corners"
    if len(numbers) == 4 and len(others) <= 1:
        for i, name in zip(numbers, ("xmin", "ymin", "xmax", "ymax"), strict=True):
            names[i] = name
        for i in others:
            names[i] = "class"
        return names, "file_name, a box by its corners and class"
    if len(rest) == 1:
        words = sorted(len(r[rest[0]].split()) for r in rows if len(r) > rest[0])
        names[rest[0]] = "caption" if words and words[len(words) // 2] > 3 else "label"
    return names, ", ".join(names)


def _is_image(cell: str) -> bool:
    return images.is_image(cell) and " " not in images.suffix(cell)
