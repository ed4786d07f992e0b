"""Where the images of tables are: pasted, in lists, in memory, on the web, below named folders, in clones of the Hub."""

from __future__ import annotations

import base64
import io
import json
import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from web_server import Web, jpeg

from veduta.errors import BadInput, SourceError
from veduta.pool import Pool, location
from veduta.pool.fetch import Policy
from veduta.pool.readers import open_source
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.roots import Roots
from veduta.pool.readers.table import Table

LOCAL = Policy(allow_private=True, pause=0.01, timeout=5.0, min_bytes=64)


def png(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 6), (shade, 10, 20)).save(stream, "PNG")
    return stream.getvalue()


def read(source, **options):
    return [item.read() for item in open_source(source, **options).items()]


@pytest.fixture
def web():
    made = Web()
    yield made
    made.close()


@pytest.mark.parametrize("before", ["", "data:image/png;base64,", "DATA:image/png;charset=x;base64,"])
@pytest.mark.parametrize("column", ["image", "image_base64", "anything"])
@pytest.mark.parametrize("ending", ["t.csv", "t.jsonl", "t.parquet"])
def test_pasted_images(tmp_path, before, column, ending):
    frame = pd.DataFrame({column: [before + base64.b64encode(png(n)).decode() for n in range(3)], "label": list("abc")})
    path = tmp_path / ending
    if ending == "t.csv":
        frame.to_csv(path, index=False)
    elif ending == "t.jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path)
    items = list(open_source(path).items())
    assert [(i.key, i.read(), i.fields["label"]) for i in items] == [(f"t/{n:08d}", png(n), "abc"[n]) for n in range(3)]
    assert len({i.stamp for i in items}) == 3


def test_errors_of_pasted_images_and_columns_are_short():
    table = pa.table({"image": ["data:image/png;base64," + "A" * 5000 + "*!" + "B" * 5000]})
    (item,) = open_source(table).items()
    with pytest.raises(SourceError) as caught:
        item.read()
    assert len(str(caught.value)) < 200
    with pytest.raises(BadInput, match="no column 'Imges' for the images; did you mean 'images'"):
        open_source(pa.table({"images": [["a.png"]], "x": [1]}), image="Imges")
    with pytest.raises(BadInput, match="no column 'ky' for the keys; did you mean 'key'"):
        open_source(pa.table({"image": [png(1)], "key": ["a"]}), key="ky")


def test_a_list_of_images_is_a_row_for_each(tmp_path):
    for n in range(3):
        (tmp_path / f"{n}.png").write_bytes(png(n))
    rows = [{"id": "x", "images": ["0.png", "1.png"], "n": 1}, {"id": "y", "images": ["2.png"], "n": 2}]
    (tmp_path / "t.json").write_text(json.dumps([*rows, {"id": "z", "images": [], "n": 3}]))
    reader = open_source(tmp_path / "t.json")
    items = list(reader.items())
    assert [(i.key, i.read()) for i in items] == [("x/0", png(0)), ("x/1", png(1)), ("y/0", png(2))]
    assert [(i.fields["group"], i.fields["position"], i.fields["n"]) for i in items] == [
        ("x", 0, 1), ("x", 1, 1), ("y", 0, 2),
    ]  # fmt: skip
    assert reader.notes.counts["rows without an image left out"] == 1
    assert "a row for each" in str(reader.notes.guesses[0])
    of_bytes = pa.table({"images": [[png(1), png(2)], [png(3)]]})
    assert read(of_bytes) == [png(1), png(2), png(3)]


def test_conversations_and_links_in_any_case(tmp_path):
    (tmp_path / "0.png").write_bytes(png(0))
    talk = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "A cat"}]
    (tmp_path / "llava.json").write_text(json.dumps([{"id": "1", "image": "0.png", "conversations": talk}]))
    (item,) = open_source(tmp_path / "llava.json").items()
    assert (item.read(), item.fields["conversations"]) == (png(0), talk)
    for name in ("URL", "Image_URL", "url", "ImageLink"):
        (item,) = open_source(pa.table({name: ["http://127.0.0.1:1/a"], "TEXT": ["t"]})).items()
        assert (item.uri, item.fields["captions"], item.fields["source_url"]) == (item.uri, ["t"], item.uri)
        with pytest.raises(SourceError, match="not a public address"):
            item.read()


def test_further_columns_of_paths_are_told(tmp_path):
    (tmp_path / "t.csv").write_text("image,mask,label\na.png,m/a.png,x\nb.png,m/b.png,y\n")
    for options in ({}, {"image": "image"}):
        reader = open_source(tmp_path / "t.csv", **options)
        assert [i.fields["mask"] for i in reader.items()] == ["m/a.png", "m/b.png"]
        assert "mask: kept as text" in str(reader.notes.guesses[0])


