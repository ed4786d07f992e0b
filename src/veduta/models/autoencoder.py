"""The decoder of G-SimCLR's denoising autoencoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Decoder(nn.Module):
    """The mirror of a `ConvSmall` of these widths: [nearest upsampling, 3x3 convolution, BatchNorm, ReLU] and a sigmoid.

    With widths (32, 64, 128) it and its encoder are CIFAR's form in the code of Chakraborty et al. 2020 (arXiv
    2009.12007), but for the encoder's biases before BatchNorm, which change nothing. Sides that are not multiples of 8 round
    up when pooled, and come back to what they were: 28 pixels, which that code does not take, work too.
    """

    def __init__(self, widths: Sequence[int], channels: int = 3) -> None:
        super().__init__()
        back = list(widths)[::-1]
        self.up = nn.ModuleList([_block(i, o) for i, o in zip((back[0], *back), back, strict=False)])
        self.last = nn.Conv2d(back[-1], channels, 3, padding=1)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """(n, widths[-1], h / 2^blocks, w / 2^blocks), rounded up, to (n, channels, h, w) in (0, 1); size: h, w."""
        sizes = [size]
        for _ in self.up[1:]:
            sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
        for block, own in zip(self.up, sizes[::-1], strict=True):
            x = block(nn.functional.interpolate(x, size=own, mode="nearest"))
        return torch.sigmoid(self.last(x))


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU())
