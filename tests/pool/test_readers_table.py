"""Tables: image columns found by type and name, keys, core columns, streaming."""

from __future__ import annotations

import base64
import datetime
import gzip
import io
import json
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from PIL import Image

from veduta.errors import BadInput, SourceError
from veduta.pool.readers import infer, open_source
from veduta.pool.readers.fields import Columns
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.table import Table


def png(shade: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3), (shade, 10, 20)).save(buffer, "PNG")
    return buffer.getvalue()


def sample(n: int = 5) -> pa.Table:
    return pa.table(
        {
            "id": pa.array(range(n), pa.int32()),
            "label": pa.array([i % 2 for i in range(n)], pa.int8()),
            "class": ["cat" if i % 2 else "dog" for i in range(n)],
            "image": [png(i) for i in range(n)],
            "when": pa.array([datetime.datetime(2020, 1, 1 + i) for i in range(n)], pa.timestamp("us")),
        }
    )


def write(table: pa.Table, path: Path) -> str:
    name = path.name
    if name.endswith(".parquet"):
        pq.write_table(table, path, row_group_size=2)
    elif name.endswith(".feather"):
        feather.write_feather(table, str(path))
    else:
        maker = pa.ipc.new_file if name == "t.arrow" else pa.ipc.new_stream
        with maker(str(path), table.schema) as writer:
            writer.write_table(table)
    return str(path)


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "stream.arrow", "t.feather"])
def test_arrow_files(tmp_path, name):
    reader = open_source(write(sample(), tmp_path / name))
    items = list(reader.items())
    assert [(i.key, i.fields["label"], i.read()) for i in items] == [
        (str(n), "cat" if n % 2 else "dog", png(n)) for n in range(5)
    ]
    assert reader.columns() == {"label_id": pa.int8(), "when": pa.timestamp("us")}
    assert items[1].fields["label_id"] == 1
    assert items[1].fields["when"] == datetime.datetime(2020, 1, 2)
    assert len({i.stamp for i in items}) == 5
    assert [i.stamp for i in reader.items()] == [i.stamp for i in items]
    assert len(reader) == 5


def test_tables_in_memory_and_pandas():
    for table in (sample(), sample().to_pandas()):
        reader = open_source(table)
        assert [i.read() for i in reader.items()] == [png(n) for n in range(5)]
    with pytest.raises(SourceError, match="give images as bytes or paths"):
        open_source(pd.DataFrame({"image": [Image.new("RGB", (1, 1)), 3]}))


def test_hugging_face_struct_and_features(tmp_path):
    images = [{"bytes": png(i), "path": f"{i % 2}.png"} for i in range(4)]
    features = {
        "info": {"features": {"label": {"_type": "ClassLabel", "names": ["no", "yes"]}, "image": {"_type": "Image"}}}
    }
    table = pa.table({"image": images, "label": [0, 1, 1, 7]}).replace_schema_metadata(
        {"huggingface": json.dumps(features)}
    )
    pq.write_table(table, tmp_path / "t.parquet")
    items = list(open_source(tmp_path / "t.parquet").items())
    assert [i.fields["label"] for i in items] == ["no", "yes", "yes", None]
    assert [i.fields["label_id"] for i in items] == [0, 1, 1, 7]
    # two rows share a path, so the paths cannot be keys
    assert [i.key for i in items] == ["t/00000000", "t/00000001", "t/00000002", "t/00000003"]
    distinct = pa.table({"image": [{"bytes": png(i), "path": f"{i}.png"} for i in range(4)]})
    assert [i.key for i in open_source(distinct).items()] == ["0.png", "1.png", "2.png", "3.png"]


