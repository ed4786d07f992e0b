"""A moving average of a module's weights and buffers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn


class EMA:
    """Exponential moving average of all floating-point parameters and buffers, BatchNorm's statistics among them.

    decay_images: images after which an old value counts 1/e. The decay of a step is exp(-images / decay_images), at most
    (1 + n) / (10 + n) at step n, so that the first weights of a short run are soon forgotten. Averages are in float32.
    Integer buffers are copied.
    """

    def __init__(self, module: nn.Module, decay_images: float = 64_000) -> None:
        self.decay_images = decay_images
        self.updates = 0
        self._average = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module, images: int) -> None:
        """Take in the module's present weights after a step on `images` images."""
        self.updates += 1
        decay = min(
            float(torch.exp(torch.tensor(-images / self.decay_images))), (1 + self.updates) / (10 + self.updates)
        )
        for name, value in module.state_dict().items():
            own = self._average[name]
            if value.dtype.is_floating_point:
                own.lerp_(value.to(own), 1 - decay)
            else:
                own.copy_(value)

    @contextlib.contextmanager
    def swapped(self, module: nn.Module) -> Iterator[None]:
        """Within this context the module holds the averages; afterwards its own weights, to the bit."""
        own = {name: value.detach().clone() for name, value in module.state_dict().items()}
        module.load_state_dict(self._average)
        try:
            yield
        finally:
            module.load_state_dict(own)

    def state_dict(self) -> dict[str, Tensor]:
        """The averages and the number of updates."""
        return {**self._average, "updates": torch.tensor(self.updates)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state_dict` gave. Raises KeyError for the state of another module."""
        for name, value in self._average.items():
            value.copy_(state[name])
        self.updates = int(state["updates"])
