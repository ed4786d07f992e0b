"""SimpleNet: a plain stack of 3x3 convolutions.

Hasanpour, Rouhani, Fayyaz and Sabokrou, "Lets keep it simple", arXiv 1608.06037. Conv (with bias) -> BatchNorm -> ReLU ->
dropout, thirteen times, with 2x2 max-pooling between groups and global max-pooling at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from veduta.errors import BadInput

POOL = "P"
Layout = Sequence["int | str | Sequence[int]"]

# A number is the width of a 3x3 convolution, (width, 1) a 1x1 one, P a pooling.
_5M: Layout = (64, 128, 128, 128, POOL, 128, 128, 256, POOL, 256, 256, POOL, 512, (2048, 1), (256, 1), POOL, 256)
_310K: Layout = (64, 32, 32, 32, POOL, 32, 32, 64, POOL, 64, 64, POOL, 128, (256, 1), (64, 1), POOL, 64)
_460K: Layout = (32, 32, 32, 64, POOL, 64, 64, 64, POOL, 64, 64, POOL, 96, (96, 1), (96, 1), POOL, 100)
_IN1K: Layout = (64, *(128,) * 5, POOL, 256, 256, 256, 512, POOL, (2048, 1), (256, 1), 256)
_IN1K_9M: Layout = (128, *(192,) * 5, POOL, 320, 320, 320, 640, POOL, (2560, 1), (320, 1), 320)
# The first PyTorch code pooled once more, after the convolution of 512; the published CIFAR weights (95.51 and 78.37) are
# of that network.
_5M_EXTRA_POOL: Layout = (*_5M[:13], POOL, *_5M[13:])

STRIDES: dict[int, tuple[int, ...]] = {0: (), 1: (0, 1, 2), 2: (0, 1, 3)}
"""Mode -> the layers whose convolution has stride 2."""


class SimpleNet(nn.Module):
    """The network of a layout. BatchNorm is on all convolutions, as in the PyTorch code; Caffe's leaves it out on three.

    layout: layers in order: a number is the width of a 3x3 convolution, [width, 1] is a 1x1 one, "P" a 2x2 pooling.
    width: factor on all widths, rounded. mode: which of the first layers have stride 2, see `STRIDES`. drop: channel
    dropout after every convolution but the last (the paper's Caffe model has 0.2, on single units; its PyTorch code has 0),
    or a rate for each layer number; layers are counted from 0 with the poolings, and one past the last is the pooled vector.
    Raises BadInput for a width that leaves a layer without channels, a mode, layer or rate that there is not, and for
    anything else in a layout.
    """

    def __init__(
        self,
        classes: int,
        *,
        layout: Layout,
        width: float = 1.0,
        drop: float | Mapping[int | str, float] = 0.0,
        mode: int = 0,
        channels: int = 3,
    ) -> None:
        super().__init__()
        if mode not in STRIDES:
            raise BadInput(f"the mode of SimpleNet is one of {', '.join(map(str, STRIDES))}, got {mode}")
        rates = _rates(layout, drop)
        layers: list[nn.Module] = []
        self.numbers: list[int] = []
        inputs = channels
        for number, item in enumerate(layout):
            if item == POOL:
                block: list[nn.Module] = [nn.MaxPool2d(2, 2)]
            else:
                outputs, kernel = _width_kernel(number, item)
                outputs = round(outputs * width)
                if outputs < 1:
                    raise BadInput(f"a width of {width} leaves layer {number} of SimpleNet without channels; give more")
                block = _convolution(inputs, outputs, kernel, 2 if number in STRIDES[mode] else 1)
                inputs = outputs
            if rates[number]:
                block.append(nn.Dropout2d(rates[number]))
            layers += block
            self.numbers += [number] * len(block)
        self.body = nn.Sequential(*layers)
        self.num_features = inputs
        self.drop = nn.Dropout(rates[len(layout)])
        self.reset_classifier(classes)

    def reset_classifier(self, classes: int) -> None:
        """A fresh classifier, or none for 0 classes."""
        self.num_classes = classes
        self.classifier = nn.Linear(self.num_features, classes) if classes else nn.Identity()

    def smallest(self) -> int:
        """The least side in pixels that all poolings can halve."""
        return next(side for side in range(1, 1 << 12) if self._short(side) is None)

    def _short(self, side: int) -> tuple[int, int] | None:
        """The first layer that cannot pool an image of that side, and the pixels it gets; None if all can."""
        for number, layer in zip(self.numbers, self.body, strict=True):
            if isinstance(layer, nn.MaxPool2d):
                if side < 2:
                    return number, side
                side //= 2
            elif isinstance(layer, nn.Conv2d):
                side = -(-side // layer.stride[0])
        return None

    def forward_features(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) to (n, num_features, h', w'). Raises BadInput where a pooling is left less than 2 pixels."""
        tracing = torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]
        if not tracing and (found := self._short(min(x.shape[2:]))):
            raise BadInput(
                f"SimpleNet's layer {found[0]}, a pooling, is left a side of {found[1]} pixel of images of "
                f"{x.shape[2]} x {x.shape[3]}; give images of {self.smallest()} pixels or more"
            )
        return self.body(x)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Global max-pooling, and the classifier unless `pre_logits`."""
        pooled = x.amax((2, 3))
        return pooled if pre_logits else self.classifier(self.drop(pooled))

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) float32 to (n, classes)."""
        return self.forward_head(self.forward_features(x))


