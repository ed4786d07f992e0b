"""Geometry against torchvision with the same parameters, turned boxes and masks, erasing, the size of a view."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as reference

from pictures import picture
from veduta.learn import augment
from veduta.learn.augment.affine import matrix, warped
from veduta.learn.augment.randaugment import OPERATIONS, RandAugment

IMAGE = np.array(picture(3, (96, 64)))
HEIGHT, WIDTH = IMAGE.shape[:2]


def tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)


def moved_by_torchvision(image: np.ndarray, *, fill: float, **how: object) -> np.ndarray:
    given = {"angle": 0.0, "translate": [0, 0], "scale": 1.0, "shear": [0.0, 0.0]} | how
    found = reference.affine(tensor(image), **given, interpolation=InterpolationMode.BILINEAR, fill=[fill] * 3)
    return found.permute(1, 2, 0).numpy().astype(int)


MOVES = [
    ({"angle": 20.0}, {"angle": 20.0}),
    ({"angle": -13.0, "x": 6.0, "y": -4.0, "scale": 0.9}, {"angle": -13.0, "translate": [6, -4], "scale": 0.9}),
    ({"x": -9.0, "y": 5.0}, {"translate": [-9, 5]}),
    ({"scale": 1.2}, {"scale": 1.2}),
    # torchvision shears by an angle and to the other side.
    ({"shear_x": 0.3}, {"shear": [-math.degrees(math.atan(0.3)), 0.0]}),
    ({"shear_y": -0.2}, {"shear": [0.0, math.degrees(math.atan(0.2))]}),
]


@pytest.mark.parametrize(("ours", "theirs"), MOVES)
def test_affine_is_torchvisions(ours: dict, theirs: dict) -> None:
    """Inside; the border, where each library blends the fill in its own way, is left out.

    OpenCV 5 is within one level. OpenCV 4 moves in steps of 1/32 pixel: up to 8 of 255 levels a direction at an edge.
    """
    found = warped(IMAGE, matrix(HEIGHT, WIDTH, **ours).tolist()).astype(int)
    inside = moved_by_torchvision(np.full_like(IMAGE, 255), fill=0.0, **theirs) == 255
    gap = np.abs(found - moved_by_torchvision(IMAGE, fill=128.0, **theirs))[inside]
    assert inside.mean() > 0.5
    assert gap.mean() < 0.3
    assert np.quantile(gap, 0.999) <= 16


@pytest.mark.parametrize("name", ["shear_x", "shear_y", "translate_x", "translate_y", "rotate"])
def test_randaugment_moves_as_affine_does(name: str) -> None:
    value = 7.0 if name[0] != "s" else 0.2
    keyword = {"translate_x": "x", "translate_y": "y", "rotate": "angle"}.get(name, name)
    found = RandAugment().apply(IMAGE, {"steps": [[name, value]]})
    assert (found == warped(IMAGE, matrix(HEIGHT, WIDTH, **{keyword: value}).tolist())).all()


def test_randaugment_has_torchvisions_operations_and_strengths() -> None:
    from torchvision.transforms.v2 import RandAugment as Theirs

    names = dict(zip(OPERATIONS, [
        "Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast",
        "Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize",
    ], strict=True))  # fmt: skip
    space = Theirs._AUGMENTATION_SPACE
    assert set(names.values()) == set(space)
    for magnitude in (0, 10, 30):
        step, rng = RandAugment(400, magnitude), np.random.default_rng(0)
        drawn = step.sample(rng, HEIGHT, WIDTH)["steps"]
        assert {name for name, _ in drawn} == set(OPERATIONS)
        for name, value in drawn:
            bins, signed = space[names[name]]
            given = bins(31, HEIGHT, WIDTH)
            wanted = 0.0 if given is None else float(given[magnitude])
            if name in ("brightness", "saturation", "contrast", "sharpness"):
                value -= 1  # theirs adds it
            if name == "solarise":
                value /= 255
            assert (abs(value) if signed else value) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("shape", [(64, 96), (96, 64)])
def test_turned_boxes_go_where_turned_masks_go(shape: tuple[int, int]) -> None:
    """The box around the moved corners touches the moved mask on all sides, to a pixel."""
    step = augment.Affine(25.0, 0.15, (0.8, 1.2))
    mask = np.zeros(shape, np.uint8)
    mask[20:44, 15:50] = 255
    for seed in range(60):
        params = step.sample(np.random.default_rng(seed), *shape)
        ys, xs = np.nonzero(step.masks(mask, params))
        box = step.boxes(np.array([[15.0, 20, 50, 44]]), params, *shape)[0]
        assert box == pytest.approx([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], abs=1)


@pytest.mark.parametrize("name", augment.names())
def test_boxes_and_masks_follow_whole_views(name: str) -> None:
    """Within a pixel and a half; after two moves of RandAugment a box may be too large, never too small."""
    view = augment.view(name, 96)
    mask = np.zeros((200, 300), np.uint8)
    mask[70:130, 110:190] = 255
    seen = 0
    for seed in range(12):
        params = view.sample(np.random.default_rng(seed), 200, 300)
        found = view.masks(mask, params)
        box = view.boxes(np.array([[110.0, 70, 190, 130]]), params, 200, 300)[0]
        assert found.shape == (96, 96)
        ys, xs = np.nonzero(found)
        if len(ys) < 20:
            continue
        seen += 1
        outward = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1] - box) * [1, 1, -1, -1]
        assert (outward >= -1.5).all()
        assert "randaugment" in name or (outward <= 1.5).all()
    assert seen >= 3


@pytest.mark.parametrize("border", ["zero", "reflect"])
def test_pad_and_crop_is_torchvisions(border: str) -> None:
    step = augment.PadCrop(32, 4, border)
    image = np.ascontiguousarray(IMAGE[:32, :32])
    mode = {"zero": "constant", "reflect": "reflect"}[border]
    padded = reference.pad(tensor(image), [4], padding_mode=mode).permute(1, 2, 0).numpy()
    starts = set()
    for seed in range(60):
        params = step.sample(np.random.default_rng(seed), 32, 32)
        top, left = params["top"], params["left"]
        starts |= {top, left}
        assert (step.apply(image, params) == padded[top : top + 32, left : left + 32]).all()
        mask = step.masks(np.full((32, 32), 255, np.uint8), params)
        box = step.boxes(np.array([[0.0, 0, 32, 32]]), params, 32, 32)[0]
        assert mask.astype(bool).sum() == (box[2] - box[0]) * (box[3] - box[1])
    assert starts == set(range(9))


def test_centre_crop_is_torchvisions() -> None:
    params = augment.CentreCrop(48, 0.75).sample(np.random.default_rng(0), HEIGHT, WIDTH)
    theirs = reference.center_crop(tensor(IMAGE), [48, 48]).permute(1, 2, 0).numpy()
    assert (augment.CentreCrop(48, 0.75).apply(IMAGE, params) == theirs).all()


@pytest.mark.parametrize("shape", [(20, 400), (400, 20)])
def test_a_window_that_fits_nowhere_is_torchvisions(shape: tuple[int, int]) -> None:
    from torchvision.transforms.v2 import RandomResizedCrop

    ours = augment.RandomResizedCrop(32, (0.9, 1.0)).sample(np.random.default_rng(0), *shape)["window"]
    theirs = RandomResizedCrop(32, (0.9, 1.0)).make_params([torch.zeros(3, *shape)])
    assert ours == [theirs[name] for name in ("top", "left", "height", "width")]


def test_erasing_paints_its_rectangle_and_nothing_else() -> None:
    step = augment.Erasing(1.0, (0.1, 0.2), (0.5, 2.0), fill=7)
    shares = []
    for seed in range(200):
        top, left, bottom, right = step.sample(np.random.default_rng(seed), HEIGHT, WIDTH)["window"]
        painted = step.apply(IMAGE, {"window": [top, left, bottom, right]})
        inside = np.zeros((HEIGHT, WIDTH), bool)
        inside[top:bottom, left:right] = True
        assert (painted[inside] == 7).all()
        assert (painted[~inside] == IMAGE[~inside]).all()
        shares.append(inside.mean())
    assert 0.09 < min(shares) < max(shares) < 0.21  # whole pixels
    assert np.mean(shares) == pytest.approx(0.15, abs=4 * 0.1 / math.sqrt(12 * 200))


def test_cutout_has_half_the_side_and_may_hang_over() -> None:
    step = augment.view("cifar-cutout", 32).steps[-1]
    windows = [step.sample(np.random.default_rng(seed), 32, 32)["window"] for seed in range(200)]
    sizes = [(bottom - top, right - left) for top, left, bottom, right in windows]
    assert max(sizes) == (16, 16)
    assert min(min(sizes)) == 8


def test_a_view_of_steps_that_keep_the_size_ends_at_its_own() -> None:
    view = augment.View((augment.HorizontalFlip(1.0), augment.Affine(10.0)), 40)
    params = view.sample(np.random.default_rng(0), HEIGHT, WIDTH)
    assert view.apply(IMAGE, params).shape == (40, 40, 3)
    assert view.masks(np.zeros((HEIGHT, WIDTH), np.uint8), params).shape == (40, 40)
    assert view.config()["size"] == 40


@pytest.mark.parametrize("name", augment.names())
def test_what_a_view_shows_is_where_its_pixels_come_from(name: str) -> None:
    """A picture of coordinates, looked at through the view: the part seen is the box around them."""
    view = augment.view(name, 96)
    height, width = 200, 300
    rows, columns = np.mgrid[:height, :width]
    for seed in range(12):
        params = view.sample(np.random.default_rng(seed), height, width)
        box = np.array(view.seen(params, height, width)) * [width, height, width, height]
        # A mask of each coordinate's half tells nothing; strips tell where the seen part begins and ends.
        seen_x = [x for x in range(0, width, 4) if view.masks(np.uint8(columns // 4 == x // 4) * 255, params).any()]
        seen_y = [y for y in range(0, height, 4) if view.masks(np.uint8(rows // 4 == y // 4) * 255, params).any()]
        found = np.array([min(seen_x), min(seen_y), max(seen_x) + 4, max(seen_y) + 4])
        outward = (found - box) * [1, 1, -1, -1]
        assert (outward > -5.5).all()
        assert "randaugment" in name or "convirt" in name or (outward < 5.5).all()


def test_a_view_that_shows_nothing_of_the_image_has_no_area() -> None:
    view = augment.View((augment.Affine(), augment.Resize(8)), 8)
    params = [{"matrix": matrix(50, 40, x=100).tolist()}, {"window": [0, 0, 50, 40]}]
    x0, _, x1, _ = view.seen(params, 50, 40)
    assert x1 <= x0


def test_a_second_crop_shows_a_part_of_the_first() -> None:
    view = augment.View((augment.RandomResizedCrop(50), augment.HorizontalFlip(), augment.RandomResizedCrop(20)), 20)
    params = [{"window": [10, 20, 100, 50]}, {"flip": 1}, {"window": [0, 5, 25, 10]}]
    # The second window is the columns 5 to 15 of the mirror image: 35 to 45 of 50, which are one pixel wide each.
    assert view.seen(params, 200, 100) == pytest.approx((55 / 100, 10 / 200, 65 / 100, 60 / 200))
