"""Exports: what is written, what is left out, names, atomicity, and the pool that comes back."""

from __future__ import annotations

import errno
import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

import veduta
from items import Given
from pictures import encoded, picture
from veduta.errors import BadInput, DiskFull, MissingColumn, PoolExists
from veduta.pool import Pool, Selection, masks
from veduta.pool.readers import open_source
from veduta.pool.schema import CORE, OBJECT
from veduta.pool.writers import FORMATS, export
from veduta.pool.writers.names import Names, safe, with_suffix
from veduta.pool.writers.rows import WriteReport
from veduta.select.where import Where

FREE = pa.schema(
    [
        pa.field("score", pa.float32()),
        pa.field("rank", pa.int16()),
        pa.field("good", pa.bool_()),
        pa.field("tags", pa.list_(pa.string())),
        pa.field("words about", pa.string()),
        pa.field("when", pa.timestamp("us")),
        pa.field("raw", pa.binary()),
        pa.field("embedding", pa.list_(pa.float32(), 4)),
    ]
)
ROUND_TRIPS = ("folder", "webdataset", "parquet", "huggingface", "coco")


def png(shade: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), (shade % 256, shade // 256, 20)).save(buffer, "PNG")
    return buffer.getvalue()


def make(path: Path, rows: list[dict]) -> Pool:
    """A pool of the given rows; what a row leaves out is null."""
    pool = Pool.create(path)
    pool.define(FREE)
    basic = {"width": 8, "height": 6, "format": "PNG"}
    full = [{**basic, "image": png(n), "bytes": len(png(n)), **row} for n, row in enumerate(rows)]
    schema = pa.schema([*CORE, *FREE])
    pool.append(pa.table([pa.array([r.get(f.name) for r in full], f.type) for f in schema], schema=schema))
    return pool


def back(target: Path, form: str | None = None) -> dict:
    reader = open_source(target, form)
    return {item.key: {**item.fields, "image": item.read()} for item in reader.items()}


def thing(**more) -> dict:
    return {
        "class": "dog",
        "box": [1, 1, 3, 2],
        "mask": None,
        "keypoints": None,
        "attributes": None,
        "iscrowd": False,
        "source": None,
        **more,
    }


@pytest.fixture
def pool(tmp_path) -> Pool:
    rows = [
        {
            "key": "in/a.png",
            "label": "cat",
            "split": "train",
            "captions": ["one", "two"],
            "score": 0.5,
            "license": "CC0",
        },
        {"key": "out/a.png", "label": "cat", "split": "train", "embedding": [1, 2, 3, 4]},
        {"key": "b.PNG", "label": "dog/wolf", "split": "test", "objects": [thing()], "good": True},
        {"key": "broken.png", "image": b"nothing", "error": "truncated", "label": "dog"},
        {"key": "no-suffix", "label": None, "format": "JPEG"},
    ]
    return make(tmp_path / "p.vd", rows)


def test_image_folder(pool, tmp_path):
    report = export(pool, tmp_path / "out")
    files = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert files == {
        "train/cat/a.png", "train/cat/a~2.png", "test/dog_wolf/b.PNG", "unlabelled/no-suffix.jpg",
        "metadata.jsonl", "veduta-schema.json",
    }  # fmt: skip
    assert (report.rows, dict(report.left_out)) == (4, {"the image cannot be decoded": 1})
    assert ("out/a.png", "train/cat/a~2.png") in report.renamed
    assert (tmp_path / "out/train/cat/a~2.png").read_bytes() == png(1)
    first = json.loads((tmp_path / "out/metadata.jsonl").read_text().splitlines()[0])
    assert first["file_name"] == "train/cat/a.png"
    assert (first["key"], first["captions"], first["score"]) == ("in/a.png", ["one", "two"], 0.5)
    assert "embedding" not in first
    assert "4 images written" in str(report)


def test_folder_by_keys_and_other_peoples_readers(pool, tmp_path):
    export(pool, tmp_path / "out", "folder", layout="keys")
    assert (tmp_path / "out/in/a.png").read_bytes() == png(0)
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset("imagefolder", data_dir=str(tmp_path / "out"), cache_dir=str(tmp_path / "c"))[
        "train"
    ]
    assert sorted(loaded["key"]) == ["b.PNG", "in/a.png", "no-suffix", "out/a.png"]


def test_webdataset_is_read_by_webdataset(pool, tmp_path):
    report = export(pool, tmp_path / "out", "webdataset", shard_rows=3)
    shards = sorted((tmp_path / "out").glob("*.tar"))
    assert [s.name for s in shards] == ["shard-000000.tar", "shard-000001.tar"]
    assert report.files == 2
    webdataset = pytest.importorskip("webdataset")
    samples = list(webdataset.WebDataset([str(s) for s in shards], shardshuffle=False, empty_check=False))
    assert samples[0]["png"] == png(0)
    assert samples[0]["txt"] == b"one"
    assert json.loads(samples[1]["json"])["key"] == "out/a.png"
    again = tmp_path / "again"
    export(pool, again, "webdataset", shard_rows=3)
    assert [s.read_bytes() for s in shards] == [s.read_bytes() for s in sorted(again.glob("*.tar"))]


def test_webdataset_shards_by_bytes_and_equal_stems(tmp_path):
    pool = make(tmp_path / "p.vd", [{"key": "a.b.png"}, {"key": "a_b.png"}, {"key": "a.b.jpg"}, {"key": ".hidden.png"}])
    export(pool, tmp_path / "out", "webdataset", shard_bytes=1)
    stems = []
    for shard in sorted((tmp_path / "out").glob("*.tar")):
        with tarfile.open(shard) as archive:
            stems.append(archive.getnames()[0])
    assert stems == ["a_b.png", "a_b~2.png", "a_b~3.jpg", "_hidden.png"]
    assert set(back(tmp_path / "out")) == {"a.b.png", "a_b.png", "a.b.jpg", ".hidden.png"}
    with pytest.raises(BadInput, match="shard_rows of the format"):
        export(pool, tmp_path / "x", "webdataset", shard_rows=0)


def test_parquet_is_a_hugging_face_table(pool, tmp_path):
    export(pool, tmp_path / "x.parquet")
    table = pq.read_table(tmp_path / "x.parquet")
    assert table.schema.field("score").type == pa.float32()
    assert table["image"][0].as_py() == {"bytes": png(0), "path": "a.png"}
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset("parquet", data_files=str(tmp_path / "x.parquet"), cache_dir=str(tmp_path / "c"))[
        "train"
    ]
    assert loaded[0]["image"].size == (8, 6)


def test_coco_is_read_by_pycocotools(pool, tmp_path, capsys):
    tools = pytest.importorskip("pycocotools.coco")
    report = export(pool, tmp_path / "out", "coco")
    assert report.files == 6
    loaded = tools.COCO(str(tmp_path / "out/annotations/instances.json"))
    assert loaded.loadCats(1)[0]["name"] == "dog"
    assert [(a["bbox"], a["area"]) for a in loaded.loadAnns(loaded.getAnnIds())] == [([1, 1, 3, 2], 6)]
    told = tools.COCO(str(tmp_path / "out/annotations/captions.json"))
    assert [a["caption"] for a in told.loadAnns(told.getAnnIds())] == ["one", "two"]
    content = json.loads((tmp_path / "out/annotations/instances.json").read_text())
    assert content["licenses"] == [{"id": 1, "name": "CC0", "url": ""}]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["annotations", "images", "veduta-schema.json"]


def test_hugging_face_splits(tmp_path):
    datasets = pytest.importorskip("datasets")
    pool = make(tmp_path / "p.vd", [{"key": f"{n}.png", "split": "ab"[n % 2]} for n in range(5)])
    export(pool, tmp_path / "out", "huggingface")
    loaded = datasets.load_from_disk(str(tmp_path / "out"))
    assert {name: part["key"] for name, part in loaded.items()} == {
        "a": ["0.png", "2.png", "4.png"], "b": ["1.png", "3.png"],
    }  # fmt: skip
    assert loaded["a"][0]["image"].size == (8, 6)


@pytest.mark.parametrize("name", ["m.csv", "m.jsonl"])
def test_manifest(pool, tmp_path, name):
    report = export(pool, tmp_path / name, columns=["label", "captions", "score"])
    assert (report.format, report.rows) == ("manifest", 4)
    lines = (tmp_path / name).read_text().splitlines()
    if name == "m.csv":
        assert lines[:3] == ["key,label,captions,score", 'in/a.png,cat,"[""one"", ""two""]",0.5', "out/a.png,cat,,"]
    else:
        assert json.loads(lines[0]) == {"key": "in/a.png", "label": "cat", "captions": ["one", "two"], "score": 0.5}
    everything = export(pool, tmp_path / f"all-{name}", errors=True)
    assert everything.rows == 5


def test_selections_views_and_vectors(pool, tmp_path):
    keep = np.array([True, False, True, True, False])
    chosen = Selection.of("best", keep, "dull")
    report = export(pool, tmp_path / "a.jsonl", selection=chosen)
    assert (report.rows, dict(report.left_out)) == (2, {"not in the selection": 2, "the image cannot be decoded": 1})
    report = export(pool.where("label = 'cat'"), tmp_path / "b.parquet", columns=["embedding"])
    assert report.rows == 2
    assert pq.read_table(tmp_path / "b.parquet")["embedding"].to_pylist() == [None, [1, 2, 3, 4]]
    with pytest.raises(MissingColumn, match="select_best"):
        export(pool, tmp_path / "c.jsonl", selection="best")
    with pytest.raises(MissingColumn, match="nothing"):
        export(pool, tmp_path / "c.jsonl", columns=["nothing"])


def test_a_stored_selection(pool, tmp_path):
    keep, reasons = [True, False, True, False, True], [None, "dull", None, "dull", None]
    with pool.writing():
        pool.define(pa.schema([("select_best", pa.bool_()), ("reason_best", pa.string())]))
        pool.fill(pa.table({"select_best": keep, "reason_best": reasons}), [0])
    report = export(pool, tmp_path / "a.jsonl", selection="best")
    assert [json.loads(x)["key"] for x in (tmp_path / "a.jsonl").read_text().splitlines()] == [
        "in/a.png",
        "b.PNG",
        "no-suffix",
    ]
    assert dict(report.left_out) == {"not in the selection": 2}


def test_bytes_that_are_gone_are_counted(tmp_path):
    pool = make(
        tmp_path / "p.vd", [{"key": "a.png"}, {"key": "b.png", "image": None, "uri": str(tmp_path / "gone.png")}]
    )
    report = export(pool, tmp_path / "out")
    assert (report.rows, report.left_out["image bytes not found"], report.missing) == (1, 1, ["b.png"])


def test_wrong_use(pool, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "x").write_text("mine")
    for target, form in (("there", "folder"), ("there/x", "manifest")):
        with pytest.raises(PoolExists, match="exists already"):
            export(pool, tmp_path / target, form)
    assert (tmp_path / "there" / "x").read_text() == "mine"
    with pytest.raises(BadInput, match="did you mean 'webdataset'"):
        export(pool, tmp_path / "x", "webdatset")
    with pytest.raises(BadInput, match=r"no export format '\.xyz'"):
        export(pool, tmp_path / "a.xyz")
    with pytest.raises(BadInput, match="has no option 'size'"):
        export(pool, tmp_path / "x", "folder", size=3)
    with pytest.raises(BadInput, match=r"shard_rows of the format 'webdataset': .* equal to 1, got 0"):
        export(pool, tmp_path / "x", "webdataset", shard_rows=0)
    with pytest.raises(BadInput, match="compression of the format 'parquet'"):
        export(pool, tmp_path / "x.parquet", compression="strong")
    (tmp_path / "empty").mkdir()
    assert export(pool, tmp_path / "empty").rows == 4


@pytest.mark.parametrize("form", FORMATS)
def test_a_full_disk_leaves_nothing(pool, tmp_path, monkeypatch, form):
    target = tmp_path / "exports" / "x"

    def full(self, *arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("veduta.pool.writers.rows.View.take", full)
    with pytest.raises(DiskFull, match="nothing was left"):
        export(pool, target, form)
    assert list(target.parent.iterdir()) == []


def test_a_killed_export_is_swept_up(pool, tmp_path):
    place = tmp_path / "exports"
    (place / ".out.part-999999999").mkdir(parents=True)
    (place / f".out.part-{os.getppid()}").mkdir()
    export(pool, place / "out")
    assert sorted(p.name for p in place.iterdir()) == sorted([f".out.part-{os.getppid()}", "out"])


def test_an_empty_pool_can_be_exported(tmp_path):
    pool = make(tmp_path / "p.vd", [])
    for form in FORMATS:
        assert export(pool, tmp_path / form, form).rows == 0


@pytest.mark.parametrize("form", ["folder", "webdataset", "coco", "parquet", "manifest"])
def test_croissant_is_valid(pool, tmp_path, form):
    croissant = pytest.importorskip("mlcroissant")
    target = tmp_path / ("x.jsonl" if form == "manifest" else "x")
    export(pool, target, form, croissant=True)
    place = target / "croissant.json" if target.is_dir() else target.with_name(f"{target.name}.croissant.json")
    loaded = croissant.Dataset(jsonld=str(place))
    assert not loaded.metadata.ctx.issues.errors
    if form in ("folder", "manifest"):
        assert next(iter(loaded.records("images-table")))["images/key"] == b"in/a.png"
    if form != "manifest":
        assert len(back(target)) == 4


def test_names():
    report = WriteReport("folder", Path())
    names = Names(report)
    long = "ü" * 125 + ".png"
    asked = [
        "a/x.png",
        "a/X.PNG",
        "a/x.png",
        "a",
        "../up.png",
        "/abs.png",
        ".hid.png",
        long,
        "é.png",
        "e\u0301.png",
        "a/x.png/y.png",
        "..",
        "",
    ]
    given = [names.path(name, name) for name in asked]
    assert given == [
        "a/x.png", "a/X~2.PNG", "a/x~3.png", "a~2", "_/up.png", "abs.png", "_hid.png", long, "é.png", "e\u0301~2.png",
        "a/x.png_/y.png", "_~2", "_~3",
    ]  # fmt: skip
    assert report.renames == 10
    assert all(len(part.encode()) <= 255 for part in (safe("ü" * 300 + ".png"), safe("x." + "y" * 300)))
    assert with_suffix("a.b", "JPEG") == "a.b.jpg"
    assert with_suffix("a.JPEG", "PNG") == "a.JPEG"


text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
part = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=20)
keys = st.lists(part, min_size=1, max_size=3).map("/".join)
finite = st.floats(width=32, allow_subnormal=False)
side = st.integers(1, 3).map(float)
objects = st.lists(
    st.fixed_dictionaries(
        {
            "class": text.filter(bool),
            "box": st.tuples(side, side, side, side).map(list),
            "mask": st.sampled_from([None, masks.from_pixels(np.eye(6, 8))]),
            "keypoints": st.none() | st.lists(st.integers(0, 5).map(float), min_size=3, max_size=3),
            "attributes": st.sampled_from([None, '{"a": 1}', '{"b":2}', "free text"]),
            "iscrowd": st.none() | st.booleans(),
            "source": st.none() | text.filter(bool),
        }
    ),
    max_size=3,
)
rows = st.lists(
    st.fixed_dictionaries(
        {"key": keys},
        optional={
            "label": text,
            "split": st.sampled_from(["train", "test", "odd one"]),
            "labels": st.lists(text, max_size=3),
            "captions": st.lists(text, max_size=3),
            "license": text.filter(bool),
            "author": text,
            "source_url": text,
            "objects": objects,
            "relations": text,
            "score": finite,
            "rank": st.integers(-(2**15), 2**15 - 1),
            "good": st.booleans(),
            "tags": st.lists(text, max_size=3),
            "words about": text,
            "when": st.datetimes(),
            "raw": st.binary(max_size=5),
        },
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda row: row["key"],
)


@pytest.mark.parametrize("form", ROUND_TRIPS)
@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(rows=rows)
def test_a_pool_exported_and_read_again_is_the_same(tmp_path_factory, form, rows):
    tmp = tmp_path_factory.mktemp("round")
    pool = make(tmp / "p.vd", rows)
    export(pool, tmp / "out", form)
    found = back(tmp / "out", {"parquet": "table"}.get(form))
    want = pool.table()
    assert set(found) == set(want["key"].to_pylist())
    names = [*CORE.names[CORE.names.index("split") :], *(n for n in FREE.names if n != "embedding")]
    read = pa.schema([pa.field(n, want.schema.field(n).type) for n in names])
    for number, expected in enumerate(want.to_pylist()):
        got = found[expected["key"]]
        assert got["image"] == png(number)
        assert set(got) <= {*names, "image"}
        for f in read:
            # through the column's type, as the ingest does
            a, b = pa.array([got.get(f.name)], f.type), pa.array([expected[f.name]], f.type)
            assert repr(a.to_pylist()) == repr(b.to_pylist()), (f.name, form)
    assert want.schema.field("objects").type.value_type == OBJECT


def test_rows_that_came_after_a_selection_are_told_apart(tmp_path):
    pool = veduta.create(tmp_path / "p.vd")
    content = {f"{i}.png": encoded(picture(i, (32, 32)), "PNG") for i in range(6)}
    pool.ingest(Given(dict(list(content.items())[:4])))
    pool.select(Where(sql="key < '2'"), name="some")
    pool.ingest(Given(content))
    report = veduta.export(pool, tmp_path / "out", selection="some")
    assert report.left_out["not in the selection"] == 2
    assert [n for why, n in report.left_out.items() if "added after the selection was made" in why] == [2]
