"""From a tower's features to a shared space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from veduta.errors import BadInput


class Head(nn.Module):
    """linear: one matrix without bias (CLIP). mlp: hidden layers with ReLU, by default one as wide as the input (ConVIRT).

    hidden: widths of the hidden layers. norm: BatchNorm before each ReLU (SwAV). drop: dropout on the input.
    Raises BadInput for another kind, or hidden layers or a norm of a linear head.
    """

    def __init__(
        self,
        kind: str,
        inputs: int,
        outputs: int,
        *,
        hidden: Sequence[int] | None = None,
        drop: float = 0.0,
        norm: bool = False,
    ) -> None:
        super().__init__()
        if kind not in ("linear", "mlp"):
            raise BadInput(f"a head is linear or mlp, got '{kind}'")
        if kind == "linear" and (hidden or norm):
            raise BadInput("a linear head has no hidden layers and no norm; leave them out, or name the kind mlp")
        if any(width < 1 for width in (inputs, *(hidden or ()), outputs)):
            raise BadInput(f"the widths of a head must be 1 or more, got {[inputs, *(hidden or []), outputs]}")
        layers: list[nn.Module] = [nn.Dropout(drop)] if drop else []
        if kind == "linear":
            layers.append(nn.Linear(inputs, outputs, bias=False))
        else:
            widths = [inputs, *(hidden if hidden is not None else [inputs]), outputs]
            for number, (wide, narrow) in enumerate(pairwise(widths)):
                layers.append(nn.Linear(wide, narrow))
                if number < len(widths) - 2:
                    layers += [nn.BatchNorm1d(narrow), nn.ReLU()] if norm else [nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs) to (n, outputs)."""
        return self.layers(x)

    def stages(self, x: Tensor) -> list[Tensor]:
        """What each hidden layer gives after its ReLU, first to last, and then the output: for probes along the head."""
        found = []
        for layer in self.layers:
            x = layer(x)
            if isinstance(layer, nn.ReLU):
                found.append(x)
        return [*found, x]


def build_head(said: Mapping[str, Any]) -> Head:
    """The head that a record describes: kind, inputs, outputs and options."""
    return Head(**said)
