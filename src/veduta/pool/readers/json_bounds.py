"""JSON of strangers: parsed where it will fit into memory and is not nested beyond what a column can hold."""

from __future__ import annotations

import json
from typing import Any

from veduta.pool import limits

# Levels of lists and objects. Columns of more are of no use, and walking them would end Python's stack.
MOST_DEPTH = 64
# Bytes that an object, a list and a further value take in memory; texts take what they take in the file.
_OBJECT, _LIST, _VALUE = 240, 72, 40
# Texts below this are parsed without a look; of larger ones, so many times their own size is usual (lists of floats).
_SMALL, _USUAL = 1 << 20, 8


def loads(text: str | bytes) -> Any:
    """As `json.loads`; ValueError also for what is nested too deep or would take too much memory."""
    if len(text) > _SMALL:
        _refuse_large(text)
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError(f"nested more than {MOST_DEPTH} levels deep") from None
    opening = text.count(b"[") + text.count(b"{") if isinstance(text, bytes) else text.count("[") + text.count("{")
    if opening > MOST_DEPTH and is_deep(found):
        raise ValueError(f"nested more than {MOST_DEPTH} levels deep")
    return found


def is_deep(value: Any) -> bool:
    """Whether lists and objects are nested deeper than `MOST_DEPTH`. Walks level by level; cost: every value once."""
    level = [value]
    for _ in range(MOST_DEPTH + 1):
        level = (
            [
                inner
                for outer in level
                for inner in (outer.values() if isinstance(outer, dict) else outer)
                if isinstance(inner, (dict, list))
            ]
            if all(isinstance(outer, (dict, list)) for outer in level)
            else []
        )
        if not level:
            return False
    return True


def _refuse_large(text: str | bytes) -> None:
    objects, lists, values = (text.count(sign.encode() if isinstance(text, bytes) else sign) for sign in "{[,")  # pyright: ignore[reportArgumentType]
    size = len(text) + objects * _OBJECT + lists * _LIST + values * _VALUE
    if size > max(limits.PARSED.bytes, _USUAL * len(text)):
        raise ValueError(f"too large: it would take {size >> 20:,} MiB of memory; {limits.PARSED.says(size)}")
