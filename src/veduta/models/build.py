"""Image networks by name, all with timm's interface.

`forward(x) -> logits (n, classes)`, `forward_features(x)`, `forward_head(features, pre_logits=True) -> (n, num_features)`,
`reset_classifier(classes)`; with 0 classes `forward` gives the pooled features.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from veduta.errors import BadInput
from veduta.models import conv_small, resnet_cifar, resnet_rs, simplenet
from veduta.models.options import refuse_places

Facts = tuple[tuple[float, float, float], tuple[float, float, float]]

IMAGENET: Facts = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CIFAR: Facts = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
"""Mean and standard deviation of CIFAR-10's training pixels in [0, 1], for the networks that are made for 32 pixels."""

_OWN = {**simplenet.VARIANTS, **conv_small.VARIANTS, **resnet_cifar.VARIANTS, **resnet_rs.VARIANTS}
_SIZES = {**simplenet.SIZES, **resnet_rs.SIZES}
_SIDE = 32


def names() -> list[str]:
    """Veduta's own networks, sorted."""
    return sorted(_OWN)


def build(name: str, classes: int, *, pretrained: bool = False, **options: Any) -> nn.Module:
    """The network `name` with fresh or, where there are any, published weights.

    name: `timm:NAME`, or one of `names()`. classes: 0 or more. options: the network's own, JSON-able; `drop` is dropout and
    `drop_path` stochastic depth, in [0, 1), where a network has them. Fresh weights come from torch's generator.
    Raises BadInput for an unknown name or option, or where there are no published weights.
    """
    if classes < 0:
        raise BadInput(f"a network has 0 or more classes, got {classes}")
    refuse_places(options)
    _rates(name, options)
    if name.startswith("timm:"):
        return _timm(name.removeprefix("timm:"), classes, pretrained, options)
    make = _OWN.get(name)
    if make is None:
        raise BadInput(_unknown(name))
    takes = inspect.signature(make).parameters
    if strange := sorted(set(options) - set(takes)):
        has = sorted(key for key, value in takes.items() if value.kind is value.KEYWORD_ONLY and key != "pretrained")
        raise BadInput(f"the network '{name}' has no option '{strange[0]}' (it has: {', '.join(has)})")
    if pretrained and "pretrained" not in takes:
        raise BadInput(
            f"there are no published weights for '{name}'; leave --pretrained out, or name a network of timm"
        )
    if pretrained:
        options = {**options, "pretrained": True}
    return _fetched(name, pretrained, lambda: make(classes, **options))


def input_size(name: str) -> int:
    """The side in pixels that a network was made for. Raises BadInput for an unknown name."""
    if name.startswith("timm:"):
        return int(_config(name.removeprefix("timm:")).input_size[1])
    if name not in _OWN:
        raise BadInput(_unknown(name))
    return _SIZES.get(name, _SIDE)


def mean_std(name: str) -> Facts:
    """Mean and standard deviation of the pixels in [0, 1] that a network expects.

    timm's record for timm's networks; of ours, CIFAR-10's for those made for 32 pixels and ImageNet's for the others.
    """
    if name.startswith("timm:"):
        config = _config(name.removeprefix("timm:"))
        return tuple(config.mean), tuple(config.std)  # pyright: ignore[reportReturnType]
    return CIFAR if input_size(name) == _SIDE else IMAGENET


def _rates(name: str, options: Mapping[str, Any]) -> None:
    for key in ("drop", "drop_path"):
        value = options.get(key, 0)
        if isinstance(value, (int, float)) and not 0 <= value < 1:
            raise BadInput(f"{key} of the network '{name}' must be in [0, 1), got {value}")


def _config(name: str) -> Any:
    import timm

    try:
        config = timm.get_pretrained_cfg(name)
    except RuntimeError:
        config = None
    if config is None:
        raise BadInput(_unknown_timm(name))
    return config


def _timm(name: str, classes: int, pretrained: bool, options: dict[str, Any]) -> nn.Module:
    import timm

    _config(name)
    own = {"drop": "drop_rate", "drop_path": "drop_path_rate"}
    given = {own.get(key, key): value for key, value in options.items()}
    try:
        return _fetched(
            name, pretrained, lambda: timm.create_model(name, pretrained=pretrained, num_classes=classes, **given)
        )
    except TypeError as error:
        raise BadInput(f"timm's network '{name}' does not take these options: {error}") from None


def _fetched(name: str, pretrained: bool, make: Any) -> nn.Module:
    try:
        return make()
    except (BadInput, TypeError):
        raise
    except Exception as error:
        if not pretrained:
            raise
        # The hub clients raise types of several libraries for one cause.
        reason = (str(error) or type(error).__name__).splitlines()[0][:160]
        raise BadInput(
            f"the published weights of '{name}' cannot be fetched ({reason}); check the connection, "
            "or leave --pretrained out"
        ) from None


def _unknown(name: str) -> str:
    import timm

    near = difflib.get_close_matches(name, names(), 3)
    if timm.is_model(name):
        near = [f"timm:{name}", *near]
    hint = f"; did you mean {' or '.join(repr(each) for each in near)}?" if near else ""
    return f"there is no network '{name}'{hint} (there are: timm:NAME, {', '.join(names())})"


def _unknown_timm(name: str) -> str:
    import timm

    plain, _, tag = name.partition(".")
    if tag and timm.is_model(plain):
        tags = ", ".join(each.partition(".")[2] for each in timm.list_pretrained(f"{plain}.*")) or "none"
        return f"timm's network '{plain}' has no weights '{tag}' (it has: {tags})"
    near = ", ".join(f"timm:{each}" for each in difflib.get_close_matches(plain, timm.list_models(), 3))
    return f"timm has no network '{name}'" + (
        f"; did you mean {near}?" if near else "; timm.list_models() names those it has"
    )
