"""Supervised sequence embedding: phrases weighted by where they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from veduta.models.text.base import TextTower
from veduta.models.text.numbered import Numbered

TABLE, PHRASE, KNOTS, LONGEST = 50, 200, 5, 64


class SSE(TextTower):
    """Bespalov et al. 2012 (ECML PKDD), with windows of 1 to 3 words.

    Each window of n words is their 50-dimensional vectors side by side, through a linear map and tanh to a phrase of 200
    dimensions; phrases are averaged with weights that depend on their position r in [0, 1] in the text; a linear layer gives
    `dim`. The weights are a softmax over all phrases, of all sizes, of one piecewise linear function of r with five learned
    knots, which starts at 0: a plain mean. The paper leaves their form open; this one is ours. r is the middle of the window:
    (i + (n - 1) / 2) / (words - 1), and 1/2 in a text of one word. Unknown words are left out before the windows are cut, and
    words after the 64th.
    """

    def __init__(self, words: list[str], dim: int, windows: Sequence[int] = (1, 2, 3)) -> None:
        super().__init__()
        self.words, self.dim, self.windows = words, dim, tuple(windows)
        self._numbered = Numbered(words, LONGEST)
        self.table = nn.Embedding(len(words) + 1, TABLE, padding_idx=0)
        self.phrases = nn.ModuleList([nn.Linear(n * TABLE, PHRASE) for n in self.windows])
        self.knots = nn.Parameter(torch.zeros(KNOTS))
        self.last = nn.Linear(PHRASE, dim)

    def tokens(self, texts: Sequence[str]) -> dict[str, Tensor]:
        # As wide as the widest window, so that every weight takes part in every step, as distributed training wants it.
        return {"ids": self._numbered.ids(texts, max(self.windows))}

    def forward(self, tokens: Mapping[str, Tensor]) -> Tensor:
        ids = tokens["ids"]
        lengths = (ids > 0).sum(1)[:, None]
        vectors = self.table(ids)
        phrases, weights = [], []
        for n, layer in zip(self.windows, self.phrases, strict=True):
            windows = vectors.unfold(1, n, 1).transpose(2, 3).flatten(2)
            phrases.append(torch.tanh(layer(windows)))
            start = torch.arange(windows.shape[1], device=ids.device)[None]
            middle = (start + (n - 1) / 2) / (lengths - 1).clamp(min=1)
            weight = self._at(torch.where(lengths > 1, middle, 0.5))
            weights.append(weight.masked_fill(start + n > lengths, float("-inf")))
        known = lengths > 0
        share = torch.softmax(torch.cat(weights, 1).masked_fill(~known, 0.0), dim=1)
        mean = (share[:, :, None] * torch.cat(phrases, 1)).sum(1)
        return self.last(mean) * known

    def _at(self, relative: Tensor) -> Tensor:
        """The piecewise linear function at positions in [0, 1]."""
        scaled = relative.clamp(0, 1) * (KNOTS - 1)
        low = scaled.floor().clamp(max=KNOTS - 2).long()
        return self.knots[low] + (self.knots[low + 1] - self.knots[low]) * (scaled - low)

    def config(self) -> dict[str, Any]:
        return {"words": self.words, "dim": self.dim, "windows": list(self.windows)}

    def unknown(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        return self._numbered.unknown(texts)