def _width_kernel(number: int, item: Any) -> tuple[int, int]:
    """Width and kernel of a layer."""
    pair = item if isinstance(item, Sequence) else (item, 3)
    if len(pair) != 2 or not all(isinstance(value, int) and value > 0 for value in pair) or pair[1] % 2 == 0:
        raise BadInput(
            f'layer {number} of SimpleNet\'s layout must be a width, [width, odd kernel] or "{POOL}", got {item!r}'
        )
    return pair[0], pair[1]


def _convolution(inputs: int, outputs: int, kernel: int, stride: int) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2)
    nn.init.xavier_uniform_(convolution.weight, nn.init.calculate_gain("relu"))
    # 0.05 is Caffe's moving-average fraction of 0.95 in torch's terms.
    return [convolution, nn.BatchNorm2d(outputs, eps=1e-5, momentum=0.05), nn.ReLU(inplace=True)]


def _rates(layout: Layout, drop: float | Mapping[int | str, float]) -> list[float]:
    """One dropout rate a layer, and one for the pooled vector."""
    last = len(layout)
    if not isinstance(drop, Mapping):
        found = {number: drop for number, item in enumerate(layout[:-1]) if item != POOL}
    else:
        found = {int(number): rate for number, rate in drop.items()}
    for number, rate in found.items():
        if not 0 <= number <= last:
            raise BadInput(f"SimpleNet has the layers 0 to {last} for dropout, got layer {number}")
        if not 0 <= rate < 1:
            raise BadInput(f"dropout of SimpleNet's layer {number} must be in [0, 1), got {rate}")
    return [float(found.get(number, 0.0)) for number in range(last + 1)]


VARIANTS: dict[str, Callable[..., nn.Module]] = {
    "simplenet": partial(SimpleNet, layout=_310K),
    "simplenet_5m": partial(SimpleNet, layout=_5M),
    "simplenet_5m_extra_pool": partial(SimpleNet, layout=_5M_EXTRA_POOL),
    "simplenet_310k": partial(SimpleNet, layout=_310K),
    "simplenet_460k": partial(SimpleNet, layout=_460K),
    **{
        f"simplenet_in1k_m{mode}_{end}": partial(SimpleNet, layout=layout, mode=mode, width=width)
        for mode in (1, 2)
        for end, layout, width in (("05", _IN1K, 0.5), ("075", _IN1K, 0.75), ("5m", _IN1K, 1.0), ("9m", _IN1K_9M, 1.0))
    },
}

SIZES = {name: 224 for name in VARIANTS if "in1k" in name}
