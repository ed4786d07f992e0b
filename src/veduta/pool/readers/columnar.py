"""Parquet and Arrow files of strangers as record batches: sound ones only, and in bounded memory.

pyarrow believes an Arrow file: a wrong offset in it ends the process. So every batch is validated in full before it is
touched. Both formats can claim or hold gigabytes in a few kilobytes; what a
file says of its pages and buffers is looked at before anything is unpacked.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from veduta.errors import SourceError
from veduta.pool import limits, location
from veduta.pool.readers import arrow_bounds, parquet_bounds, places
from veduta.pool.readers.notes import Notes

# Rows held at once; images are large, so few of them. Of one column alone, more.
BATCH, OF_ONE_COLUMN = 64, 8192


class ParquetFile:
    """One Parquet file, read page by page: a large row group is never held as a whole.

    notes: told of row groups that are damaged or too large; where it is None, they raise SourceError. content: of the file,
    where it cannot be opened by its name.
    """

    def __init__(self, uri: str, notes: Notes | None = None, content: bytes | None = None) -> None:
        self._uri, self._notes, self._content = uri, notes, content
        with open_file(uri, content) as stream, sound(uri, "Parquet"):
            file = pq.ParquetFile(stream)
            self.schema, self._length = file.schema_arrow, file.metadata.num_rows
            _check_names(self.schema)
            self._chunks = parquet_bounds.footer(stream)
            groups = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
            if len(groups) != len(self._chunks) or min(groups, default=0) < 0 or sum(groups) != self._length:
                raise pa.ArrowInvalid(
                    f"its row groups hold {sum(groups):,} rows, not the {self._length:,} that it claims"
                )
            refuse_claim(uri, self._length, _size(stream))

    def batches(self, column: str | None) -> Iterator[pa.RecordBatch]:
        """The rows in batches. column: only this one ("struct.field" too)."""
        with open_file(self._uri, self._content) as stream, sound(self._uri, "Parquet"):
            file = pq.ParquetFile(stream, pre_buffer=False, buffer_size=1 << 20)
            if column and column.partition(".")[0] not in self.schema.names:
                yield from (pa.RecordBatch.from_pylist([{}] * n) for n in [len(self)] if n)
                return
            wanted = [column] if column else None
            near = self._content is not None or not location.is_remote(self._uri)
            first = 0
            for number in range(file.num_row_groups):
                group = file.metadata.row_group(number)
                done = 0
                try:
                    widest = parquet_bounds.check(stream if near else None, self._chunks[number], file.schema, column)
                    most = max(1, min(OF_ONE_COLUMN if column else BATCH, limits.ROWS // max(1, widest)))
                    for batch in file.iter_batches(most, [number], wanted, use_threads=False):
                        done += batch.num_rows
                        yield batch
                except (pa.ArrowException, OSError, SourceError, MemoryError, ValueError) as error:
                    if self._notes is None:
                        raise
                    left_out(self._notes, self._uri, first + done, group.num_rows - done, error)
                first += group.num_rows

    def __len__(self) -> int:
        return self._length


class IpcFile:
    """One Arrow file or stream (Feather version 2 is an Arrow file). notes: as for `ParquetFile`; what follows a damaged
    batch of a stream is not read.
    """

    def __init__(self, uri: str, notes: Notes | None = None, content: bytes | None = None) -> None:
        self._uri, self._notes, self._content = uri, notes, content
        with io.BytesIO(content) if content is not None else places.open_binary(uri) as stream:
            start = stream.read(6)
        if start[:4] == b"FEA1":
            raise SourceError(f"{uri} is Feather version 1; write it again as version 2 or Parquet")
        self._is_file = start == b"ARROW1"
        with open_file(uri, content) as stream, sound(uri, "Arrow"):
            self.schema = (pa.ipc.open_file if self._is_file else pa.ipc.open_stream)(stream).schema
            _check_names(self.schema)
        self._length: int | None = None

    def batches(self, column: str | None) -> Iterator[pa.RecordBatch]:
        """The rows in batches, all columns of them."""
        first = 0
        with open_file(self._uri, self._content) as stream, sound(self._uri, "Arrow"):
            size = _size(stream)
            try:
                arrow_bounds.check(stream, self._is_file)
                stream.seek(0)
                for batch in self._read(stream):
                    _validate(batch)
                    refuse_claim(self._uri, batch.num_rows, size)
                    first += batch.num_rows
                    yield batch
            except (pa.ArrowException, OSError, SourceError, MemoryError, ValueError) as error:
                if self._notes is None or not first:
                    raise
                left_out(self._notes, self._uri, first, 0, error)

    def _read(self, stream: Any) -> Iterator[pa.RecordBatch]:
        if not self._is_file:
            yield from pa.ipc.open_stream(stream)
            return
        file = pa.ipc.open_file(stream)
        yield from (file.get_batch(i) for i in range(file.num_record_batches))

    def __len__(self) -> int:
        if self._length is None:
            self._length = sum(batch.num_rows for batch in self.batches(None))
        return self._length


def _check_names(fields: Iterable[pa.Field]) -> None:
    """Raise UnicodeDecodeError, a ValueError, for a name that is not UTF-8."""
    for field in fields:
        field.name  # noqa: B018 - decoded here  # pyright: ignore[reportUnusedExpression]
        if pa.types.is_nested(field.type):
            _check_names(field.type.field(i) for i in range(field.type.num_fields))


def _validate(batch: pa.RecordBatch) -> None:
    """Raise ArrowInvalid where touching a batch would be unsafe; texts that are not UTF-8 are not."""
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid:
        safe = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary()}
        columns = [column.view(safe[column.type]) if column.type in safe else column for column in batch.columns]
        pa.RecordBatch.from_arrays(columns, names=batch.schema.names).validate(full=True)


def refuse_claim(uri: str, rows: int, size: int) -> None:
    """Raise SourceError for more rows than a file of so many bytes can tell apart."""
    if rows > max(limits.ROWS_ALWAYS, limits.ROWS_A_BYTE * size):
        raise SourceError(
            f"{uri} claims {rows:,} rows in {size:,} bytes, which no table of images does; write it again"
        )


def left_out(notes: Notes, uri: str, start: int, rows: int, error: Exception) -> None:
    """Tell of rows that cannot be read. rows: 0 for all that follow."""
    which = f"rows {start + 1:,} to {start + rows:,}" if rows else f"rows from {start + 1:,} on"
    words = (str(error) or type(error).__name__).splitlines()[0][:200]
    problem = f"{places.base(uri)}: {which}", f"cannot be read: {words}"
    if problem not in notes.problems:
        notes.problem(*problem, hides="all")


def widest(array: pa.Array) -> int:
    """Bytes of the largest value, at least; what takes little in Arrow may be repeated, and is counted as it is shown."""
    t, kind = pa.types, array.type
    if not len(array):
        return 0
    if t.is_dictionary(kind):
        return widest(array.dictionary)
    if t.is_run_end_encoded(kind):
        return widest(array.values)
    if t.is_struct(kind):
        return sum(widest(part) for part in array.flatten())
    if t.is_map(kind):
        return limits.ROWS // BATCH
    if t.is_nested(kind):
        longest = kind.list_size if t.is_fixed_size_list(kind) else _most(array.value_lengths())
        return longest * max(32, widest(array.values))
    if t.is_binary(kind) or t.is_string(kind) or t.is_large_binary(kind) or t.is_large_string(kind):
        return _most(pc.binary_length(array))  # pyright: ignore[reportAttributeAccessIssue]
    if t.is_binary_view(kind) or t.is_string_view(kind):
        return max((len(one.as_buffer() or b"") for one in array), default=0)
    return 32


def _most(lengths: pa.Array) -> int:
    return pc.max(lengths).as_py() or 0  # pyright: ignore[reportAttributeAccessIssue]


def repeats(kind: pa.DataType) -> bool:
    """Whether values of the type may share their bytes, so that they take more as Python objects than in Arrow."""
    t = pa.types
    if t.is_dictionary(kind) or t.is_run_end_encoded(kind) or t.is_binary_view(kind) or t.is_string_view(kind):
        return True
    if t.is_list_view(kind) or t.is_large_list_view(kind):
        return True
    return t.is_nested(kind) and any(repeats(kind.field(i).type) for i in range(kind.num_fields))


def rows_at_once(batch: pa.RecordBatch, most: int) -> int:
    """How many rows of a batch may be Python objects at the same time, at most `most`."""
    if batch.nbytes <= limits.ROWS and not any(repeats(field.type) for field in batch.schema):
        return most
    return max(1, min(most, limits.ROWS // max(1, sum(map(widest, batch.columns)))))


def open_file(uri: str, content: bytes | None = None) -> Any:
    """The file as Arrow likes it best: mapped where it is local, a Python file elsewhere."""
    if content is not None:
        return pa.BufferReader(content)
    if location.is_remote(uri):
        return places.open_binary(uri)
    return pa.memory_map(str(location.local(uri)))


def _size(stream: Any) -> int:
    size = stream.seek(0, 2)
    stream.seek(0)
    return size


@contextlib.contextmanager
def sound(uri: str, form: str) -> Iterator[None]:
    """Turns pyarrow's complaints about a damaged file into one sentence."""
    try:
        yield
    except (FileNotFoundError, PermissionError, SourceError):
        raise
    except (pa.ArrowException, OSError, MemoryError, ValueError) as error:
        words = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        raise SourceError(f"{uri} is not a sound {form} file: {words}; fetch or write it again") from None
