"""The denoising autoencoder of G-SimCLR."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WIDTHS = (32, 64, 128)


class DenoisingAutoencoder(nn.Module):
    """[3x3 convolution, BatchNorm, ReLU, 2x2 max-pooling] with 32, 64, 128 channels, and its mirror.

    CIFAR's form in the code of Chakraborty et al. 2020 (arXiv 2009.12007): the decoder is [nearest upsampling, 3x3
    convolution, BatchNorm, ReLU] with 128, 64, 32 channels, then a sigmoid convolution. Sides that are no multiple of 8
    round up when pooled, and come back to what they were: 28 pixels, which that code does not take, work too.
    """

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.down = nn.ModuleList([_block(i, o) for i, o in zip((channels, *WIDTHS), WIDTHS, strict=False)])
        back = WIDTHS[::-1]
        self.up = nn.ModuleList([_block(i, o) for i, o in zip((back[0], *back), back, strict=False)])
        self.last = nn.Conv2d(WIDTHS[0], channels, 3, padding=1)
        self.num_features = WIDTHS[-1]

    def encode(self, pixels: Tensor) -> Tensor:
        """(n, c, h, w) in [0, 1] to (n, 128): the bottleneck's mean over places."""
        return self._bottleneck(pixels)[0].mean((2, 3))

    def forward(self, pixels: Tensor, noise: float = 0.01, generator: torch.Generator | None = None) -> Tensor:
        """(n, c, h, w) in [0, 1] to its reconstruction in (0, 1).

        In training, Gaussian noise of the standard deviation `noise` is added first, from `generator` (torch's if None).
        """
        x = pixels
        if self.training:
            x = x + noise * torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
        x, sizes = self._bottleneck(x)
        for block, size in zip(self.up, sizes[::-1], strict=True):
            x = block(nn.functional.interpolate(x, size=size, mode="nearest"))
        return torch.sigmoid(self.last(x))

    def _bottleneck(self, x: Tensor) -> tuple[Tensor, list[tuple[int, int]]]:
        """The pooled map and the sizes before each pooling."""
        sizes = []
        for block in self.down:
            sizes.append((x.shape[2], x.shape[3]))
            x = nn.functional.max_pool2d(block(x), 2, ceil_mode=True)
        return x, sizes


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU())
