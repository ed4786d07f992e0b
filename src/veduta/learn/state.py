"""All that training changes, as named tensors and JSON: what a checkpoint holds, and what an undone step puts back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from veduta.learn import checkpoint
from veduta.learn.ema import EMA
from veduta.learn.task import Task


class State:
    """The state of a task, of its optimiser and, where there is one, of its moving average."""

    def __init__(self, task: Task, optimizer: torch.optim.Optimizer, ema: EMA | None) -> None:
        self.task, self.optimizer, self.ema = task, optimizer, ema

    def get(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All tensors, by name and as they are (not copies), and what the optimiser keeps besides."""
        tensors = {f"task.{name}": value for name, value in self.task.state_dict().items()}
        found, plain = checkpoint.optimizer_state(self.optimizer)
        tensors |= found
        if self.ema is not None:
            tensors |= {f"ema.{name}": value for name, value in self.ema.state_dict().items()}
        return tensors, plain

    def copy(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What `get` gives, untouched by what is trained later."""
        tensors, plain = self.get()
        return {name: value.clone() for name, value in tensors.items()}, dict(plain)

    def put(self, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> None:
        """Put back what `get` gave. Raises RuntimeError, KeyError or ValueError for the state of another network."""
        self.task.load_state_dict(_of("task.", tensors))
        checkpoint.restore_optimizer(self.optimizer, tensors, plain)
        if self.ema is not None:
            self.ema.load_state_dict(_of("ema.", tensors))


def _of(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
