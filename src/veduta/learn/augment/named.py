"""Views by name: what the published systems do to an image, and good defaults."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from veduta.errors import BadInput
from veduta.learn.augment.affine import Affine
from veduta.learn.augment.blur import GaussianBlur
from veduta.learn.augment.colour import ColourJitter, Greyscale
from veduta.learn.augment.crop import CentreCrop, PadCrop, RandomResizedCrop, SquareCrop
from veduta.learn.augment.erasing import Erasing
from veduta.learn.augment.flip import HorizontalFlip
from veduta.learn.augment.randaugment import RandAugment
from veduta.learn.augment.view import View


def _evaluation(size: int) -> View:
    return View((CentreCrop(size, 1.0 if size <= 64 else 0.875),), size)


def _train(size: int) -> View:
    return View((RandomResizedCrop(size, (0.25, 1.0)), HorizontalFlip()), size)


def _imagenet(size: int) -> View:
    """The usual one for ImageNet (Szegedy et al. 2015): crops from 0.08 of the area on."""
    return View((RandomResizedCrop(size), HorizontalFlip()), size)


def _randaugment(size: int) -> View:
    return View((RandomResizedCrop(size), HorizontalFlip(), RandAugment(2, 10)), size)


def _cifar(size: int) -> View:
    return View((PadCrop(size, max(1, size // 8)), HorizontalFlip()), size, margin=1.0)


def _cutout(size: int) -> View:
    """A grey square of half the side (Cutout's 16 pixels of 32), half outside at times."""
    square = Erasing(1.0, (0.25, 0.25), (1.0, 1.0), over=True)
    return View((PadCrop(size, max(1, size // 8)), HorizontalFlip(), square), size, margin=1.0)


def _cifar_randaugment(size: int) -> View:
    return View((PadCrop(size, max(1, size // 8)), HorizontalFlip(), RandAugment(2, 10)), size, margin=1.0)


def _rrc(size: int) -> View:
    """Crops of at least 0.08 of the area as for ImageNet, of at least half of it where that would leave a dozen pixels."""
    return View((RandomResizedCrop(size, (0.5 if size <= 64 else 0.08, 1.0)), HorizontalFlip()), size)


def _rrc_ra_re(size: int) -> View:
    """Dataset reinforcement's recommended one (Faghri et al. 2023, arXiv 2303.08983): RandAugment and black rectangles besides."""
    return View((*_rrc(size).steps, RandAugment(2, 9), Erasing(0.25, fill=0)), size)


def _simclr(size: int) -> View:
    """SimCLR (Chen et al. 2020, arXiv 2002.05709, appendix A) at colour strength 0.5.

    Blur only above 64 pixels, as there.
    """
    jitter = ColourJitter(0.4, 0.4, 0.4, 0.1, p=0.8)
    blur = (GaussianBlur(0.5, (0.1, 2.0)),) if size > 64 else ()
    return View((RandomResizedCrop(size, (0.08, 1.0)), HorizontalFlip(), jitter, Greyscale(0.2), *blur), size)


def _gsimclr(size: int) -> View:
    """G-SimCLR's released code: flip and weak colour, no crop."""
    return View((CentreCrop(size), HorizontalFlip(), ColourJitter(0.16, 0.16, 0.16, 0.04, p=0.8)), size)


def _clip(size: int) -> View:
    return View((SquareCrop(size),), size)


def _convirt(size: int, *, flip: float, hue: float) -> View:
    """ConVIRT (Zhang et al. 2022, section 4.2), but moved before it is cropped; for photos also saturation and hue."""
    jitter = ColourJitter((0.6, 1.4), (0.6, 1.4), (0.6, 1.4) if hue else 0.0, hue)
    steps = (
        Affine(20, 0.1, (0.95, 1.05)), RandomResizedCrop(size, (0.6, 1.0)), HorizontalFlip(flip), jitter,
        GaussianBlur(1.0, (0.1, 3.0)),
    )  # fmt: skip
    return View(steps, size)


def _swav(size: int, scale: tuple[float, float]) -> View:
    """SwAV and SEER (released configurations), but blur in proportion to the size; there small crops blur as many pixels."""
    steps = (
        RandomResizedCrop(size, scale), HorizontalFlip(), ColourJitter(0.8, 0.8, 0.8, 0.2, p=0.8), Greyscale(0.2),
        GaussianBlur(0.5, (0.1, 2.0)),
    )  # fmt: skip
    return View(steps, size, margin=1.6)


_VIEWS: dict[str, Callable[[int], View]] = {
    "eval": _evaluation,
    "train": _train,
    "imagenet": _imagenet,
    "randaugment": _randaugment,
    "cifar": _cifar,
    "cifar-cutout": _cutout,
    "cifar-randaugment": _cifar_randaugment,
    "rrc": _rrc,
    "rrc+ra/re": _rrc_ra_re,
    "simclr": _simclr,
    "gsimclr": _gsimclr,
    "clip": _clip,
    "convirt-photo": lambda size: _convirt(size, flip=0.5, hue=0.05),
    "convirt-grey": lambda size: _convirt(size, flip=0.0, hue=0.0),
    "swav-large": lambda size: _swav(size, (0.14, 1.0)),
    "swav-small": lambda size: _swav(size, (0.05, 0.14)),
}


def names() -> list[str]:
    """All names."""
    return list(_VIEWS)


def view(name: str, size: int) -> View:
    """The view `name` at `size` pixels. Raises BadInput for an unknown name."""
    if name not in _VIEWS:
        near = difflib.get_close_matches(name, _VIEWS, 1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise BadInput(f"there are no views called '{name}'{hint} (there are: {', '.join(_VIEWS)})")
    return _VIEWS[name](size)
