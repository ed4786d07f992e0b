"""Augmentations whose parameters are drawn apart from their application, so that each can be replayed.

    crop = RandomResizedCrop(224)
    params = crop.sample(rng, height, width)     # numbers only: fits into JSON
    crop.apply(image, params)                    # the same pixels every time
    crop.boxes(boxes, params, height, width)     # boxes and masks follow

Images are (h, w, 3) uint8 RGB, boxes (m, 4) float x0, y0, x1, y1 in pixels, masks (h, w) uint8. `View` chains them.
"""

from veduta.learn.augment.affine import Affine
from veduta.learn.augment.base import Augmentation
from veduta.learn.augment.blur import GaussianBlur
from veduta.learn.augment.colour import ColourJitter, Greyscale, Solarise
from veduta.learn.augment.crop import CentreCrop, PadCrop, RandomResizedCrop, Resize, SquareCrop
from veduta.learn.augment.erasing import Erasing
from veduta.learn.augment.flip import HorizontalFlip
from veduta.learn.augment.mix import CutMix, Mixup
from veduta.learn.augment.named import names, view
from veduta.learn.augment.randaugment import RandAugment
from veduta.learn.augment.view import View

__all__ = [
    "Affine",
    "Augmentation",
    "CentreCrop",
    "ColourJitter",
    "CutMix",
    "Erasing",
    "GaussianBlur",
    "Greyscale",
    "HorizontalFlip",
    "Mixup",
    "PadCrop",
    "RandAugment",
    "RandomResizedCrop",
    "Resize",
    "Solarise",
    "SquareCrop",
    "View",
    "names",
    "view",
]
