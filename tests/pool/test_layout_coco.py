"""COCO trees as programs leave them, read from folders and archives."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import unicodedata
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from veduta.errors import SourceError
from veduta.pool.readers import open_source

SIZE = (40, 30)


def png(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", SIZE, (shade % 256, shade // 256, 20)).save(buffer, "PNG")
    return buffer.getvalue()


def put(root: Path, files: dict[str, bytes | str | dict | list]) -> Path:
    for name, content in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, (dict, list)):
            content = json.dumps(content)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def packed(root: Path, form: str) -> Path:
    """The same tree as a zip or tar."""
    target = root.with_name(f"{root.name}.{form}")
    files = sorted(p for p in root.rglob("*") if p.is_file())
    if form == "zip":
        with zipfile.ZipFile(target, "w") as archive:
            for file in files:
                archive.write(file, str(file.relative_to(root)))
    else:
        with tarfile.open(target, "w:gz" if form == "tar.gz" else "w") as archive:
            for file in files:
                archive.add(file, str(file.relative_to(root)))
    return target


def read(source: Path, **options):
    reader = open_source(source, **options)
    return reader, {item.key: item for item in reader.items()}


def file(names: list[str], kind: str = "cat", **more) -> dict:
    """A COCO file in which image i has i boxes."""
    boxes = [(i, j) for i in range(len(names)) for j in range(i)]
    return {
        "images": [{"id": i, "file_name": n, "width": 40, "height": 30} for i, n in enumerate(names)],
        "annotations": [
            {"id": k, "image_id": i, "category_id": 1, "bbox": [j, 1, 5, 6]} for k, (i, j) in enumerate(boxes)
        ],
        "categories": [{"id": 0, "name": "all"}, {"id": 1, "name": kind, "supercategory": "all"}],
        **more,
    }


PLACES = {  # annotation file and folder of the images of one split
    "coco": ("annotations/instances_{0}2017.json", "{0}2017"),
    "ultralytics": ("annotations/instances_{0}2017.json", "images/{0}2017"),
    "roboflow": ("{0}/_annotations.coco.json", "{0}"),
    "fiftyone": ("{0}/labels.json", "{0}/data"),
    "cvat": ("annotations/instances_{0}.json", "images/{0}"),
    "label studio": ("{0}/result.json", "{0}/images"),
    "detectron": ("annotations/{0}.json", "{0}"),
}
SPELLINGS = {
    "plain": lambda folder, name: name,
    "windows": lambda folder, name: "C:\\Users\\me\\" + f"{folder}/{name}".replace("/", "\\"),
    "absolute": lambda folder, name: f"/home/you/set/{folder}/{name}",
    "composed": lambda folder, name: unicodedata.normalize("NFC", name),
    "dotted": lambda folder, name: f"./{name}",
}
STEMS = st.lists(
    st.sampled_from(
        ["0", "1", "a b", "img.v2", "Ä", "A\u0308x", "日本", "sub/0", "sub/deep/1", "100% sure", "e\u0301"]
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda s: unicodedata.normalize("NFC", s),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(
    data=st.dictionaries(st.sampled_from(["train", "val", "test"]), STEMS, min_size=1),
    layout=st.sampled_from(sorted(PLACES)),
    spelling=st.sampled_from(sorted(SPELLINGS)),
    form=st.sampled_from(["folder", "zip", "tar", "tar.gz"]),
    gone=st.booleans(),
)
def test_every_split_keeps_its_own_images_and_boxes(tmp_path_factory, data, layout, spelling, form, gone):
    root = tmp_path_factory.mktemp("t") / "set"
    want: dict[str, tuple] = {}
    for number, (split, stems) in enumerate(sorted(data.items())):
        place, folder = (t.format(split) for t in PLACES[layout])
        names = [f"{s}.png" for s in stems]
        for i, name in enumerate(names):
            put(root, {f"{folder}/{name}": png(number * 10 + i)})
            want[f"{folder}/{name}"] = (png(number * 10 + i), [(split, [j, 1, 5, 6]) for j in range(i)])
        put(root, {place: file([SPELLINGS[spelling](folder, n) for n in names], split)})
    missing = sorted(want)[0]
    if gone and len(data[min(data)]) > 1:
        (root / missing).unlink()
        want[missing] = (None, want[missing][1])
    reader, items = read(root if form == "folder" else packed(root, form))
    got = {}
    for key, item in items.items():
        try:
            content = item.read()
        except OSError:
            content = None
        got[key] = (content, [(o["class"], o["box"]) for o in item.fields.get("objects") or []])
    nfc = lambda d: {unicodedata.normalize("NFC", k).replace("%25", "%"): v for k, v in d.items()}  # noqa: E731
    assert nfc(got) == nfc(want)
    assert reader.layout_name == "coco"
    assert len(reader) == len(want)
    assert not any(item.fields.get("label") for item in items.values())
    shutil.rmtree(root.parent)


def test_a_split_that_was_not_downloaded_never_borrows_images(tmp_path):
    put(tmp_path, {f"train2017/{i}.png": png(i) for i in range(3)})
    for split in ("train2017", "val2017"):
        put(tmp_path, {f"annotations/instances_{split}.json": file(["0.png", "1.png", "2.png"])})
    reader, items = read(tmp_path)
    there = {k for k, i in items.items() if i.uri}
    assert there == {f"train2017/{i}.png" for i in range(3)}
    assert len(items) == 6
    assert "val" in reader.notes.warnings[0][0]


def test_pictures_that_no_file_names_are_told_and_doubtful_folders_not_chosen(tmp_path):
    put(tmp_path, {"images/0.png": png(0), "images/x.png": png(1), "labels.json": file(["0.png"])})
    reader, items = read(tmp_path)
    assert list(items) == ["images/0.png"]
    ((kind, (count, names)),) = [(k, v) for k, v in reader.notes.aside.items() if "supercategory" not in k]
    assert (count, names) == (1, ["images/x.png"])
    assert "--layout none" in kind
    assert set(read(tmp_path, layout="none")[1]) == {"images/0.png", "images/x.png"}
    (tmp_path / "images").rename(tmp_path / "a")
    put(tmp_path, {"b/0.png": png(5)})
    reader, items = read(tmp_path)
    assert list(items) == ["0.png"]
    assert "a, b" in reader.notes.warnings[0][1]
    assert next(iter(read(tmp_path / "labels.json", images=tmp_path / "b")[1].values())).read() == png(5)


def test_ids_by_value_names_that_lead_out_and_lvis(tmp_path):
    (tmp_path / "secret.png").write_bytes(png(9))
    root = tmp_path / "set"
    content = file(["../secret.png", str(tmp_path / "secret.png"), "a.png"])
    content["images"][2] = {"id": "2", "coco_url": "http://x.org/train2017/a.png", "width": "40", "height": 30.0}
    content["annotations"] = [{"id": 1, "image_id": 2.0, "category_id": "1", "bbox": [1, 2, 300, 4]}]
    put(root, {"x.json": content, "train2017/a.png": png(1)})
    _, items = read(root)
    assert items["train2017/a.png"].fields["objects"][0]["box"] == [1, 2, 39, 4]
    assert items["train2017/a.png"].fields["objects"][0]["class"] == "cat"
    for key, item in items.items():
        if key != "train2017/a.png":
            with pytest.raises(OSError, match="no such image"):
                item.read()


def test_detections_are_not_mixed_with_annotations(tmp_path):
    put(tmp_path, {"images/0.png": png(0), "images/1.png": png(1), "annotations.json": file(["0.png", "1.png"])})
    scored = file(["0.png", "1.png"])
    for one in scored["annotations"]:
        one["score"] = 0.5
    results = [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.25}]
    put(tmp_path, {"predictions.json": scored, "results.json": results})
    reader, items = read(tmp_path)
    assert [len(i.fields["objects"]) for i in items.values()] == [0, 1]
    (kind,) = [k for k in reader.notes.aside if "COCO results" in k]
    assert reader.notes.aside[kind][0] == 2
    (tmp_path / "annotations.json").unlink()
    (tmp_path / "results.json").unlink()
    assert "0.5" in read(tmp_path)[1]["images/1.png"].fields["objects"][0]["attributes"]


def test_classes_of_images_panoptic_and_files_that_disagree(tmp_path):
    pytest.importorskip("pycocotools")
    pixels = np.zeros((30, 40, 3), np.uint8)
    pixels[:, :10] = (7, 0, 0)
    pixels[:, 10:] = (1, 1, 0)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    segments = [{"id": 7, "category_id": 1, "bbox": [0, 0, 10, 30]}, {"id": 257, "category_id": 2, "iscrowd": 0}]
    panoptic = file(["0.png"])
    panoptic["categories"] = [{"id": 1, "name": "cat", "isthing": 1}, {"id": 2, "name": "sky", "isthing": 0}]
    panoptic["annotations"] = [{"image_id": 0, "file_name": "0.png", "segments_info": segments}]
    classes = file(["0.png"], annotations=[{"id": 1, "image_id": 0, "category_id": 1}])
    put(tmp_path, {
        "images/0.png": png(0),
        "annotations/panoptic_val.json": panoptic,
        "annotations/panoptic_val/0.png": buffer.getvalue(),
        "annotations/labels_val.json": classes,
    })  # fmt: skip
    _, items = read(tmp_path)
    (item,) = items.values()
    assert [(o["class"], bool(o["mask"])) for o in item.fields["objects"]] == [("cat", True), ("sky", True)]
    assert (item.fields["label"], item.fields["labels"], item.fields["split"]) == ("cat", ["cat"], "val")
    instances = file(["0.png"], annotations=[{"id": 1, "image_id": 0, "category_id": 1, "bbox": [0, 0, 10, 30]}])
    put(tmp_path, {"annotations/instances_val.json": instances})
    reader, items = read(tmp_path)
    assert [o["class"] for o in items["images/0.png"].fields["objects"]] == ["cat", "sky"]
    other = file(["0.png"], annotations=[{"id": 1, "image_id": 0, "category_id": 1, "bbox": [5, 5, 10, 10]}])
    other["images"][0]["id"] = "x"
    other["annotations"][0]["image_id"] = "x"
    put(tmp_path, {"annotations/instances_val_b.json": other})
    reader, items = read(tmp_path)
    assert len(items["images/0.png"].fields["objects"]) == 3
    assert any("several files" in guess.how for guess in reader.notes.guesses)
    assert reader.notes.counts["images to which two COCO files give different ids (joined by their path)"] == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (json.dumps(file(["0.png"]))[:-40], "it ends early"),
        (json.dumps(file(["0.png"])).replace('"categories"', "categories"), "mend the file"),
        ('{"images": [{"file_name": "0.png"}], "annotations": ' + "[" * 100_000, "cannot be read as JSON"),
    ],
)
def test_a_broken_file_is_one_sentence(tmp_path, content, words):
    put(tmp_path, {"labels.json": content, "data/0.png": png(0)})
    with pytest.raises(SourceError, match=words):
        list(open_source(tmp_path / "labels.json").items())
    for more in ({}, {"b.json": file(["0.png"])}, {"data/1.png": png(1)}):  # a broken file may name any image
        put(tmp_path, more)
        reader, items = read(tmp_path)
        assert list(items) == ["data/0.png", "data/1.png"][: 1 + ("data/1.png" in more)]
        assert [(name, words in reason) for name, reason in reader.problems] == [("labels.json", True)]
        assert "" in [name for name, _ in reader.notes.hidden]


def test_json_of_other_kinds_is_no_coco(tmp_path):
    others = {
        "vqa.json": {"annotations": [{"image_id": 1, "answers": [{"answer": "no"}]}]},
        "transforms.json": {"images": ["0.png"]},
        "list.json": [{"images": 1}],
    }
    put(tmp_path, {"0.png": png(0), **others})
    reader, items = read(tmp_path)
    assert (reader.layout_name, list(items)) == ("images", ["0.png"])


def test_a_coco_file_may_be_called_like_its_picture(tmp_path):
    put(tmp_path, {"0.png": png(0), "1.png": png(1), "1.json": file(["0.png", "1.png"])})
    reader, items = read(tmp_path)
    assert reader.layout_name == "coco"
    assert items["1.png"].fields["objects"]


def test_where_coco_names_few_pictures_the_others_are_rows_too(tmp_path):
    put(tmp_path, {**{f"{i}.png": png(i) for i in range(5)}, "x.json": file(["0.png", "1.png"])})
    reader, items = read(tmp_path)
    assert (len(items), len(reader)) == (5, 5)
    assert reader.notes.counts["images that no COCO annotation names (rows without annotations)"] == 3
