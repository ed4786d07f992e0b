"""Optimisers, and which weights decay."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from veduta.learn.settings import Settings


def groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups: matrices and kernels decay; biases, norms, positions and scalars (temperatures) do not."""
    decayed, free = [], []
    for _, parameter in sorted(module.named_parameters()):
        if parameter.requires_grad:
            (decayed if parameter.ndim > 1 else free).append(parameter)
    found = [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]
    return [group for group in found if group["params"]]


def optimizer_for(module: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """The optimiser that the settings name, over the module's trainable parameters."""
    parts = groups(module, settings.weight_decay)
    betas = (settings.momentum, settings.beta2)
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(parts, lr=settings.lr, betas=betas)
    if settings.optimizer == "adam":
        return torch.optim.Adam(parts, lr=settings.lr, betas=betas)
    if settings.optimizer == "sgd":
        return torch.optim.SGD(parts, lr=settings.lr, momentum=settings.momentum, nesterov=settings.momentum > 0)
    return Larc(parts, lr=settings.lr, momentum=settings.momentum)


class Larc(torch.optim.Optimizer):
    """SGD with momentum whose rate follows each layer's size (LARS; You et al. 2017, arXiv 1708.03888; LARC without clipping).

    g <- trust * |w| / (|g| + weight_decay |w|) * (g + weight_decay w), then v <- m v + g, w <- w - lr v. Parameters of one
    dimension take the plain step.
    """

    def __init__(
        self, params: Iterable[Any], lr: float, momentum: float = 0.9, weight_decay: float = 0.0, trust: float = 0.001
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # pyright: ignore
        """One step; gradients that are None are passed over."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group)
        return loss

    def _move(self, parameter: Tensor, group: dict[str, Any]) -> None:
        gradient, decay = parameter.grad, group["weight_decay"]
        size, slope = parameter.norm(), gradient.norm()
        gradient = gradient + decay * parameter
        if parameter.ndim > 1 and size > 0 and slope > 0:
            gradient = gradient * (group["trust"] * size / (slope + decay * size))
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        state["momentum_buffer"].mul_(group["momentum"]).add_(gradient)
        parameter.add_(state["momentum_buffer"], alpha=-group["lr"])
