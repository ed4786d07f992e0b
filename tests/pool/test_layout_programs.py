"""Annotation files of labelling programs. The values of masks and rotated boxes were made by the programs themselves."""

from __future__ import annotations

import base64
import csv
import io
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from veduta.errors import SourceError
from veduta.pool import masks
from veduta.pool.readers import open_source
from veduta.pool.readers.layouts.fiftyone import array
from veduta.pool.readers.layouts.label_studio import names

WIDTH, HEIGHT = 8, 6


def png(shade: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (WIDTH, HEIGHT), (shade, 10, 20)).save(buffer, "PNG")
    return buffer.getvalue()


def put(root: Path, files: dict[str, object]) -> Path:
    for name, content in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, (dict, list)):
            content = json.dumps(content)
        place.write_bytes(content if isinstance(content, bytes) else str(content).encode())
    return root


def both(root: Path):
    """The items of a folder, after a check that a zip of it gives the same."""
    packed = root.with_name(f"{root.name}.zip")
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted(p for p in root.rglob("*") if p.is_file()):
            archive.write(file, str(file.relative_to(root)))
    reader, other = open_source(root), open_source(packed)
    items, others = ({i.key: i for i in r.items()} for r in (reader, other))
    assert {k: i.fields for k, i in items.items()} == {k: i.fields for k, i in others.items()}
    assert reader.notes.counts == other.notes.counts
    assert len(reader) == len(items)
    return reader, items


def about(thing: dict) -> dict:
    return json.loads(thing["attributes"] or "{}")


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><mode>annotation</mode></task></meta>
<image id="0" name="a.png" width="8" height="6" subset="train">
  <box label="cat" occluded="1" xtl="1" ytl="2" xbr="4" ybr="5"><attribute name="age">old</attribute></box>
  <box label="cat" xtl="1" ytl="2" xbr="5" ybr="4" rotation="90"/>
  <polygon label="dog" points="0,0;4,0;4,4" z_order="2"/>
  <polyline label="road" points="1,1;3,4"/>
  <points label="tip" points="1,2;3,4"/>
  <mask label="fog" rle="1,2,3,2,1" left="2" top="1" width="3" height="3"/>
  <mask label="bad" rle="1,2" left="2" top="1" width="3" height="3"/>
  <ellipse label="sun" cx="4" cy="3" rx="2" ry="1"/>
  <skeleton label="man"><points label="head" points="1,1" outside="1"/><points label="foot" points="2,5"/>
  <points label="hand" points="4,3" occluded="1"/></skeleton>
  <box label="odd" xtl="x" ytl="2" xbr="4" ybr="5"/>
  <tag label="sunny"><attribute name="sure">yes</attribute></tag>
