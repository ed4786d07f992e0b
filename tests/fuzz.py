"""Damaged files of every kind through the public readers: nothing crashes, nothing hangs, every refusal is named.

    python tests/fuzz.py all 10000          every kind, 10,000 files each
    python tests/fuzz.py arrow 1 4711       one file again, by its number

A file is made from its number alone. Each batch runs in a process of its own with 4 GiB of address space and 20 seconds a
file, so that a crash or a hang is seen, named by its number, and the next file is tried. Exit status 1 if there were any.
"""

from __future__ import annotations

import bz2
import collections
import functools
import gzip
import io
import json
import lzma
import os
import random
import resource
import signal
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

from pictures import encoded, picture

MEMORY, SECONDS = 4 << 30, 20
_LENGTHS = (b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\0\0\0\0", b"\0\0\1\0", b"\x7f", b"\xff")
_WORDS = (
    b'"',
    b"\\",
    b"\0",
    b"\n",
    b",",
    b"{",
    b"[" * 300,
    b"]",
    b":",
    b"1e999",
    b"-",
    b"\xed\xa0\x80",
    b"\\ud800",
    b"://",
)

Made = tuple[str, bytes]


@functools.cache
def _seen(seed: int) -> Image.Image:
    return picture(seed, (40, 32))


@functools.cache
def _small(seed: int) -> bytes:
    return encoded(picture(seed, (32, 32)), "PNG")


def _rows(rng: random.Random, count: int = 24) -> list[dict[str, Any]]:
    image = _small(rng.randrange(4))
    rows = []
    for i in range(count):
        boxes = [{"bbox": [1.0, 2.0, 3.0 + i, 4.0], "class": "xy"[i % 2]} for _ in range(i % 3)]
        rows.append(
            {"file_name": f"a/{i}.png", "image": image[: 40 + i], "label": "abc"[i % 3], "n": i, "objects": boxes}
        )
    return rows


def pictures(rng: random.Random) -> Made:
    forms = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "ICO", "TGA", "JPEG2000", "SGI", "PCX", "QOI")
    form = rng.choice([*forms, "TIFF16", "PNG16", "HEIC", "JXL", "DICOM"])
    seen = _seen(rng.randrange(6))
    deep = np.asarray(seen, np.uint16) * 257
    if form == "PNG16":
        return ".png", encoded(Image.fromarray(deep[..., 0]), "PNG")
    if form == "TIFF16":
        import tifffile

        out = io.BytesIO()
        tifffile.imwrite(out, deep, photometric="rgb", compression=rng.choice([None, "zlib"]), planarconfig="contig")
        return ".tif", out.getvalue()
    if form in ("HEIC", "JXL", "DICOM"):
        return _optional(form, seen)
    mode = rng.choice(["L", "P", "RGBA", "CMYK", "1", "RGB", "RGB"])
    how: dict[str, Any] = (
        {"compression": rng.choice(["tiff_lzw", "tiff_adobe_deflate", "jpeg"])} if form == "TIFF" else {}
    )
    try:
        return ".img", encoded(seen.convert(mode), form, **how)
    except (OSError, ValueError, KeyError):
        return ".img", encoded(seen, form)


def _optional(form: str, seen: Image.Image) -> Made:
    """Formats of the extra `formats`; a PNG where they cannot be written here."""
    try:
        if form == "HEIC":
            import pillow_heif

            return ".heic", encoded_heif(pillow_heif, seen)
        if form == "JXL":
            import imagecodecs

            return ".jxl", imagecodecs.jpegxl_encode(np.asarray(seen))
        return ".dcm", _dicom(seen)
    except Exception:  # noqa: BLE001 - another build of the packages
        return ".png", encoded(seen, "PNG")


def encoded_heif(library: Any, seen: Image.Image) -> bytes:
    out = io.BytesIO()
    library.from_pillow(seen).save(out)
    return out.getvalue()


def _dicom(seen: Image.Image) -> bytes:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    values = np.asarray(seen.convert("L"), np.uint16) * 16
    file.Rows, file.Columns = values.shape
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 12, 11, 0
    file.PixelData = values.tobytes()
    out = io.BytesIO()
    file.save_as(out)
    return out.getvalue()