def test_several_files_and_a_folder_of_them(tmp_path):
    for part in range(3):
        pq.write_table(sample().drop_columns(["id"]), tmp_path / f"p{part}.parquet")
    pq.write_table(sample().drop_columns(["id"]).append_column("extra", pa.array([1] * 5)), tmp_path / "p3.parquet")
    for source in (tmp_path, str(tmp_path / "p{0..3}.parquet"), str(tmp_path / "*.parquet")):
        reader = open_source(source)
        items = list(reader.items())
        assert [i.key for i in items] == [f"p{p}/{n:08d}" for p in range(4) for n in range(5)]
        assert [i.fields["extra"] for i in items] == [None] * 15 + [1] * 5


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.jsonl.gz", "list.json"])
def test_paths_beside_a_text_table(tmp_path, name):
    rows = [{"path": f"pics/{i}.png", "label": "ab"[i % 2], "n": i, "note": "x,\ty" if i else "ü"} for i in range(3)]
    (tmp_path / "pics").mkdir()
    for i in range(3):
        (tmp_path / "pics" / f"{i}.png").write_bytes(png(i))
    place = tmp_path / name
    if name.startswith("list"):
        place.write_text(json.dumps(rows, indent=1))
    elif ".jsonl" in name:
        data = "\n".join(map(json.dumps, rows)).encode()
        place.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    else:
        pd.DataFrame(rows).to_csv(place, index=False, sep="\t" if name == "t.tsv" else ",")
    reader = open_source(place)
    items = list(reader.items())
    assert [(i.key, i.read()) for i in items] == [(f"pics/{i}.png", png(i)) for i in range(3)]
    assert items[2].uri == str(tmp_path / "pics" / "2.png")
    assert items[0].fields == {"label": "a", "n": 0, "note": "ü"}
    assert reader.columns() == {"n": pa.int64(), "note": pa.string()}


def test_semicolons_duplicate_paths_absolute_and_missing(tmp_path):
    (tmp_path / "a.png").write_bytes(png(1))
    (tmp_path / "t.csv").write_text(f"file;label\n{tmp_path}/a.png;x\na.png;y\na.png;z\ngone.png;w\n;v\n")
    items = list(open_source(tmp_path / "t.csv").items())
    assert [i.key for i in items] == [f"t/{n:08d}" for n in range(4)]  # the two rows of a.png are one
    assert [i.read() for i in items[:2]] == [png(1)] * 2
    with pytest.raises(FileNotFoundError):
        items[2].read()
    with pytest.raises(SourceError, match="neither bytes nor a path"):
        items[3].read()


def test_paths_that_are_not_utf8(tmp_path):
    with open(bytes(tmp_path) + b"/caf\xe9.png", "wb") as stream:
        stream.write(png(3))
    (tmp_path / "t.csv").write_bytes(b"file,text\ncaf\xe9.png,caf\xe9\n")
    (item,) = open_source(tmp_path / "t.csv").items()
    assert (item.key, item.read(), item.fields["captions"]) == ("caf%E9.png", png(3), ["café"])


def test_a_table_without_images_names_its_columns(tmp_path):
    (tmp_path / "t.csv").write_text("name,price\na,1\n")
    with pytest.raises(SourceError, match=r"no column of images.*name \(string\), price \(int64\).*image='...'"):
        open_source(tmp_path / "t.csv")
    with pytest.raises(BadInput, match="no column 'photo' for the images"):
        open_source(tmp_path / "t.csv", image="photo")
    with pytest.raises(BadInput, match="no column 'k' for the keys"):
        open_source(sample(), key="k")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(SourceError, match="not a sound Parquet file"):
        open_source(tmp_path / "bad.parquet")
    (tmp_path / "bad.arrow").write_bytes(b"nothing at all")
    with pytest.raises(SourceError, match="not a sound Arrow file"):
        open_source(tmp_path / "bad.arrow")
    (tmp_path / "bad.json").write_text("[1, 2")
    with pytest.raises(SourceError, match="not JSON"):
        open_source(tmp_path / "bad.json")


def test_a_chosen_image_column_and_key():
    table = pa.table({"thumb": [png(1), png(2)], "photo": [png(3), png(4)], "code": ["p", "q"], "label": ["1", "2"]})
    reader = Table(table, image="photo", key="code")
    assert [(i.key, i.read()) for i in reader.items()] == [("p", png(3)), ("q", png(4))]
    assert reader.columns() == {"thumb": pa.large_binary()}
    assert [i.fields["thumb"] for i in reader.items()] == [png(1), png(2)]
    assert [str(g) for g in reader.notes.guesses] == [
        "further columns of images: thumb: kept as bytes (otherwise: image='...')"
    ]


def test_tables_behind_urls(tmp_path):
    fs = fsspec.filesystem("memory")
    buffer = io.BytesIO()
    pq.write_table(sample(), buffer)
    fs.pipe("/vt/t.parquet", buffer.getvalue())
    fs.pipe("/vt/t.csv", b"file\npics/a.png\n")
    fs.pipe("/vt/pics/a.png", png(7))
    for source in ("memory://vt/t.parquet", f"file://{write(sample(), tmp_path / 't.parquet')}"):
        assert [i.read() for i in open_source(source).items()] == [png(n) for n in range(5)]
    (item,) = open_source("memory://vt/t.csv").items()
    assert (item.read(), item.uri) == (png(7), "memory://vt/pics/a.png")


