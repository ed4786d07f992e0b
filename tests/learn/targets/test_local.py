"""Labels of crops from label maps: pooling against torchvision and loops, axes, modes, missing maps, other classes."""

from __future__ import annotations

import contextlib
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from torchvision.ops import roi_align

import veduta
from items import Given
from learn.shapes import pool_of
from pictures import encoded
from veduta.engine.operation import Annotator, Field
from veduta.errors import BadInput, MissingColumn
from veduta.learn.augment import HorizontalFlip, RandomResizedCrop, View
from veduta.learn.classify import Classify
from veduta.learn.loader import Loader
from veduta.learn.targets import Seen, named, open_source
from veduta.learn.targets.local import LocalLabels, align_weights, pool
from veduta.pool import Pool
from veduta.pool.label_map import LabelMap
from veduta.pool.schema import OPERATION

K, H, W, C = 3, 6, 9, 8


def maps(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits (n, k, h, w), strongest first, and their classes."""
    rng = np.random.default_rng(seed)
    values = -np.sort(-rng.normal(1, 3, (count, K, H, W)), axis=1).astype(np.float32)
    ids = rng.permuted(np.broadcast_to(np.arange(C)[:, None, None], (count, C, H, W)), axis=1)[:, :K]
    return values, ids


def boxes_of(count: int, seed: int = 1) -> np.ndarray:
    """Boxes of all sizes: some smaller than a place, some at the borders, the whole."""
    rng = np.random.default_rng(seed)
    sides = rng.uniform(0.01, 1, (count, 2)) ** 2
    corners = rng.uniform(0, 1, (count, 2)) * (1 - sides)
    boxes = np.concatenate([corners, corners + sides], axis=1)
    boxes[0] = (0, 0, 1, 1)
    boxes[1] = (0, 0, 0.01, 0.02)
    boxes[2] = (0.97, 0.99, 1, 1)
    return boxes


def dense(values: np.ndarray, ids: np.ndarray, empty: str) -> np.ndarray:
    found = np.zeros((len(values), C, H, W))
    for n in range(len(values)):
        for y in range(H):
            for x in range(W):
                if empty == "min":
                    found[n, :, y, x] = values[n, :, y, x].min()
                for k in range(K):
                    found[n, ids[n, k, y, x], y, x] = values[n, k, y, x]
    return found


@pytest.mark.parametrize("empty", ["zero", "min"])
def test_pooling_is_torchvisions_roi_align_of_the_dense_map(empty: str) -> None:
    values, ids = maps(60)
    boxes = boxes_of(60)
    scaled = torch.from_numpy(boxes * [W, H, W, H])
    whole = torch.from_numpy(dense(values, ids, empty))
    numbered = torch.cat([torch.arange(60.0, dtype=torch.float64)[:, None], scaled], dim=1)
    theirs = roi_align(whole, numbered, 1, aligned=True).flatten(1)
    assert np.allclose(pool(values, ids, boxes, C, empty), theirs.numpy(), atol=1e-4)


def test_pooling_is_the_average_of_samples_between_places() -> None:
    """RoIAlign as a loop from its definition."""

    def at(line: np.ndarray, spot: float) -> float:
        spot = min(max(spot, 0), len(line) - 1)
        left = int(spot)
        right = min(left + 1, len(line) - 1)
        return line[left] * (1 - (spot - left)) + line[right] * (spot - left)

    line = np.random.default_rng(2).normal(size=7)
    for start, end in ((0, 1), (0.1, 0.15), (0.5, 0.9), (0.93, 1.0), (2 / 7, 3 / 7)):
        count = max(1, int(np.ceil((end - start) * 7 - 1e-12)))
        spots = [start * 7 - 0.5 + (i + 0.5) * (end - start) * 7 / count for i in range(count)]
        wanted = np.mean([at(line, spot) for spot in spots])
        found = align_weights(np.array([start]), np.array([end]), 7)[0] @ line
        assert found == pytest.approx(wanted)


def test_a_box_on_the_edges_of_places_is_their_mean() -> None:
    values, ids = maps(1)
    whole = dense(values, ids, "zero")[0]
    found = pool(values, ids, np.array([[3 / W, 2 / H, 6 / W, 5 / H]]), C)[0]
    assert found == pytest.approx(whole[:, 2:5, 3:6].mean((1, 2)), abs=1e-5)
    assert pool(values, ids, np.array([[0.0, 0, 1, 1]]), C)[0] == pytest.approx(whole.mean((1, 2)), abs=1e-5)


def test_classes_that_the_task_lacks_are_left_out() -> None:
    values, ids = maps(5)
    order = np.array([2, -1, 0, -1, 1, -1, -1, 3])
    found = pool(values, order[ids], boxes_of(5), 4)
    everything = pool(values, ids, boxes_of(5), C)
    assert np.allclose(found, everything[:, [2, 4, 0, 7]])


NAMES = ("left", "right", "top", "bottom")


class Quarters(Annotator):
    """A 4 x 4 map that says what its picture is: red left, green right; or blue above, white below."""

    column: str = Field("relabel", description="name")
    leave: int = Field(0, description="every so many rows have no map")

    @property
    def side(self) -> int:
        return 32

    def _map(self) -> LabelMap:
        return LabelMap(4, 4, 2, NAMES, "by hand", 32)

    def adds(self) -> pa.Schema:
        field = self._map().field(self.column)
        return pa.schema([field.with_metadata({**field.metadata, OPERATION: b"label-maps"})])

    def annotate(self, batch):
        colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]])
        logits = []
        for image in batch.images:
            small = np.asarray(Image.fromarray(image).resize((4, 4), Image.Resampling.BOX), np.float32)
            logits.append(-np.abs(small[:, :, None] - colours).sum(3).transpose(2, 0, 1) / 64 + 6)
        found = self._map().pack(np.stack(logits).astype(np.float32))
        keep = [None if self.leave and i % self.leave == 0 else i for i in range(len(batch))]
        return {self.column: found.take(pa.array(keep, pa.int64()))}


def halves() -> dict[str, bytes]:
    """Tall and wide pictures, half and half."""
    made = {}
    for key, (width, height), horizontal in (
        ("wide", (64, 32), True),
        ("tall", (32, 64), True),
        ("high", (64, 32), False),
    ):
        pixels = np.zeros((height, width, 3), np.uint8)
        first, second = ((255, 0, 0), (0, 255, 0)) if horizontal else ((0, 0, 255), (255, 255, 255))
        pixels[:] = second
        if horizontal:
            pixels[:, : width // 2] = first
        else:
            pixels[: height // 2] = first
        made[key] = encoded(Image.fromarray(pixels), "PNG")
    return made


@pytest.fixture
def sides(tmp_path: Path) -> Pool:
    made = veduta.create(tmp_path / "sides.vd")
    made.ingest(Given(halves(), {key: {"label": "left"} for key in halves()}))
    made.annotate(Quarters())
    return made


def source_of(pool: Pool, text: str = "relabel", names=NAMES) -> LocalLabels:
    found = open_source(text, pool, pool.rows("label is not null"), names, 32, "a test")
    assert isinstance(found, LocalLabels)
    return found


def seen(window: list[int], flip: bool, height: int, width: int) -> Seen:
    view = View((RandomResizedCrop(32), HorizontalFlip()), 32)
    return Seen(view, [{"window": window}, {"flip": 1} if flip else {}], height, width)


@pytest.mark.parametrize("flip", [False, True])
def test_left_is_left_and_above_is_above(sides: Pool, flip: bool) -> None:
    row = {key: i for i, key in enumerate(sides.table(["key"])["key"].to_pylist())}
    cases = [
        ("wide", [0, 0, 32, 32], (32, 64), "left"),
        ("wide", [0, 32, 32, 32], (32, 64), "right"),
        ("tall", [0, 0, 64, 16], (64, 32), "left"),
        ("tall", [30, 20, 10, 10], (64, 32), "right"),
        ("high", [0, 10, 16, 40], (32, 64), "top"),
        ("high", [17, 0, 15, 64], (32, 64), "bottom"),
    ]
    source = source_of(sides)
    for key, window, (height, width), wanted in cases:
        found = source.targets(np.array([row[key]]), [seen(window, flip, height, width)])[0]
        assert NAMES[found.argmax()] == wanted, (key, window)
        assert found.sum() == pytest.approx(1)


def test_the_size_at_which_an_image_is_decoded_does_not_matter(sides: Pool) -> None:
    source = source_of(sides)
    large = source.targets(np.array([0]), [seen([0, 8, 32, 40], False, 32, 64)])
    small = source.targets(np.array([0]), [seen([0, 2, 8, 10], False, 8, 16)])
    assert np.allclose(large, small)


def test_the_modes(sides: Pool) -> None:
    crop = [seen([0, 0, 32, 20], False, 32, 64)]
    row = np.array([sides.table(["key"])["key"].to_pylist().index("wide")])
    local = source_of(sides, "relabel:local_multi").targets(row, crop)[0]
    single = source_of(sides, "relabel:local_single").targets(row, crop)[0]
    whole = source_of(sides, "relabel:global_multi").targets(row, crop)[0]
    assert local[0] > 0.9
    assert single.tolist() == [1, 0, 0, 0]
    assert whole[0] == pytest.approx(whole[1], abs=1e-3)
    # The stored logits by hand: softmax of the mean over all places, 0 where a place kept other classes.
    shape = LabelMap(4, 4, 2, NAMES, "by hand", 32)
    values, ids, _ = shape.unpack(sides.take(row, ["relabel"]).column(0))
    dense_map = np.zeros((4, 4, 4))
    for y in range(4):
        for x in range(4):
            dense_map[ids[0, :, y, x], y, x] = values[0, :, y, x]
    mean = dense_map.mean((1, 2))
    assert whole == pytest.approx(np.exp(mean) / np.exp(mean).sum(), abs=1e-4)


def test_classes_in_another_order_and_fewer(sides: Pool) -> None:
    crop, row = [seen([0, 0, 32, 20], False, 32, 64)], np.array([0])
    every = source_of(sides).targets(row, crop)[0]
    other = source_of(sides, names=["bottom", "left", "right", "top"]).targets(row, crop)[0]
    assert np.allclose(other, every[[3, 0, 1, 2]])
    two = source_of(sides, names=["left", "right"]).targets(row, crop)[0]
    assert two.shape == (2,)
    assert two.sum() == pytest.approx(1)


def test_rows_without_a_map_are_counted_or_refused(tmp_path: Path) -> None:
    shapes = pool_of(tmp_path / "shapes.vd", 40)
    shapes.annotate(Quarters(leave=4))
    source = source_of(shapes)
    without = shapes.rows("relabel is null")
    assert source.missing == len(without) == 10
    view = View((RandomResizedCrop(24),), 24)
    loader = Loader(shapes, shapes.rows(), [view], 10, mean=(0.5,) * 3, std=(0.5,) * 3, targets=source)
    with contextlib.closing(loader.batches()) as batches:
        for batch in islice(batches, 8):
            total = batch.targets.sum(1).numpy()
            assert total == pytest.approx((~np.isin(batch.rows, without)).astype(float), abs=1e-5)
    with pytest.raises(BadInput, match=r"10 of 40 training rows have no map in 'relabel', the first is row 0"):
        source_of(shapes, "relabel:local_multi?missing=fail")
    with pytest.raises(BadInput, match="none of the 1 training rows has a map"):
        open_source("relabel", shapes, without[:1], NAMES, 32, "a test")


def test_a_view_that_shows_nothing_leaves_the_plain_label(sides: Pool) -> None:
    assert not source_of(sides).targets(np.array([0]), [seen([0, 0, 0, 0], False, 32, 64)]).any()


def test_maps_that_are_read_batch_by_batch_are_the_same(sides: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = source_of(sides)
    monkeypatch.setattr("veduta.learn.targets.local.KEPT_BYTES", 0)
    read = source_of(sides)
    rows, crops = np.array([2, 0, 2]), [seen([0, 0, 20, 20], False, 32, 64)] * 3
    assert np.array_equal(kept.targets(rows, crops), read.targets(rows, crops))


def test_an_image_that_changed_since_has_no_map_any_more(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for key, data in halves().items():
        (folder / f"{key}.png").write_bytes(data)
    made = veduta.create(tmp_path / "pool.vd")
    made.ingest(folder)
    made.annotate(Quarters())
    assert not len(made.rows("relabel is null"))
    (folder / "wide.png").write_bytes(halves()["tall"])
    made.ingest(folder)
    changed = made.rows("key like 'wide%'")
    assert made.rows("relabel is null").tolist() == changed.tolist()
    source = open_source("relabel", made, made.rows(), NAMES, 32, "a test")
    assert source.missing == 1
    made.annotate(Quarters())
    assert open_source("relabel", made, made.rows(), NAMES, 32, "a test").missing == 0


def test_what_is_wrong_gets_a_sentence(tmp_path: Path) -> None:
    shapes = pool_of(tmp_path / "shapes.vd", 16)
    with pytest.raises(MissingColumn, match=r"relabel.*make it with: veduta annotate label-maps"):
        Classify(targets="relabel:local_multi", model="conv_small", steps=1).check(shapes)
    shapes.annotate(Quarters())
    with pytest.raises(
        BadInput, match=r"does not know 2 of the 2 classes that are trained \('cross', 'disc'\); it speaks about 4"
    ):
        Classify(targets="relabel", model="conv_small", steps=1, batch=4).learn(shapes)
    for text, words in (
        ("relabel:locale", "the mode of --targets relabel:locale must be one of local_multi"),
        ("relabel?hollow=1", "no option 'hollow'"),
        ("relabel?empty=max", "must be one of zero, min"),
    ):
        with pytest.raises(BadInput, match=words):
            open_source(text, shapes, shapes.rows(), NAMES, 32, "a test")


def test_the_source_is_registered_for_columns_of_label_maps() -> None:
    assert named._known()["label-maps"]() is LocalLabels
