"""Files that hold or claim far more than they are: a named outcome each, and the good rows beside them stay.

The bounds are lowered, so that small files go beyond them; `test_fuzz` looks for what nobody thought of.
"""

from __future__ import annotations

import gzip
import io
import json
import lzma
import re
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import veduta
from pictures import encoded, picture
from veduta.engine.decode import decode, room
from veduta.engine.pipeline import batched, ordered_map
from veduta.errors import SourceError, Undecodable
from veduta.pool.readers import open_source

MB = bytes(1 << 20)
GOOD = [encoded(picture(i, (48, 40)), "PNG") for i in range(4)]


@pytest.fixture(autouse=True)
def _low(monkeypatch):
    for name in ("FILE", "LINE", "DOCUMENT", "PARSED", "COLUMN"):
        monkeypatch.setenv(f"VEDUTA_MAX_{name}_MIB", "1")


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A folder `src` of good pictures; tables lie beside it."""
    (tmp_path / "src").mkdir()
    for i, data in enumerate(GOOD):
        (tmp_path / "src" / f"{i}.png").write_bytes(data)
    return tmp_path


def ingested(source: Path, tmp_path: Path) -> tuple[dict[str, str | None], str]:
    """key -> error of all rows, and what was said of unread parts."""
    pool = veduta.create(tmp_path / "p.vd")
    report = pool.ingest(source)
    rows = pool.table(["key", "error"]).to_pylist()
    return {r["key"]: r["error"] for r in rows}, "; ".join(f"{name}: {why}" for name, why in report.unread)


def sound(rows: dict[str, str | None]) -> int:
    return sum(error is None for error in rows.values())


def test_a_sparse_file_is_a_row_that_says_how_to_allow_it(beside, tmp_path):
    with open(beside / "src" / "big.jpg", "wb") as file:
        file.truncate(40 << 30)
    rows, _ = ingested(beside / "src", tmp_path)
    assert sound(rows) == 4
    assert rows["big.jpg"] == (
        "unreadable: too large: 42,949,672,960 bytes; the limit is 1 MiB; allow it with VEDUTA_MAX_FILE_MIB=40960"
    )


def test_what_is_said_to_allow_a_file_does(beside, tmp_path, monkeypatch):
    data = np.random.default_rng(0).integers(0, 256, (700, 700, 3), np.uint8)
    (beside / "src" / "big.bmp").write_bytes(encoded(Image.fromarray(data), "BMP"))
    pool = veduta.create(tmp_path / "p.vd")
    pool.ingest(beside / "src")
    said = pool.table(["error"], where="key = 'big.bmp'")["error"][0].as_py()
    name, value = said.rpartition(" ")[2].split("=")
    monkeypatch.setenv(name, value)
    assert pool.ingest(beside / "src").outcomes["ingested"] + pool.dataset.count_rows("error is null") >= 5


def test_members_of_archives(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for i, data in enumerate(GOOD):
            archive.writestr(f"{i}.png", data)
        archive.writestr("bomb.png", MB * 3)
        archive.writestr("inner.zip", MB)
    rows, told = ingested(tmp_path / "a.zip", tmp_path)
    assert sound(rows) == 4
    assert "bomb.png: refused: claims to be 3,145,728 bytes" in told


@pytest.mark.parametrize("end", ["tar.gz", "tar.xz", "tar"])
def test_members_of_packed_tars(tmp_path, end):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in [
            *((f"{i}.png", data) for i, data in enumerate(GOOD[:3])),
            ("b.png", MB * 3),
            ("z.png", GOOD[3]),
        ]:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    pack = {"tar.gz": gzip.compress, "tar.xz": lzma.compress, "tar": bytes}[end]
    (tmp_path / f"a.{end}").write_bytes(pack(out.getvalue()))
    rows, told = ingested(tmp_path / f"a.{end}", tmp_path)
    assert sound(rows) == 4
    assert "b.png: refused: claims to be 3,145,728 bytes" in told


def test_headers_of_a_tar_that_are_not_names(tmp_path):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        info = tarfile.TarInfo("a.png")
        info.size = len(GOOD[0])
        archive.addfile(info, io.BytesIO(GOOD[0]))
    bomb = tarfile.TarInfo("x")
    bomb.type, bomb.size = tarfile.XHDTYPE, 3 << 30
    data = out.getvalue()[: 512 + -(-len(GOOD[0]) // 512) * 512] + bomb.tobuf(tarfile.GNU_FORMAT) + MB * 4
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(data))
    rows, told = ingested(tmp_path / "a.tar.gz", tmp_path)
    assert sound(rows) == 1
    assert "a header of 3,221,225,472 bytes" in told


def _icon(side: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0))
    png = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(png), 22) + png


def test_an_icon_that_holds_more_than_its_list_says():
    with pytest.raises(Undecodable, match=r"^too large: 30000 x 30000 pixels take .* VEDUTA_MAX_DECODING_MIB=\d+$"):
        decode(_icon(30000))


def test_large_pictures_wait_for_each_other(monkeypatch):
    monkeypatch.setenv("VEDUTA_MAX_DECODING_MIB", "40")
    most = []

    def one(_: int) -> None:
        with room.decoding():
            room.take(2500, 2500, 4)
            most.append(room._taken)

    list(ordered_map(one, range(8)))
    assert max(most) <= 40 << 20
    assert room._taken == 0
    with pytest.raises(Undecodable, match="VEDUTA_MAX_DECODING_MIB"), room.decoding():
        room.take(10000, 10000, 4)


def test_batches_end_before_they_are_too_heavy():
    assert list(batched([1, 2, 9, 1, 1, 1], 3, int, 4)) == [[1, 2], [9], [1, 1, 1]]
    flying, most = [0], [0]

    def weights():
        for weight in (3, 3, 3, 9, 1):
            flying[0] += weight
            most[0] = max(most[0], flying[0])
            yield weight

    for done in ordered_map(int, weights(), weight=int, room=6):
        flying[0] -= done
    assert most[0] <= 15  # those that fly, and the next one, which waits


def test_long_lines_are_passed_over(beside, tmp_path):
    lines = [json.dumps({"file_name": f"src/{i}.png", "label": "x"}).encode() + b"\n" for i in range(4)]
    lines.insert(2, b'{"file_name": "' + MB + MB + b'"}\n')
    (beside / "a.jsonl.gz").write_bytes(gzip.compress(b"".join(lines)))
    rows, told = ingested(beside / "a.jsonl.gz", tmp_path)
    assert sound(rows) == 4
    assert "a.jsonl.gz: line 3: not JSON" not in told
    assert "line 3: passed over: a line of 2,097,170 bytes" in told


@pytest.mark.parametrize("cell", [b"a" * (3 << 20), b"\0" * (3 << 20)])
def test_long_cells_are_passed_over(beside, tmp_path, cell):
    text = b"file_name,label\nsrc/0.png,x\nsrc/1.png," + cell + b"\nsrc/2.png,y\nsrc/3.png,y\n"
    (beside / "a.csv").write_bytes(text)
    rows, told = ingested(beside / "a.csv", tmp_path)
    assert sound(rows) == 3
    assert "a.csv: row at byte 28: passed over: a line of 3,145,739 bytes" in told


def test_json_that_would_fill_the_memory(beside, tmp_path, monkeypatch):
    monkeypatch.setenv("VEDUTA_MAX_DOCUMENT_MIB", "4")
    (beside / "src" / "annotations.json").write_bytes(b'{"images": [], "annotations": [' + b"{}," * 500_000 + b"{}]}")
    rows, told = ingested(beside / "src", tmp_path)
    assert sound(rows) == 4
    assert re.search(r"annotations.json: .* too large: it would take \d+ MiB of memory", told)


def _table(images: list[bytes], **more: pa.Array) -> pa.Table:
    return pa.table({"key": [str(i) for i in range(len(images))], "image": pa.array(images, pa.large_binary()), **more})


def test_a_parquet_page_that_holds_too_much(beside, tmp_path):
    table = _table([*GOOD[:2], MB * 3, GOOD[2]])
    pq.write_table(table, tmp_path / "a.parquet", compression="zstd", use_dictionary=False, row_group_size=1)
    rows, told = ingested(tmp_path / "a.parquet", tmp_path)
    assert sound(rows) == 3
    assert "rows 3 to 3: cannot be read: column image has a page of 3 MiB, unpacked" in told


def test_rows_that_share_one_large_value(tmp_path, monkeypatch):
    monkeypatch.setenv("VEDUTA_MAX_FILE_MIB", "20")
    monkeypatch.setenv("VEDUTA_MAX_COLUMN_MIB", "20")
    shared = pa.DictionaryArray.from_arrays(pa.array([0, 1, *[2] * 60], pa.int32()), pa.array([*GOOD[:2], MB * 17]))
    table = pa.table({"key": [str(i) for i in range(62)], "image": shared})
    pq.write_table(table, tmp_path / "a.parquet", compression="zstd", store_schema=False)
    with pa.ipc.new_file(tmp_path / "a.arrow", table.schema) as writer:
        writer.write_table(table)
    for name in ("a.parquet", "a.arrow"):
        items = open_source(tmp_path / name).items()
        assert sum(item.size for item, _ in zip(items, range(10))) > 8 * len(MB) * 17
    rows, _ = ingested(tmp_path / "a.parquet", tmp_path)
    assert sound(rows) == 2
    assert (rows["5"] or "").endswith("; its 17,825,792 bytes are not kept (the limit is 16 MiB)")
    assert (tmp_path / "p.vd").stat().st_size < 1 << 20


def test_claims_of_rows_and_values(tmp_path):
    same = pa.DictionaryArray.from_arrays(pa.array(np.zeros(1 << 23, np.int8)), pa.array(["a.png"]))
    pq.write_table(pa.table({"file_name": same}), tmp_path / "a.parquet", compression="zstd", row_group_size=1 << 23)
    with pytest.raises(SourceError, match=r"claims 8,388,608 rows in [\d,]+ bytes"):
        open_source(tmp_path / "a.parquet")
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([1 << 30], pa.int32()), pa.array(["a.png"]))
    table = pa.table({"file_name": runs})
    with pa.ipc.new_file(tmp_path / "a.arrow", table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(SourceError, match=r"claims 1,073,741,824 rows"):
        open_source(tmp_path / "a.arrow")


def test_an_arrow_buffer_that_unpacks_to_too_much(tmp_path):
    table = _table([*GOOD, MB * 3])
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(tmp_path / "a.arrow", table.schema, options=options) as writer:
        writer.write_table(table)
    with pytest.raises(
        SourceError, match=r"takes 3 MiB, unpacked; the limit is 1 MiB; allow it with VEDUTA_MAX_COLUMN_MIB=\d"
    ):
        list(open_source(tmp_path / "a.arrow").items())
