"""The network that looks at the images, and how they are prepared for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from veduta.encode.base import Preprocess
from veduta.errors import BadInput
from veduta.learn import augment
from veduta.learn import pretrained as packaged
from veduta.learn.loader import Loader
from veduta.learn.order import Order
from veduta.learn.settings import Settings
from veduta.learn.targets import TargetSource
from veduta.models import freeze as freezing
from veduta.models.build import build, input_size, mean_std
from veduta.pool import View

MARGIN = 0.875
"""Side of what a network sees to the short side of the image, for photos; small images are seen whole."""


def short_sides(pool: View, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """The short side in pixels of each of the given rows, 0 where it is unknown."""
    size = pool.table(["width", "height"])
    width, height = (np.nan_to_num(size.column(i).to_numpy(zero_copy_only=False).astype(float)) for i in (0, 1))
    return np.minimum(width, height)[rows]


def short_side(pool: View, rows: NDArray[np.int64]) -> int:
    """The median short side in pixels of the given rows."""
    short = short_sides(pool, rows)
    return int(np.median(short)) if len(short) else 0


def network(
    name: str,
    classes: int,
    *,
    size: int | None,
    pretrained: bool,
    pool: View,
    rows: NDArray[np.int64],
    freeze: int = 0,
    options: Mapping[str, Any] | None = None,
) -> tuple[nn.Module, Preprocess, dict[str, Any]]:
    """The network `name` with `classes` outputs, the preparation that suits it and the pool, and what a record must say
    to build it again.

    size: side of its input; by default the network's own, but no more than the images have (at least 32, in steps of 32
    above 64). freeze: how many first stages stay as they are, see `veduta.models.freeze`. options: as for `build`.
    """
    if freeze and not pretrained:
        raise BadInput(f"freeze would keep the random weights of '{name}'; start from published ones with --pretrained")
    short = short_side(pool, rows)
    given = dict(options or {})
    lite0 = name == packaged.LITE0
    if lite0:
        name, given = f"timm:{name}", {"bn_eps": 1e-3, **given}
    own = input_size(name)
    side = size or (own if short >= own else max(32, short if short <= 64 else short // 32 * 32))
    if name.startswith("timm:") and side != own and _sized(name):
        given["img_size"] = side
    made = build(name, classes, pretrained=pretrained and not lite0, **given)
    if lite0 and pretrained:
        packaged.load_lite0(made)
    freezing.freeze(made, freeze, name)
    mean, std = mean_std(name)
    resize = side if side <= 64 else round(side / MARGIN)
    preprocess = Preprocess(side=side, resize=resize, mean=tuple(mean), std=tuple(std))
    return made, preprocess, {"name": name, "classes": classes, "options": given}


def _sized(name: str) -> bool:
    """Whether a network of timm is made for one size of images, which must be given: it has a position for each patch."""
    with torch.device("meta"):
        return hasattr(build(name, 0), "pos_embed")


def loader(
    settings: Settings,
    pool: View,
    rows: NDArray[np.int64],
    views: Sequence[augment.View],
    preprocess: Preprocess,
    order: Order | None = None,
    targets: TargetSource | None = None,
) -> Callable[[int, int], Loader]:
    """A function from (rank, processes) to the loader of the rows' augmented images."""

    def of(rank: int, world: int) -> Loader:
        return Loader(
            pool, rows, views, settings.batch, mean=preprocess.mean, std=preprocess.std, seed=settings.seed, order=order,
            rank=rank, world=world, targets=targets,
        )  # fmt: skip

    return of


def pooled(network: Any, pixels: Tensor) -> Tensor:
    """Pooled features (n, d) of normalised pixels (n, 3, s, s)."""
    return network.forward_head(network.forward_features(pixels), pre_logits=True)
