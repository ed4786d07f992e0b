"""Arrow types of plain Python values, and values made to fit an Arrow type."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterable
from datetime import date, datetime, time
from typing import Any

import pyarrow as pa

# A mapping with more keys than this is data, not a record; it is kept as JSON text.
MOST_KEYS = 64
_SURROGATE = re.compile("[\ud800-\udfff]")
# While types are inferred: integers that a float64 would round. Settled to int64.
LONG = pa.decimal256(19, 0)
_NULL, _BOOL, _INT, _FLOAT, _STRING = pa.null(), pa.bool_(), pa.int64(), pa.float64(), pa.string()


def kind(value: Any) -> pa.DataType:
    """The Arrow type of one value as JSON has them; anything unusual becomes text."""
    if value is None:
        return _NULL
    if isinstance(value, bool):
        return _BOOL
    if isinstance(value, int):
        return _INT if abs(value) <= 2**53 else LONG if -(2**63) <= value < 2**63 else _STRING
    if isinstance(value, float):
        return _NULL if value != value else _FLOAT  # NaN says that nothing is there
    if isinstance(value, bytes):
        return pa.binary()
    if isinstance(value, datetime):
        return pa.timestamp("us", tz="UTC" if value.tzinfo else None)
    if isinstance(value, (list, tuple)):
        return pa.list_(join_all(kind(v) for v in value))
    if isinstance(value, dict) and value and len(value) <= MOST_KEYS:
        return pa.struct([pa.field(clean(str(k)), kind(v)) for k, v in value.items()])
    return _STRING


def join(a: pa.DataType, b: pa.DataType) -> pa.DataType:
    """The narrowest type that holds values of both; text where there is none."""
    t = pa.types
    if a == b or t.is_null(b):
        return a
    if t.is_null(a):
        return b
    if t.is_integer(a) and t.is_integer(b):
        return _INT if pa.uint64() not in (a, b) else _STRING
    if t.is_floating(a) and t.is_floating(b):
        return _FLOAT
    if {a, b} == {_INT, _FLOAT}:
        return _FLOAT
    if {a, b} == {_INT, LONG}:
        return LONG
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
    """A type that the table engine stores: what held only nulls becomes text, wide variants become their plain forms."""
    t = pa.types
    if t.is_null(type_) or t.is_large_string(type_) or t.is_string_view(type_) or t.is_interval(type_):
        return _STRING
    if type_ == LONG:
        return _INT
    if t.is_binary_view(type_):
        return pa.large_binary()
    if t.is_dictionary(type_) or t.is_run_end_encoded(type_):
        return settle(type_.value_type)
    if isinstance(type_, pa.BaseExtensionType):
        return settle(type_.storage_type)
    if t.is_fixed_size_list(type_) and (t.is_floating(type_.value_type) or t.is_integer(type_.value_type)):
        return type_
    if t.is_map(type_):
        return pa.list_(pa.struct([("key", settle(type_.key_type)), ("value", settle(type_.item_type))]))
    if any(
        is_a(type_) for is_a in (t.is_list, t.is_large_list, t.is_fixed_size_list, t.is_list_view, t.is_large_list_view)
    ):
        return pa.list_(settle(type_.value_type))
    if t.is_struct(type_):
        return pa.struct([pa.field(f.name, settle(f.type)) for f in type_])
    return type_


def clean(text: str) -> str:
    """The text without anything that UTF-8 cannot hold: bytes that are not UTF-8 are read as Windows-1252."""
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        pass
    return _SURROGATE.sub(_meant, text)


def _meant(found: re.Match[str]) -> str:
    code = ord(found[0])
    if not 0xDC80 <= code <= 0xDCFF:
        return "?"
    byte = bytes([code - 0xDC00])
    return byte.decode("cp1252", "ignore") or byte.decode("latin-1")


def plain(value: Any) -> Any:
    """The value as strict JSON can hold it: times as ISO text, bytes as base64, NaN and infinities by name."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if hasattr(value, "tolist"):  # numpy's arrays and numbers
        return plain(value.tolist())
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def fit(value: Any, type_: pa.DataType) -> Any:
    """The value as `type_` takes it; the inverse of `plain` where that changed it. ValueError if it would be lost.

    NaN is null, except where the type is one of floating-point numbers inside a list (a vector).
    """
    t = pa.types
    if value is None or t.is_null(type_):
        return None
    if isinstance(value, float) and value != value and not t.is_floating(type_):
        return None
    if t.is_string(type_):
        if isinstance(value, str):
            return clean(value)
        value = plain(value)
        return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)
    try:
        if t.is_boolean(type_):
            return _exactly(value, bool)
        if t.is_integer(type_):
            return _exactly(value, int)
        if t.is_floating(type_):
            return float(value)
        if t.is_list(type_) or t.is_fixed_size_list(type_) or t.is_large_list(type_):
            values: list[Any] = list(value) if isinstance(value, (list, tuple)) else [value]
            if t.is_struct(type_.value_type) and values and isinstance(values[0], tuple):  # a map's entries
                values = [{"key": key, "value": each} for key, each in values]
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


def _exactly(value: Any, kind_: type) -> Any:
    new = kind_(value)
    if not isinstance(value, str) and new != value:
        raise ValueError(f"{str(value)[:60]!r} is not {kind_.__name__}")
    return new
