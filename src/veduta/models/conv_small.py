"""Small convolutional encoders for 16 to 64 pixels: stacks of 3x3 convolution, BatchNorm, ReLU and 2x2 max-pooling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor, nn


class ConvSmall(nn.Module):
    """One block a width, mean-pooled at the end; dropout before the classifier.

    Odd sides round up when pooled, so that no image is too small. widths (32, 64, 128) has 0.1 million weights.
    """

    def __init__(self, widths: Sequence[int], classes: int, *, drop: float = 0.0, channels: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in zip([channels, *widths[:-1]], widths, strict=True):
            layers += [
                nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(2, ceil_mode=True),
            ]
        self.body = nn.Sequential(*layers)
        self.widths = tuple(widths)
        self.num_features = widths[-1]
        self.drop = nn.Dropout(drop)
        self.reset_classifier(classes)

    def reset_classifier(self, classes: int) -> None:
        """A fresh classifier, or none for 0 classes."""
        self.num_classes = classes
        self.classifier = nn.Linear(self.num_features, classes) if classes else nn.Identity()

    def forward_features(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) to (n, num_features, h / 2^blocks, w / 2^blocks)."""
        return self.body(x)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """The mean over places, and the classifier unless `pre_logits`."""
        pooled = x.mean((2, 3))
        return pooled if pre_logits else self.classifier(self.drop(pooled))

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) float32 to (n, classes)."""
        return self.forward_head(self.forward_features(x))


VARIANTS: dict[str, Callable[..., nn.Module]] = {
    "conv_small": partial(ConvSmall, (32, 64, 128)),
    "conv_24_192": partial(ConvSmall, (24, 48, 96, 192)),
}
