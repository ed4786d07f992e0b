"""The loss behind `learn views --objective denoise`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from veduta.errors import BadInput
from veduta.learn.loader import Batch
from veduta.learn.task import Task
from veduta.models.autoencoder import Decoder


class DenoiseTask(Task):
    """A network whose map of features a decoder turns back into the pixels, to which Gaussian noise was added.

    noise: its standard deviation, of pixels in [0, 1], which the batches must hold. Raises BadInput for a network without
    `widths`: the decoder is its mirror.
    """

    def __init__(self, name: str, network: nn.Module, noise: float) -> None:
        super().__init__()
        if not hasattr(network, "widths"):
            raise BadInput(f"denoise trains conv_small or conv_24_192, whose mirror it can make, not '{name}'")
        self.network, self.noise = network, noise
        self.decoder = Decoder(self.network.widths)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        pixels = batch.images[0]
        body: Any = self.network
        features = body.forward_features(pixels + self.noise * torch.randn_like(pixels))
        height, width = pixels.shape[2:]
        return {"loss": nn.functional.mse_loss(self.decoder(features, (height, width)), pixels)}
