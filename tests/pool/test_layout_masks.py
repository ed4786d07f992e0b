"""Mask pictures: which image each is of, what its numbers and colours mean, and pictures that only look like masks."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from veduta.pool import masks
from veduta.pool.readers import open_source
from veduta.pool.readers.layouts import voc_masks
from veduta.pool.readers.layouts.mask_pairs import pair

WIDTH, HEIGHT = 24, 20


def stripes(*values: Any, kind: Any = np.uint8) -> np.ndarray:
    """Four rows of each value, columns 2 to 9; the rest is 0."""
    pixels = np.zeros((HEIGHT, WIDTH, *np.shape(values[0])), kind)
    for number, value in enumerate(values):
        pixels[4 * number : 4 * number + 4, 2:10] = value
    return pixels


def put(root: Path, path: str, pixels: np.ndarray | None = None, palette: bool = False) -> None:
    """A mask, or a photograph if there are no pixels."""
    if pixels is None:
        pixels = np.random.default_rng(len(path)).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    image = Image.fromarray(pixels)
    if palette:
        image.putpalette([channel for n in range(256) for channel in voc_masks.palette(n)])
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    image.save(root / path)


def text(root: Path, path: str, content: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(content)


def read(root: Path) -> tuple[Any, dict[str, dict]]:
    reader = open_source(str(root))
    return reader, {item.key: item.fields for item in reader.items()}


def areas(fields: dict[str, Any]) -> list[tuple]:
    """Class, rows from and to, pixels of each object; all columns are 2 to 9."""
    found = []
    for thing in fields.get("objects") or []:
        x, y, w, h = thing["box"]
        assert (x, w) == (2, 8)
        found.append((thing["class"], y, y + h, masks.area(thing["mask"], WIDTH, HEIGHT)))
    return found


def test_ade(tmp_path):
    for split in ("training", "validation"):
        put(tmp_path, f"ADE/images/{split}/1.jpg")
        put(tmp_path, f"ADE/annotations/{split}/1.png", stripes(1, 150, 255))
    text(tmp_path, "ADE/objectInfo150.txt", "Idx\tRatio\tName\n1\t0.2\twall\n150\t0.1\tflag, banner\n")
    reader, rows = read(tmp_path)
    assert list(rows) == ["ADE/images/training/1.jpg", "ADE/images/validation/1.jpg"]
    for split, fields in zip(("training", "validation"), rows.values(), strict=True):
        assert areas(fields) == [("wall", 0, 4, 32), ("flag, banner", 4, 8, 32)]
        assert (fields["split"], fields.get("label")) == (split, None)
    assert reader.notes.counts["masks with regions of value 255, which belong to no class"] == 2


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("ISIC_Training_Data/{}.jpg", "ISIC_Training_GroundTruth/{}_segmentation.png"),
        ("original_images/{}.JPG", "label_images_semantic/{}.png"),
    ],
)
def test_folders_of_images_and_masks_are_no_classes(tmp_path, images, masks):
    for number in (1, 2):
        put(tmp_path, images.format(number))
        put(tmp_path, masks.format(number), stripes(255))
    reader, rows = read(tmp_path)
    assert list(rows) == [images.format(number) for number in (1, 2)]
    assert [(areas(fields), fields.get("label")) for fields in rows.values()] == [([(None, 0, 4, 32)], None)] * 2
    assert not any("none from" in guess.how for guess in reader.notes.guesses)


@pytest.mark.parametrize("kinds", [("labelIds", "instanceIds", "color"), ("labelIds", "color"), ("labelTrainIds",)])
def test_cityscapes(tmp_path, kinds):
    numbers = {
        "labelIds": stripes(7, 26, 26),
        "instanceIds": stripes(7, 26001, 26002, kind=np.uint16),
        "labelTrainIds": np.where(stripes(1, 1, 1) == 0, 255, stripes(0, 13, 13)).astype(np.uint8),
        "color": stripes((128, 64, 128), (0, 0, 142), (0, 0, 142)),
    }
    put(tmp_path, "leftImg8bit/train/aachen/aachen_0_19_leftImg8bit.png")
    put(tmp_path, "leftImg8bit/val/ulm/ulm_0_19_leftImg8bit.png")
    for kind in kinds:
        put(tmp_path, f"gtFine/train/aachen/aachen_0_19_gtFine_{kind}.png", numbers[kind])
    text(tmp_path, "gtFine/train/aachen/aachen_0_19_gtFine_polygons.json", "{}")
    reader, rows = read(tmp_path)
    cars = [("car", 4, 8, 32), ("car", 8, 12, 32)] if "instanceIds" in kinds else [("car", 4, 12, 64)]
    first, second = rows.values()
    assert areas(first) == [("road", 0, 4, 32), *cars]
    assert [(r["split"], r.get("label")) for r in (first, second)] == [("train", None), ("val", None)]
    assert not reader.notes.skipped


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("label_colors.txt", "64 0 128\t\tCar\n128 128 128\tSky\n0 0 0\tVoid\n"),
        ("class_dict.csv", "name,r,g,b\nCar,64,0,128\nSky,128,128,128\nVoid,0,0,0\n"),
        ("labelmap.txt", "# label:color_rgb:parts:actions\nCar:64,0,128::\nSky:128,128,128::\nbackground:0,0,0::\n"),
        ("", ""),
    ],
)
def test_colours(tmp_path, name, content):
    put(tmp_path, "701_StillsRaw_full/1.png")
    put(tmp_path, "LabeledApproved_full/1_L.png", stripes((128, 128, 128), (64, 0, 128)))
    if name:
        text(tmp_path, name, content)
    reader, rows = read(tmp_path)
    (fields,) = rows.values()
    wanted = ("Sky", "Car") if name else ("class #808080", "class #400080")
    assert areas(fields) == [(wanted[0], 0, 4, 32), (wanted[1], 4, 8, 32)]
    assert fields.get("label") is None
    assert reader.notes.guesses


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("x 1.jpg", "x 1_mask.png"),
        ("images/1.jpg", "masks/1.png"),
        ("a/images/1.b.jpg", "a/masks/1.b_mask.png"),
        ("images/1.jpg", "masks/1.jpg.png"),
        ("1.jpg", "masks/1.jpg"),
        ("train/1.png", "train_masks/1_mask.gif"),
        ("train/1.png", "trainannot/1.png"),
    ],
)
def test_pairs_are_one_object_without_a_class(tmp_path, image, mask):
    put(tmp_path, image)
    put(tmp_path, mask, stripes(255))
    put(tmp_path, mask.replace("1", "7"), stripes(255))  # of no image
    reader, rows = read(tmp_path)
    assert list(rows) == [image]
    ((_, top, bottom, area),) = areas(rows[image])
    assert (top, bottom, area) == (0, 4, 32)
    assert rows[image]["objects"][0]["class"] is None
    assert rows[image].get("label") is None
    assert reader.notes.aside["masks without an image"][0] == 1


def test_masks_in_class_folders_leave_the_class(tmp_path):
    for label in ("benign", "malignant"):
        put(tmp_path, f"{label}/{label} (1).png")
        put(tmp_path, f"{label}/{label} (1)_mask.png", stripes(255))
        put(tmp_path, f"{label}/{label} (1)_mask_1.png", stripes(0, 255))
    _, rows = read(tmp_path)
    assert {key: (r["label"], len(r["objects"])) for key, r in rows.items()} == {
        f"{label}/{label} (1).png": (label, 2) for label in ("benign", "malignant")
    }


@pytest.mark.parametrize("folders", [("masks", "no_masks"), ("lr", "gt"), ("images", "labels")])
def test_photographs_are_no_masks(tmp_path, folders):
    for folder in folders:
        for number in range(2):
            put(tmp_path, f"{folder}/{number}.png")
    reader, rows = read(tmp_path)
    assert len(rows) == 4
    assert reader.layout_name != "masks"


def test_a_mask_of_another_size_is_told(tmp_path):
    put(tmp_path, "images/1.png")
    put(tmp_path, "masks/1.png", stripes(255)[:10])
    put(tmp_path, "images/2.png")
    (tmp_path / "masks/2.png").write_bytes(b"broken")
    reader, rows = read(tmp_path)
    assert len(rows) == 2
    assert all(not r.get("objects") for r in rows.values())
    assert [name for name, _ in reader.notes.problems] == ["masks/1.png", "masks/2.png"]


VOC = "<annotation><object><name>{}</name><bndbox><xmin>2</xmin><ymin>{}</ymin><xmax>10</xmax><ymax>{}</ymax></bndbox></object>{}"


@pytest.mark.parametrize("instances", [True, False])
@pytest.mark.parametrize("boxes", [True, False])
def test_voc_masks_are_of_the_objects_of_the_xml_file(tmp_path, instances, boxes):
    root = "VOCdevkit/VOC2012"
    put(tmp_path, f"{root}/JPEGImages/1.jpg")
    put(tmp_path, f"{root}/SegmentationClass/1.png", stripes(15, 15, 8, 255), palette=True)
    if instances:
        put(tmp_path, f"{root}/SegmentationObject/1.png", stripes(1, 2, 3, 255), palette=True)
    if boxes:
        second = VOC.format("person", 4, 8, "").removeprefix("<annotation>")
        text(tmp_path, f"{root}/Annotations/1.xml", VOC.format("person", 0, 4, second) + "</annotation>")
    _, rows = read(tmp_path)
    (fields,) = rows.values()
    assert fields.get("label") is None
    if instances:
        assert areas(fields) == [("person", 0, 4, 32), ("person", 4, 8, 32), ("cat", 8, 12, 32)]
    elif boxes:
        assert [(o["class"], o["mask"]) for o in fields["objects"]] == [("person", None)] * 2
        assert [(r["class"], r["bbox"]) for r in fields["regions"]] == [("cat", [2, 8, 8, 4]), ("person", [2, 0, 8, 8])]
    else:
        assert areas(fields) == [("cat", 8, 12, 32), ("person", 0, 8, 64)]


def test_voc_palette():
    assert [voc_masks.palette(n) for n in (0, 1, 2, 15, 20, 255)] == [
        (0, 0, 0),
        (128, 0, 0),
        (0, 128, 0),
        (192, 128, 128),
        (0, 64, 128),
        (224, 224, 192),
    ]


def test_a_jpeg_mask_is_black_and_white(tmp_path):
    pixels = np.zeros((64, 64), np.uint8)
    pixels[16:48, 16:48] = 255
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=60)
    for number in range(2):
        Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8)).save(
            tmp_path / f"{number}.png"
        )
        (tmp_path / f"{number}_mask.jpg").write_bytes(buffer.getvalue())
    _, rows = read(tmp_path)
    assert list(rows) == ["0.png", "1.png"]
    for fields in rows.values():
        (thing,) = fields["objects"]
        assert np.abs(masks.decode(thing["mask"], 64, 64).astype(int) - (pixels > 0)).sum() <= 4


def test_the_whole_name_of_a_mask_goes_before_a_part_of_it(tmp_path):
    """`a.b.png` is the mask of `a.b.jpg`, also where there is an `a.jpg`; alone it is that of `a.b` with any ending."""
    found = pair(["images/a.jpg", "images/a.b.jpg", "masks/a.png", "masks/a.b.png", "images/c.jpg", "masks/c.jpg.png"])
    assert dict(found.masks) == {
        "images/a.jpg": ["masks/a.png"],
        "images/a.b.jpg": ["masks/a.b.png"],
        "images/c.jpg": ["masks/c.jpg.png"],
    }
    assert not found.lonely
