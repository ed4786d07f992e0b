"""What the pages of a Parquet file take when they are unpacked, from its footer and their headers, before pyarrow unpacks them.

Both are read here: pyarrow's own objects of column chunks end the process where their statistics are damaged. Numbers in
the comments are those of the fields in `parquet.thrift`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from veduta.errors import SourceError
from veduta.pool import limits
from veduta.pool.readers.thrift import Compact

# Values of a nested column for each byte of its pages: more means that one row may hold millions.
_VALUES_A_BYTE, _VALUES_ALWAYS = 64, 1 << 20
# A page of numbers in lists; each of them becomes an object of Python.
_MOST_LISTED = 128 << 20
_HEAD = 1 << 16
_PAGES = 1 << 17  # of a column chunk that are looked at
_BYTES, _FIXED = 6, 7  # physical types
_DICTIONARY = 2  # a kind of page


@dataclass(frozen=True, slots=True)
class Chunk:
    """A column of a row group. values: how many it claims; start, size: of its pages in the file, in bytes."""

    path: str
    kind: int
    values: int
    start: int
    size: int


def footer(stream: Any) -> list[list[Chunk]]:
    """The column chunks of each row group. Raises ValueError where the footer is not one."""
    end = stream.seek(0, 2)
    stream.seek(max(0, end - 8))
    size = int.from_bytes(stream.read(8)[:4], "little")
    if size > end - 8:
        raise ValueError("its footer begins before the file")
    stream.seek(end - 8 - size)
    found = Compact(stream.read(size)).struct()
    try:
        return [[_chunk(each[3]) for each in group.get(1, [])] for group in found.get(4, [])]
    except (KeyError, TypeError, AttributeError):
        raise ValueError("its footer is damaged") from None


def _chunk(facts: dict[int, Any]) -> Chunk:
    path = b".".join(facts.get(3, [])).decode("utf-8", "replace")
    start = min(facts[9], facts.get(11) or facts[9])  # pages of data, and of the dictionary before them
    return Chunk(path, facts[1], facts[5], start, facts[7])


def check(stream: Any, chunks: list[Chunk], schema: Any, column: str | None) -> int:
    """Bytes that the largest row of a row group may take where values are repeated from a dictionary; 0 where none are.

    stream: the file, None where its pages cannot be looked at. column: the one that is read, all if None. Raises
    SourceError for what is larger than the bounds.
    """
    wide = 0
    for number, chunk in enumerate(chunks[: len(schema)]):
        leaf, path = schema.column(number), chunk.path
        if column and path != column and not path.startswith(f"{column}."):
            continue
        listed = leaf.max_repetition_level > 0
        if listed and chunk.values > max(_VALUES_ALWAYS, _VALUES_A_BYTE * chunk.size):
            raise SourceError(f"column {path} claims {chunk.values:,} values in {chunk.size:,} bytes")
        if chunk.kind == _FIXED:  # nulls take the length too
            if leaf.length > limits.FILE.bytes:
                raise SourceError(f"column {path} has values of {leaf.length:,} bytes; {limits.FILE.says(leaf.length)}")
            wide += leaf.length
        packed = chunk.kind in (_BYTES, _FIXED)
        bound = limits.COLUMNAR.bytes if packed or not listed else min(_MOST_LISTED, limits.COLUMNAR.bytes)
        for kind, size in pages(stream, chunk) if stream is not None else ():
            if size > bound:
                more = f"; {limits.COLUMNAR.says(size)}" if packed else f"; the limit is {bound >> 20} MiB"
                raise SourceError(f"column {path} has a page of {size >> 20:,} MiB, unpacked{more}")
            if kind == _DICTIONARY and packed:
                wide += size
    return wide


def pages(stream: Any, chunk: Chunk) -> list[tuple[int, int]]:
    """Kind and unpacked size, in bytes, of each page of a column chunk, as far as their headers can be read."""
    at, found = chunk.start, []
    file_end = stream.seek(0, 2)
    end = min(at + chunk.size, file_end)
    while 0 <= at < end and len(found) < _PAGES:
        stream.seek(at)
        head = Compact(stream.read(min(_HEAD, file_end - at)))
        try:
            facts = head.struct()
            kind, size, packed = facts[1], facts[2], facts[3]
        except (ValueError, KeyError):
            break
        if not all(isinstance(value, int) for value in (kind, size, packed)) or packed < 0:
            break
        found.append((kind, size))
        at += head.at + packed
    return found