def parquet(rng: random.Random) -> Made:
    out = io.BytesIO()
    packing = rng.choice(["none", "snappy", "zstd", "gzip", "lz4"])
    pq.write_table(
        pa.Table.from_pylist(_rows(rng)), out, compression=packing, row_group_size=rng.choice([8, 24]),
        use_dictionary=rng.random() < 0.5, data_page_version=rng.choice(["1.0", "2.0"]), store_schema=rng.random() < 0.5,
    )  # fmt: skip
    return ".parquet", out.getvalue()


def arrow(rng: random.Random) -> Made:
    out, table = io.BytesIO(), pa.Table.from_pylist(_rows(rng))
    if rng.random() < 0.4:
        at = table.schema.get_field_index("label")
        table = table.set_column(at, "label", table["label"].dictionary_encode())
    options = pa.ipc.IpcWriteOptions(compression=rng.choice([None, "lz4", "zstd"]))
    maker = rng.choice([pa.ipc.new_file, pa.ipc.new_stream])
    with maker(out, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=8)
    return ".arrow", out.getvalue()


def zips(rng: random.Random) -> Made:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for i in range(5):
            how = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
            archive.writestr(f"{'ab'[i % 2]}/{i}.png", _small(i), compress_type=how)
        archive.writestr("metadata.jsonl", '{"file_name": "a/0.png", "label": "x"}\n')
    return ".zip", out.getvalue()


