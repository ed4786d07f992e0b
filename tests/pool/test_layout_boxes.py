"""YOLO, Pascal VOC, KITTI and Open Images: what each way of writing them means, and what is told of the rest."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from veduta.pool.readers import open_source
from veduta.pool.readers.layouts import safe_xml, yolo_lines

BOX = "0 0.5 0.5 0.2 0.2\n"


def picture(size: tuple[int, int] = (40, 20)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (90, 120, 60)).save(buffer, "PNG")
    return buffer.getvalue()


def files(root: Path, *images: str, texts: dict[str, str]) -> Path:
    for path in images:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(picture())
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return root


def read(root: Path) -> tuple[Any, dict[str, dict]]:
    reader = open_source(str(root))
    return reader, {item.key: item.fields for item in reader.items()}


def boxes(fields: dict[str, Any]) -> list[tuple[str, list[float]]]:
    return [(o["class"], [round(v, 3) for v in o["box"]]) for o in fields.get("objects") or []]


@pytest.mark.parametrize(
    ("line", "points", "want"),
    [
        ("1 .5 .5 .2 .4", None, {"bbox": [0.4, 0.3, 0.2, 0.4]}),
        ("1.0 .5 .5 .2 .4 .9", None, {"bbox": [0.4, 0.3, 0.2, 0.4], "score": 0.9}),
        ("1 .5 .5 .2 .4 7", None, {"bbox": [0.4, 0.3, 0.2, 0.4], "track": 7}),
        ("1 .5 .5 .2 .4 .9 7", None, {"bbox": [0.4, 0.3, 0.2, 0.4], "score": 0.9, "track": 7}),
        ("1 .1 .1 .9 .1 .9 .5", None, {"bbox": [0.1, 0.1, 0.8, 0.4], "segmentation": [[0.1, 0.1, 0.9, 0.1, 0.9, 0.5]]}),
        ("1 .5 .5 .2 .4 .4 .3 2 0 0 0", (2, 3), {"bbox": [0.4, 0.3, 0.2, 0.4], "keypoints": [0.4, 0.3, 2, 0, 0, 0]}),
        ("1 .5 .5 .2 .4 .4 .3 0 0", (2, 2), {"bbox": [0.4, 0.3, 0.2, 0.4], "keypoints": [0.4, 0.3, 2, 0, 0, 0]}),
        (
            "1 .5 .5 .2 .4 .4 .3 .7 .8",
            (1, 3),
            {"bbox": [0.4, 0.3, 0.2, 0.4], "keypoints": [0.4, 0.3, 2], "keypoint_scores": [0.7], "score": 0.8},
        ),
    ],
)
def test_lines_of_every_task(line, points, want):
    category, thing = yolo_lines.parse(line, points)
    assert category == 1
    assert thing.keys() == want.keys()
    for name, value in want.items():
        assert thing[name] == pytest.approx(value) if name != "segmentation" else thing[name] == value


@pytest.mark.parametrize(
    "line",
    ["", "0", "cat .5 .5 .2 .2", "-1 .5 .5 .2 .2", "1.5 .5 .5 .2 .2", "0 .5 .5 .2", "0 120 80 40 30", "0 nan 0 1 1"],
)
def test_what_is_no_label(line):
    with pytest.raises(ValueError, match=r"\w"):
        yolo_lines.parse(line)


def test_four_corners_stay_beside_the_mask(tmp_path):
    files(tmp_path, "images/a.png", texts={"labels/a.txt": "0 .25 .25 .75 .25 .75 .75 .25 .75"})
    _, rows = read(tmp_path)
    (thing,) = rows["images/a.png"]["objects"]
    assert thing["box"] == [10, 5, 20, 10]
    assert json.loads(thing["attributes"]) == {"corners": [10, 5, 30, 5, 30, 15, 10, 15]}
    assert thing["mask"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("data.yaml", "train: a\nnames: [no, '1.0']"),
        ("coco.yaml", "path: ../x\ntrain: images\nnames:\n  0: no\n  1: 1.0\n"),
        ("data.yaml", "names:\n  1: 1.0\n  0: no\n"),
        ("data.yaml", "names: [no, '1.0']"),
        ("data.yaml", "names: {no: 0, '1.0': 1}"),
        ("classes.txt", "no\n1.0\n"),
        ("labels/classes.txt", "no\r\n1.0\r\n"),
        ("obj.names", "no\n1.0\n\n"),
    ],
)
def test_names_are_kept_as_written(tmp_path, name, text):
    files(tmp_path, "images/a.png", texts={name: text, "labels/a.txt": "0 .5 .5 .2 .2\n1 .5 .5 .2 .2"})
    reader, rows = read(tmp_path)
    assert [c for c, _ in boxes(rows["images/a.png"])] == ["no", "1.0"]
    assert not reader.notes.skipped


def test_a_yaml_without_names_is_told_by_its_name(tmp_path):
    files(tmp_path, "images/a.png", texts={"data.yaml": "train: images", "labels/a.txt": BOX})
    reader, rows = read(tmp_path)
    assert boxes(rows["images/a.png"]) == [("class 0", [16, 8, 8, 4])]
    assert reader.notes.warnings == [("class names", "data.yaml names none: classes are called by their numbers")]


def test_bad_lines_are_told_by_place_and_the_others_stay(tmp_path):
    text = f"{BOX}{BOX}0 .5 .5\nword\n7 .5 .5 .2 .2\n0 .9 .5 .4 .2 .8\n"
    files(tmp_path, "a.png", "b.png", "c.png", texts={"a.txt": text, "b.txt": "", "d.txt": BOX, "classes.txt": "cat"})
    reader, rows = read(tmp_path)
    assert boxes(rows["a.png"]) == [("cat", [16, 8, 8, 4]), ("class 7", [16, 8, 8, 4]), ("cat", [28, 8, 12, 4])]
    assert rows["b.png"]["objects"] == []
    assert not rows["c.png"].get("objects")
    notes = reader.notes
    assert [name for name, _ in notes.problems] == ["a.txt:3", "a.txt:4"]
    assert notes.aside["label files without an image"] == (1, ["d.txt"])
    for words in ("repeated lines", "without a label file", "empty label file", "does not name", "clipped"):
        assert [n for what, n in notes.counts.items() if words in what] == [1], words


def test_only_images_beside_labels_are_background(tmp_path):
    files(
        tmp_path, "yolo/a.png", "yolo/b.png", "trips/rome/c.png", texts={"yolo/a.txt": BOX, "yolo/classes.txt": "cat"}
    )
    reader, _ = read(tmp_path)
    assert reader.notes.counts["images without a label file (YOLO: background)"] == 1
    assert reader.notes.counts["images in folders without YOLO labels"] == 1


def test_splits_by_lists_and_folders(tmp_path):
    files(
        tmp_path / "dark",
        "obj/a.png",
        "obj/b.png",
        texts={
            "obj/a.txt": BOX,
            "obj.names": "cat",
            "obj.data": "classes = 1\ntrain = data/train.txt\nvalid = data/test.txt\nnames = data/obj.names",
            "train.txt": "data/obj/a.png\n",
            "test.txt": "data/obj/b.png\n",
        },
    )
    files(
        tmp_path / "coco",
        "images/train2017/a.png",
        "images/val2017/a.png",
        texts={
            "labels/train2017/a.txt": BOX,
            "labels/val2017/a.txt": BOX,
            "coco.yaml": "path: ../coco\ntrain: images/train2017\nval: images/val2017\nnames: [cat]",
        },
    )
    for root, want in (("dark", ["train", "valid"]), ("coco", ["train", "val"])):
        reader, rows = read(tmp_path / root)
        assert [r["split"] for r in rows.values()] == want
        assert not reader.notes.problems
        assert not reader.notes.skipped


def test_two_layouts_in_one_tree(tmp_path):
    files(
        tmp_path,
        "train/images/a.png",
        "valid/images/a.png",
        texts={
            "data.yaml": "train: ../train/images\nval: ../valid/images\nnames: [cat]",
            **{f"{s}/labels/a.txt": BOX for s in ("train", "valid")},
            **{f"{s}/images/a.xml": xml("dog", 1, 1, 5, 5) for s in ("train", "valid")},
        },
    )
    reader, rows = read(tmp_path)
    assert [(r["split"], r.get("label"), boxes(r)) for r in rows.values()] == [
        (split, None, [("cat", [16, 8, 8, 4])]) for split in ("train", "valid")
    ]
    assert reader.notes.aside["Pascal VOC files (.xml)"][0] == 2
    assert "Pascal VOC left aside" in str(reader.notes.guesses[0])


@pytest.mark.parametrize("text", ["a cat on a mat", "12", "0 1 2 3 4 5 6", "2020 0.5"])
def test_other_texts_are_not_claimed(tmp_path, text):
    files(tmp_path, "a.png", texts={"a.txt": text})
    assert open_source(str(tmp_path)).layout_name != "yolo"
    _, rows = read(tmp_path)
    assert not rows["a.png"].get("objects")


def test_a_picture_without_a_size_keeps_its_objects(tmp_path):
    files(tmp_path, "a.png", texts={"a.txt": BOX, "b.txt": BOX, "b.png": "no picture"})
    reader, rows = read(tmp_path)
    (thing,) = rows["b.png"]["objects"]
    assert json.loads(thing["attributes"]) == {"relative_bbox": [0.4, 0.4, 0.2, 0.2]}
    assert any("size cannot be read" in what for what in reader.notes.counts)


def xml(name: str, *corners: float, more: str = "", about: str = "") -> str:
    sides = "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True))
    return f"<annotation>{about}<object><name>{name}</name><bndbox>{sides}</bndbox>{more}</object></annotation>"


def test_a_devkit(tmp_path):
    more = (
        "<pose>Left</pose><truncated>0</truncated><difficult>1</difficult><part><name>head</name><bndbox><xmin>2</xmin>"
        "<ymin>3</ymin><xmax>4</xmax><ymax>5</ymax></bndbox></part>"
    )
    size = "<size><width>40</width><height>20</height></size>"
    root = "VOCdevkit/VOC2012"
    files(
        tmp_path,
        f"{root}/JPEGImages/a.png",
        f"{root}/JPEGImages/b.png",
        texts={
            f"{root}/Annotations/a.xml": xml("cat", 2, 3, 12, 13.5, more=more, about=size),
            f"{root}/Annotations/b.xml": xml("dog", 12, 3, 2, 13),
            f"{root}/Annotations/c.xml": xml("dog", 1, 1, 2, 2),
            f"{root}/ImageSets/Main/train.txt": "a\n",
            f"{root}/ImageSets/Main/val.txt": "b\n",
            f"{root}/ImageSets/Main/trainval.txt": "a\nb\n",
            f"{root}/ImageSets/Main/cat_train.txt": "a  1\n",
        },
    )
    reader, rows = read(tmp_path)
    a, b = rows.values()
    assert boxes(a) == [("cat", [2, 3, 10, 10.5]), ("head", [2, 3, 2, 2])]
    assert json.loads(a["objects"][0]["attributes"]) == {"pose": "Left", "truncated": False, "difficult": True}
    assert json.loads(a["objects"][1]["attributes"]) == {"part_of": "cat"}
    assert boxes(b) == [("dog", [2, 3, 10, 10])]
    assert [r["split"] for r in (a, b)] == ["train", "val"]
    assert {r.get("label") for r in (a, b)} == {None}
    assert list(reader.notes.aside) == ["Pascal VOC files without an image"]


def test_a_class_folder_counts_only_with_an_object_of_its_class(tmp_path):
    texts = {"cat/1.xml": xml("cat", 1, 1, 5, 5), "dog/1.xml": xml("cat", 1, 1, 5, 5)}
    _, rows = read(files(tmp_path, "cat/1.png", "dog/1.png", texts=texts))
    assert [r.get("label") for r in rows.values()] == ["cat", None]


@pytest.mark.parametrize("encoding", ["gbk", "utf-16", "shift_jis", "big5", "utf-32", "iso-8859-1", "utf-8", ""])
def test_xml_in_any_encoding(tmp_path, encoding):
    name = "caf\xe9" if encoding in ("iso-8859-1", "") else "\u4e2d"
    head = f"<?xml version='1.0' encoding='{encoding}'?>" if encoding else ""
    files(tmp_path, "a.png", texts={})
    (tmp_path / "a.xml").write_bytes((head + xml(name, 1, 2, 5, 9)).encode(encoding or "cp1252"))
    reader, rows = read(tmp_path)
    assert boxes(rows["a.png"]) == [(name, [1, 2, 4, 7])]
    assert not reader.notes.problems
    assert bool(encoding) != any("Windows-1252" in what for what in reader.notes.counts)


def test_odd_voc_objects_are_kept_and_told(tmp_path):
    bare = "<object><name>dog</name></object>"
    files(tmp_path, "a.png", texts={"a.xml": xml("cat", 5, 2, 1, 9, about=bare)})
    reader, rows = read(tmp_path)
    assert [(o["class"], o["box"]) for o in rows["a.png"]["objects"]] == [("dog", None), ("cat", [1, 2, 4, 7])]
    for words in ("without a <bndbox>", "corners swapped"):
        assert [n for what, n in reader.notes.counts.items() if words in what] == [1], words


def test_unsound_xml_is_told_and_the_rows_stay(tmp_path):
    bomb = '<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>'
    texts = {"a.xml": xml("cat", 1, 1, 5, 5), "b.xml": bomb, "c.xml": "<annotation><obj", "d.xml": xml("x", 1, 1, 9, 9)}
    texts["e.xml"] = texts["d.xml"].replace("9", "?", 1)
    reader, rows = read(files(tmp_path, *(f"{n}.png" for n in "abcde"), texts=texts))
    assert len(rows) == 5
    assert [name for name, _ in reader.notes.problems] == ["b.xml", "c.xml", "e.xml"]
    with pytest.raises(ValueError, match="document type"):
        safe_xml.parse(bomb.encode("utf-16"))


def test_kitti(tmp_path):
    text = (
        "Car 0.50 1 -1.57 1 2 11 12 1.5 1.6 3.9 1 2 30 0.1 0.75\n"
        "DontCare -1 -1 -10 3 3 9 9 -1 -1 -1 -1000 -1000 -1000 -10\n"
        "Person sitting 0.00 0 -10 1 2 11 12 -1 -1 -1 -1000 -1000 -1000 -10\n"
        "Car 1 2 3\n"
    )
    files(tmp_path, "training/image_2/0.png", "training/image_3/0.png", texts={"training/label_2/0.txt": text})
    reader, rows = read(tmp_path)
    car, region, person = rows["training/image_2/0.png"]["objects"]
    assert (car["class"], car["box"], region["iscrowd"], person["class"]) == (
        "Car",
        [1, 2, 10, 10],
        True,
        "Person sitting",
    )
    assert json.loads(car["attributes"]) == {
        "truncated": 0.5,
        "occluded": 1,
        "alpha": -1.57,
        "dimensions": [1.5, 1.6, 3.9],
        "location": [1, 2, 30],
        "rotation_y": 0.1,
        "score": 0.75,
    }
    assert not rows["training/image_3/0.png"].get("objects")  # the labels are of the left camera
    assert [name for name, _ in reader.notes.problems] == ["training/label_2/0.txt:4"]


def test_open_images(tmp_path):
    flags = "IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"
    files(
        tmp_path,
        "train/0a.png",
        "train/0b.png",
        texts={
            "train-annotations-bbox.csv": f"ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,{flags}\n"
            "0a,xclick,/m/1,1,0.25,0.5,0.5,0.75,0,-1,1,0,0\n0f,xclick,/m/1,1,0,1,0,1,0,0,0,0,0\n0a,x,/m/9,1,?,1,0,1,0,0,0,0,0\n",
            "train-annotations-human-imagelabels-boxable.csv": "ImageID,Source,LabelName,Confidence\n"
            "0a,verification,/m/1,1\n0a,verification,/m/2,0\n0b,crowdsource-verification,/m/2,1\n",
            "class-descriptions-boxable.csv": '/m/1,Cat\n/m/2,"Dog, small"\n',
            "images.csv": "ImageID,Subset,OriginalURL,License,Author,Title,Rotation\n0a,train,http://x/a,CC,Ann,Tea,90\n",
        },
    )
    reader, rows = read(tmp_path)
    a, b = rows["train/0a.png"], rows["train/0b.png"]
    assert boxes(a) == [("Cat", [10, 10, 10, 5])]
    assert json.loads(a["objects"][0]["attributes"]) == {
        "IsOccluded": False,
        "IsGroupOf": True,
        "IsDepiction": False,
        "IsInside": False,
    }
    assert (a["objects"][0]["iscrowd"], a["objects"][0]["source"]) == (True, "xclick")
    assert (a["labels"], a["absent_labels"], b["labels"]) == (["Cat"], ["Dog, small"], ["Dog, small"])
    assert (a["split"], a["license"], a["author"], a["source_url"], a["title"], a["rotation"]) == (
        "train",
        "CC",
        "Ann",
        "http://x/a",
        "Tea",
        90,
    )
    assert {a.get("label"), b.get("label")} == {None}
    assert reader.notes.counts["rows of train-annotations-bbox.csv of images that are not there"] == 1
    assert len(reader.notes.problems) == 1
