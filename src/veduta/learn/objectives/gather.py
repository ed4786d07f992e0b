"""Rows of all processes, with gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed


def world() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


class _Gather(torch.autograd.Function):
    """Forward: all rows. Backward: the gradients that all processes have for this one's rows, added up."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        parts = [torch.empty_like(x) for _ in range(world())]
        distributed.all_gather(parts, x.contiguous())
        ctx.rows = len(x)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        distributed.all_reduce(total)
        start = distributed.get_rank() * ctx.rows
        return total[start : start + ctx.rows]


def gather(x: Tensor) -> Tensor:
    """(n, d) of this process to (n * processes, d) of all, by rank; the tensor itself where there is one process.

    If every process computes the loss over the whole batch from this, each parameter's gradient is `processes` times the
    share of that process; the mean that data parallelism takes of them is then the gradient of the loss on one process.
    """
    return _Gather.apply(x) if world() > 1 else x  # pyright: ignore[reportReturnType]


def gather_plain(x: Tensor) -> Tensor:
    """The same without gradient, for ids and masks."""
    if world() == 1:
        return x
    parts = [torch.empty_like(x) for _ in range(world())]
    distributed.all_gather(parts, x.contiguous())
    return torch.cat(parts)


def share(x: Tensor) -> Tensor:
    """This process's part of rows (n, ...) that all processes hold: each row is in one part, all parts are equally long.

    Up to `processes - 1` rows at the end are in none.
    """
    count = world()
    return x[distributed.get_rank() : len(x) - len(x) % count : count] if count > 1 else x
