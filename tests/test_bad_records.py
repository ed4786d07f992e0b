"""One bad record is one bad row, or is counted and named: the others are ingested."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import veduta
from pictures import encoded, picture
from veduta.errors import SourceError
from veduta.pool.readers import open_source
from veduta.pool.readers.columnar import IpcFile

GOOD = [encoded(picture(i, (48, 40)), "PNG") for i in range(4)]
HEAD = "file_name,label\n" + "".join(f"src/{i}.png,x\n" for i in range(4))


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    for i, data in enumerate(GOOD):
        (tmp_path / "src" / f"{i}.png").write_bytes(data)
    return tmp_path


def outcome(source: Path, tmp_path: Path) -> tuple[int, list[str], list[tuple[str, str]]]:
    """Sound rows, the errors of the others, and what could not be read of the source."""
    pool = veduta.create(tmp_path / f"{source.name}.vd")
    report = pool.ingest(source)
    errors = [row["error"] for row in pool.table(["error"]).to_pylist()]
    return errors.count(None), [e for e in errors if e is not None], report.unread


@pytest.mark.parametrize(
    "name",
    [
        "s3://bucket/x.png", "foo://x.png", "zip://a.png::src/0.png", "zip://a.png::zip://b.zip::src/0.png", "src/\0.png",
        "src/" + "n" * 5000 + ".png", "a/" * 3000 + "x.png", "file:///etc/passwd", "data:image/png;base64,!!", "http://",
        "http://[::1", "::", "https://user:pw@h/x.png", "//x/y.png", "\ud800.png",
    ],
)  # fmt: skip
def test_addresses_that_cannot_be_read(beside, tmp_path, name):
    (beside / "t.csv").write_bytes((HEAD + f'"{name}",y\n').encode("utf-8", "surrogatepass"))
    sound, errors, _ = outcome(beside / "t.csv", tmp_path)
    assert (sound, len(errors)) == (4, 1)
    assert len(errors[0]) > 10


@pytest.mark.parametrize("ends", [".jsonl", ".csv"])
def test_json_that_is_too_deep(beside, tmp_path, ends):
    deep = "[" * 5000 + "]" * 5000
    if ends == ".csv":
        lines = "file_name,label,objects\nsrc/0.png,x,[]\nsrc/1.png,x," + deep + "\nsrc/2.png,x,[]\nsrc/3.png,x,[]\n"
    else:
        some = [json.dumps({"file_name": f"src/{i}.png"}) for i in (0, 2, 3)]
        more = ['{"file_name": "src/1.png", "x": ' + "[" * n + "]" * n + "}" for n in (5000, 200)]
        lines = "\n".join([*some, *more])
    (beside / f"t{ends}").write_text(lines)
    sound, errors, unread = outcome(beside / f"t{ends}", tmp_path)
    assert (sound, errors) == ((4, []) if ends == ".csv" else (3, []))
    assert ends == ".csv" or [why.partition(":")[2] for _, why in unread] == [" nested more than 64 levels deep"] * 2


def test_halves_of_surrogates_are_text(beside, tmp_path):
    lines = [
        json.dumps({"file_name": f"src/{i}.png", "label": "\ud800", "\udfff": "\udc80", "tags": ["\ud83d"]})
        for i in range(4)
    ]
    (beside / "t.jsonl").write_text("\n".join(lines))
    assert outcome(beside / "t.jsonl", tmp_path)[:2] == (4, [])


def test_a_line_that_is_cut_in_the_middle(beside, tmp_path):
    lines = [json.dumps({"file_name": f"src/{i}.png"}) for i in range(4)]
    (beside / "t.jsonl").write_text("\n".join([lines[0], lines[1][:15], *lines[2:]]))
    sound, _, unread = outcome(beside / "t.jsonl", tmp_path)
    assert sound == 3
    assert unread[0][0] == "t.jsonl: line 2"


@pytest.mark.parametrize("ends", [".csv", ".jsonl"])
def test_a_gzip_whose_end_is_damaged(beside, tmp_path, ends):
    rows = [f"src/{i % 4}.png" for i in range(4)]
    text = HEAD if ends == ".csv" else "".join(json.dumps({"file_name": name}) + "\n" for name in rows)
    text += "".join(
        (f"far/{name}.png,{i}\n" if ends == ".csv" else json.dumps({"file_name": f"far/{name}.png"}) + "\n")
        for i, name in enumerate(hashlib.sha256(bytes([n % 256, n >> 8])).hexdigest() for n in range(2000))
    )
    packed = gzip.compress(text.encode())
    for number, data in enumerate(
        (packed[: len(packed) * 2 // 3], packed[:-6], packed[:-8] + bytes(8), packed + b"more")
    ):
        (beside / f"t{number}{ends}.gz").write_bytes(data)
        sound, errors, unread = outcome(beside / f"t{number}{ends}.gz", tmp_path)
        assert sound == 4
        assert len(errors) > 300
        assert any("is damaged; what comes before is read" in why for _, why in unread)


def _written(form: str, damage: int) -> bytes:
    table = pa.table({"key": [str(i) for i in range(12)], "image": pa.array(GOOD * 3, pa.binary())})
    out = io.BytesIO()
    if form == "parquet":
        pq.write_table(table, out, compression="none", use_dictionary=False, row_group_size=4)
    else:
        with (pa.ipc.new_file if form == "arrow" else pa.ipc.new_stream)(out, table.schema) as writer:
            writer.write_table(table, max_chunksize=4)
    data = bytearray(out.getvalue())
    if damage:  # a length or an offset before the last pictures
        places = [i for i in range(len(data)) if data.startswith(GOOD[0], i)]
        at = places[-1] - 4 if form == "parquet" else places[-1] - 64
        data[at : at + 64 if form != "parquet" else at + 4] = b"\xff\xff\xff\x7f" * (16 if form != "parquet" else 1)
    return bytes(data)


@pytest.mark.parametrize("form", ["parquet", "arrow", "ipc"])
def test_a_damaged_batch_costs_its_own_rows(tmp_path, form):
    (tmp_path / f"t.{form}").write_bytes(_written(form, 1))
    sound, errors, unread = outcome(tmp_path / f"t.{form}", tmp_path)
    assert (sound, errors) == (8, [])
    assert unread[0][0] in (f"t.{form}: rows 9 to 12", f"t.{form}: rows from 9 on")


def test_a_damaged_file_among_others(tmp_path):
    folder = tmp_path / "tables"
    folder.mkdir()
    for name, data in (("a", _written("parquet", 0)), ("b", b"PAR1" + bytes(100)), ("c", _written("parquet", 0))):
        (folder / f"{name}.parquet").write_bytes(data)
    reader = open_source(folder)
    assert len(list(reader.items())) == 24
    assert [name for name, _ in reader.problems] == ["b.parquet"]


def test_texts_of_an_arrow_file_that_are_not_utf8(tmp_path):
    name = pa.array([b"caf\xe9", b"tea"]).view(pa.string())
    table = pa.table({"image": pa.array(GOOD[:2]), "name": name})
    with pa.ipc.new_file(tmp_path / "t.arrow", table.schema) as writer:
        writer.write_table(table)
    assert [item.fields["name"] for item in open_source(tmp_path / "t.arrow").items()] == ["café", "tea"]


def test_an_offset_that_leads_out_of_an_arrow_file_is_never_followed(tmp_path):
    table = pa.table({"image": pa.array([b"abcde", b"abcdef"])})
    with pa.ipc.new_file(tmp_path / "t.arrow", table.schema) as writer:
        writer.write_table(table)
    data, offsets = (tmp_path / "t.arrow").read_bytes(), np.array([0, 5, 11], "<i4").tobytes()
    assert data.count(offsets) == 1
    (tmp_path / "t.arrow").write_bytes(data.replace(offsets, np.array([0, 5, 1 << 30], "<i4").tobytes()))
    with pytest.raises(SourceError, match="is not a sound Arrow file"):
        list(IpcFile(str(tmp_path / "t.arrow")).batches(None))
