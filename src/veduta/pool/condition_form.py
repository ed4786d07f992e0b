"""A condition as Lance is asked it, so that numbers and types behave as in DuckDB.

Left to itself Lance divides whole numbers without their fractions, lets a product of two int32 wrap round and refuses
`rating > 1.5` of a column of whole numbers. Here the tree is typed from the pool's columns: casts are put in where they are
needed, the names of types and functions become Lance's, and parts that do not fit each other are refused with their place. A condition that needs nothing stays the user's text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from veduta.pool.condition import DEEP, PLAIN, checked, dialect, parsed
from veduta.pool.condition_kinds import (
    TAKES,
    called,
    cast_to,
    field_of,
    given_by,
    group,
    is_constant,
    number,
    part_of,
    value_for,
    whole_value,
)
from veduta.pool.condition_words import Refused, at_column, place_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlglot import Expression

_SPECIAL = ("ceil", "floor", "substr", "substring", "trim")
"""Functions that Lance takes for grammar which it does not know, unless their names are quoted."""
_REFERENCE = ("Column", "Dot", "Bracket")
_SCALARS = {"number", "text", "bool", "time"}
_SIGNS = {"EQ": "=", "NEQ": "<>", "GT": ">", "GTE": ">=", "LT": "<", "LTE": "<="}
_COMPARED = (*_SIGNS, "NullSafeEQ", "NullSafeNEQ", "In", "Between")


def formed(condition: str, schema: pa.Schema, late: Sequence[str] = ()) -> str:
    """The condition for a scan of a table of `schema`. late: names that count as columns of nulls until they are there.

    Raises BadInput for what is not one whole expression over the columns, or compares what cannot be compared.
    """
    names = schema.names
    if PLAIN.fullmatch(condition) and condition.split(" ", 1)[0] in names:
        return checked(condition, names)
    absent = {name for name in late if name.lower() not in {have.lower() for have in names}}
    form = _Form(condition, schema, absent)
    tree = form.of(parsed(condition, [*names, *absent]))
    try:
        return condition if tree is None else tree.sql(dialect=dialect(), normalize_functions=False)
    except RecursionError:
        raise Refused(condition, f"it is nested deeper than {DEEP}; make it simpler") from None


class _Form:
    def __init__(self, condition: str, schema: pa.Schema, absent: set[str]) -> None:
        self._condition, self._absent = condition, absent
        self._columns = {field.name.lower(): field.type for field in reversed(list(schema))} | {
            "_rowid": pa.uint64(),
            "_rowaddr": pa.uint64(),
        }
        self._types: dict[int, pa.DataType | None] = {}
        self._casts: dict[int, tuple[Expression, str | None]] = {}
        self._quoted: list[Expression] = []
        self._renamed = False  # whether a type has a name that Lance does not know

    def of(self, tree: Expression) -> Expression | None:
        """The tree with what has to be put in, None if nothing has."""
        from sqlglot import exp

        root = exp.Paren(this=tree)  # so that the tree itself has a parent and can be replaced
        for node in reversed(list(root.walk())):  # what is inside comes before what is around
            self._types[id(node)] = self._typed(node, type(node).__name__)
        if (found := self._type(root)) is not None and group(found) not in ("bool", None):
            self._refuse(tree, f"{_shown(tree)} is not true or false of a row; compare it with something")
        for node, to in self._casts.values():
            cast = exp.Cast(to=exp.DataType.build(to or "text"))
            node.replace(cast)
            cast.set("this", node if to else exp.null())
        for node in self._quoted:
            node.set("this", exp.to_identifier(str(node.this).lower(), quoted=True))
        return root.this if self._casts or self._quoted or self._renamed else None

    def _type(self, node: Any) -> pa.DataType | None:
        return self._types.get(id(node))

    def _typed(self, node: Any, name: str) -> pa.DataType | None:
        inner = node.args.get("this")
        match name:
            case "Literal":
                return pa.string() if node.is_string else number(node.this)
            case "Boolean":
                return pa.bool_()
            case "Column":
                return self._column(node)
            case "Dot":
                return field_of(self._type(inner), node.expression.name)
            case "Bracket":
                return part_of(self._type(inner), node.expressions)
            case "Paren":
                return self._type(inner)
            case "Neg":
                return pa.int64() if self._whole(inner) and self._wide(inner) else self._type(inner)
            case "Cast" | "TryCast":
                self._renamed = True
                return cast_to(node.to.this.name)
            case "CurrentDate" | "CurrentTimestamp":
                return pa.timestamp("us")
            case "Array":
                return pa.list_(pa.null())
            case "DPipe":
                return pa.string()
            case "Anonymous":
                return self._called(node)
            case "Add" | "Sub" | "Mul" | "Mod" | "Div":
                return self._reckoned(node, name)
            case "And" | "Or" | "Not":
                for side in (inner, node.args.get("expression")):
                    self._true_or_false(side)
                return pa.bool_()
            case "Like" | "ILike":
                self._like(node)
                return pa.bool_()
            case "Is":
                return pa.bool_()
        if name in _COMPARED:
            self._compared(node, name)
            return pa.bool_()
        return self._type(inner) if name == "Escape" else None

    def _column(self, node: Any) -> pa.DataType | None:
        parts = [part.name for part in node.parts if part.name]
        if parts[0] in self._absent or (parts[0].lower() in self._absent and not node.parts[0].args.get("quoted")):
            self._put(node, None, pa.string())
            return pa.string()
        found = self._columns.get(parts[0].lower())
        for part in parts[1:]:
            found = field_of(found, part)
        return found.value_type if found is not None and pa.types.is_dictionary(found) else found

    def _called(self, node: Any) -> pa.DataType | None:
        name, given = str(node.this).lower(), node.expressions
        if name in ("all", "any", "some"):
            start = re.search(rf"\b{name}\b", self._condition, re.IGNORECASE)
            self._refuse(node, f"'{name}' is not known here; write each comparison, or label in ('cat', 'dog')", start)
        if name in _SPECIAL:
            self._quoted.append(node)
        takes = TAKES.get(name)
        found = self._type(given[0]) if given else None
        if takes and found is not None and group(found) not in (takes, None):
            start = re.search(rf"\b{re.escape(name)}\s*\(", self._condition, re.IGNORECASE)
            mend = {
                ("text", "list"): f"; write array_length({_bare(given[0])})" if "length" in name else "",
                ("list", "text"): f"; write char_length({_bare(given[0])})" if "length" in name else "",
                ("text", "number"): f"; write {name}(cast({_bare(given[0])} as string))",
                ("text", "time"): f"; write {name}(cast({_bare(given[0])} as string))",
                ("number", "text"): f"; write {name}(try_cast({_bare(given[0])} as double))",
            }.get((takes, group(found) or ""), "")
            noun = {"text": "a text", "number": "a number", "list": "a list", "time": "a time"}[takes]
            self._refuse(node, f"'{name}' takes {noun}, but {_shown(given[0])} holds {called(found)}{mend}", start)
        return given_by(name, [self._type(each) for each in given])

    def _reckoned(self, node: Any, name: str) -> pa.DataType | None:
        """The type of a sum, product or quotient, reckoned without a wrap and without losing fractions."""
        left, right = node.this, node.expression
        types = [self._type(left), self._type(right)]
        if any(t is None for t in types) or any(group(t) != "number" for t in types):
            groups = {group(t) for t in types if t is not None}
            if "number" in groups and groups & {"text", "bool", "list", "struct"}:
                odd = left if group(types[0]) != "number" else right
                self._refuse(node, f"{_shown(odd)} holds {called(self._type(odd))}, which cannot be reckoned with")
            return None
        if name == "Div":
            if pa.types.is_floating(types[0]) and pa.types.is_floating(types[1]):
                return pa.float64()
            self._double(left if self._whole(left) else right)
            return pa.float64()
        if all(pa.types.is_integer(t) for t in types):
            for side in (left, right):
                self._wide(side)
            return pa.int64()
        return pa.float64()

    def _true_or_false(self, side: Any) -> None:
        found = self._type(side) if side is not None else None
        if found is None or group(found) in ("bool", None):
            return
        told = f"{_shown(side)} is not true or false of a row; "
        before = side.parent.args.get("this")
        if side.parent.key in ("and", "or") and side is side.parent.expression and type(before).__name__ in _SIGNS:
            again = f"{_bare(before.this)} {_SIGNS[type(before).__name__]} {_bare(side)}"
            self._refuse(side, f"{told}write the comparison again: {again}", near=side.parent)
        self._refuse(side, f"{told}compare it with something", near=side.parent)

    def _like(self, node: Any) -> None:
        for side in (node.this, node.expression):
            found = self._type(side)
            if found is not None and group(found) not in ("text", None):
                self._refuse(
                    node,
                    f"'like' compares texts, but {_shown(side)} holds {called(found)}; write cast({_bare(side)} as string)",
                )

    def _compared(self, node: Any, name: str) -> None:
        left = node.this
        others = (
            node.expressions
            if name == "In"
            else [node.args["low"], node.args["high"]]
            if name == "Between"
            else [node.expression]
        )
        if name in _SIGNS:
            self._not_null(node, name)
        for other in others:
            self._alike(node, left, other)
        widest = [self._type(other) for other in others]
        if self._beyond(left, others, widest):
            self._double(left)
        if len(others) == 1 and self._beyond(others[0], [left], [self._type(left)]):
            self._double(others[0])

    def _beyond(self, side: Any, others: Sequence[Any], types: Sequence[pa.DataType | None]) -> bool:
        """Whether a column of whole numbers meets a value that Lance would not take for one of them."""
        found = self._type(side)
        if found is None or not pa.types.is_integer(found) or type(side).__name__ not in _REFERENCE:
            return False
        low, high = np.iinfo(found.to_pandas_dtype()).min, np.iinfo(found.to_pandas_dtype()).max
        for other, t in zip(others, types, strict=True):
            value = whole_value(other)
            if t is not None and pa.types.is_floating(t) and type(other).__name__ not in _REFERENCE:
                return True
            if value is not None and not low <= value <= high:
                return True
        return False

    def _not_null(self, node: Any, name: str) -> None:
        for side, other in ((node.expression, node.this), (node.this, node.expression)):
            if type(side).__name__ == "Null":
                word = "is not null" if name == "NEQ" else "is null"
                self._refuse(node, f"a comparison with null is never true; write: {_bare(other)} {word}")

    def _alike(self, node: Any, left: Any, right: Any) -> None:
        """Raise Refused for two sides that cannot be compared."""
        types = [self._type(left), self._type(right)]
        if types[0] is None or types[1] is None:
            return
        groups = [group(t) for t in types]
        if None in groups or groups[0] == groups[1]:
            return
        chain = next((side for side in (left, right) if type(side).__name__ in _SIGNS), None)
        if chain is not None and "number" in groups:
            other = right if chain is left else left
            sign, second = _SIGNS[type(node).__name__], _SIGNS[type(chain).__name__]
            first = chain.expression if chain is left else chain.this
            pair = f"{_bare(chain.this)} {second} {_bare(chain.expression)}"
            rest = f"{_bare(first)} {sign} {_bare(other)}" if chain is left else f"{_bare(other)} {sign} {_bare(first)}"
            self._refuse(node, f"comparisons do not chain; write: {pair} and {rest}")
        for side, other in ((left, right), (right, left)):
            if is_constant(side) and not is_constant(other):
                self._refuse(
                    node,
                    f"{_bare(side)} is compared with {_shown(other)}, which holds {called(self._type(other))}; "
                    f"{value_for(self._type(other), side)}",
                )
        mend = ""
        if set(groups) == {"text", "number"}:
            text = left if groups[0] == "text" else right
            mend = f"; write try_cast({_bare(text)} as double)"
        elif set(groups) <= _SCALARS and "text" in groups:
            other = left if groups[0] != "text" else right
            mend = f"; write cast({_bare(other)} as string)"
        self._refuse(
            node,
            f"{_shown(left)} holds {called(types[0])} and {_shown(right)} {called(types[1])}, which cannot be compared{mend}",
        )

    def _whole(self, node: Any) -> bool:
        found = self._type(node)
        return found is not None and pa.types.is_integer(found)

    def _wide(self, node: Any) -> bool:
        """Make a column of small whole numbers one of 64 bits, where it would wrap round."""
        found = self._type(node)
        if found is None or not pa.types.is_integer(found) or found.bit_width == 64:
            return False
        self._put(node, "bigint", pa.int64())
        return True

    def _double(self, node: Any) -> None:
        self._put(node, "double", pa.float64())

    def _put(self, node: Any, to: str | None, found: pa.DataType) -> None:
        """Cast a part when all is looked at. to: None for a null text."""
        self._casts[id(node)] = (node, to)
        self._types[id(node)] = found

    def _refuse(self, node: Any, why: str, start: re.Match[str] | None = None, near: Any = None) -> None:
        place = f"{at_column(start.start())}: " if start else place_of(node) or (place_of(near) if near else "")
        raise Refused(self._condition, f"{place or f'{at_column(0)}: '}{why}")


def _bare(node: Any) -> str:
    """A part of the tree as it is written."""
    return node.sql(dialect=dialect(), normalize_functions=False)[:60]


def _shown(node: Any) -> str:
    """The same in a sentence: in quotes, a text with its own."""
    return _bare(node) if type(node).__name__ == "Literal" else f"'{_bare(node)}'"
