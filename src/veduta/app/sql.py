"""Conditions that come from a page: SQL in the dialect of `--where`, held to what reads little and ends soon.

Lance takes a single expression over the columns, never a statement, so that nothing can be written or read besides. What
is left to refuse is an expression whose values grow: one word of `repeat` asks for terabytes. Only functions whose result is
no larger than what they are given are let through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from veduta.app.state import LONGEST, Pick
from veduta.errors import BadInput
from veduta.pool import View

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
    "levenshtein",
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
_WORDS = [
    "and",
    "or",
    "not",
    "in",
    "is",
    "null",
    "like",
    "ilike",
    "between",
    "case",
    "when",
    "then",
    "else",
    "end",
    "cast",
    "try_cast",
]
_LITERAL = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`")
_CALL = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*\(")
_FORBIDDEN = re.compile(
    r"\b(select|from|with|union|copy|insert|update|delete|create|drop|set)\b|;|--|/\*|\|\|", re.IGNORECASE
)


def checked(condition: str) -> str:
    """The condition if it may be run. Raises BadInput with the part that may not."""
    if len(condition) > LONGEST:
        raise BadInput(f"the condition has {len(condition):,} characters; at most {LONGEST:,} are taken")
    bare = _LITERAL.sub(" '' ", condition)
    if "'" in bare.replace("''", "") or '"' in bare:
        raise BadInput(f"a quote is not closed in the condition {condition!r}")
    found = _FORBIDDEN.search(bare)
    if found:
        raise BadInput(
            f"'{found.group(0)}' may not stand in a condition; it is one expression over the columns, such as: "
            "label = 'cat' and quality_blurry < 0.5"
        )
    for name in _CALL.findall(bare):
        if name.lower() not in FUNCTIONS and name.lower() not in _WORDS:
            raise BadInput(
                f"the function '{name}' may not stand in a condition; those that may: {', '.join(FUNCTIONS)}"
            )
    if bare.count("(") > 100:
        raise BadInput("the condition has more than 100 brackets; make it simpler")
    return condition


def of_pick(pool: View, pick: Pick) -> str:
    """A facet's choice as a condition. Raises MissingColumn, BadInput."""
    field = pool.require(pick.column, needed_by="this choice")
    name = quoted(pick.column)
    if pick.values is not None:
        named = [_literal(value) for value in pick.values if value is not None]
        parts = []
        if named and str(field.type).startswith("list"):
            parts += [f"array_has({name}, {value})" for value in named]
        elif named:
            parts.append(f"{name} in ({', '.join(named)})")
        if None in pick.values:
            parts.append(f"{name} is null")
        return f"({' or '.join(parts)})" if parts else "false"
    bounds = [f"{name} >= {pick.low!r}"] if pick.low is not None else []
    bounds += [f"{name} <= {pick.high!r}"] if pick.high is not None else []
    if not bounds:
        raise BadInput(f"the choice of '{pick.column}' names neither values nor a range")
    return f"({' and '.join(bounds)})"


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
