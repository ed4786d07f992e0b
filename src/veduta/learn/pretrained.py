"""Weights that come with packages, for networks that start from them without a download."""

from __future__ import annotations

import torch
from torch import nn

from veduta.encode.offline import weights_file
from veduta.errors import BadInput

LITE0 = "efficientnet_lite0"


def load_lite0(network: nn.Module) -> None:
    """Put the packaged ImageNet weights of EfficientNet-Lite0 into timm's network, its classifier left as it is.

    The package's tensors have other names and the same order and shapes.
    """
    given = torch.load(weights_file(), map_location="cpu", weights_only=True)
    own = network.state_dict()
    if len(own) != len(given):
        raise BadInput(
            f"the network has {len(own)} tensors and the packaged weights {len(given)}; use {LITE0} as it is"
        )
    fresh = {
        name: value
        for (name, mine), value in zip(own.items(), given.values(), strict=True)
        if mine.shape == value.shape and not name.startswith("classifier.")
    }
    network.load_state_dict({**own, **fresh})
