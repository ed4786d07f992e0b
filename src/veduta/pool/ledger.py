"""Which files of the table are whole on the disk, with size and checksum: `checksums.txt` in the pool's folder.

One line a file: CRC-32 of its bytes (hexadecimal; "-" where it was written before checksums were kept), size in bytes, path within
the table. Lines are added at each commit, after the files themselves have reached the disk.
"""

from __future__ import annotations

import contextlib
import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from veduta.pool import durable

FILE = "checksums.txt"
_LINE = re.compile(r"([0-9a-f]{8}|-) (\d+) (\S+)")
_SKIPPED = "_versions/latest_version_hint.json"  # a hint that is written anew each time, and checked by its reader
_LAST = ("_transactions", "_versions")  # after what they speak of, in this order


@dataclass(slots=True, frozen=True)
class Entry:
    """size: bytes. crc: CRC-32, None where it is not known."""

    size: int
    crc: int | None


def read(pool: Path) -> dict[str, Entry]:
    """What is recorded, by path within the table. A line that a power cut left torn counts as not there."""
    try:
        text = (pool / FILE).read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return {}
    found = [_LINE.fullmatch(line) for line in text.split("\n")[:-1]]
    return {line[3]: Entry(int(line[2]), None if line[1] == "-" else int(line[1], 16)) for line in found if line}


def is_kept(pool: Path) -> bool:
    """Whether the pool has such a record; one made by an earlier release gets it with its next change."""
    return (pool / FILE).exists()


def write(pool: Path, entries: dict[str, Entry]) -> None:
    """Record these files and no others."""
    durable.write_atomically(pool / FILE, "".join(_line(name, entry) for name, entry in entries.items()))


def last_version(pool: Path) -> int:
    """The highest version of the table that is recorded near the end; 0 where there is none."""
    try:
        with open(pool / FILE, "rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - 65536))
            tail = stream.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return 0
    return max(((1 << 64) - 1 - int(n) for n in re.findall(r"_versions/(\d{20})\.manifest\n", tail)), default=0)


def present(table: Path) -> dict[str, int]:
    """The files of the table that are there, with their sizes in bytes."""
    found: dict[str, int] = {}
    start, waiting = len(str(table)) + 1, [str(table)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                    continue
                with contextlib.suppress(FileNotFoundError):  # a writer's temporary file, renamed since
                    found[entry.path[start:]] = entry.stat().st_size
    found.pop(_SKIPPED, None)
    return found


def checksum(file: str | os.PathLike[str]) -> int:
    """CRC-32 of a file's bytes. Memory: one megabyte."""
    crc = 0
    with open(file, "rb") as stream:
        while block := stream.read(1 << 20):
            crc = zlib.crc32(block, crc)
    return crc


class Ledger:
    """Brings to the disk what each commit of one writer adds to the table."""

    def __init__(self, pool: Path, table: Path) -> None:
        self._pool, self._table = pool, table
        recorded = read(pool)
        there = present(table)
        self._whole = recorded.keys() & there.keys()
        self._old = set() if is_kept(pool) else set(there)  # of a pool without a record
        if len(self._whole) < len(recorded):  # files that went with old versions
            write(pool, {name: recorded[name] for name in self._whole})

    def settle(self) -> None:
        """Wait until every file that is not on the disk for certain is there, folders included, and record it.

        Cost: one listing of the table's folders, and one pass over the files that are new.
        """
        new = {name: size for name, size in present(self._table).items() if name not in self._whole}
        if not new:
            return
        self._sync(new)
        lines = [
            _line(name, Entry(size, None if name in self._old else checksum(self._table / name)))
            for name, size in sorted(new.items(), key=lambda item: _order(item[0]))
        ]
        self._append("".join(lines))
        self._whole |= new.keys()

    def _sync(self, names: dict[str, int]) -> None:
        """Data first, then what speaks of it, then the version's own file; each with the folders above it."""
        for step in range(1 + len(_LAST)):
            files = [name for name in names if _order(name)[0] == step]
            durable.sync_all(self._table / name for name in files)
            folders = {parent for name in files for parent in Path(name).parents}
            durable.sync_all(self._table / folder for folder in sorted(folders, reverse=True))

    def _append(self, text: str) -> None:
        file = self._pool / FILE
        if not file.exists():
            durable.write_atomically(file, text)
            return
        with open(file, "rb+") as stream:
            if stream.seek(0, os.SEEK_END) and (stream.seek(-1, os.SEEK_END), stream.read(1))[1] != b"\n":
                text = "\n" + text  # after a line that was torn
            stream.write(text.encode())
            stream.flush()
            os.fsync(stream.fileno())


def _order(name: str) -> tuple[int, str]:
    first = name.split("/", 1)[0]
    return (_LAST.index(first) + 1 if first in _LAST else 0), name


def _line(name: str, entry: Entry) -> str:
    return f"{'-' if entry.crc is None else f'{entry.crc:08x}'} {entry.size} {name}\n"
