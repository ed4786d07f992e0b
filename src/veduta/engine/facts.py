"""Facts that a source gives with an image, compared with what the pool holds and what people made of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import pyarrow as pa

from veduta.engine.known import Before
from veduta.engine.namesakes import before_gone
from veduta.engine.offer import Offer
from veduta.engine.registry import find
from veduta.errors import VedutaError
from veduta.pool import Pool, roles
from veduta.pool.schema import OPERATION

FROM_FOLDERS = ("label", "split")
"""What a file's own place may say: a file that moves loses what its old place said."""
_NUMBERED = re.compile(r"class \d+")
_EARLIER = "label_before_review"
"""What pools of earlier versions kept of a label that a review had changed."""


class Facts:
    """The columns of the source, and beside them what it said in those that were changed in the pool since.

    fields: the columns that a source may give. Where a person or an operation has changed a value, it gives way only to the
    one who changed it: a new value of the source is noted beside it. A field that an item lacks is not said, and takes
    nothing back; None takes back.
    """

    def __init__(self, pool: Pool, before: Before, fields: Sequence[pa.Field]) -> None:
        self._before = before
        self.fields = {f.name: f for f in fields}
        self.shadows = {name: kept for name, kept in roles.shadows(pool.schema).items() if name in self.fields}
        have = before.view.schema
        self._there = [*(n for n in self.fields if n in have.names), *self.shadows.values()]
        self._origin = roles.name(have, roles.ORIGIN)
        self._there += [self._origin] if self._origin else []
        self._there += [_EARLIER] if _EARLIER in have.names and "label" not in self.shadows else []
        self._amended = {n for n in self.fields if n in have.names and OPERATION in (have.field(n).metadata or {})}

    def stored(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """What the pool holds of some rows: key, facts, and what the source said."""
        return self._before.stored(rows, ["key", *self._there]) if len(rows) else []

    @cached_property
    def _given(self) -> list[pa.Field]:
        mine = {*self.fields, *self.shadows.values()}
        return [f for f in self._before.view.schema if f.name not in mine and _is_given(f)]

    def given(self, rows: Sequence[int]) -> tuple[list[pa.Field], list[dict[str, Any]]]:
        """What came from people or other programs for some rows, which nothing can make again: the columns, and their values."""
        values = self._before.stored(rows, [f.name for f in self._given]) if rows and self._given else []
        return [f for f in self._given if any(had[f.name] is not None for had in values)], values

    def merged(
        self, stored: dict[str, Any], fresh: dict[str, Any], offer: Offer
    ) -> tuple[dict[str, Any], list[tuple[str, Any]], list[str]]:
        """The facts that the row shall have, (column, what the source says) where the pool's own change stays, and the columns
        that keep a value which the source no longer tells.
        """
        values: dict[str, Any] = {self._origin: stored[self._origin]} if offer.narrow and self._origin else {}
        kept: list[tuple[str, Any]] = []
        untold: list[str] = []
        same_place, stays = stored["key"] == offer.key, _folder(stored["key"]) == _folder(offer.key)
        for name, field in self.fields.items():
            mine = stored.get(name)
            said = _as_stored(fresh.get(name), field.type)
            silent = name not in fresh and (name not in FROM_FOLDERS or stays)
            silent = silent or (offer.sparse and said is None) or (same_place and _stands_in(name, mine, said, offer))
            if offer.narrow or silent:
                values[name] = mine
                if mine is not None and not offer.narrow and (offer.item.unsure or not offer.sparse):
                    untold.append(name)
                continue
            shadow = self.shadows.get(name)
            before = stored.get(shadow) if shadow else stored.get(_EARLIER) if name == "label" else None
            if not shadow and before is None:
                before = mine
            changed_here = not same(before, mine) or (name in self._amended and not shadow and not same(said, mine))
            if shadow:
                values[shadow] = said
            if not changed_here:
                values[name] = said
                continue
            values[name] = mine
            if not same(said, mine) and not same(said, before if not same(before, mine) else None):
                kept.append((name, said))
        return values, kept, untold

    def shadowed(self, row: dict[str, Any]) -> dict[str, Any]:
        """What the source says of a new row, in the columns that keep it."""
        return {shadow: row.get(name) for name, shadow in self.shadows.items()}

    @staticmethod
    def changes(stored: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
        """Those of the values that the row does not have yet."""
        return {name: value for name, value in values.items() if not same(stored.get(name), value)}


def _folder(key: str) -> str:
    return before_gone(key).rpartition("/")[0]


def _is_given(field: pa.Field) -> bool:
    """Whether an operation made the column that brings what cannot be computed again."""
    made = (field.metadata or {}).get(OPERATION, b"").decode()
    try:
        return bool(made) and bool(getattr(find(f"annotate.{made}"), "given", False))
    except VedutaError:
        return False


def _stands_in(name: str, mine: Any, said: Any, offer: Offer) -> bool:
    """Whether what is said only stands in for what cannot be read now, or is the beginning of it, cut off."""
    if mine is None or same(mine, said):
        return False
    if name == "objects" and name in offer.item.loose:
        numbers = [{o["class"] for o in each if _NUMBERED.fullmatch(o["class"] or "")} for each in (said or [], mine)]
        return bool(mine) and bool(numbers[0] - numbers[1])
    return name in offer.item.loose or (name in offer.item.cut and _text(mine).startswith(_text(said)))


def _text(value: Any) -> str:
    """A value as a table's cell holds it."""
    return " ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)


def same(a: Any, b: Any) -> bool:
    """Whether two values are the same, NaN and NaN included."""
    return a == b or repr(a) == repr(b)


def plain(value: Any, kind: pa.DataType) -> Any:
    """The value, as text where it is a number and the column holds text: the source had other values before."""
    if kind == pa.string() and isinstance(value, (bool, int, float)):
        return pa.scalar(value).cast(kind).as_py()
    return value


def _as_stored(value: Any, kind: pa.DataType) -> Any:
    """The value as it comes back from a column of this type; as it is where it does not fit (which the row will say)."""
    if value is None:
        return None
    try:
        return pa.array([plain(value, kind)], kind).to_pylist()[0]
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return value
