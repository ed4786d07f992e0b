from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from veduta.engine.decode import Decoded, orient
from veduta.engine.ingest import ingest
from veduta.pool import Pool, geometry, masks
from veduta.pool.geometry import settle, stated_size
from veduta.pool.readers.coco import Coco

pytest.importorskip("pycocotools")

WIDTH, HEIGHT = 36, 20


def _objects(x: int, y: int, w: int, h: int, width: int, height: int) -> list[dict[str, Any]]:
    """One thing in three forms of a mask: run lengths, polygons that wait for a size, and none."""
    filled = np.zeros((height, width), np.uint8)
    filled[y : y + h, x : x + w] = 1
    ring = json.dumps({"segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]], "tool": "pen"})
    base = {"class": "a", "box": [x, y, w, h], "keypoints": [x, y, 2.0, 0.0, 0.0, 0.0, x + w, y + h, 1.0]}
    return [
        {**base, "mask": masks.from_pixels(filled), "attributes": None},
        {**base, "mask": None, "attributes": ring},
        {**base, "mask": None, "attributes": "a note"},
    ]


def _check(objects: list[dict[str, Any]], shown: np.ndarray) -> None:
    """Every form of every thing covers exactly what is white in the upright picture."""
    height, width = shown.shape
    rows, columns = np.nonzero(shown)
    box = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
    assert len(objects) == 3
    for thing in objects:
        assert thing["box"] == pytest.approx(box)
        xs, ys = thing["keypoints"][::3], thing["keypoints"][1::3]
        assert sorted([xs[0], xs[2]]) == pytest.approx([box[0], box[0] + box[2]])
        assert sorted([ys[0], ys[2]]) == pytest.approx([box[1], box[1] + box[3]])
        assert thing["keypoints"][3:6] == [0, 0, 0]
    for thing in objects[:2]:
        assert np.array_equal(masks.decode(thing["mask"], width, height), shown)
    assert [t["attributes"] for t in objects] == [None, '{"tool": "pen"}', "a note"]


@given(
    st.integers(1, 8), st.sampled_from(["upright", "stored", "raw", "twice", "raw twice", "none"]),
    st.integers(0, 20), st.integers(0, 10), st.integers(1, 15), st.integers(1, 9),
)  # fmt: skip
def test_objects_follow_their_pixels(orientation: int, stated: str, x: int, y: int, w: int, h: int):
    stored = np.zeros((HEIGHT, WIDTH), np.uint8)
    stored[y : y + h, x : x + w] = 1
    shown = orient(stored, orientation)
    height, width = shown.shape
    seen = Decoded(np.repeat(shown[..., None], 3, 2), width, height, "PNG", orientation)
    said: Counter[str] = Counter()
    by = 2 if "twice" in stated else 1
    if "raw" in stated or (stated == "stored" and orientation >= 5):
        things, size = _objects(x * by, y * by, w * by, h * by, WIDTH * by, HEIGHT * by), (WIDTH * by, HEIGHT * by)
    else:
        rows, columns = np.nonzero(shown)
        corner = [int(columns.min()), int(rows.min()), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1]
        things, size = _objects(*(v * by for v in corner), width * by, height * by), (width * by, height * by)
    found = settle(things, None if stated == "none" else size, seen, "raw" in stated, lambda what: said.update([what]))
    _check(found, shown)
    turned = stated == "stored" and orientation >= 5
    assert (geometry.TURNED in said) == turned
    assert (geometry.UPRIGHT in said) == (
        (stated == "none" and orientation > 1)
        or (stated in ("upright", "stored", "twice") and orientation in (2, 3, 4))
    )
    assert (geometry.SCALED in said) == (by == 2 and geometry.UPRIGHT not in said)
    assert geometry.UNFIT not in said


def _seen(width: int, height: int, orientation: int = 1) -> Decoded:
    return Decoded(np.zeros((height, width, 3), np.uint8), width, height, "PNG", orientation)


def _settled(
    things: list[dict[str, Any]], stated: tuple[int, int] | None, seen: Decoded
) -> tuple[list[dict[str, Any]], Counter[str]]:
    said: Counter[str] = Counter()
    return settle(things, stated, seen, False, lambda what: said.update([what])), said


def test_a_size_that_explains_nothing_is_told_and_marked():
    things = _objects(2, 3, 5, 4, 50, 20)
    found, said = _settled(things, (50, 20), _seen(36, 20))
    assert said == {geometry.UNFIT: 1, geometry.NO_FIT_MASK: 1}
    assert [t["box"] for t in found] == [[2, 3, 5, 4]] * 3
    assert json.loads(found[0]["attributes"]) == {"stated_size": [50, 20]}
    assert json.loads(found[2]["attributes"]) == {"attributes": "a note", "stated_size": [50, 20]}
    assert found[0]["mask"] is None
    assert found[1]["mask"] is not None


def test_boxes_outside_the_decoded_picture_are_clipped_or_dropped_and_counted():
    things = [{"box": box, "mask": None} for box in ([0, 0, 10, 10], [30, 10, 30, 5], [50, 0, 4, 4], [30, 10, 6.5, 5])]
    found, said = _settled(things, None, _seen(36, 20))
    assert [t["box"] for t in found] == [[0, 0, 10, 10], [30, 10, 6, 5], [30, 10, 6, 5]]
    assert said == {
        "boxes clipped to the image": 1, "boxes outside the image dropped": 1, "boxes rounded to the image's edge": 1
    }  # fmt: skip


def test_boxes_that_fit_only_the_stored_pixels_are_turned_without_a_stated_size():
    found, said = _settled([{"box": [40, 5, 20, 10], "mask": None}], None, _seen(40, 64, 6))
    assert found[0]["box"] == [25, 40, 10, 20]
    assert said == {geometry.TURNED: 1}


def test_boxes_say_that_the_stated_sides_are_swapped(tmp_path):
    Image.fromarray(np.zeros((40, 64, 3), np.uint8)).save(tmp_path / "a.png")
    page = {"images": [{"id": 0, "file_name": "a.png", "width": 40, "height": 64}], "categories": []}
    page["annotations"] = [
        {"id": i, "image_id": 0, "bbox": box} for i, box in enumerate([[50, 5, 10, 10], [1, 1, 5, 5]])
    ]
    (tmp_path / "a.json").write_text(json.dumps(page))
    pool = Pool.create(tmp_path / "pool.vd")
    report = ingest(pool, Coco(tmp_path / "a.json"))
    (row,) = pool.dataset.to_table(["objects"]).to_pylist()
    assert [o["box"] for o in row["objects"]] == [[50, 5, 10, 10], [1, 1, 5, 5]]
    assert report.told["converted"][geometry.SWAPPED] == 1


def test_a_copy_whose_sides_were_rounded_is_a_pure_scale():
    found, said = _settled([{"box": [1000, 500, 100, 100], "mask": None}], (4032, 3024), _seen(640, 480))
    assert said == {geometry.SCALED: 1}
    assert found[0]["box"] == pytest.approx([158.73, 79.37, 15.87, 15.87], abs=0.01)
    _, said = _settled([{"box": [10, 5, 10, 10], "mask": None}], (1000, 667), _seen(300, 200))
    assert said == {geometry.SCALED: 1}


def test_a_square_picture_that_was_turned_is_said_to_be_a_guess():
    _, said = _settled([{"box": [1, 2, 3, 4], "mask": None}], (32, 32), _seen(32, 32, 6))
    assert said == {geometry.UPRIGHT: 1}


def test_a_broken_mask_costs_the_mask_alone():
    things = [
        {"box": [1, 2, 3, 4], "mask": "\x7f"},
        {"box": None, "mask": None, "attributes": '{"segmentation": [[1, 2, 3]]}'},
    ]
    found, said = _settled(things, None, _seen(32, 20))
    assert [t["mask"] for t in found] == [None, None]
    assert said == {geometry.BAD_MASK: 1}


def test_the_size_of_a_mask_is_read_without_unpacking_it():
    rng = np.random.default_rng(0)
    for width, height in ((1, 1), (300, 7), (64, 48)):
        for share in (0, 0.01, 0.5, 1):
            assert masks.pixels(masks.from_pixels(rng.random((height, width)) < share)) == width * height


def test_stated_sizes_are_whole_and_complete():
    assert stated_size({"source_width": 64, "source_height": "40"}) == (64, 40)
    for bad in (
        {},
        {"source_width": 64},
        {"source_width": 0.5, "source_height": 0.5},
        {"source_width": "a", "source_height": 1},
    ):
        assert stated_size(bad) is None


def test_a_coco_file_of_the_stored_pixels(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = np.full((40, 64, 3), 90, np.uint8)
    stored[5:15, 40:60] = 255
    Image.fromarray(stored).save(tmp_path / "a.png", exif=exif)
    ring = [40, 5, 60, 5, 60, 15, 40, 15]
    given_ = {"id": 0, "image_id": 0, "category_id": 1, "bbox": [40, 5, 20, 10], "segmentation": [ring]}
    given_["keypoints"] = [40, 5, 2]
    (tmp_path / "a.json").write_text(
        json.dumps(
            {
                "images": [{"id": 0, "file_name": "a.png", "width": 64, "height": 40}],
                "annotations": [given_],
                "categories": [{"id": 1, "name": "white"}],
            }
        )
    )
    pool = Pool.create(tmp_path / "pool.vd")
    report = ingest(pool, Coco(tmp_path / "a.json"))
    assert report.told["converted"][geometry.TURNED] == 1
    (row,) = pool.dataset.to_table(["width", "height", "objects"]).to_pylist()
    (thing,) = row["objects"]
    assert (row["width"], row["height"], thing["box"]) == (40, 64, [25, 40, 10, 20])
    assert thing["keypoints"] == [35, 40, 2]
    assert np.array_equal(masks.decode(thing["mask"], 40, 64), orient(stored, 6)[..., 0] == 255)
