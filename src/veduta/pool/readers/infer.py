"""Arrow types of plain Python values, and values made to fit an Arrow type."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable
from datetime import date, datetime, time
from typing import Any

import pyarrow as pa

# A mapping with more keys than this is data, not a record; it is kept as JSON text.
MOST_KEYS = 64
_NULL, _BOOL, _INT, _FLOAT, _STRING = pa.null(), pa.bool_(), pa.int64(), pa.float64(), pa.string()


def kind(value: Any) -> pa.DataType:
    """The Arrow type of one value as JSON has them; anything unusual becomes text."""
    if value is None:
        return _NULL
    if isinstance(value, bool):
        return _BOOL
    if isinstance(value, int):
        return _INT if -(2**63) <= value < 2**63 else _STRING
    if isinstance(value, float):
        return _FLOAT
    if isinstance(value, (list, tuple)):
        return pa.list_(join_all(kind(v) for v in value))
    if isinstance(value, dict) and value and len(value) <= MOST_KEYS:
        return pa.struct([pa.field(clean(str(k)), kind(v)) for k, v in value.items()])
    return _STRING


def join(a: pa.DataType, b: pa.DataType) -> pa.DataType:
    """The narrowest type that holds values of both; text where there is none."""
    if a == b or pa.types.is_null(b):
        return a
    if pa.types.is_null(a):
        return b
    if {a, b} == {_INT, _FLOAT}:
        return _FLOAT
    if pa.types.is_list(a) and pa.types.is_list(b):
        return pa.list_(join(a.value_type, b.value_type))
    if pa.types.is_struct(a) and pa.types.is_struct(b):
        fields = {f.name: f.type for f in a}
        for f in b:
            fields[f.name] = join(fields.get(f.name, _NULL), f.type)
        return pa.struct(list(fields.items())) if len(fields) <= MOST_KEYS else _STRING
    return _STRING


def join_all(kinds: Iterable[pa.DataType]) -> pa.DataType:
    """`join` over many types."""
    total = _NULL
    for one in kinds:
        total = join(total, one)
    return total


def settle(type_: pa.DataType) -> pa.DataType:
    """A type that a table can store: what held only nulls becomes text, wide variants become their plain forms."""
    t = pa.types
    if t.is_null(type_) or t.is_large_string(type_) or t.is_string_view(type_):
        return _STRING
    if t.is_dictionary(type_):
        return settle(type_.value_type)
    if t.is_fixed_size_list(type_):
        return pa.list_(settle(type_.value_type), type_.list_size)
    if t.is_list(type_) or t.is_large_list(type_):
        return pa.list_(settle(type_.value_type))
    if t.is_struct(type_):
        return pa.struct([pa.field(f.name, settle(f.type)) for f in type_])
    return type_


def clean(text: str) -> str:
    """The text without anything that UTF-8 cannot hold (lone surrogates, undecodable bytes)."""
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        pass
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()


def plain(value: Any) -> Any:
    """The value as strict JSON can hold it: times as ISO text, bytes as base64, NaN and infinities by name."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def fit(value: Any, type_: pa.DataType) -> Any:
    """The value as `type_` takes it; the inverse of `plain` where that changed it. ValueError if it cannot be."""
    t = pa.types
    if value is None or t.is_null(type_):
        return None
    if t.is_string(type_):
        if isinstance(value, str):
            return clean(value)
        return json.dumps(plain(value), ensure_ascii=False) if isinstance(value, (dict, list, tuple)) else str(value)
    try:
        if t.is_boolean(type_):
            return bool(value)
        if t.is_integer(type_):
            return int(value)
        if t.is_floating(type_):
            return float(value)
        if t.is_list(type_) or t.is_fixed_size_list(type_) or t.is_large_list(type_):
            values = value if isinstance(value, (list, tuple)) else [value]
            return [fit(v, type_.value_type) for v in values]
        if t.is_struct(type_):
            return {f.name: fit(value.get(f.name), f.type) for f in type_}
        if isinstance(value, str):
            if t.is_binary(type_) or t.is_large_binary(type_) or t.is_fixed_size_binary(type_):
                return base64.b64decode(value, validate=True)
            if t.is_timestamp(type_):
                return datetime.fromisoformat(value)
            if t.is_date(type_):
                return date.fromisoformat(value[:10])
            if t.is_time(type_):
                return time.fromisoformat(value)
    except (TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{str(value)[:60]!r} is not {type_}: {error}") from None
    return value
