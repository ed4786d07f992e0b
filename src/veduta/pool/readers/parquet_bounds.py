"""What the pages of a Parquet file take when they are unpacked, from their headers, before pyarrow unpacks them."""

from __future__ import annotations

from typing import Any

from veduta.errors import SourceError
from veduta.pool import limits

# Values of a nested column for each byte of its pages: more means that one row may hold millions.
_VALUES_A_BYTE, _VALUES_ALWAYS = 64, 1 << 20
# A page of numbers in lists; each of them becomes an object of Python.
_MOST_LISTED = 128 << 20
_HEAD = 1 << 16
_PAGES = 1 << 17  # of a column chunk that are looked at


def check(stream: Any, group: Any, schema: Any, column: str | None) -> int:
    """Bytes that the largest row of a row group may take where values are repeated from a dictionary; 0 where none are.

    stream: the file, None where its pages cannot be looked at. column: the one that is read, all if None. Raises
    SourceError for what is larger than the bounds.
    """
    wide = 0
    for number in range(group.num_columns):
        chunk, leaf = group.column(number), schema.column(number)
        path = chunk.path_in_schema
        if column and path != column and not path.startswith(f"{column}."):
            continue
        listed = leaf.max_repetition_level > 0
        if listed and chunk.num_values > max(_VALUES_ALWAYS, _VALUES_A_BYTE * chunk.total_compressed_size):
            raise SourceError(
                f"column {path} claims {chunk.num_values:,} values in {chunk.total_compressed_size:,} bytes"
            )
        packed = leaf.physical_type in ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
        if leaf.physical_type == "FIXED_LEN_BYTE_ARRAY":  # nulls take the length too
            if leaf.length > limits.FILE.bytes:
                raise SourceError(f"column {path} has values of {leaf.length:,} bytes; {limits.FILE.says(leaf.length)}")
            wide += leaf.length
        bound = limits.COLUMNAR.bytes if packed or not listed else min(_MOST_LISTED, limits.COLUMNAR.bytes)
        for kind, size in pages(stream, chunk) if stream is not None else ():
            if size > bound:
                more = f"; {limits.COLUMNAR.says(size)}" if packed else f"; the limit is {bound >> 20} MiB"
                raise SourceError(f"column {path} has a page of {size >> 20:,} MiB, unpacked{more}")
            if kind == _DICTIONARY and packed:
                wide += size
    return wide


_DICTIONARY = 2


def pages(stream: Any, chunk: Any) -> list[tuple[int, int]]:
    """Kind and unpacked size, in bytes, of each page of a column chunk, as far as their headers can be read."""
    at = chunk.data_page_offset
    if chunk.has_dictionary_page and chunk.dictionary_page_offset:
        at = min(at, chunk.dictionary_page_offset)
    end, found = at + chunk.total_compressed_size, []
    file_end = stream.size()
    while 0 <= at < min(end, file_end) and len(found) < _PAGES:
        stream.seek(at)
        head = _Compact(stream.read(min(_HEAD, file_end - at)))
        try:
            fields = head.struct()
        except (IndexError, RecursionError):
            break
        kind, size, packed = fields.get(1, 0), fields.get(2, 0), fields.get(3, 0)
        if not all(isinstance(value, int) for value in (kind, size, packed)) or packed < 0:
            break
        found.append((kind, size))
        at += head.at + packed
    return found


class _Compact:
    """Thrift's compact protocol, of which the whole numbers at the top are kept and the rest is passed over."""

    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def struct(self) -> dict[int, int]:
        found, number = {}, 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._signed()
            kind = head & 15
            value = self._value(kind)
            if kind in (4, 5, 6):
                found[number] = value
        return found

    def _value(self, kind: int) -> int:
        if kind in (1, 2):  # a truth value is in its kind
            return 0
        if kind == 3:
            return self._byte()
        if kind in (4, 5, 6):
            return self._signed()
        if kind == 7:
            self.at += 8
        elif kind == 8:
            self.at += self._number()
        elif kind in (9, 10):
            head = self._byte()
            count = head >> 4 if head >> 4 < 15 else self._number()
            for _ in range(count):
                self.at += 1 if head & 15 in (1, 2) else 0
                self._value(head & 15)
        elif kind == 12:
            self.struct()
        else:
            raise IndexError(kind)
        return 0

    def _byte(self) -> int:
        self.at += 1
        return self._data[self.at - 1]

    def _number(self) -> int:
        value, shift = 0, 0
        while True:
            one = self._byte()
            value |= (one & 127) << shift
            if one < 128:
                return value
            shift += 7

    def _signed(self) -> int:
        value = self._number()
        return (value >> 1) ^ -(value & 1)
