"""CIFAR's ResNets: three stages of basic blocks behind a 3x3 stem that keeps the resolution."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

STAGES = 3


class _Excitation(nn.Module):
    """Squeeze and excitation (Hu et al. 2018, arXiv 1709.01507) with a quarter of the channels between."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // 4, 1)
        self.excite = nn.Conv2d(channels // 4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.excite(torch.relu(self.squeeze(x.mean((2, 3), keepdim=True)))))


class _Shortcut(nn.Module):
    """Every `stride`-th pixel, and zeros for the channels that are new: no weights (He et al. 2016, option A)."""

    def __init__(self, stride: int, new: int) -> None:
        super().__init__()
        self.stride, self.new = stride, new

    def forward(self, x: Tensor) -> Tensor:
        return pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new))


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, se: bool, d: bool, drop_path: float) -> None:
        super().__init__()
        self.one = nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs))
        self.two = nn.Sequential(nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs))
        self.se = _Excitation(outputs) if se else nn.Identity()
        self.short: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.short = _Shortcut(stride, outputs - inputs)
            if d:
                average = nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False)
                self.short = nn.Sequential(average, nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.drop_path = drop_path

    def forward(self, x: Tensor) -> Tensor:
        branch = self.se(self.two(torch.relu(self.one(x))))
        if self.training and self.drop_path:
            keep = torch.rand(len(x), 1, 1, 1, device=x.device) >= self.drop_path
            branch = branch * keep / (1 - self.drop_path)
        return torch.relu(self.short(x) + branch)


class ResNetCifar(nn.Module):
    """depth = 6 n + 2: n blocks a stage, widths w, 2 w, 4 w (He et al. 2016, arXiv 1512.03385, section 4.2).

    se: squeeze-excitation after the last BatchNorm of each block. d: ResNet-D (He et al. 2019, arXiv 1812.01187), a stem of
    three 3x3 convolutions, and shortcuts of average pooling and a 1x1 convolution. drop: dropout before the classifier.
    drop_path: stochastic depth, per image, survivors divided by the share kept; stage g = 1 ... 3 has rate (g + 1) / 4, as
    ResNet-RS has (g + 1) / 5 for its four stages (arXiv 2103.07579).
    """

    def __init__(
        self, depth: int, classes: int, *, width: int = 16, drop: float = 0.0, drop_path: float = 0.0, se: bool = False,
        d: bool = False, channels: int = 3,
    ) -> None:  # fmt: skip
        super().__init__()
        widths = [channels, width, width, width] if d else [channels, width]
        stem: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            stem += [
                nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            ]
        self.stem = nn.Sequential(*stem)
        blocks: list[nn.Module] = []
        inputs = width
        for stage in range(STAGES):
            outputs = width * 2**stage
            for number in range((depth - 2) // 6):
                stride = 2 if stage and not number else 1
                blocks.append(_Block(inputs, outputs, stride, se, d, drop_path * (stage + 2) / (STAGES + 1)))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.num_features = inputs
        self.drop = nn.Dropout(drop)
        self.reset_classifier(classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def reset_classifier(self, classes: int) -> None:
        """A fresh classifier, or none for 0 classes."""
        self.num_classes = classes
        self.classifier = nn.Linear(self.num_features, classes) if classes else nn.Identity()

    def forward_features(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) to (n, num_features, h / 4, w / 4)."""
        return self.blocks(self.stem(x))

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """The mean over places, and the classifier unless `pre_logits`."""
        pooled = x.mean((2, 3))
        return pooled if pre_logits else self.classifier(self.drop(pooled))

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) float32 to (n, classes)."""
        return self.forward_head(self.forward_features(x))


VARIANTS: dict[str, Callable[..., nn.Module]] = {
    f"resnet{depth}_cifar": partial(ResNetCifar, depth) for depth in (8, 14, 20, 26, 32, 56, 110)
}
