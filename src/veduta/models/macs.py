"""Multiply-adds of a network."""

from __future__ import annotations

import torch
from torch import Tensor, nn


@torch.no_grad()
def macs(network: nn.Module, size: int | tuple[int, int], channels: int = 3) -> int:
    """Multiply-adds of all convolutions and linear layers for one image of `size` pixels (a side, or height and width).

    Norms, activations, poolings and the products inside an attention are not counted. The network is left as it was.
    """
    total = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            height, width = module.kernel_size
            total += output[0].numel() * module.in_channels // module.groups * height * width
        elif isinstance(module, nn.Linear):
            total += output[0].numel() * module.in_features

    modes = {module: module.training for module in network.modules()}
    hooks = [m.register_forward_hook(count) for m in modes if isinstance(m, (nn.Conv2d, nn.Linear))]
    height, width = (size, size) if isinstance(size, int) else size
    device = next(network.parameters()).device
    try:
        network.eval()(torch.zeros(1, channels, height, width, device=device))
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes.items():
            module.training = training
    return total
