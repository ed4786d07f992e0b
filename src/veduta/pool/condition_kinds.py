"""The types of a condition's parts, and their words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

_TEXT = [
    "btrim",
    "char_length",
    "ends_with",
    "left",
    "lower",
    "ltrim",
    "length",
    "regexp_like",
    "regexp_match",
    "replace",
    "right",
    "rtrim",
    "split_part",
    "starts_with",
    "strpos",
    "substr",
    "substring",
    "trim",
    "upper",
    "contains",
]
_NUMBER = ["abs", "ceil", "exp", "floor", "isnan", "ln", "log10", "power", "round", "sign", "sqrt", "trunc"]
_LIST = ["array_contains", "array_has", "array_has_all", "array_has_any", "array_length", "cardinality"]
TAKES = dict.fromkeys(_TEXT, "text") | dict.fromkeys(_NUMBER, "number") | dict.fromkeys(_LIST, "list")
"""What a function's first argument must be."""

_GIVES: dict[str, pa.DataType] = {
    **dict.fromkeys(["array_length", "cardinality", "char_length", "length", "octet_length", "strpos"], pa.int64()),
    **dict.fromkeys(
        ["ceil", "exp", "floor", "ln", "log10", "power", "round", "sqrt", "trunc", "date_part"], pa.float64()
    ),
    **dict.fromkeys(
        [
            "btrim",
            "concat",
            "left",
            "lower",
            "ltrim",
            "replace",
            "right",
            "rtrim",
            "split_part",
            "substr",
            "substring",
            "trim",
            "upper",
        ],
        pa.string(),
    ),
    **dict.fromkeys(
        ["array_contains", "array_has", "array_has_all", "array_has_any", "contains", "ends_with", "isnan"], pa.bool_()
    ),
    **dict.fromkeys(["regexp_like", "starts_with"], pa.bool_()),
    "now": pa.timestamp("us"),
}
_CASTS = {
    **dict.fromkeys(["TINYINT", "SMALLINT", "INT", "BIGINT", "UTINYINT", "USMALLINT", "UINT", "UBIGINT"], pa.int64()),
    **dict.fromkeys(["FLOAT", "DOUBLE", "DECIMAL"], pa.float64()),
    **dict.fromkeys(["TEXT", "VARCHAR", "NVARCHAR", "CHAR"], pa.string()),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
}
_WORDS = {"text": "text", "bool": "true or false", "list": "a list", "struct": "several fields"}


def group(found: pa.DataType | None) -> str | None:
    """number, text, bool, time, list or struct: what can be compared with its like. None: anything else."""
    t = pa.types
    if found is None:
        return None
    tests = {
        "number": t.is_integer(found) or t.is_floating(found) or t.is_decimal(found),
        "text": t.is_string(found) or t.is_large_string(found),
        "bool": t.is_boolean(found),
        "time": t.is_timestamp(found) or t.is_date(found),
        "list": t.is_list(found) or t.is_large_list(found) or t.is_fixed_size_list(found),
        "struct": t.is_struct(found),
    }
    return next((name for name, holds in tests.items() if holds), None)


def called(found: pa.DataType) -> str:
    """A type in words, as in "it holds whole numbers"."""
    if pa.types.is_integer(found):
        return "whole numbers"
    if pa.types.is_date(found):
        return "dates"
    if pa.types.is_timestamp(found):
        return "times"
    return _WORDS.get(group(found) or "", "numbers" if group(found) == "number" else str(found))


def value_for(found: pa.DataType, given: Any) -> str:
    """How a value is written that is compared with a column of this type."""
    if pa.types.is_timestamp(found):
        return "write timestamp '2024-06-01 00:00:00'"
    if pa.types.is_date(found):
        return "write date '2024-06-01'"
    kind = group(found)
    if kind == "number":
        plain = given.this if is_text(given) else ""
        return f"write {plain} without quotes" if re.fullmatch(r"-?\d+(\.\d+)?", plain) else "write a number"
    if kind == "struct":
        return "name one of its fields: " + ", ".join(field.name for field in found)
    return {
        "text": "write a 'text'",
        "bool": "write true or false",
        "list": "write array_has(column, value), or compare array_length(column)",
    }.get(kind or "", "write such a value")


def cast_to(name: str) -> pa.DataType | None:
    """The type that a cast to `name` gives, None where it is not known here."""
    return _CASTS.get(name)


def given_by(name: str, given: Sequence[pa.DataType | None]) -> pa.DataType | None:
    """The type of a function's value, None where it is not known here."""
    if name in ("abs", "sign", "nullif") and given:
        return given[0]
    if name in ("coalesce", "ifnull") and given and all(found == given[0] for found in given):
        return given[0]
    return _GIVES.get(name)


def number(text: str) -> pa.DataType:
    """The type of a number that stands in a condition."""
    return pa.int64() if text.isdigit() and int(text) < 2**63 else pa.float64()


def field_of(found: pa.DataType | None, name: str) -> pa.DataType | None:
    """The type of a field of a struct."""
    if found is None or not pa.types.is_struct(found):
        return None
    return next((field.type for field in found if field.name.lower() == name.lower()), None)


def part_of(found: pa.DataType | None, index: Sequence[Any]) -> pa.DataType | None:
    """The type of a list's value or a struct's field."""
    if found is None or len(index) != 1:
        return None
    return found.value_type if group(found) == "list" else field_of(found, str(index[0].this))


def is_text(node: Any) -> bool:
    """Whether a part of the tree is a text in quotes."""
    return type(node).__name__ == "Literal" and node.is_string


def is_constant(node: Any) -> bool:
    """Whether a part of the tree is the same for every row."""
    return not any(type(part).__name__ in ("Column", "Anonymous") for part in node.walk())


def whole_value(node: Any) -> int | None:
    """The value of a whole number such as 3, -3 or (3)."""
    match type(node).__name__:
        case "Paren":
            return whole_value(node.this)
        case "Neg":
            value = whole_value(node.this)
            return None if value is None else -value
        case "Literal" if not node.is_string and node.this.isdigit():
            return int(node.this)
    return None
