"""Networks whose first stages stay as they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from torch import nn

from veduta.errors import BadInput


def freeze(network: nn.Module, count: int, name: str) -> None:
    """Exclude the stem and the first `count` stages of timm's network `name` from training; nothing for 0.

    Stages are the coarse groups of timm's `group_matcher`: layers of one resolution in most convolutional networks, single
    blocks in transformers. What follows the last stage and is not a classifier goes with it where timm says so. A frozen
    parameter needs no gradient, so nothing is computed backwards through the frozen part. Its statistics move in
    training mode all the same: keep what `frozen` gives in evaluation mode.
    Raises BadInput for more stages than there are, and for a network that names none.
    """
    if not count:
        return
    matcher: Any = getattr(network, "group_matcher", None)
    if matcher is None:
        raise BadInput(f"the network '{name}' does not say what its stages are; give --freeze 0, or a network of timm")
    from timm.models import group_parameters

    said = matcher(coarse=True)
    group = group_parameters(network, said, reverse=True)  # pyright: ignore[reportArgumentType]
    stage_of = {key: int(number) for key, number in group.items() if _named(key, said)}  # pyright: ignore
    stages = max(stage_of.values())
    if count > stages:
        raise BadInput(f"the network '{name}' has {stages} stages, so freeze must be {stages} or less, got {count}")
    for key, parameter in network.named_parameters():
        if stage_of.get(key, stages + 1) <= count:
            parameter.requires_grad_(False)


def frozen(module: nn.Module) -> Iterator[nn.Module]:
    """The largest parts of a module that have parameters, none of which is trained."""
    for part in module.children():
        if next(part.parameters(), None) is None:
            continue
        if any(parameter.requires_grad for parameter in part.parameters()):
            yield from frozen(part)
        else:
            yield part


def _named(key: str, matcher: dict[str, Any]) -> bool:
    """Whether the matcher puts a parameter into a group; the others are the head."""
    patterns = [
        p for said in matcher.values() for p in ([said] if isinstance(said, str) else [each[0] for each in said])
    ]
    return any(re.match(pattern, key) for pattern in patterns)
