"""Trees with texts, tables, groups and odd files, the same through a folder, a zip and a tar."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from veduta.errors import BadInput
from veduta.pool.readers.archive import Archive
from veduta.pool.readers.folder import Folder
from veduta.pool.readers.tree_reader import TreeReader


def png(shade: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3), (shade % 256, 10, 20)).save(buffer, "PNG")
    return buffer.getvalue()


def make(root: Path, files: dict[str, str | bytes | None]) -> Path:
    """Files of the given content; None stands for an image."""
    shutil.rmtree(root, ignore_errors=True)
    for number, (path, content) in enumerate(files.items()):
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(
            png(number) if content is None else content if isinstance(content, bytes) else content.encode()
        )
    return root


def packed(root: Path) -> list[Path]:
    """The tree as a zip and as a tar beside it."""
    files = sorted(p for p in root.rglob("*") if p.is_file())
    with zipfile.ZipFile(root.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as zipped:
        for file in files:
            zipped.write(file, file.relative_to(root).as_posix())
    with tarfile.open(root.with_suffix(".tar"), "w") as tar:
        for file in files:
            tar.add(file, file.relative_to(root).as_posix())
    return [root.with_suffix(".zip"), root.with_suffix(".tar")]


def fields(reader: TreeReader) -> dict[str, dict[str, object]]:
    return {i.key: {k: v for k, v in i.fields.items() if v is not None} for i in reader.items()}


def everywhere(root: Path, **options) -> tuple[dict[str, dict[str, object]], TreeReader]:
    """What the folder says, which the zip and the tar of it say too."""
    reader = Folder(root, **options)
    found = fields(reader)
    for archive in packed(root):
        other = Archive(archive, **options)
        assert fields(other) == found
        assert other.notes.aside == reader.notes.aside
        assert other.notes.guesses == reader.notes.guesses
    return found, reader


def test_texts_beside_images(tmp_path):
    files = {"a.png": None, "a.txt": "a photo\n", "b.JPG": None, "b.JPG.caption": "one\ntwo\n", "c.png": None}
    found, reader = everywhere(make(tmp_path / "t", {**files, "c.tags": "1girl, solo", "notes.txt": "of the author"}))
    assert {k: v.get("captions") for k, v in found.items()} == {
        "a.png": ["a photo"],
        "b.JPG": ["one", "two"],
        "c.png": ["1girl, solo"],
    }
    assert reader.notes.aside == {"text files (.txt)": (1, ["notes.txt"])}
    assert reader.layout_name == "captions"


def test_numbers_are_no_captions(tmp_path):
    found, reader = everywhere(make(tmp_path / "t", {"a.png": None, "a.txt": "3.5 7 1\n"}), layout=None)
    assert "captions" not in found["a.png"]
    assert reader.layout_name != "captions"


def test_img2dataset_files(tmp_path):
    files: dict[str, str | bytes | None] = {"00000_stats.json": "{}"}
    for number in range(4):
        stem = f"0000{number // 2}/{number:09d}"
        facts = {"caption": f"picture {number}", "url": f"http://x/{number}.jpg", "status": "success", "width": 4}
        files |= {f"{stem}.jpg": None, f"{stem}.txt": f"picture {number}", f"{stem}.json": json.dumps(facts)}
    found, reader = everywhere(make(tmp_path / "t", files))
    assert found["00001/000000003.jpg"] == {
        "captions": ["picture 3"], "source_url": "http://x/3.jpg", "status": "success", "source_width": 4
    }  # fmt: skip
    assert list(reader.notes.aside) == ["statistics of img2dataset's shards (_stats.json)"]


def test_tables_in_any_folder_and_of_any_name(tmp_path):
    files: dict[str, str | bytes | None] = {f"train/{name}/{name}.png": None for name in ("cat", "dog")}
    files |= {
        f"train/{n}/metadata.jsonl": json.dumps({"file_name": f"{n}.png", "text": n.upper()}) for n in ("cat", "dog")
    }
    found, _ = everywhere(make(tmp_path / "t", files))
    assert found["train/dog/dog.png"] == {"label": "dog", "split": "train", "captions": ["DOG"]}
    tables = {
        "train.csv": "image,label\na.png,cat\n",
        "test.csv": "image,label\nb.png,dog\n",
        "other.csv": "x,y\n1,2\n",
    }
    found, reader = everywhere(make(tmp_path / "s", {"images/a.png": None, "images/b.png": None, **tables}))
    assert found == {
        "images/a.png": {"label": "cat", "split": "train"},
        "images/b.png": {"label": "dog", "split": "test"},
    }
    assert list(reader.notes.aside.values()) == [(1, ["other.csv"])]


def test_tiny_imagenet(tmp_path):
    files = {
        "train/n01/images/n01_0.JPEG": None, "train/n01/n01_boxes.txt": "n01_0.JPEG\t0\t0\t3\t2\n",
        "train/n02/images/n02_0.JPEG": None, "val/images/val_0.JPEG": None, "test/images/t.JPEG": None,
        "val/val_annotations.txt": "val_0.JPEG\tn02\t1\t1\t2\t2\n", "words.txt": "n01\ttench",
    }  # fmt: skip
    found, reader = everywhere(make(tmp_path / "t", files))
    assert {k: (v.get("label"), v["split"]) for k, v in found.items()} == {
        "test/images/t.JPEG": (None, "test"),
        "train/n01/images/n01_0.JPEG": ("n01", "train"),
        "train/n02/images/n02_0.JPEG": ("n02", "train"),
        "val/images/val_0.JPEG": ("n02", "val"),
    }
    assert found["val/images/val_0.JPEG"]["objects"][0]["box"] == [1, 1, 2, 2]
    assert not reader.notes.aside


@pytest.mark.parametrize("names", [("hr/{}.png", "lr/{}.png"), ("{}_before.png", "{}_after.png")])
def test_images_of_one_sample_share_a_group(tmp_path, names):
    files = {name.format(number): None for name in names for number in range(4)}
    found, reader = everywhere(make(tmp_path / "t", files))
    assert [(found[n.format(2)]["group"], "label" in found[n.format(2)]) for n in names] == [("2", False)] * 2
    assert len({found[n.format(2)]["role"] for n in names}) == 2
    assert reader.layout_name == "groups"


def test_nothing_vanishes(tmp_path):
    texts = dict.fromkeys(["a.CR2", "b.CR2", "v.mp4", "p.PDF", "more.zip", "README"], "x")
    files = {**texts, "b.JPG": None, "noname": None, "c.jpg_large": None, "d.txt": None, "zero.jpg": ""}
    found, reader = everywhere(make(tmp_path / "t", files))
    rows = {"b.JPG", "noname", "c.jpg_large", "zero.jpg"}
    assert rows <= found.keys()
    told = {name for _, names in reader.notes.aside.values() for name in names}
    assert told | found.keys() == files.keys()
    assert "videos (.mp4)" in reader.notes.aside


def test_thumbnails_and_hidden_files_are_told(tmp_path):
    files = {f"{name}/{n}.png": None for name in ("cat", "dog", "cat/thumbs") for n in (1, 2)}
    found, reader = everywhere(make(tmp_path / "t", {**files, "__MACOSX/a.png": None}))
    assert sorted(found) == ["cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"]
    assert reader.notes.aside["thumbnails of other images"][0] == 2
    assert reader.notes.counts["hidden files and folders passed over"] == 1


def test_labels_from_what_the_user_names(tmp_path):
    table = "file_name,colour,size\na/x.png,red,1\nb/y.png,blue,2\n"
    root = make(tmp_path / "t", {"a/x.png": None, "b/y.png": None, "metadata.csv": table})
    for how, expected in {
        "colour": ["red", "blue"],
        "size": ["1", "2"],
        "folder": ["a", "b"],
        "none": [None] * 2,
    }.items():
        found, _ = everywhere(root, label_from=how)
        assert [row.get("label") for row in found.values()] == expected, how
    with pytest.raises(BadInput, match=r"no column 'color'.*did you mean 'colour'.*columns:.*size"):
        list(Folder(root, label_from="color").items())
    with pytest.raises(BadInput, match="there is no layout 'caption'; did you mean 'captions'"):
        list(Folder(root, layout="caption").items())


WORDS = st.sampled_from(
    ["cat", "big dog", "v1.5 owl", "Ärger", "n01440764", "001.finch", "猫", "a-b_c", "cat#1", "100% wool"]
)
FILES = st.sampled_from(["x", "x y", "a.b", "7", "ä", "IMG_1", "00001"])
AROUND = st.sampled_from(["", "images", "JPEGImages", "data"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    classes=st.lists(WORDS, min_size=2, max_size=4, unique=True),
    splits=st.lists(st.sampled_from(["train", "Test", "val"]), max_size=2, unique=True),
    names=st.lists(FILES, min_size=1, max_size=3, unique=True),
    around=AROUND,
    inside=AROUND,
    split_inside=st.booleans(),
)
def test_any_tree_of_classes(tmp_path, classes, splits, names, around, inside, split_inside):
    expected: dict[str, tuple[str, str | None]] = {}
    for label in classes:
        for split in splits or [""]:
            order = [around, label, split, inside] if split_inside else [around, split, label, inside]
            folder = "/".join(part for part in order if part)
            expected |= {f"{folder}/{name}.png": (label, split.lower() or None) for name in names}
    found, _ = everywhere(make(tmp_path / "t", dict.fromkeys(expected)), layout="none")
    assert {k: (v.get("label"), v.get("split")) for k, v in found.items()} == expected


def test_as_torchvision_reads_it(tmp_path):
    from torchvision.datasets import ImageFolder

    root = make(
        tmp_path / "t", {f"{c}/{n}.png": None for c in ("cat", "big dog", "n01440764", "ä.b", "7up") for n in range(3)}
    )
    theirs = ImageFolder(str(root))
    expected = {Path(p).relative_to(root).as_posix(): theirs.classes[number] for p, number in theirs.samples}
    assert {k: v["label"] for k, v in everywhere(root)[0].items()} == expected


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metadata.parquet", b"PAR1xx"),
        ("labels.arrow", b"\xff\xff\xff\xff\x01"),
        ("captions.json", b"{"),
        ("notes/other.json", b""),
        ("0.xml", b"<annotation><object>"),
        ("annotations.xml", b"<annotations><image name='0.png'><box"),
        ("data.yaml", b"names: [a\n"),
        ("instances.json", b'{"images":[{"id":1,"file_name":"0.png"}],"annotations":[{"id"'),
    ],
)
def test_a_damaged_file_is_told_and_the_images_stay(tmp_path, name, content):
    make(tmp_path / "s", {"0.png": png(1), "sub/1.png": png(2), "sound.json": "[1]", "lines.json": "{}\n{}\n"})
    path = tmp_path / "s" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    rows, reader = everywhere(tmp_path / "s")
    assert list(rows) == ["0.png", "sub/1.png"]
    assert [problem for problem, _ in reader.problems] == [name]
    assert all(item.unsure for item in reader.items())
    assert reader.notes.aside["JSON files (.json)"][0] == 2


def test_a_damaged_file_hides_no_sound_annotations(tmp_path):
    box = "<annotation><object><name>cat</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>3</xmax><ymax>4</ymax>"
    sound = f"{box}</bndbox></object></annotation>"
    broken = '{"images": [{"file_name": "0.png"}], "annotations": [{'
    make(tmp_path / "s", {"0.png": png(1), "0.xml": sound, "coco.json": broken})
    rows, reader = everywhere(tmp_path / "s")
    assert rows["0.png"]["objects"][0]["class"] == "cat"
    assert (reader.layout_name, [problem for problem, _ in reader.problems]) == ("voc", ["coco.json"])
