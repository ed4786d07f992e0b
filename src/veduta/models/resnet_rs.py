"""ResNet-RS: timm's networks with the paper's stochastic depth, and a member of the family for 32 pixels.

Bello et al. 2021, "Revisiting ResNets", arXiv 2103.07579.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from veduta.errors import BadInput

STAGES = 4

SIZES = {
    "resnetrs50": 160, "resnetrs101": 192, "resnetrs152": 256, "resnetrs200": 256, "resnetrs270": 256, "resnetrs350": 288,
    "resnetrs420": 320,
}  # fmt: skip
"""The training sides that timm records."""


def resnet_rs(
    name: str, classes: int, *, pretrained: bool = False, drop: float = 0.0, drop_path: float = 0.0, se: bool = True,
    d: bool = True,
) -> nn.Module:  # fmt: skip
    """timm's network with stochastic depth by stage, as the released code has it: rate (g + 1) / 5 for g = 1 ... 4.

    timm's own (`timm:resnetrs50`) grows with every block. A fresh classifier is normal with a deviation of 0.01.
    se: squeeze-excitation. d: ResNet-D's stem and shortcuts; without both it is the plain ResNet of that depth.
    Raises BadInput for published weights of anything but the whole.
    """
    import timm

    if pretrained and not (se and d):
        raise BadInput(f"the published weights of '{name}' are of the network with se and d; leave --pretrained out")
    plain: dict[str, Any] = {} if se else {"block_args": {}}
    if not d:
        plain |= {"stem_width": 64, "stem_type": "", "replace_stem_pool": False, "avg_down": False}
    network: Any = timm.create_model(name, pretrained=pretrained, num_classes=classes, drop_rate=drop, **plain)
    return _finish(network, drop_path, fresh=not pretrained)


def resnet_rs_cifar(
    classes: int, *, drop: float = 0.0, drop_path: float = 0.0, se: bool = True, d: bool = True
) -> nn.Module:
    """Two bottleneck blocks a stage, 32 channels in the first (26 layers); the stem keeps the resolution.

    se: squeeze-excitation. d: a stem of three 3x3 convolutions and average-pooled shortcuts, else one 3x3 convolution and
    1x1 convolutions with stride.
    """
    from timm.layers.create_attn import get_attn
    from timm.models.resnet import Bottleneck, ResNet

    stem = {"stem_type": "deep", "stem_width": 32, "avg_down": True} if d else {}
    attention = {"attn_layer": partial(get_attn("se"), rd_ratio=0.25)} if se else {}  # pyright: ignore[reportCallIssue]
    network: Any = ResNet(
        Bottleneck, (2,) * STAGES, num_classes=classes, channels=(32, 64, 128, 256), drop_rate=drop, block_args=attention,
        **stem,
    )  # fmt: skip
    network.maxpool = nn.Identity()
    if d:
        network.conv1[0].stride = (1, 1)
    else:
        network.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    return _finish(network, drop_path, fresh=True)


def _finish(network: Any, drop_path: float, *, fresh: bool) -> nn.Module:
    from timm.layers.drop import DropPath

    for stage in range(1, STAGES + 1):
        rate = drop_path * (stage + 1) / (STAGES + 1)
        for block in getattr(network, f"layer{stage}"):
            block.drop_path = DropPath(rate) if rate else None
    if fresh and isinstance(network.fc, nn.Linear):
        nn.init.normal_(network.fc.weight, std=0.01)
        nn.init.zeros_(network.fc.bias)
    return network


VARIANTS: dict[str, Callable[..., nn.Module]] = {
    **{name: partial(resnet_rs, name) for name in SIZES},
    "resnetrs26_cifar": resnet_rs_cifar,
}