class Pairs:
    """As torchvision's data sets are."""

    classes = ("cat", "dog")

    def __len__(self) -> int:
        return 2

    def __getitem__(self, position: int):
        return Image.new("RGB", (8, 6), (position, 10, 20)), position


def test_images_in_memory(tmp_path):
    (tmp_path / "0.png").write_bytes(png(7))
    opened = Image.open(tmp_path / "0.png")
    assert read([opened, Image.new("RGB", (8, 6), (3, 10, 20))]) == [png(7), png(3)]
    pixels = np.random.default_rng(0).integers(0, 256, (3, 6, 8, 3), np.uint8)
    for source in (pixels, list(pixels), [{"image": p} for p in pixels]):
        assert all(
            np.array_equal(np.asarray(Image.open(io.BytesIO(b))), p) for b, p in zip(read(source), pixels, strict=True)
        )
    items = list(open_source(Pairs()).items())
    assert [(i.read(), i.fields["label"], i.fields["label_id"]) for i in items] == [
        (png(0), "cat", 0), (png(1), "dog", 1),
    ]  # fmt: skip
    for wrong in ([], [1, 2], [np.zeros((2, 2, 3), np.float32)]):
        with pytest.raises(SourceError, match="not a source of images"):
            open_source(wrong)


def test_polars(tmp_path):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"image": [png(1), png(2)], "label": ["a", None], "n": [1, 2]})
    for source in (frame, frame.lazy()):
        items = list(open_source(source).items())
        assert [(i.read(), i.fields["label"], i.fields["n"]) for i in items] == [(png(1), "a", 1), (png(2), None, 2)]


def test_paths_below_the_table_and_named_roots(tmp_path):
    table, root = tmp_path / "t", tmp_path / "elsewhere"
    for folder, shade in ((table, 1), (root / "sub", 2)):
        folder.mkdir(parents=True)
        (folder / f"{shade}.png").write_bytes(png(shade))
    (root / "secret.png").write_bytes(png(9))
    os.symlink(root / "secret.png", table / "link.png")
    names = [str(table / "1.png"), "/home/other/set/1.png", "C:\\set\\1.png", str(root / "sub" / "2.png"), "link.png",
             "../elsewhere/secret.png", "file:///etc/hostname", "s3://bucket/a.png"]  # fmt: skip
    pd.DataFrame({"path": names}).to_csv(table / "t.csv", index=False)
    reader = open_source(table / "t.csv")
    assert len(list(reader.items())) == 8
    items = list(reader.items())  # a second pass tells the same
    assert [i.read() for i in items[:3]] == [png(1)] * 3
    assert reader.notes.counts["files outside of the folders that may be read, not opened"] == 5
    for item in items[3:]:
        with pytest.raises(SourceError, match=r"lies outside of .*; name its folder with --root"):
            item.read()
        assert item.uri == ""
    items = list(open_source(table / "t.csv", root=[root]).items())
    assert [i.read() for i in items[3:6]] == [png(2), png(9), png(9)]
    assert [i.uri for i in items[6:]] == ["", ""]
    again = open_source(table / "t.csv", root=str(root), image="path", key="path")
    assert [i.read() for i in list(again.items())[:4]] == [png(1)] * 3 + [png(2)]


PARTS = st.sampled_from(
    ["..", ".", "a", "out", "in", "0.png", "l", "ln", "", "%2e%2e", "..\\..", "file:", "~", "\0", "C:"]
)


@settings(max_examples=300, deadline=None)
@given(
    parts=st.lists(PARTS, min_size=1, max_size=7),
    start=st.sampled_from(["", "/", "file://", "OUT/", "memory://", "//"]),
)
def test_nothing_outside_of_the_roots_is_opened(tmp_path_factory, parts, start):
    top = tmp_path_factory.getbasetemp() / "closed"
    if not top.exists():
        (top / "in" / "a").mkdir(parents=True)
        (top / "out").mkdir()
        for folder in ("in", "in/a", "out"):
            (top / folder / "0.png").write_bytes(png(1))
        os.symlink(top / "out", top / "in" / "l")
        os.symlink(top / "out" / "0.png", top / "in" / "ln")
    name = start.replace("OUT", str(top / "out")) + "/".join(parts)
    place = Roots(str(top / "in"), [], Notes()).place(name)
    if place.uri:
        real = os.path.realpath(location.unescape(place.uri)).replace("\0", "")
        assert real.startswith(os.path.realpath(top / "in")) or not os.path.exists(real)


