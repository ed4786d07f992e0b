"""Augmentations against torchvision with the same parameters; boxes and masks against painted rectangles."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as reference

from pictures import picture
from veduta.errors import BadInput
from veduta.learn import augment
from veduta.learn.augment.randaugment import OPERATIONS, RandAugment

IMAGE = np.array(picture(3, (96, 64)))


def tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)


def close(ours: np.ndarray, theirs: torch.Tensor, *, mean: float, most: float) -> None:
    gap = np.abs(ours.astype(int) - theirs.permute(1, 2, 0).numpy().astype(int))
    assert gap.mean() <= mean
    assert np.quantile(gap, 0.999) <= most


@pytest.mark.parametrize("name", augment.names())
@pytest.mark.parametrize("size", [32, 80])
def test_views_can_be_replayed_from_json(name: str, size: int) -> None:
    view = augment.view(name, size)
    drawn = view(IMAGE, np.random.default_rng(5))
    params = json.loads(json.dumps(view.sample(np.random.default_rng(5), *IMAGE.shape[:2])))
    assert drawn.shape == (size, size, 3)
    assert drawn.dtype == np.uint8
    assert (view.apply(IMAGE, params) == drawn).all()
    assert (view(IMAGE, np.random.default_rng(5)) == drawn).all()
    assert json.dumps(view.config())


def test_an_unknown_view_gets_a_sentence() -> None:
    with pytest.raises(BadInput, match="did you mean 'simclr'"):
        augment.view("simclrr", 32)


def test_crops_are_drawn_as_torchvision_draws_them() -> None:
    """Area and shape of 3,000 windows: means within what chance allows."""
    crop, rng = augment.RandomResizedCrop(64, (0.2, 0.8)), np.random.default_rng(0)
    ours = np.array([crop.sample(rng, 64, 96)["window"][2:] for _ in range(3000)], float)
    theirs = v2.RandomResizedCrop(64, (0.2, 0.8))
    torch.manual_seed(0)
    image = tensor(IMAGE)
    other = np.array([[p["height"], p["width"]] for p in (theirs.make_params([image]) for _ in range(3000))], float)
    for measure in (lambda w: w[:, 0] * w[:, 1] / (64 * 96), lambda w: np.log(w[:, 1] / w[:, 0])):
        a, b = measure(ours), measure(other)
        assert abs(a.mean() - b.mean()) < 4 * np.sqrt(a.var() / 3000 + b.var() / 3000)


def test_resized_crop_is_torchvisions() -> None:
    """Within a few levels: other rounding, and no antialiasing below a factor of 2."""
    crop = augment.RandomResizedCrop(48)
    params = {"window": [5, 11, 50, 62]}
    theirs = reference.resized_crop(tensor(IMAGE), 5, 11, 50, 62, [48, 48], antialias=False)
    close(crop.apply(IMAGE, params), theirs, mean=0.6, most=3)


def test_flip_and_solarise_are_exact() -> None:
    assert (
        augment.HorizontalFlip().apply(IMAGE, {"flip": 1}) == reference.hflip(tensor(IMAGE)).permute(1, 2, 0).numpy()
    ).all()
    ours = augment.Solarise(threshold=100).apply(IMAGE, {"threshold": 100})
    assert (ours == reference.solarize(tensor(IMAGE), 100).permute(1, 2, 0).numpy()).all()


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue"])
@pytest.mark.parametrize("strength", [0.6, 1.35])
def test_colours_are_torchvisions(name: str, strength: float) -> None:
    """Levels are rounded elsewhere on the way; hue goes through 256 steps of the circle, theirs through floats."""
    value = strength - 1 if name == "hue" else strength
    params = {"order": [0, 1, 2, 3], "brightness": 1, "contrast": 1, "saturation": 1, "hue": 0, name: value}
    theirs = getattr(reference, f"adjust_{name}")(tensor(IMAGE), value)
    close(augment.ColourJitter().apply(IMAGE, params), theirs, mean=1.6, most=8 if name == "hue" else 3)


def test_grey_and_blur_are_torchvisions() -> None:
    close(augment.Greyscale().apply(IMAGE, {"grey": 1}), reference.rgb_to_grayscale(tensor(IMAGE), 3), mean=0.6, most=1)
    theirs = reference.gaussian_blur(tensor(IMAGE), [11, 11], [1.7, 1.7])
    close(augment.GaussianBlur().apply(IMAGE, {"sigma": 1.7}), theirs, mean=0.6, most=2)


@pytest.mark.parametrize(
    ("name", "value"), [("posterise", 4), ("autocontrast", 0), ("equalise", 0), ("sharpness", 1.6)]
)
def test_randaugments_other_operations_are_torchvisions(name: str, value: float) -> None:
    given = tensor(IMAGE)
    theirs = {
        "posterise": lambda: reference.posterize(given, 4),
        "autocontrast": lambda: reference.autocontrast(given),
        "equalise": lambda: reference.equalize(given),
        "sharpness": lambda: reference.adjust_sharpness(given, 1.6),
    }[name]()
    close(RandAugment().apply(IMAGE, {"steps": [[name, value]]}), theirs, mean=0.6, most=2)


@pytest.mark.parametrize("name", OPERATIONS)
def test_randaugment_at_no_strength_changes_nothing_much(name: str) -> None:
    if name in ("autocontrast", "equalise", "solarise"):
        pytest.skip("no strength, or white turns black at any")
    still = RandAugment(1, 0)
    rng = np.random.default_rng(0)
    params = next(p for p in (still.sample(rng, 64, 96) for _ in range(999)) if p["steps"][0][0] == name)
    assert np.abs(still.apply(IMAGE, params).astype(int) - IMAGE).mean() < 1


GEOMETRIC = [
    augment.RandomResizedCrop(48, (0.4, 1.0)),
    augment.SquareCrop(48),
    augment.CentreCrop(48, 0.9),
    augment.Resize(48),
    augment.PadCrop(48, 6),
    augment.HorizontalFlip(1.0),
    augment.Affine(0.0, 0.2, (0.8, 1.2)),
    RandAugment(2, 20),
]


@pytest.mark.parametrize("step", GEOMETRIC, ids=lambda step: type(step).__name__)
def test_boxes_and_masks_go_where_the_pixels_go(step: augment.Augmentation) -> None:
    """A painted rectangle: its mask, its box and its pixels agree to a pixel and a half, rotation only from outside."""
    mask = np.zeros((64, 96), np.uint8)
    mask[20:44, 30:66] = 255
    for seed in range(12):
        params = step.sample(np.random.default_rng(seed), 64, 96)
        if any(name in ("rotate", "shear_x", "shear_y") for name, _ in params.get("steps", ())):
            continue
        found = step.masks(mask, params)
        seen = step.apply(np.repeat(mask[:, :, None], 3, axis=2), params).shape[:2]
        assert found.shape == seen
        box = step.boxes(np.array([[30.0, 20, 66, 44]]), params, 64, 96)[0]
        ys, xs = np.nonzero(found > 127)
        if not len(ys):
            assert np.isnan(box).all() or (box[2] - box[0]) * (box[3] - box[1]) < 12
            continue
        assert box == pytest.approx([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], abs=1.6)


def test_a_box_that_is_cut_away_is_nan() -> None:
    crop = augment.RandomResizedCrop(10)
    assert np.isnan(crop.boxes(np.array([[0.0, 0, 5, 5]]), {"window": [20, 20, 10, 10]}, 64, 96)).all()


def test_mixup_and_cutmix_mix_targets_as_they_mix_pixels() -> None:
    images = torch.arange(4.0)[:, None, None, None].expand(4, 3, 8, 8).clone()
    targets = torch.eye(4)
    for mix in (augment.Mixup(0.8), augment.CutMix(1.0)):
        params = json.loads(json.dumps(mix.sample(np.random.default_rng(1), 4, 8, 8)))
        mixed, wanted = mix.apply(images, targets, params)
        # Each image is its number, so the mean pixel is the expectation of the number under the mixed target.
        assert torch.allclose(mixed.mean((1, 2, 3)), wanted @ torch.arange(4.0), atol=1e-5)
        assert torch.allclose(wanted.sum(1), torch.ones(4))
