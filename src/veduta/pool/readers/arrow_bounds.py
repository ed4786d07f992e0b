"""What the buffers of an Arrow file take when they are unpacked, from its messages, before pyarrow unpacks them.

A message is a FlatBuffer (Arrow's `Message.fbs`) of which four fields are read here; a buffer that is compressed begins
with its unpacked size. Files behind URLs are not looked at.
"""

from __future__ import annotations

import struct
from typing import Any

import pyarrow as pa

from veduta.errors import SourceError
from veduta.pool import limits

_DICTIONARY, _BATCH = 2, 3
_MAGIC = 8  # bytes before the stream that an Arrow file holds


def check(stream: Any, is_file: bool) -> None:
    """Raise SourceError where a batch takes more memory than a column of it may. stream: the file.

    Damage is left to pyarrow to find.
    """
    if not isinstance(stream, pa.NativeFile):
        return
    stream.seek(_MAGIC if is_file else 0)
    try:
        for message in pa.ipc.MessageReader.open_stream(stream):
            sizes = _unpacked(message.metadata.to_pybytes(), message.body)
            if max(sizes, default=0) > limits.COLUMNAR.bytes or sum(sizes) > 2 * limits.COLUMNAR.bytes:
                largest = max(max(sizes), sum(sizes) // 2)
                raise SourceError(
                    f"a batch of it takes {sum(sizes) >> 20:,} MiB, unpacked; {limits.COLUMNAR.says(largest)}; "
                    "or write it again in smaller batches"
                )
    except (pa.ArrowException, OSError, struct.error, IndexError, MemoryError):
        return


def _unpacked(metadata: bytes, body: pa.Buffer | None) -> list[int]:
    """The unpacked sizes of the compressed buffers of one message."""
    table = _Table(metadata, struct.unpack_from("<I", metadata, 0)[0])
    kind = table.number(1, "<B")
    batch = table.table(2)
    if batch is not None and kind == _DICTIONARY:
        batch = batch.table(1)
    if batch is None or body is None or kind not in (_DICTIONARY, _BATCH) or batch.table(3) is None:
        return []
    start, count = batch.vector(2)
    view, found = memoryview(body), []
    for at in range(start, start + 16 * min(count, len(metadata) // 16), 16):
        offset, length = struct.unpack_from("<qq", metadata, at)
        if length >= 8 and 0 <= offset <= len(view) - 8:
            found.append(max(0, struct.unpack_from("<q", view, offset)[0]))
    return found


class _Table:
    """A table of a FlatBuffer: its fields by number, as the schema counts them."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        self._fields = at - struct.unpack_from("<i", data, at)[0]

    def _place(self, field: int) -> int:
        size = struct.unpack_from("<H", self._data, self._fields)[0]
        at = 4 + 2 * field
        offset = struct.unpack_from("<H", self._data, self._fields + at)[0] if at + 2 <= size else 0
        return self._at + offset if offset else 0

    def number(self, field: int, form: str) -> int:
        at = self._place(field)
        return struct.unpack_from(form, self._data, at)[0] if at else 0

    def table(self, field: int) -> _Table | None:
        at = self._place(field)
        return _Table(self._data, at + struct.unpack_from("<I", self._data, at)[0]) if at else None

    def vector(self, field: int) -> tuple[int, int]:
        """Where the first element lies, and how many there are."""
        at = self._place(field)
        if not at:
            return 0, 0
        start = at + struct.unpack_from("<I", self._data, at)[0]
        return start + 4, struct.unpack_from("<I", self._data, start)[0]
