"""Numbers as a spreadsheet writes them outside of English: 1,5 and 1 234."""

from __future__ import annotations

import re
from collections.abc import Collection

import pyarrow as pa

from veduta.pool.readers.notes import Notes

_WHOLE = r"-?(?:0|[1-9]\d*)"
_DECIMAL = re.compile(rf"{_WHOLE}(?:,\d+)?")
_GROUPED = re.compile(r"-?[1-9]\d{0,2}(?:[, \u00a0\u202f'’]\d{3})+(?:[.,]\d+)?")
_PLAIN = re.compile(rf"{_WHOLE}(?:[.,]\d+)?")
LEFT = "numbers with a decimal comma are left as text"


def local_numbers(table: pa.Table, separators: Collection[str], on: str, notes: Notes) -> pa.Table:
    """The table with the columns of decimal commas as float64, told; those that may mean something else stay text, told.

    separators: of the CSV files that it came from; with a comma among them nothing is converted. on: never converted.
    """
    for place, name in enumerate(table.column_names):
        if name == on or not pa.types.is_string(table.schema.field(name).type):
            continue
        texts = [None if text is None or not text.strip() else text.strip() for text in table[name].to_pylist()]
        given = [text for text in texts if text is not None]
        odd = next((text for text in given if not _PLAIN.fullmatch(text) or "," in text), None)
        if odd is None:
            continue
        grouped = [text for text in given if _GROUPED.fullmatch(text)]
        if all(map(_DECIMAL.fullmatch, given)) and not all(text in grouped for text in given if "," in text):
            if "," in separators:
                _left(name, odd, LEFT, notes)
                continue
            numbers = [None if text is None else float(text.replace(",", ".")) for text in texts]
            table = table.set_column(place, name, pa.array(numbers, pa.float64()))
            _forget(name, notes)
            value = odd.replace(",", ".")
            notes.guess(f"the numbers in '{name}'", f"read with a decimal comma, so that {odd} is {value}")
        elif grouped and all(_GROUPED.fullmatch(text) or _PLAIN.fullmatch(text) for text in given):
            _left(name, grouped[0], "numbers that may have thousands separators are left as text", notes)
    return table


def _left(name: str, example: str, why: str, notes: Notes) -> None:
    _forget(name, notes)
    notes.warn(f"column {name}", f"{why}, such as '{example}'; write them as 1234.5 to import numbers")


def _forget(name: str, notes: Notes) -> None:
    """Take back what the reader said of the column."""
    said = (f"column {name}", LEFT)
    notes.counts["warnings"] -= notes.warnings.count(said)
    notes.warnings[:] = [one for one in notes.warnings if one != said]
