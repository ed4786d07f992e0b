"""What a trainer trains: a network with its loss, and how it is judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from veduta.learn.loader import Batch
from veduta.models.freeze import frozen


class Task(nn.Module):
    """Everything that has weights, and the loss over them.

    A task's parameters and buffers are what is checkpointed; its `forward` is what a distributed strategy wraps, so all
    of the loss is computed there. Anything random in it must come from torch's generator, which the trainer seeds anew
    before every step: a step depends on nothing but the weights, the batch and its number.
    """

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Scalars; `loss` is minimised, the others are recorded."""
        raise NotImplementedError

    def train(self, mode: bool = True) -> Task:
        """As of any module, but what does not train stays in evaluation mode: statistics of BatchNorm do not move."""
        super().train(mode)
        for part in frozen(self):
            part.eval()
        return self

    def before_step(self, step: int) -> None:
        """Called before the forward pass."""

    def after_backward(self, step: int) -> None:
        """Called with gradients in place, before the optimiser."""

    def after_step(self, step: int) -> None:
        """Called after the optimiser."""

    def validate(self) -> dict[str, float]:
        """Figures on held-out rows, called in evaluation mode without gradients; empty if there are none."""
        return {}

    def better(self, new: Mapping[str, float], old: Mapping[str, float]) -> bool:
        """Whether the figures `new` are better than `old`."""
        return False

    def facts(self) -> dict[str, Any]:
        """What the run's record should say about the training besides; `validation_rows`: how many figures are about."""
        return {}
