"""Conditions that come from a page: SQL in the dialect of `--where`, held to what reads little and ends soon.

Lance takes a single expression over the columns, never a statement, so that nothing can be written or read besides. What
is left to refuse is an expression whose values grow: one word of `repeat` asks for terabytes. Only functions whose result is
no larger than what they are given are let through.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from veduta.app.state import LONGEST, Pick
from veduta.errors import BadInput
from veduta.pool import View
from veduta.pool.condition import parsed
from veduta.pool.condition_words import refused

FUNCTIONS = [
    "abs",
    "array_contains",
    "array_has",
    "array_has_all",
    "array_has_any",
    "array_length",
    "cardinality",
    "ceil",
    "char_length",
    "coalesce",
    "contains",
    "date_part",
    "date_trunc",
    "ends_with",
    "exp",
    "floor",
    "ifnull",
    "isnan",
    "length",
    "ln",
    "log10",
    "lower",
    "nullif",
    "octet_length",
    "power",
    "regexp_like",
    "regexp_match",
    "round",
    "sign",
    "sqrt",
    "starts_with",
    "strpos",
    "trim",
    "trunc",
    "upper",
]
LARGEST = {"halffloat": "65504.0", "float": "3.4028234e38", "double": "1.797693e308"}
"""Numbers beyond are not finite."""

WORDS, DEEP = 1500, 30
"""What a condition may have of names, values and signs, and how deep it may nest."""


def checked(condition: str, columns: Sequence[str] | None = None) -> str:
    """The condition if it may be run over `columns` (None: whatever there are). Raises BadInput with the part that may not."""
    from sqlglot import exp

    if len(condition) > LONGEST:
        raise BadInput(f"the condition has {len(condition):,} characters; at most {LONGEST:,} are taken")
    nodes, deepest = 0, 0
    depths: dict[int, int] = {}
    for node in parsed(condition, columns).walk(bfs=False):
        nodes += not isinstance(node, exp.Identifier)
        # A chain of and / or is a flat list, however the tree stands.
        flat = isinstance(node, exp.Connector) and isinstance(node.parent, exp.Connector)
        depths[id(node)] = depths.get(id(node.parent), 0) + (not flat)
        deepest = max(deepest, depths[id(node)])
        if isinstance(node, exp.DPipe):
            raise BadInput("'||' may not stand in a condition of a page: its texts grow; compare the parts")
        if isinstance(node, exp.Anonymous):
            _may_call(node)
    if nodes > WORDS or deepest > DEEP:
        raise BadInput(f"the condition has more than {WORDS:,} words or is nested deeper than {DEEP}; make it simpler")
    return condition


def _may_call(call: Any) -> None:
    quoted = not isinstance(call.this, str)
    name = f"`{call.name}`" if quoted else call.name.lower()
    if quoted or name not in FUNCTIONS:
        raise BadInput(f"the function '{name}' may not stand in a condition; those that may: {', '.join(FUNCTIONS)}")


def told(pool: View, condition: str, error: Exception) -> BadInput:
    """What Lance says of a condition, in a sentence."""
    return refused(condition, error, pool.schema.names)


def of_pick(pool: View, pick: Pick) -> str:
    """A facet's choice as a condition. Raises MissingColumn; BadInput for what does not fit the column."""
    kind, name = pool.require(pick.column, needed_by="this choice").type, quoted(pick.column)
    ranged = pick.low is not None or pick.high is not None
    if pick.values is None and not ranged:
        raise BadInput(f"the choice of '{pick.column}' names neither values nor a range")
    named = [value for value in pick.values or () if value is not None]
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        if named:
            raise BadInput(f"the column '{pick.column}' holds numbers; choose a range of them, low to high")
        return _number(name, kind, pick)
    if ranged:
        raise BadInput(f"the column '{pick.column}' holds {kind}, which has no range; choose values")
    if any(isinstance(value, bool) != pa.types.is_boolean(kind) for value in named):
        raise BadInput(f"the column '{pick.column}' holds {kind}, so {named[0]!r} is none of its values")
    missing = f"{name} is null"
    if pa.types.is_list(kind):
        parts = [f"array_has({name}, {_literal(value)})" for value in named]
        missing = f"{name} is null or coalesce(array_length({name}), 0) = 0"
    elif pa.types.is_boolean(kind):
        parts = [name if value else f"not {name}" for value in named]
    else:
        column = f"cast({name} as string)" if pa.types.is_temporal(kind) else name
        parts = [f"{column} in ({', '.join(map(_literal, named))})"] if named else []
    parts += [missing] if None in (pick.values or ()) else []
    return f"({' or '.join(parts)})" if parts else "false"


def _number(name: str, kind: pa.DataType, pick: Pick) -> str:
    """Conditions on numbers; one that is not finite counts as missing, as in the histogram."""
    largest = LARGEST.get(str(kind))
    finite = f"({name} >= -{largest} and {name} <= {largest})" if largest else f"{name} is not null"
    if pick.values is not None:
        return f"({name} is null or not {finite})" if None in pick.values else "false"
    if largest is None:
        return _whole(name, str(kind), pick)
    low = [f"{name} >= {pick.low!r}"] if pick.low is not None else []
    high = [f"{name} <= {pick.high!r}"] if pick.high is not None else []
    return f"({' and '.join([finite, *low, *high])})"


def _whole(name: str, kind: str, pick: Pick) -> str:
    """Bounds as the column's own numbers, where they bound anything: Lance takes a larger number for null."""
    least, most = int(np.iinfo(kind).min), int(np.iinfo(kind).max)
    low = least if pick.low is None else math.ceil(pick.low)
    high = most if pick.high is None else math.floor(pick.high)
    if low > min(high, most) or high < least:
        return "false"
    parts = [f"{name} >= {low}"] if low > least else []
    parts += [f"{name} <= {high}"] if high < min(most, 2**63 - 1) else []
    return f"({' and '.join([f'{name} is not null', *parts])})"


def any_of(column: str, texts: Iterable[str]) -> str:
    """The rows whose text is one of some."""
    return f"{quoted(column)} in ({', '.join(map(_literal, texts))})"


def begins(pool: View, column: str, prefix: str) -> str:
    """The rows whose text begins with some letters. Raises MissingColumn, BadInput."""
    pool.require(column, needed_by="this choice")
    return f"starts_with({quoted(column)}, {_literal(prefix)})"


def all_of(conditions: Iterable[str]) -> str | None:
    """The conditions joined, None for none."""
    parts = [f"({condition})" for condition in conditions]
    return " and ".join(parts) or None


def quoted(column: str) -> str:
    """A column's name in SQL. Raises BadInput for one that SQL cannot name."""
    if "`" in column:
        raise BadInput(f"the column {column!r} has a backtick in its name, which a condition cannot hold")
    return f"`{column}`"


def _literal(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "'" + str(value).replace("'", "''") + "'"
