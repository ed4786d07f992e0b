"""Folders: names, classes, splits, metadata files, links, damaged surroundings."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest
from PIL import Image

from veduta.errors import BadInput, SourceError
from veduta.pool import location
from veduta.pool.item import Reader
from veduta.pool.readers import open_source, places
from veduta.pool.readers.folder import Folder
from veduta.pool.readers.images import SUFFIXES


def png(shade: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3), (shade, 10, 20)).save(buffer, "PNG")
    return buffer.getvalue()


def put(root: Path, *paths: str, data: bytes | None = None) -> Path:
    for number, path in enumerate(paths):
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data if data is not None else png(number))
    return root


def labels(reader: Reader) -> dict[str, tuple]:
    return {i.key: (i.fields.get("split"), i.fields.get("label")) for i in reader.items()}


def test_suffixes_cover_everything_that_decode_reads():
    from veduta.engine.decode import FORMATS

    Image.init()
    assert {end for end, form in Image.registered_extensions().items() if form in FORMATS} <= SUFFIXES


def test_classes_come_from_parent_folders(tmp_path):
    put(tmp_path, "cat/b.png", "cat/a.png", "dog/x.jpg", "deep/bird/owl/o.png")
    assert labels(Folder(tmp_path)) == {
        "cat/a.png": (None, "cat"),
        "cat/b.png": (None, "cat"),
        "deep/bird/owl/o.png": (None, "owl"),
        "dog/x.jpg": (None, "dog"),
    }


@pytest.mark.parametrize("path", ["train/cat/x.png", "cat/train/x.png", "images/train/cat/x.png"])
def test_splits(tmp_path, path):
    put(tmp_path, path, path.replace("cat", "dog"))
    assert list(labels(Folder(tmp_path)).values()) == [("train", "cat"), ("train", "dog")]


def test_flat_folder_and_images_in_the_root_have_no_labels(tmp_path):
    put(tmp_path, "a.png", "sub/b.png")
    assert set(labels(Folder(tmp_path)).values()) == {(None, None)}
    put(tmp_path / "other", "images/a.png")
    assert set(labels(Folder(tmp_path / "other")).values()) == {(None, None)}
    put(tmp_path / "third", "train/a.png", "test/a.png")
    assert labels(Folder(tmp_path / "third")) == {"train/a.png": ("train", None), "test/a.png": ("test", None)}


def test_items_are_sorted_stable_and_read_the_bytes(tmp_path):
    put(tmp_path, "b/1.png", "a.png", "b-c/2.png", "B.png", "b.png")
    reader = Folder(tmp_path)
    first = [(i.key, i.stamp, i.uri) for i in reader.items()]
    assert [k for k, _, _ in first] == sorted(k for k, _, _ in first)
    assert first == [(i.key, i.stamp, i.uri) for i in reader.items()]
    assert all(i.read() == Path(i.uri).read_bytes() for i in reader.items())
    assert len(reader) == 5
    put(tmp_path, "a.png", data=png(99) + b"x")
    assert next(i.stamp for i in reader.items() if i.key == "a.png") != first[1][1]


def test_difficult_names(tmp_path):
    names = [
        "new\nline.png",
        "😀.png",
        "x" * 251 + ".png",
        "a.png",
        "a.jpg",
        "A.PNG",
        "100%.png",
        "50%FF.png",
        "q#range=1+2.png",
    ]
    put(tmp_path, *names)
    bad = os.path.join(os.fsencode(tmp_path), b"caf\xe9 %E9.png")
    with open(bad, "wb") as stream:
        stream.write(png(77))
    items = {i.key: i for i in Folder(tmp_path).items()}
    assert len(items) == len(names) + 1
    for key, item in items.items():
        key.encode()  # valid UTF-8
        item.uri.encode()
        assert item.read().startswith(b"\x89PNG")
    assert items["caf%E9 %25E9.png"].read() == png(77)
    assert {"100%.png", "50%25FF.png", "q%23range=1+2.png"} <= items.keys()


@pytest.mark.parametrize(
    "name", [b"a\xff", b"%FF", b"%25", b"%%25\xe9", b"plain 20%", b"\xc3\xa9", b"#range=1+2", b"%23"]
)
def test_escape_is_reversible_and_distinct(name):
    text = location.escape(os.fsdecode(name))
    text.encode()
    assert os.fsencode(location.unescape(text)) == name


def test_hidden_litter_and_other_files(tmp_path):
    put(tmp_path, "a.png", ".hidden.png", ".git/x.png", "__MACOSX/._a.png")
    put(tmp_path, "notes.txt", "movie.mp4", "Thumbs.db", data=b"text")
    put(tmp_path, "nameless", data=png())
    put(tmp_path, "README", data=b"hello")
    reader = Folder(tmp_path)
    assert [i.key for i in reader.items()] == ["a.png", "nameless"]
    assert {name for name, _ in reader.skipped} == {"notes.txt", "movie.mp4", "README"}
    assert reader.notes.counts["skipped"] == 3


def test_links_loops_and_pipes(tmp_path):
    outside = put(tmp_path / "outside", "o.png", "deep/p.png")
    root = put(tmp_path / "root", "a.png", "sub/b.png")
    (root / "loop").symlink_to(root)
    (root / "sub" / "up").symlink_to(root.parent)
    (root / "twin").symlink_to(root / "sub")
    (root / "out").symlink_to(outside)
    (outside / "back").symlink_to(root)
    (root / "link.png").symlink_to(root / "a.png")
    (root / "broken.png").symlink_to(root / "nowhere.png")
    (root / "self.png").symlink_to("self.png")
    os.mkfifo(root / "pipe.png")
    reader = Folder(root)
    items = {i.key: i for i in reader.items()}
    assert set(items) == {"a.png", "sub/b.png", "out/o.png", "out/deep/p.png", "link.png", "broken.png", "self.png"}
    for key in ("broken.png", "self.png"):
        with pytest.raises(OSError):
            items[key].read()
    assert {"loop", "sub/up", "twin", "out/back", "pipe.png"} <= {name for name, _ in reader.skipped}


def test_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    put(tmp_path, "a/x.png", "b/y.png")
    real = places.listing

    def listing(folder: str):
        if folder.endswith("/b"):
            raise PermissionError(13, "Permission denied")
        return real(folder)

    monkeypatch.setattr(places, "listing", listing)
    reader = Folder(tmp_path)
    assert [i.key for i in reader.items()] == ["a/x.png"]
    assert reader.problems == [("b/", "the folder cannot be listed: Permission denied")]


def test_file_removed_after_listing(tmp_path):
    put(tmp_path, "a.png", "b.png")
    items = list(Folder(tmp_path).items())
    (tmp_path / "a.png").unlink()
    with pytest.raises(FileNotFoundError):
        items[0].read()
    assert items[1].read()


def test_very_deep_tree(tmp_path):
    place = tmp_path
    for _ in range(300):
        place = place / "d"
    put(place, "x.png")
    assert [i.key for i in Folder(tmp_path).items()] == ["d/" * 300 + "x.png"]


RECORDS = [
    {
        "file": "images/a.png",
        "label": 3,
        "words": "tench, fish",
        "caption": "one",
        "score": 1,
        "tags": ["x"],
        "width": 4,
    },
    {"file": "images/b.png", "label": 4, "words": "cock", "caption": "two", "score": 1.5, "tags": [], "width": 4},
]


def test_jsonl_sidecar(tmp_path):
    put(tmp_path, "images/a.png", "images/b.png", "images/c.png")
    (tmp_path / "index.jsonl").write_text("\n".join(map(json.dumps, RECORDS)) + "\nbroken\n[1]\n")
    reader = Folder(tmp_path)
    assert reader.columns() == {
        "label_id": pa.int64(),
        "score": pa.float64(),
        "tags": pa.list_(pa.string()),
        "source_width": pa.int64(),
    }
    items = {i.key: i for i in reader.items()}
    assert items["images/a.png"].fields == {
        "label": "tench, fish",
        "captions": ["one"],
        "label_id": 3,
        "score": 1.0,
        "tags": ["x"],
        "source_width": 4,
    }
    assert "label" not in items["images/c.png"].fields  # no record says it, and silence takes nothing back
    assert [name for name, _ in reader.problems] == ["index.jsonl: line 3", "index.jsonl: line 4"]


def test_stamp_follows_the_record(tmp_path):
    put(tmp_path, "images/a.png")
    (tmp_path / "metadata.jsonl").write_text(json.dumps({"file_name": "images/a.png", "text": "old"}))
    old = next(Folder(tmp_path).items())
    (tmp_path / "metadata.jsonl").write_text(json.dumps({"file_name": "images/a.png", "text": "new"}))
    new = next(Folder(tmp_path).items())
    assert old.stamp != new.stamp
    assert new.fields["captions"] == ["new"]


def test_csv_sidecar_types_quotes_and_short_rows(tmp_path):
    put(tmp_path, "a.png", "b.png", "c.png")
    text = (
        'file_name,label,n,zip,good,caption\na.png,cat,1,007,true,"two\nlines"\nb.png,dog,2.5,123,false,x\nc.png,bird\n'
    )
    (tmp_path / "metadata.csv").write_text("\ufeff" + text)
    reader = Folder(tmp_path)
    assert reader.columns() == {"n": pa.float64(), "zip": pa.string(), "good": pa.bool_()}
    fields = [i.fields for i in reader.items()]
    assert fields[0] == {"label": "cat", "captions": ["two\nlines"], "n": 1.0, "zip": "007", "good": True}
    assert fields[2] == {"label": "bird", "captions": None, "n": None, "zip": None, "good": None}
    assert reader.notes.warnings[0][1] == "2 cells under 6 column names"


def test_sidecar_in_split_folders_and_missing_images(tmp_path):
    put(tmp_path, "train/a.png", "test/a.png")
    (tmp_path / "train" / "metadata.csv").write_text("file_name,text\na.png,in train\ngone.png,x\n")
    (tmp_path / "test" / "metadata.csv").write_text("file_name,text\na.png,in test\n")
    reader = Folder(tmp_path)
    found = {i.key: (i.fields["split"], i.fields["captions"]) for i in reader.items()}
    assert found == {"train/a.png": ("train", ["in train"]), "test/a.png": ("test", ["in test"])}
    assert reader.problems == [("train/gone.png", "named in metadata.csv, but there is no such image")]


def test_objects_in_a_sidecar(tmp_path):
    pytest.importorskip("pycocotools")
    put(tmp_path, "images/a.png")
    record = {
        "file_name": "images/a.png",
        "width": 40,
        "height": 30,
        "instances": [
            {"category": "dog", "bbox": [30, 20, 20, 20], "iscrowd": 0, "segmentation": [[30, 20, 39, 20, 39, 29]]},
            {"category": "person", "bbox": [1, 2, 3, 4], "iscrowd": 0, "segmentation": None},
            {"category": "dog", "bbox": [1, 1, 0, 5], "iscrowd": 0},
            {"category": "dog", "bbox": [50, 1, 5, 5], "iscrowd": 0},
            {"category": "dog", "bbox": [1, 1, float("nan"), 5], "iscrowd": 0},
        ],
        "person_keypoints": [
            {"bbox": [1, 2, 3, 4], "keypoints": [1, 2, 2]},
            {"bbox": [0, 0, 2, 2], "keypoints": [0, 0, 1]},
        ],
    }
    (tmp_path / "index.jsonl").write_text(json.dumps(record))
    reader = Folder(tmp_path)
    objects = next(reader.items()).fields["objects"]
    assert [(o["class"], o["box"]) for o in objects] == [
        ("dog", [30, 20, 10, 10]),
        ("person", [1, 2, 3, 4]),
        ("person", [0, 0, 2, 2]),
    ]
    assert objects[0]["mask"]
    assert objects[1]["keypoints"] == [1, 2, 2]
    counts = reader.notes.counts
    assert counts["boxes clipped to the image"] == 1
    assert counts["boxes without an area dropped"] == 1
    assert counts["boxes outside the image dropped"] == 1
    assert counts["malformed boxes dropped"] == 1


def test_hugging_face_style_objects_in_a_sidecar(tmp_path):
    put(tmp_path, "a.png")
    record = {
        "file_name": "a.png",
        "objects": {"bbox": [[0, 0, 1, 2], [1, 1, 2, 2]], "categories": [1, 2], "category": ["x", "y"]},
    }
    (tmp_path / "metadata.jsonl").write_text(json.dumps(record))
    objects = next(Folder(tmp_path).items()).fields["objects"]
    assert [(o["class"], o["box"]) for o in objects] == [("x", [0, 0, 1, 2]), ("y", [1, 1, 2, 2])]


@pytest.mark.parametrize("scheme", ["memory", "file"])
def test_fsspec_urls(tmp_path, scheme):
    if scheme == "memory":
        fs, root = fsspec.filesystem("memory"), "memory://veduta-folder"
        for number, path in enumerate(["cat/a.png", "dog/b.png", "dog/notes.txt"]):
            fs.pipe(f"/veduta-folder/{path}", png(number))
    else:
        root = f"file://{put(tmp_path, 'cat/a.png', 'dog/b.png', 'dog/notes.txt')}"
    reader = open_source(root)
    assert labels(reader) == {"cat/a.png": (None, "cat"), "dog/b.png": (None, "dog")}
    items = list(reader.items())
    assert [i.read() for i in items] == [png(0), png(1)]
    assert [location.read(i.uri) for i in items] == [png(0), png(1)]
    assert len({i.stamp for i in items}) <= 2
    assert all(":" in i.stamp for i in items)


def test_what_cannot_be_opened_says_so(tmp_path):
    with pytest.raises(SourceError, match="does not exist"):
        open_source(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="holds no images"):
        open_source(tmp_path / "empty")
    put(tmp_path / "texts", "a.txt", data=b"x")
    with pytest.raises(SourceError, match=r"a\.txt: not an image by its name \(\.txt\)"):
        open_source(tmp_path / "texts")
    put(tmp_path, "one.png")
    with pytest.raises(SourceError, match="single image"):
        open_source(tmp_path / "one.png")
    put(tmp_path, "odd.xyz", data=b"what")
    with pytest.raises(SourceError, match=r"no known format.*folder, archive"):
        open_source(tmp_path / "odd.xyz")
    with pytest.raises(SourceError, match="did you mean 'folder'"):
        open_source(tmp_path, "foldr")
    with pytest.raises(BadInput, match=r"no option colour; its options: .*boxes_are_raw"):
        open_source(tmp_path, "folder", colour=1)
    with pytest.raises(SourceError, match="matches nothing"):
        open_source(str(tmp_path / "*.parquet"))
    with pytest.raises(SourceError, match="int is not a source"):
        open_source(3)


def test_a_reader_is_a_source(tmp_path):
    reader = Folder(put(tmp_path, "a.png"))
    assert open_source(reader) is reader
    assert isinstance(reader, Reader)


def test_third_party_reader(monkeypatch, tmp_path):
    from veduta.pool import readers

    class Entry:
        name = "starfish"

        @staticmethod
        def load():
            def make(source: str) -> Folder:
                return Folder(put(tmp_path, "star.png"))

            make.claims = lambda source: source.startswith("starfish:")
            return make

    monkeypatch.setattr(readers, "entry_points", lambda group: [Entry])
    assert "starfish" in readers.formats()
    for reader in (open_source("starfish:7"), open_source("anything", "starfish")):
        assert [i.key for i in reader.items()] == ["star.png"]