def test_only_a_few_rows_are_held(tmp_path):
    big = pa.table({"image": [bytes([i]) * 100_000 for i in range(200)]})
    pq.write_table(big, tmp_path / "t.parquet", row_group_size=200, compression="none", write_batch_size=8)
    del big
    before = pa.total_allocated_bytes()
    peak = 0
    for item in open_source(tmp_path / "t.parquet").items():
        item.read()
        peak = max(peak, pa.total_allocated_bytes() - before)
    assert peak < 12_000_000  # the row group alone is 20 MB


@pytest.mark.parametrize(
    ("types", "record", "fields"),
    [
        ({"label": pa.string(), "class": pa.string()}, {"label": "a", "class": "b"}, {"label": "a", "class": "b"}),
        ({"class": pa.string()}, {"class": "b"}, {"label": "b"}),
        ({"words": pa.string()}, {"words": "b"}, {"words": "b"}),
        ({"label": pa.int64()}, {"label": 7}, {"label": "7", "label_id": 7}),
        (
            {"text": pa.string(), "caption": pa.string()},
            {"text": "t", "caption": "c"},
            {"captions": ["c"], "text": "t"},
        ),
        ({"captions": pa.string()}, {"captions": '["a", "b"]'}, {"captions": ["a", "b"]}),
        ({"labels": pa.list_(pa.int64())}, {"labels": [1, 2]}, {"labels": ["1", "2"]}),
        (
            {"url": pa.string(), "licence": pa.string()},
            {"url": "u", "licence": "l"},
            {"source_url": "u", "license": "l"},
        ),
        ({"objects": pa.int64()}, {"objects": 3}, {"source_objects": 3}),
        ({"format": pa.string(), "width": pa.int64()}, {"format": "x"}, {"source_format": "x", "source_width": None}),
        ({"camera": pa.struct([("iso", pa.int64())])}, {"camera": {"iso": 3}}, {"camera": '{"iso": 3}'}),
        ({"n": pa.int64()}, {"n": "many"}, {"n": None}),
        ({"x": pa.null(), "d": pa.dictionary(pa.int8(), pa.string())}, {"x": None, "d": "v"}, {"x": None, "d": "v"}),
    ],
)
def test_which_columns_become_which(types, record, fields):
    assert Columns(types, Notes()).fields(record) == fields


def test_inferred_types():
    values = [{"a": 1, "b": None}, {"a": 2.5, "c": ["x"]}]
    assert infer.settle(infer.join_all(map(infer.kind, values))) == pa.struct(
        [("a", pa.float64()), ("b", pa.string()), ("c", pa.list_(pa.string()))]
    )
    assert infer.join_all(map(infer.kind, [1, "x"])) == pa.string()
    assert infer.kind(2**70) == pa.string()
    assert infer.kind({str(i): i for i in range(100)}) == pa.string()
    assert infer.fit({"a": 1}, pa.string()) == '{"a": 1}'
    assert infer.fit("\ud800x", pa.string()) == "?x"
    with pytest.raises(ValueError):
        infer.fit("x", pa.int64())
    with pytest.raises(ValueError, match="is not struct"):
        infer.fit(3, pa.struct([("a", pa.int64())]))


def test_boxes_in_rows_become_objects_of_their_image(tmp_path):
    for i in range(2):
        (tmp_path / f"{i}.png").write_bytes(png(i))
    (tmp_path / "t.csv").write_text(
        "image,xmin,ymin,xmax,ymax,class,difficult\n0.png,0,1,2,3,cat,0\n1.png,,,,,,\n0.png,1,1,4,3,dog,1\n"
    )
    reader = open_source(tmp_path / "t.csv")
    found = {i.key: [(o["class"], o["box"], o["attributes"]) for o in i.fields["objects"]] for i in reader.items()}
    assert found == {
        "0.png": [("cat", [0, 1, 2, 2], '{"difficult": 0}'), ("dog", [1, 1, 3, 2], '{"difficult": 1}')],
        "1.png": [],
    }
    (tmp_path / "f.csv").write_text("ImageID,XMin,XMax,YMin,YMax,LabelName\n0,0.25,0.5,0,1,c\n0,0,1,0,1,d\n")
    (item,) = open_source(tmp_path / "f.csv").items()  # fractions of 4 x 3 pixels
    assert [o["box"] for o in item.fields["objects"]] == [[1, 0, 1, 3], [0, 0, 4, 3]]
    assert item.read() == png(0)


