"""The members of zip and tar archives: listed by header, never unpacked to disk, read by place or by name."""

from __future__ import annotations

import errno
import lzma
import re
import struct
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from veduta.errors import SourceError
from veduta.pool import limits, location
from veduta.pool.readers import kinds, packed, places
from veduta.pool.readers.infer import clean
from veduta.pool.readers.notes import Notes

ZIPS = (".zip",)
TARS = (".tar",)
PACKED_TARS = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
MOST_HEADER = 1 << 20
_DRIVE = re.compile(r"^[A-Za-z]:")


@dataclass(slots=True)
class Member:
    """One regular file in an archive. uri: "" if it has no address of its own (packed members)."""

    path: str
    uri: str
    stamp: str
    read: Callable[[], bytes]
    size: int


def is_archive(name: str) -> bool:
    """Whether the name is that of an archive that can be read."""
    return name.lower().endswith(ZIPS + TARS + PACKED_TARS)


def refusal(path: str) -> str:
    """Why a member of this name is refused, or ""."""
    if path.startswith(("/", "\\")) or _DRIVE.match(path):
        return "refused: an absolute path in an archive"
    if ".." in re.split(r"[/\\]", path):
        return "refused: a path with '..' in an archive"
    return ""


def members(uri: str, notes: Notes, until: int | None = None) -> Iterator[Member]:
    """The regular files of an archive; refused ones are noted by name. until: bytes of a tar after which it is left.

    Zip and plain tar members are read in any order and from any thread; those of a packed tar are read as the
    iteration passes them, because there is no other way into a packed stream.
    """
    lower = uri.lower()
    if lower.endswith(ZIPS):
        return _zip(uri, notes)
    return _tar(uri, notes, lower.endswith(PACKED_TARS), until)


def _zip(uri: str, notes: Notes) -> Iterator[Member]:
    try:
        with places.open_binary(uri) as stream, zipfile.ZipFile(stream) as archive:
            for info in archive.infolist():
                path = clean(info.filename)
                if "\\" in path and "/" not in path and not refusal(path):
                    path = path.replace("\\", "/")
                    notes.count("backslashes in an archive's paths read as folders")
                if info.is_dir() or path.endswith("/"):
                    continue
                kind = (info.external_attr >> 28) & 0xF
                reason = refusal(path) or ("refused: a link or device in an archive" if kind not in (0, 8) else "")
                reason = reason or ("refused: encrypted" if info.flag_bits & 1 else _too_large(path, info.file_size))
                if reason:
                    notes.problem(path, reason)
                    continue
                place = _stored(uri, stream, info)
                read = (
                    partial(location.read, place, kinds.most(path)) if place else partial(_read_zip, uri, info.filename)
                )
                yield Member(path, place, f"{info.file_size}:{info.CRC:08x}", read, info.file_size)
    except _DAMAGED as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise SourceError(f"{uri} is not a sound zip archive: {error}; fetch or pack it again") from None


def _stored(uri: str, stream: Any, info: zipfile.ZipInfo) -> str:
    """The address of a member that is stored without compression, else ""."""
    if info.compress_type != zipfile.ZIP_STORED:
        return ""
    here = stream.tell()
    try:
        stream.seek(info.header_offset)
        header = stream.read(30)
    except (OSError, ValueError, OverflowError):  # an offset before the file; reading the member will tell
        header = b""
    stream.seek(here)
    if len(header) < 30 or header[:4] != b"PK\x03\x04":
        return ""
    start = info.header_offset + 30 + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    return f"{uri}#range={start}+{info.file_size}"


# What zipfile raises where offsets and sizes make no sense.
_DAMAGED = (zipfile.BadZipFile, OSError, ValueError, IndexError, OverflowError, NotImplementedError, struct.error)
_open = threading.local()


def _read_zip(uri: str, name: str) -> bytes:
    """A packed zip member; each thread keeps the archive that it read last open."""
    if getattr(_open, "uri", None) != uri:
        _open.archive = zipfile.ZipFile(places.open_binary(uri))
        _open.uri = uri
    try:
        return _open.archive.read(name)
    except (*_DAMAGED, zlib.error, lzma.LZMAError, EOFError, RuntimeError, KeyError) as error:
        raise SourceError(f"{name} cannot be unpacked from {uri}: {error}") from None


def _tar(uri: str, notes: Notes, is_packed: bool, until: int | None) -> Iterator[Member]:
    whole = places.stamp(
        uri
    )  # a header says nothing of the bytes: where the archive has changed, each member is compared
    with places.open_binary(uri) as stream:
        try:
            whole_stream = packed.unpacked(stream) if is_packed else stream
            mode = "r|" if is_packed else "r:"
            archive = tarfile.open(fileobj=whole_stream, mode=mode, bufsize=1 << 20, tarinfo=_Info)  # noqa: SIM115
        except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error) as error:
            raise SourceError(f"{uri} is not a sound tar archive: {error}; fetch or pack it again") from None
        try:
            while (info := archive.next()) is not None and (until is None or info.offset < until):
                archive.members = []  # or the list of all headers would grow with the archive
                path = location.escape(info.name.removeprefix("./"))
                if info.isdir():
                    continue
                reason = refusal(info.name)
                reason = reason or (
                    ""
                    if info.isreg() and not info.issparse()
                    else "refused: a link, device or sparse file in an archive"
                )
                reason = reason or _too_large(path, info.size)
                if reason:
                    notes.problem(path, reason)
                    continue
                stamp = f"{info.size}:{info.mtime:.0f}:{info.offset_data}:{whole}"
                if is_packed:
                    data = archive.extractfile(info).read()
                    yield Member(path, "", stamp, partial(_given, data), info.size)
                else:
                    place = f"{uri}#range={info.offset_data}+{info.size}"
                    yield Member(
                        path, place, stamp, partial(_read_range, place, info.size, kinds.most(path)), info.size
                    )
        except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error, RecursionError) as error:
            words = f"the archive ends early or is damaged; what came before is read: {error}"
            notes.problem(places.base(uri), words, hides="all")


class _Info(tarfile.TarInfo):
    """Headers within bounds: names and attributes are read as a whole, and a size below zero leads back for ever."""

    def _proc_member(self, archive: tarfile.TarFile) -> Any:
        if self.size < 0 or (self.size > MOST_HEADER and self.type not in tarfile.REGULAR_TYPES):
            raise tarfile.ReadError(f"a header of {self.size:,} bytes")
        return super()._proc_member(archive)  # pyright: ignore[reportAttributeAccessIssue]


def _given(data: bytes) -> bytes:
    return data


def _read_range(place: str, size: int, most: limits.Limit) -> bytes:
    data = location.read(place, most)
    if len(data) != size:
        raise SourceError(f"the archive ends inside this member: {len(data)} of {size} bytes are there")
    return data


def _too_large(path: str, size: int) -> str:
    most = kinds.most(path)
    return "" if 0 <= size <= most.bytes else f"refused: claims to be {size:,} bytes long; {most.says(size)}"