def tars(rng: random.Random) -> Made:
    out = io.BytesIO()
    form = rng.choice([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for i in range(5):
            for name, data in ((f"{i}.png", _small(i)), (f"{i}.json", b'{"label": "x"}')):
                info = tarfile.TarInfo(f"{'é' * 60}/{name}" if rng.random() < 0.1 else name)
                info.size, info.mtime = len(data), rng.choice([0, 1, 1 << 32])
                archive.addfile(info, io.BytesIO(data))
    pack = rng.choice(["", "", ".gz", ".bz2", ".xz"])
    data = out.getvalue()
    if pack and rng.random() < 0.5:  # damaged inside of its packing
        data = damaged(rng, data)
    how: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
    return f".tar{pack}", how[pack](data) if pack else data


def csvs(rng: random.Random) -> Made:
    head = b"file_name,label,caption,n,objects\n"
    lines = [
        f'a/{i}.png,{"xy"[i % 2]},"one, ""two""\nthree",{i * 1.5},"[{{""bbox"": [1,2,3,4]}}]"\n' for i in range(20)
    ]
    text = head + "".join(lines).encode(rng.choice(["utf-8", "utf-8-sig"]))
    packed = rng.random() < 0.2
    return (".csv.gz", gzip.compress(text)) if packed else (rng.choice([".csv", ".tsv"]), text)


def jsonl(rng: random.Random) -> Made:
    rows = [{k: v for k, v in row.items() if k != "image"} for row in _rows(rng)]
    whole = rng.random() < 0.3
    text = json.dumps(rows).encode() if whole else b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    packed = rng.random() < 0.2
    return (".jsonl.gz", gzip.compress(text)) if packed else (".json" if whole else ".jsonl", text)


KINDS: dict[str, Callable[[random.Random], Made]] = {
    "pictures": pictures, "parquet": parquet, "arrow": arrow, "zip": zips, "tar": tars, "csv": csvs, "jsonl": jsonl
}  # fmt: skip


def damaged(rng: random.Random, data: bytes) -> bytes:
    """A file with a few bits, lengths, blocks or ends changed."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        at, kind = rng.randrange(max(1, len(out))), rng.randrange(9)
        near = rng.randrange(min(max(1, len(out)), 256))
        if kind == 0 and out:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and out:
            out[near] = rng.randrange(256)
        elif kind == 2:
            words = rng.choice(_LENGTHS)
            out[at : at + len(words)] = words
        elif kind == 3:
            words = rng.choice(_LENGTHS)
            out[near : near + len(words)] = words
        elif kind == 4:
            del out[at : at + rng.randrange(1, 64)]
        elif kind == 5:
            out[at:at] = out[near : near + rng.randrange(1, 200)] * rng.choice((1, 1, 3, 50))
        elif kind == 6:
            word = rng.choice(_WORDS)
            out[at : at + rng.choice((0, len(word)))] = word
        elif kind == 7 and rng.random() < 0.5:
            del out[at:]
        elif kind == 8:
            end = len(out) - min(len(out), rng.randrange(1, 64))
            out[end : end + 4] = rng.choice(_LENGTHS)
    return bytes(out)


def made(kind: str, number: int) -> Made:
    """The damaged file of this number."""
    rng = random.Random(f"{kind} {number}")
    suffix, data = KINDS[kind](rng)
    return suffix, damaged(rng, data)


def outcome(kind: str, number: int, folder: Path) -> str:
    """What became of one file: "read", "refused", or the name of what should not have been raised."""
    from veduta.engine.decode import decode
    from veduta.errors import Undecodable, VedutaError

    suffix, data = made(kind, number)
    try:
        if kind == "pictures":
            decode(data, 64)
            return "read"
        path = folder / f"x{suffix}"
        path.write_bytes(data)
        _read(path)
        return "read"
    except Undecodable as error:
        return "refused" if str(error) else "Undecodable without a reason"
    except VedutaError as error:
        return "refused" if len(str(error)) > 20 else f"{type(error).__name__} without a reason"
    except Exception as error:  # noqa: BLE001 - the very thing that is looked for
        where = error.__traceback__
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        place = f"{Path(where.tb_frame.f_code.co_filename).name}:{where.tb_lineno}" if where else ""
        return f"{type(error).__name__}: {str(error)[:100]} at {place}"


def _read(path: Path) -> None:
    """All items of a source with their bytes and fields, as an ingest takes them."""
    from veduta.errors import SourceError
    from veduta.pool.readers import open_source
    from veduta.pool.schema import CORE

    reader = open_source(path)
    types = {field.name: field.type for field in CORE} | reader.columns()
    for item in reader.items():
        str(item.key).encode()
        for name, value in item.fields.items():
            if name in types and name not in ("objects", "width", "height"):
                pa.array([value], types[name])
        try:
            item.read()
        except (OSError, SourceError):
            continue


def batch(kind: str, count: int, start: int, mark: str) -> None:
    """Files one after the other in this process; prints what became of them."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    found: dict[str, list[int]] = collections.defaultdict(list)
    at = os.open(mark, os.O_CREAT | os.O_WRONLY)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(start, start + count):
            os.pwrite(at, f"{number:<20}".encode(), 0)
            signal.alarm(SECONDS)
            found[outcome(kind, number, Path(folder))].append(number)
            signal.alarm(0)
    print(json.dumps(found))


def run(kind: str, count: int, start: int = 0, size: int = 500) -> dict[str, list[int]]:
    """Outcomes -> the numbers of the files. A crash or hang ends its batch, which goes on with the next file."""
    found: dict[str, list[int]] = collections.defaultdict(list)
    number, end = start, start + count
    with tempfile.TemporaryDirectory() as folder:
        mark = str(Path(folder) / "at")
        while number < end:
            many = min(size, end - number)
            command = [sys.executable, __file__, "--batch", kind, str(many), str(number), mark]
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
            if done.returncode == 0:
                for name, numbers in json.loads(done.stdout.splitlines()[-1]).items():
                    found[name] += numbers
                number += many
                continue
            if done.returncode > 0:
                raise RuntimeError(done.stderr)
            last = int(Path(mark).read_text()) if Path(mark).exists() else number
            if last > number:  # those before it count too
                for name, numbers in run(kind, last - number, number, last - number).items():
                    found[name] += numbers
            name = "hang" if done.returncode == -signal.SIGALRM else f"crash {done.returncode} {done.stderr[-200:]}"
            found[name].append(last)
            number = last + 1
    return found


def main() -> int:
    if sys.argv[1] == "--batch":
        batch(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
        return 0
    kinds = list(KINDS) if sys.argv[1] == "all" else [sys.argv[1]]
    count, start = int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0
    bad = 0
    for kind in kinds:
        found = run(kind, count, start)
        print(f"{kind}: " + ", ".join(f"{name} {len(found.get(name, []))}" for name in ("read", "refused")), flush=True)
        for name, numbers in sorted(found.items(), key=lambda each: -len(each[1])):
            if name not in ("read", "refused"):
                bad += len(numbers)
                print(f"  {len(numbers)} x {name}: {numbers[:5]}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
