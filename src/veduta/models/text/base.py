"""What a text tower is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from veduta.errors import BadInput


class TextTower(nn.Module):
    """Strings to vectors. `dim`: their dimensions. What it must know of the training texts is in `config`."""

    dim: int

    def tokens(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """What `forward` takes, on the CPU; depends on the texts alone. Raises BadInput for what is not a list of strings."""
        raise NotImplementedError

    def forward(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """(n, dim) float32, not normalised; zero for a text of which the tower knows no word."""
        raise NotImplementedError

    def forget(self) -> None:
        """Give up what is kept of earlier texts, if it is much: for texts that may not come again."""

    def config(self) -> dict[str, Any]:
        """JSON-able: the arguments that make the same tower with fresh weights."""
        raise NotImplementedError

    def unknown(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """(n,) whether the tower knows no word of a text; such a text has the zero vector."""
        raise NotImplementedError


def checked(texts: Sequence[str]) -> Sequence[str]:
    """The texts. Raises BadInput for one string, or where something is not a string."""
    if isinstance(texts, str):
        raise BadInput(f"texts must be a list of strings, got the string {texts[:60]!r}; put it into a list")
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise BadInput(f"text {place} must be a string, got {text!r:.60}; leave rows without text out")
    return texts