@pytest.mark.parametrize(
    ("data", "captions"),
    [
        ("file,text\na.png,Bär\n".encode("cp1252"), ["Bär"]),
        ("file,text\na.png,Bär\n".encode("utf-16"), ["Bär"]),
        ("file,text\na.png,Bär\n".encode("utf-16-be"), ["Bär"]),
        ("\ufefffile,text\na.png,Bär\n".encode(), ["Bär"]),
        (b"filepath\ttitle\na.png\ta cat, on a mat\n", ["a cat, on a mat"]),
        (b"image| n| comment\na.png| 0| one, two\na.png| 1| three\n", ["one, two", "three"]),
        (b"a.png,a caption without any header\n", ["a caption without any header"]),
        (b'file,text\na.png,"two\nlines"\n', ["two\nlines"]),
        (b"image,caption\na.png,one, two\n", ["one, two"]),
    ],
)
def test_encodings_separators_and_headers_of_a_csv(tmp_path, data, captions):
    (tmp_path / "a.png").write_bytes(png(1))
    (tmp_path / "t.csv").write_bytes(data)
    (item,) = open_source(tmp_path / "t.csv").items()
    assert (item.fields["captions"], item.read()) == (captions, png(1))


@pytest.mark.parametrize("name", ["t.csv", "."])
def test_an_encoding_that_no_byte_shows_is_asked_for(tmp_path, name):
    (tmp_path / "a.png").write_bytes(png(1))
    (tmp_path / ("t.csv" if name == "t.csv" else "metadata.csv")).write_bytes(
        "file_name,text\na.png,кошка\n".encode("cp1251")
    )
    guessed = open_source(tmp_path / name)
    next(iter(guessed.items()))
    assert [g.option for g in guessed.notes.guesses if g.what.startswith("encoding")] == ["--encoding NAME"]
    (item,) = open_source(tmp_path / name, encoding="cp1251").items()
    assert item.fields["captions"] == ["кошка"]


def test_nothing_outside_of_the_table_and_its_roots_is_opened(tmp_path):
    inside, other = tmp_path / "set", tmp_path / "other"
    for folder in (inside / "pics", other):
        folder.mkdir(parents=True)
        (folder / f"{folder.name}.png").write_bytes(png(len(folder.name)))
    rows = [
        f"{other}/other.png",
        "/far/away/pics/pics.png",
        "../other/other.png",
        "file:///etc/hostname",
        "sftp://h/x.png",
    ]
    (inside / "t.csv").write_text("path\n" + "\n".join(rows) + "\n")
    items = list(open_source(inside / "t.csv").items())
    assert items[1].read() == png(4)
    for item in (items[0], items[2], items[3], items[4]):
        assert item.uri == ""
        with pytest.raises(SourceError, match=r"lies outside of|which a table may not open"):
            item.read()
    assert next(iter(open_source(inside / "t.csv", root=other).items())).read() == png(5)


def test_pasted_images_and_images_in_memory():
    text = base64.b64encode(png(1)).decode()
    table = pa.table({"image": [text, f"data:image/png;base64,{text}"]})
    assert [i.read() for i in open_source(table).items()] == [png(1)] * 2
    picture = Image.open(io.BytesIO(png(2)))
    for source in ([picture], [(picture, "x")], np.asarray(picture)[None], pd.DataFrame({"image": [picture]})):
        (item,) = open_source(source).items()
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(item.read()))), np.asarray(picture))


def test_odd_values_and_names_of_a_frame():
    frame = pd.DataFrame(
        {"path": ["a.png", "b.png"], "n": [1, None], "x": ["nan", float("nan")], "m": [1, "z"], "a.b": [1, 2]}
    )
    reader = open_source(frame)
    rows = [i.fields for i in reader.items()]
    assert rows == [{"n": 1, "x": "nan", "m": "1", "a_b": 1}, {"n": None, "x": None, "m": "z", "a_b": 2}]
    assert reader.notes.warnings == [("column 'a.b'", "renamed to 'a_b'")]
