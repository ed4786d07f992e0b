"""COCO files and Hugging Face data sets."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from veduta.errors import MissingPackage, SourceError
from veduta.pool import masks
from veduta.pool.readers import open_source
from veduta.pool.readers.coco import Coco


def png(shade: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), (shade, 10, 20)).save(buffer, "PNG")
    return buffer.getvalue()


IMAGES = [
    {
        "id": 7,
        "file_name": "b.png",
        "width": 40,
        "height": 30,
        "license": 1,
        "flickr_url": "http://f/b",
        "date_captured": "2013",
    },
    {"id": 3, "file_name": "a.png", "width": 40, "height": 30},
    {"id": 9, "file_name": "gone.png", "width": 40, "height": 30},
]


def coco(root: Path, name: str = "annotations/instances_val2017.json", **parts) -> Path:
    content = {
        "images": IMAGES,
        "licenses": [{"id": 1, "name": "CC BY"}],
        "categories": [{"id": 18, "name": "dog"}],
        **parts,
    }
    place = root / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(content))
    (root / "val2017").mkdir(exist_ok=True)
    for number, image in enumerate(["a.png", "b.png"]):
        (root / "val2017" / image).write_bytes(png(number))
    return place


def box(image: int, bbox: list[float], **more) -> dict:
    return {"id": len(str(bbox)) + image, "image_id": image, "category_id": 18, "bbox": bbox, "iscrowd": 0, **more}


def test_instances_boxes_clipped_dropped_counted(tmp_path):
    annotations = [
        box(3, [1, 2, 3, 4]),
        box(3, [30, 20, 30, 30]),
        box(3, [-5, 0, 10, 40]),
        box(3, [1, 1, 0, 3]),
        box(3, [100, 1, 5, 5]),
        box(3, [1, 1, 2]),
        box(7, [0, 0, 40, 30], category_id=99),
        box(1234, [0, 0, 1, 1]),
    ]
    place = coco(tmp_path, annotations=annotations)
    for source in (place, tmp_path):
        reader = open_source(source)
        keys = {i.key: i for i in reader.items()}
        assert reader.layout_name == "coco"
        assert list(keys) == ["val2017/a.png", "val2017/b.png", "val2017/gone.png"]
        items = {key.removeprefix("val2017/"): item for key, item in keys.items()}
        assert items["b.png"].read() == png(1)
        with pytest.raises(FileNotFoundError):
            items["gone.png"].read()
        assert [o["box"] for o in items["a.png"].fields["objects"]] == [[1, 2, 3, 4], [30, 20, 10, 10], [0, 0, 5, 30]]
        assert items["b.png"].fields["objects"][0]["class"] == "category 99"
        assert items["gone.png"].fields["objects"] == []
        counts = reader.notes.counts
        assert counts["boxes clipped to the image"] == 2
        assert counts["boxes without an area dropped"] == 1
        assert counts["boxes outside the image dropped"] == 1
        assert counts["malformed boxes dropped"] == 1
        assert counts["annotations of category 99, which `categories` lacks"] == 1
        assert counts["annotations of unknown images left out"] == 1
        list(reader.items())
        assert counts == reader.notes.counts
    fields = items["b.png"].fields
    assert (fields["license"], fields["source_url"], fields["split"]) == ("CC BY", "http://f/b", "val")
    assert (fields["coco_id"], fields["date_captured"], fields["source_width"]) == (7, "2013", 40)
    assert reader.columns()["coco_id"] == pa.int64()


def test_files_of_the_same_images_are_merged(tmp_path):
    first = coco(tmp_path, annotations=[{**box(3, [1, 2, 3, 4]), "id": 1}])
    second = coco(tmp_path, "annotations/captions_val2017.json", annotations=[
        {"id": 1, "image_id": 3, "caption": "one"}, {"id": 2, "image_id": 3, "caption": "two"},
    ])  # fmt: skip
    people = {**box(3, [1, 2, 3, 4]), "id": 1, "keypoints": [1, 2, 2], "num_keypoints": 1}
    third = coco(tmp_path, "annotations/person_keypoints_val2017.json", annotations=[people])
    for source in (tmp_path, [first, second, third], str(tmp_path / "annotations" / "*.json")):
        item = next(open_source(source).items())
        assert item.fields["captions"] == ["one", "two"]
        (thing,) = item.fields["objects"]
        assert (thing["class"], thing["box"], thing["keypoints"]) == ("dog", [1, 2, 3, 4], [1, 2, 2])


def test_masks_agree_with_an_own_rasteriser(tmp_path):
    pytest.importorskip("pycocotools")
    ring = [5, 5, 25, 5, 25, 20, 5, 20]
    runs = {"size": [30, 40], "counts": [0, 30, 1170]}
    packed = {"size": [30, 40], "counts": masks.from_pixels(np.eye(30, 40))}
    wrong = {"size": [3, 4], "counts": [12]}
    segmentations = [[ring], runs, packed, wrong, [[1, 2]]]
    annotations = [{**box(3, [1, 2, 3, 4]), "id": i, "segmentation": s} for i, s in enumerate(segmentations)]
    reader = Coco(coco(tmp_path, annotations=annotations))
    found = [o["mask"] for o in next(reader.items()).fields["objects"]]
    square, column, diagonal = (masks.decode(m, 40, 30) for m in found[:3])
    truth = np.zeros((30, 40))
    truth[5:20, 5:25] = 1
    assert np.abs(square - truth).sum() <= 45  # the boundary is a matter of convention
    assert column.sum() == 30
    assert column[:, 0].all()
    assert (diagonal == np.eye(30, 40)).all()
    assert found[3:] == [None, None]
    assert reader.notes.counts["malformed masks dropped"] == 1


def test_without_pycocotools_only_masks_are_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    assert next(Coco(coco(tmp_path, annotations=[box(3, [1, 2, 3, 4])])).items()).fields["objects"]
    reader = Coco(coco(tmp_path, annotations=[box(3, [1, 2, 3, 4], segmentation=[[1, 1, 5, 1, 5, 5]])]))
    with pytest.raises(MissingPackage, match=r"veduta\[detect\]"):
        list(reader.items())


def test_images_without_a_size_keep_their_polygons(tmp_path):
    bare = [{"id": 3, "file_name": "a.png"}]
    ring = [[5, 5, 25, 5, 25, 20]]
    place = coco(tmp_path, images=bare, annotations=[box(3, [1, 2, 300, 4], segmentation=ring, score=0.5)])
    (thing,) = next(Coco(place).items()).fields["objects"]
    assert thing["box"] == [1, 2, 300, 4]
    assert json.loads(thing["attributes"]) == {"segmentation": ring, "score": 0.5}


def test_a_folder_of_images_by_hand_and_broken_files(tmp_path):
    place = coco(tmp_path, "x.json", annotations=[])
    (tmp_path / "val2017").rename(tmp_path / "elsewhere")
    assert next(Coco(place).items()).read() == png(0)
    (tmp_path / "elsewhere").rename(tmp_path.with_name(f"{tmp_path.name}-away"))
    reader = Coco(place)
    assert "--root FOLDER_OF_IMAGES" in reader.notes.warnings[0][1]
    assert next(open_source(place, images=tmp_path.with_name(f"{tmp_path.name}-away")).items()).read() == png(0)
    (tmp_path / "bad.json").write_text('{"images": 3}')
    with pytest.raises(SourceError, match="not COCO"):
        Coco(tmp_path / "bad.json")
    (tmp_path / "bad.json").write_text('{"images": [')
    with pytest.raises(SourceError, match="cannot be read as JSON"):
        Coco(tmp_path / "bad.json")


datasets = pytest.importorskip("datasets")


def hugging(n: int = 4):
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=["cat", "dog"]),
            "tags": datasets.Sequence(datasets.ClassLabel(names=["x", "y"])),
            "note": datasets.Value("string"),
        }
    )
    rows = {"image": [{"bytes": png(i), "path": None} for i in range(n)], "label": [i % 2 for i in range(n)]}
    return datasets.Dataset.from_dict({**rows, "tags": [[0, 1]] * n, "note": ["n"] * n}, features=features)


def test_saved_data_sets(tmp_path):
    hugging().select([3, 1]).save_to_disk(str(tmp_path / "one"))
    reader = open_source(tmp_path / "one")
    items = list(reader.items())
    assert [i.read() for i in items] == [png(3), png(1)]
    assert items[0].fields == {"label": "dog", "label_id": 1, "tags": ["x", "y"], "note": "n"}
    assert len(reader) == 2
    datasets.DatasetDict(train=hugging(3), test=hugging(1)).save_to_disk(str(tmp_path / "two"))
    assert [i.fields["split"] for i in open_source(tmp_path / "two").items()] == ["test", "train", "train", "train"]
    with pytest.raises(SourceError, match="not a data set saved"):
        open_source(tmp_path, "huggingface")


def test_data_sets_in_memory_and_by_name(monkeypatch):
    assert [i.read() for i in open_source(hugging(2)).items()] == [png(0), png(1)]
    asked = []

    def load(name, config, split):
        asked.append((name, config, split))
        if name == "no/such":
            raise ConnectionError("offline")
        return hugging(1)

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert len(list(open_source("hf:beans").items())) == 1
    open_source("hf:owner/name:train")
    open_source("hf:owner/name/config:test[:10]")
    assert asked == [("beans", None, None), ("owner/name", None, "train"), ("owner/name", "config", "test[:10]")]
    with pytest.raises(SourceError, match="cannot be loaded: offline"):
        open_source("hf:no/such")
    with pytest.raises(SourceError, match="names no data set"):
        open_source("hf:")


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingPackage, match=r"veduta\[hub\]"):
        open_source("hf:beans")