def test_links_are_fetched_once_and_end_with_a_reason(tmp_path, web):
    links = [web.image("/a.jpg", 1), web.image("/b.jpg", 2), f"{web.base}/gone.jpg", web.image("/closed/c.jpg", 3)]
    web.pages["/robots.txt"] = (200, {}, b"User-agent: *\nDisallow: /closed/")
    pd.DataFrame({"url": links, "caption": list("abcd")}).to_parquet(tmp_path / "t.parquet")
    pool = Pool.create(tmp_path / "p.vd")
    report = pool.ingest(Table(tmp_path / "t.parquet", policy=LOCAL))
    reasons = {key: reason for key, _, reason in report.problems}
    assert len(reasons) == 2
    assert any("404" in r for r in reasons.values())
    assert any("robots" in r.lower() for r in reasons.values())
    assert not web.hits["/closed/c.jpg"]
    first = web.hits["/a.jpg"], web.hits["/b.jpg"]
    reader = Table(tmp_path / "t.parquet", policy=LOCAL)
    stamps = [i.stamp for i in reader.items()]
    pool.ingest(reader)
    assert (web.hits["/a.jpg"], web.hits["/b.jpg"]) == first == (1, 1)
    assert [i.stamp for i in Table(tmp_path / "t.parquet", policy=LOCAL).items()] == stamps
    assert len(set(stamps)) == 4
    (item, *_) = Table(tmp_path / "t.parquet").items()
    with pytest.raises(SourceError, match="not a public address"):
        item.read()
    (item, *_) = Table(tmp_path / "t.parquet", allow_private=["127.0.0.1"]).items()
    assert item.read() == jpeg(1)
    with pytest.raises(BadInput, match=r"'folder' has no option allow_private \(--allow-private\)"):
        open_source(tmp_path, "folder", allow_private=["127.0.0.1"])


def hub(folder, names):
    for shade, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        image = {"bytes": png(shade), "path": f"{shade}.png"}
        pd.DataFrame({"image": [image], "label": ["x"]}).to_parquet(folder / name)
    return folder


@pytest.mark.parametrize(
    ("names", "head", "splits"),
    [
        (["data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"], "", ["train", "test"]),
        (["train/0000.parquet", "test/0000.parquet"], "", ["train", "test"]),
        (["default/validation/0000.parquet", "default/train/0000.parquet"], "", ["validation", "train"]),
        (["a/x.parquet", "a/y.parquet"], "{a: {train: a/x.parquet, holdout: 'a/y*'}}", ["train", "holdout"]),
    ],
)
def test_clones_of_the_hub_are_read_as_datasets_reads_them(tmp_path, names, head, splits):
    datasets = pytest.importorskip("datasets")
    folder = hub(tmp_path / "set", names)
    files = "\n".join(f"  - split: {s}\n    path: {n}" for s, n in zip(splits, names, strict=True))
    (folder / "README.md").write_text(
        f"---\nconfigs:\n- config_name: default\n  data_files:\n{files}\n---\n" if head else "# a set"
    )
    reader = open_source(folder)
    ours = {i.key: (i.fields["split"], i.read()) for i in reader.items()}
    peer = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    theirs = {}
    for split, part in peer.items():
        for row in part.cast_column("image", datasets.Image(decode=False)):
            theirs[row["image"]["path"]] = (split, row["image"]["bytes"])
    assert ours == theirs
    assert sorted(split for split, _ in ours.values()) == sorted(splits)


def test_configurations_of_a_clone(tmp_path):
    folder = hub(tmp_path, ["en/train.parquet", "de/train.parquet"])
    configs = "".join(f"- config_name: {n}\n  data_files: {n}/*.parquet\n" for n in ("en", "de"))
    (folder / "README.md").write_text(f"---\nconfigs:\n{configs}---\n")
    reader = open_source(folder)
    assert [i.read() for i in reader.items()] == [png(0)]
    assert "there are also de" in str(reader.notes.guesses[0])
    assert read(folder, config="de") == [png(1)]
    with pytest.raises(BadInput, match="no configuration 'fr'; its configurations: en, de"):
        open_source(folder, config="fr")


def test_files_that_a_saved_data_set_names_elsewhere(tmp_path):
    datasets = pytest.importorskip("datasets")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "0.png").write_bytes(png(5))
    made = datasets.Dataset.from_dict({"path": [str(tmp_path / "out" / "0.png")]})
    assert read(made) == [png(5)]
    made.save_to_disk(tmp_path / "saved")
    with pytest.raises(SourceError, match="lies outside of"):
        read(tmp_path / "saved")
    assert read(tmp_path / "saved", root=tmp_path / "out") == [png(5)]
    with pytest.raises(BadInput, match="read as 'huggingface' has no option layout"):
        open_source(tmp_path / "saved", layout="yolo")
