"""Weights that come with packages, for networks that start from them without a download."""

from __future__ import annotations

import torch
from torch import nn

from veduta.encode.offline import weights_file
from veduta.errors import BadInput

LITE0 = "efficientnet_lite0"


def load_lite0(network: nn.Module) -> None:
    """Put the packaged ImageNet weights of EfficientNet-Lite0 into timm's network, its classifier left as it is, if it has one.

    The package's tensors have other names and the same order and shapes; the last two are its classifier.
    """
    given = list(torch.load(weights_file(), map_location="cpu", weights_only=True).values())[:-2]
    own = {name: value for name, value in network.state_dict().items() if not name.startswith("classifier.")}
    if [value.shape for value in own.values()] != [value.shape for value in given]:
        raise BadInput(
            f"the network has {len(own)} tensors and the packaged weights {len(given)}, or they differ in shape; use {LITE0} as "
            "it is"
        )
    network.load_state_dict({**network.state_dict(), **dict(zip(own, given, strict=True))})