</image>
<image id="1" name="sub/b.png" width="8" height="6"/>
<image id="2" name="gone.png" width="8" height="6"/>
</annotations>"""


def test_cvat_images(tmp_path):
    put(tmp_path / "s", {"annotations.xml": CVAT, "images/a.png": png(1), "images/sub/b.png": png(2), "x.png": png()})
    reader, items = both(tmp_path / "s")
    assert list(items) == ["images/a.png", "images/sub/b.png", "images/gone.png"]
    fields = items["images/a.png"].fields
    assert (fields["split"], fields["label"], fields["labels"], fields["sunny sure"]) == (
        "train",
        "sunny",
        ["sunny"],
        "yes",
    )
    box, turned, polygon, line, tips, fog, bad, sun, man = fields["objects"]
    assert (box["class"], box["box"], about(box)) == ("cat", [1, 2, 3, 3], {"age": "old", "occluded": "1"})
    assert turned["box"] == pytest.approx([2, 1, 2, 4])
    assert polygon["box"] == [0, 0, 4, 4]
    assert polygon["mask"]
    assert (line["box"], about(line)["line"]) == ([1, 1, 2, 3], [1, 1, 3, 4])
    assert tips["keypoints"] == [1, 2, 2, 3, 4, 2]
    cut = [[0, 1, 1], [0, 0, 0], [1, 1, 0]]
    assert masks.decode(fog["mask"], 8, 6)[1:4, 2:5].tolist() == cut
    assert masks.area(fog["mask"], 8, 6) == 4
    assert (bad["box"], bad["mask"]) == ([2, 1, 3, 3], None)
    assert sun["box"] == [2, 2, 4, 2]
    assert man["keypoints"] == [1, 1, 0, 2, 5, 2, 4, 3, 1]
    assert about(man)["keypoint_names"] == ["head", "foot", "hand"]
    assert items["images/sub/b.png"].fields["objects"] == []
    assert reader.notes.counts["malformed or unknown shapes dropped (box)"] == 1
    assert [v[1] for k, v in reader.notes.aside.items() if "CVAT" in k] == [["x.png"]]


def test_cvat_videos_and_hostile_xml(tmp_path):
    track = '<box frame="{}" outside="{}" xtl="1" ytl="1" xbr="3" ybr="4"/>'
    shapes = "".join(track.format(i, o) for i, o in ((3, 0), (4, 0), (5, 1), (9, 0)))
    text = f'<annotations>\n<version>1.1</version><meta/><track id="7" label="car">{shapes}</track></annotations>'
    put(tmp_path / "s", {f"frame_{i:06d}.png": png(i) for i in (3, 4, 5)})
    put(tmp_path / "s", {"annotations.xml": text})
    reader, items = both(tmp_path / "s")
    assert list(items) == ["frame_000003.png", "frame_000004.png"]
    assert about(items["frame_000004.png"].fields["objects"][0]) == {"track_id": "7"}
    assert reader.notes.counts["frames of videos whose pictures are not there left out"] == 1
    bomb = text.replace("<annotations>", '<!DOCTYPE a [<!ENTITY b "boom">]><annotations>')
    put(tmp_path / "s", {"annotations.xml": bomb})
    with pytest.raises(SourceError, match="document type"):
        list(open_source(tmp_path / "s" / "annotations.xml").items())
    reader = open_source(tmp_path / "s")
    assert len(list(reader.items())) == 3
    assert [name for name, _ in reader.problems] == ["annotations.xml"]


BRUSH = [0, 0, 0, 192, 57, 27, 254, 39, 0, 194, 127, 246, 192, 35, 255, 140, 2, 223, 253, 176, 12, 39, 255, 144, 192, 0]


def region(form: str, value: dict, number: str = "r", **more) -> dict:
    value = {**value, f"{form}labels": ["cat"]}
    size = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
    return {"id": number, "type": f"{form}labels", "from_name": "l", "to_name": "i", "value": value, **size, **more}


def test_label_studio(tmp_path):
    results = [
        region("rectangle", {"x": 25, "y": 50, "width": 50, "height": 25, "rotation": 0}, "a"),
        region("rectangle", {"x": 50, "y": 0, "width": 25, "height": 50, "rotation": 90}, "b"),
        region("polygon", {"points": [[0, 0], [50, 0], [50, 50]]}, "c"),
        region("ellipse", {"x": 50, "y": 50, "radiusX": 25, "radiusY": 50, "rotation": 0}, "d"),
        region("keypoint", {"x": 50, "y": 50, "width": 1}, "e"),
        region("brush", {"format": "rle", "rle": BRUSH}, "f"),
        region("brush", {"format": "rle", "rle": BRUSH[:9]}, "g"),
        {"id": "a", "from_name": "state", "type": "choices", "value": {"choices": ["asleep"]}},
        {"id": "z", "from_name": "kind", "type": "choices", "value": {"choices": ["indoor"]}},
        {"id": "y", "from_name": "text", "type": "textarea", "value": {"text": ["a cat"]}},
        {"id": "x", "from_name": "stars", "type": "rating", "value": {"rating": 4}},
        {"type": "relation", "from_id": "a", "to_id": "b"},
    ]
    empty = {"result": [], "was_cancelled": False}
    tasks = [
        {
            "id": 1,
            "data": {"image": "/data/upload/3/0a1b2c3d-a%20b.png", "batch": 7},
            "annotations": [{"was_cancelled": True, "result": []}, {"result": results}, empty],
            "predictions": [{"result": []}],
        },
        {"id": 2, "data": {"image": "s3://bucket/set/two.png"}, "annotations": [empty]},
        {"id": 3, "data": {"image": "https://x.org/three.png"}, "annotations": []},
        {"id": 4, "data": {"text": "no picture"}, "annotations": []},
    ]
    put(tmp_path / "s", {"export.json": tasks, "pics/a b.png": png(1), "pics/two.png": png(2)})
    reader, items = both(tmp_path / "s")
    assert list(items) == ["pics/a b.png", "pics/two.png", "https://x.org/three.png"]
    fields = items["pics/a b.png"].fields
    assert (fields["label"], fields["labels"], fields["captions"]) == ("indoor", ["indoor"], ["a cat"])
    assert (fields["stars"], fields["batch"]) == (4, 7)
    box, turned, polygon, ellipse, point, brush = fields["objects"]
    assert (box["box"], about(box)) == ([2, 3, 4, 1.5], {"state": "asleep"})
    assert turned["box"] == pytest.approx([1, 0, 3, 2])
    assert polygon["box"] == [0, 0, 4, 3]
    assert ellipse["box"] == [2, 0, 4, 6]
    assert point["keypoints"] == [4, 3, 2]
    want = np.zeros((6, 8), int)
    want[1:4, 2:7] = 1
    want[2, 3] = 0
    assert masks.decode(brush["mask"], 8, 6).tolist() == want.tolist()
    assert brush["box"] == [2, 1, 5, 3]
    counts = reader.notes.counts
    assert counts["malformed regions dropped (brush)"] == 1
    assert counts["further annotations of the same task left aside"] == 1
    assert counts["cancelled annotations left aside"] == 1
    assert counts["predictions of models left aside"] == 1
    assert counts["results of the kind 'relation' left out"] == 1
    assert counts["tasks without a picture left out"] == 1
    file = open_source(tmp_path / "s" / "export.json")
    assert {i.key: i.fields for i in file.items()} == {k: i.fields for k, i in items.items()}


def test_label_studio_texts_of_regions_and_results_without_ids(tmp_path):
    size = {"original_width": WIDTH, "original_height": HEIGHT}
    place = {"x": 25, "y": 50, "width": 50, "height": 25, "rotation": 0}
    other = {**place, "x": 0}
    results = [
        {**size, "type": "textarea", "from_name": "ocr", "value": {**place, "text": ["HELLO"]}},
        {**size, "type": "rectangle", "from_name": "r", "value": place},
        {**size, "type": "labels", "from_name": "l", "value": {**place, "labels": ["cat"]}},
        {**size, "type": "rectanglelabels", "from_name": "l", "value": {**other, "rectanglelabels": ["dog"]}},
        {**size, "type": "rectanglelabels", "from_name": "l", "value": {**other, "rectanglelabels": ["pet"]}},
        {"type": "choices", "from_name": "k", "value": {"choices": ["indoor"]}},
        {"type": "textarea", "from_name": "t", "value": {"text": ["a cat"]}},
    ]
    plain = [r for r in results if "original_width" in r]
    named = [{**r, "id": "n" if r["value"]["x"] else str(i)} for i, r in enumerate(plain)]
    for number, given in enumerate((results, [*named, *results[len(plain) :]])):
        task = {"data": {"image": "one.png"}, "annotations": [{"result": given}]}
        put(tmp_path / f"s{number}", {"export.json": [task], "one.png": png(1)})
        _, items = both(tmp_path / f"s{number}")
        fields = items["one.png"].fields
        assert [(o["class"], about(o)) for o in fields["objects"]] == [
            ("cat", {"ocr": "HELLO"}),
            ("dog", {}),
            ("pet", {}),
        ]
        assert (fields["label"], fields["captions"]) == ("indoor", ["a cat"])


def test_label_studio_min_choices_are_of_one_kind(tmp_path):
    base = {"annotator": 1, "annotation_id": 2, "lead_time": 1.5}
    tasks = [
        {**base, "image": "one.png", "kind": "indoor", "note": "as it is"},
        {**base, "image": "two.png", "kind": {"choices": ["indoor", "dark"]}},
        {**base, "image": "three.png", "kind": ["dark"]},
    ]
    put(tmp_path / "s", {"min.json": tasks, **{f"{n}.png": png(i) for i, n in enumerate(("one", "two", "three"))}})
    reader, items = both(tmp_path / "s")
    assert {k: i.fields.get("labels") for k, i in items.items()} == {
        "one.png": ["indoor"], "two.png": ["indoor", "dark"], "three.png": ["dark"],
    }  # fmt: skip
    assert items["one.png"].fields["note"] == "as it is"
    assert "kind" not in reader.columns()
    assert any("'kind'" in g.what for g in reader.notes.guesses)


def test_label_studio_min_and_addresses(tmp_path):
    flat = region("rectangle", {"x": 25, "y": 50, "width": 50, "height": 25, "rotation": 0})
    task = {
        "image": "/data/local-files/?d=pics%2Fone.png", "id": 5, "label": [{**flat["value"], **flat}], "kind": "indoor",
        "tags": {"choices": ["x", "y"]}, "annotator": 1, "annotation_id": 2, "created_at": "", "updated_at": "",
        "lead_time": 1.5,
    }  # fmt: skip
    put(tmp_path / "s", {"min.json": [task], "pics/one.png": png(1)})
    _, items = both(tmp_path / "s")
    fields = items["pics/one.png"].fields
    assert (fields["objects"][0]["box"], fields["labels"], fields["kind"]) == ([2, 3, 4, 1.5], ["x", "y"], "indoor")
    assert names("/tasks/1/resolve/?fileuri=czM6Ly9iL2sveC5wbmc=") == ["s3://b/k/x.png", "k/x.png"]
    assert names("data:image/png;base64,AAAA") == ["embedded"]


def labelme(path: str, *shapes: dict, data: str = "AAAA") -> dict:
    return {"version": "5", "flags": {"wet": True, "dry": False}, "shapes": list(shapes), "imagePath": path,
            "imageData": data, "imageHeight": HEIGHT, "imageWidth": WIDTH}  # fmt: skip


def shape(form: str, *points: list, **more) -> dict:
    return {"label": "cat", "points": list(points), "group_id": None, "shape_type": form, "flags": {}, **more}


def test_labelme(tmp_path):
    cut = np.array([[1, 0, 1], [0, 1, 1]], bool)
    buffer = io.BytesIO()
    Image.fromarray(cut).save(buffer, "PNG")
    shapes = [
        shape("rectangle", [5, 4], [1, 2], group_id=3),
        shape("polygon", [0, 0], [4, 0], [4, 3]),
        shape("circle", [4, 3], [4, 5]),
        shape("line", [0, 0], [3, 4]),
        shape("point", [2, 2]),
        shape("mask", [2, 1], [4, 2], mask=base64.b64encode(buffer.getvalue()).decode()),
        shape("polygon", [0, 0]),
        shape("rectangle", [0, "x"], [1, 1]),
    ]
    put(tmp_path / "s", {
        "train/a.png": png(1),
        "train/a.json": labelme("a.png", *shapes),
        "val/pics/a.png": png(2),
        "val/json/a.json": labelme("..\\pics\\a.png", shape("rectangle", [0, 0], [1, 1])),
        "val/json/b.json": labelme("../../../outside.png", shape("rectangle", [0, 0], [2, 1])),
        "val/pics/free.png": png(3),
    })  # fmt: skip
    put(tmp_path, {"outside.png": png(9)})
    reader, items = both(tmp_path / "s")
    assert list(items) == ["train/a.png", "val/pics/a.png", "val/pics/free.png", "val/outside.png"]
    box, polygon, circle, line, point, mask = items["train/a.png"].fields["objects"]
    assert (box["box"], about(box)) == ([1, 2, 4, 2], {"group_id": 3})
    assert polygon["box"] == [0, 0, 4, 3]
    assert (circle["box"], about(circle)["circle"]) == ([2, 1, 4, 4], [4, 3, 2])
    assert about(line) == {"line": [0, 0, 3, 4], "shape": "line"}
    assert point["keypoints"] == [2, 2, 2]
    assert mask["box"] == [2, 1, 3, 2]
    assert (masks.decode(mask["mask"], 8, 6)[1:3, 2:5] == cut).all()
    assert items["train/a.png"].fields["labels"] == ["wet"]
    assert items["val/pics/a.png"].fields["objects"][0]["box"] == [0, 0, 1, 1]
    assert "objects" not in items["val/pics/free.png"].fields
    with pytest.raises(OSError, match="no such image"):
        items["val/outside.png"].read()
    assert reader.notes.counts["malformed shapes dropped (polygon)"] == 1


def test_the_picture_inside_a_labelme_file_is_read_where_there_is_no_other(tmp_path):
    square = shape("rectangle", [0, 0], [2, 1])
    packed = base64.b64encode(png(7)).decode()
    files = {"a.png": png(1), **{f"{n}.json": labelme(f"{n}.png", square, data=packed) for n in "ab"}}
    reader, items = both(put(tmp_path / "s", files))
    assert {k: i.read() for k, i in items.items()} == {"a.png": png(1), "b.png": png(7)}
    assert items["b.png"].fields["objects"][0]["box"] == [0, 0, 2, 1]
    assert not reader.notes.problems
    assert not reader.notes.warnings


MASK = "eJyb7BfqGxDJyFDGUK2eklqcXKRupaBek2SorqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RpGOgrGmjoKtQpkAy5GBiBkBAAUSBup"


def test_fiftyone(tmp_path):
    def field(**more) -> dict:
        given = {"_cls": "Detection", "label": "cat", "bounding_box": [0.25, 0.5, 0.25, 0.25], "tags": [], **more}
        return {"_cls": "Detections", "detections": [given]}

    samples = [
        {
            "filepath": f"/data/{split}/{split[0]}.png", "tags": [split], "metadata": {"width": 8, "height": 6},
            "ground_truth": field(mask={"$binary": {"base64": MASK, "subType": "00"}}, occluded=True),
            "model": field(confidence=0.5), "kind": {"_cls": "Classification", "label": "indoor"}, "weather": "sun",
        }
        for split in ("train", "validation")
    ]  # fmt: skip
    put(tmp_path / "s", {"samples.json": {"samples": samples}, "metadata.json": {"name": "x"}})
    put(tmp_path / "s", {"data/t.png": png(1), "data/v.png": png(2)})
    reader, items = both(tmp_path / "s")
    assert list(items) == ["data/t.png", "data/v.png"]
    fields = items["data/v.png"].fields
    assert (fields["label"], fields["split"], fields["weather"]) == ("indoor", "validation", "sun")
    (thing,) = fields["objects"]
    assert (thing["class"], thing["box"], about(thing)) == ("cat", [2, 3, 2, 1.5], {"occluded": True})
    assert masks.decode(thing["mask"], 8, 6)[3:5, 2:4].tolist() == [[1, 0], [0, 1]]
    assert reader.notes.aside["further fields of FiftyOne's objects"] == (1, ["model"])
    assert array(MASK).tolist() == [[True, False, True], [False, True, True]]
    assert array("AAAA") is None


def test_labelbox(tmp_path):
    corner = {"x": 1, "y": 2}
    objects = [
        {"name": "cat", "bounding_box": {"top": 1, "left": 2, "width": 3, "height": 4}},
        {"name": "cat", "polygon": [{"x": 0, "y": 0}, {"x": 4, "y": 0}, {"x": 4, "y": 4}],
         "classifications": [{"name": "age", "radio_answer": {"name": "old"}}]},
        {"name": "tip", "point": corner},
        {"name": "fog", "mask": {"url": "https://x.org/m"}},
    ]  # fmt: skip
    kinds = [{"name": "scene", "radio_answer": {"name": "indoor"}}]
    label = {"annotations": {"objects": objects, "classifications": kinds}}
    rows = [
        {
            "data_row": {"id": "1", "external_id": "a.png", "row_data": "https://x.org/9f/a.png"},
            "media_attributes": {"width": 8, "height": 6},
            "projects": {"p": {"labels": [label, label]}},
        },
        {"data_row": {"id": "2", "external_id": "b.png", "row_data": "https://x.org/b.png"}, "projects": {}},
    ]
    lines = "\n".join(map(json.dumps, rows)) + "\nbroken\n"
    put(tmp_path / "s", {"export.ndjson": lines, "images/a.png": png(1), "images/b.png": png(2)})
    reader, items = both(tmp_path / "s")
    assert list(items) == ["images/a.png", "images/b.png"]
    fields = items["images/a.png"].fields
    assert [o["box"] for o in fields["objects"]] == [[2, 1, 3, 4], [0, 0, 4, 4], None]
    assert (fields["label"], fields["scene"], about(fields["objects"][1])) == ("indoor", "indoor", {"age": "old"})
    assert reader.notes.counts["further labels of the same data row left aside"] == 1
    assert "line 3" in reader.problems[0][0]
    assert len(list(open_source(tmp_path / "s" / "export.ndjson").items())) == 2


def test_via(tmp_path):
    box = {"name": "rect", "x": 1, "y": 2, "width": 3, "height": 2}
    ring = {"name": "polygon", "all_points_x": [0, 4, 4], "all_points_y": [0, 0, 4]}
    regions = [
        {"shape_attributes": box, "region_attributes": {"type": "cat", "note": "x"}},
        {"shape_attributes": ring, "region_attributes": {"animal": {"dog": True, "cat": False}}},
        {"shape_attributes": {"name": "cube"}, "region_attributes": {}},
    ]
    entry = {"filename": "a.png", "size": 99, "regions": regions, "file_attributes": {"place": "home"}}
    put(tmp_path / "s", {"via.json": {"_via_settings": {}, "_via_img_metadata": {"a.png99": entry}}, "a.png": png(1)})
    reader, items = both(tmp_path / "s")
    fields = items["a.png"].fields
    assert [(o["class"], o["box"]) for o in fields["objects"]] == [("cat", [1, 2, 3, 2]), ("dog", [0, 0, 4, 4])]
    assert fields["place"] == "home"
    assert reader.notes.counts["malformed or unknown regions dropped (cube)"] == 1
    table = io.StringIO()
    rows = csv.writer(table)
    rows.writerow(
        [
            "filename",
            "file_size",
            "file_attributes",
            "region_count",
            "region_id",
            "region_shape_attributes",
            "region_attributes",
        ]
    )
    for number, one in enumerate(regions):
        rows.writerow(["a.png", 99, json.dumps(entry["file_attributes"]), 3, number, *map(json.dumps, one.values())])
    put(tmp_path / "t", {"via_export_csv.csv": table.getvalue(), "a.png": png(1)})
    _, same = both(tmp_path / "t")
    assert same["a.png"].fields == fields
    assert [i.fields for i in open_source(tmp_path / "t" / "via_export_csv.csv").items()] == [fields]


def test_roboflow_tables(tmp_path):
    head = "filename,width,height,class,xmin,ymin,xmax,ymax\n"
    for split in ("train", "valid"):
        text = head + f"a.png,8,6,{split},1,2,4,5\na.png,8,6,{split},0,0,1,1\n"
        put(tmp_path / "s", {f"{split}/_annotations.csv": text, f"{split}/a.png": png(1), f"{split}/b.png": png(2)})
    _, items = both(tmp_path / "s")
    assert list(items) == ["train/a.png", "train/b.png", "valid/a.png", "valid/b.png"]
    things = items["valid/a.png"].fields["objects"]
    assert [(o["class"], o["box"]) for o in things] == [("valid", [1, 2, 3, 3]), ("valid", [0, 0, 1, 1])]
    shutil.rmtree(tmp_path / "s")
    put(tmp_path / "s", {"train/_classes.csv": "filename, cat, dog\na.png, 1, 0\nb.png, 1, 1\n"})
    put(tmp_path / "s", {"train/a.png": png(1), "train/b.png": png(2)})
    _, items = both(tmp_path / "s")
    got = [(i.fields.get("label"), i.fields["labels"], i.fields["split"]) for i in items.values()]
    assert got == [("cat", ["cat"], "train"), (None, ["cat", "dog"], "train")]


@pytest.mark.parametrize(
    "content",
    [
        '{"a": 1}',
        "[]",
        '[{"annotations": [], "x": 1}]',
        '{"samples": 3}',
        '{"regions": []}',
        "<annotation></annotation>",
    ],
)
def test_other_files_are_not_claimed(tmp_path, content):
    put(tmp_path, {"x.json": content, "y.xml": content, "a.png": png()})
    reader = open_source(tmp_path)
    assert [i.key for i in reader.items()] == ["a.png"]
    assert reader.layout_name == "images"


@pytest.mark.parametrize("odd", [None, 7, "x", [], {}, [None], [{}], 1e308, True])
@pytest.mark.parametrize(
    "key", ["bbox", "segmentation", "keypoints", "category_id", "image_id", "caption", "segments_info"]
)
def test_odd_values_in_coco_are_counted_not_raised(tmp_path, key, odd):
    thing = {"id": 1, "image_id": 0, "category_id": 1, "bbox": [1, 1, 2, 2], key: odd}
    ring = {**thing, "id": 2, "image_id": 0, "segmentation": [[0, 0, 1e308, 0, 1e308, 9]], "keypoints": [1, "x", 2]}
    images = [{"id": 0, "file_name": "a.png", "width": 8, "height": 6}]
    content = {
        "images": images,
        "annotations": [thing, ring, {"image_id": 0, key: odd}],
        "categories": [{"id": 1, "name": "cat"}],
    }
    put(tmp_path, {"labels.json": content, "a.png": png()})
    assert [i.key for i in open_source(tmp_path).items()] == ["a.png"]
