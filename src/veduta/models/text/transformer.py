"""A small transformer over words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from veduta.errors import BadInput
from veduta.models.text.base import TextTower
from veduta.models.text.spelled import Spelled

LONGEST = 77


class Transformer(TextTower):
    """CLIP's text network on whole words (Radford et al. 2021, arXiv 2103.00020, section 2.4, and its code).

    causal: pre-norm with a causal mask, the feature at the end-of-text token, as CLIP; else every token sees all others and
    the feature is the mean over them. Words in the place of byte pairs, because a vocabulary of 49,408 pieces is not
    learned from a few thousand captions; unknown words are spelled. Weights start as CLIP's: words at 0.02, positions at
    0.01, attention and the projection at width^-1/2, the first layer of each block's network at (2 width)^-1/2, and what goes
    into the residual stream at width^-1/2 (2 layers)^-1/2.
    """

    def __init__(
        self, words: list[str], dim: int, letters: Sequence[str] = (), width: int = 256, layers: int = 4, heads: int = 4,
        causal: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        if width % heads:
            raise BadInput(f"the width of a transformer must be a multiple of its heads, got {width} and {heads}")
        self.words, self.letters, self.dim, self.causal = words, list(letters), dim, causal
        self._shape = {"width": width, "layers": layers, "heads": heads}
        self._spelled = Spelled(words, letters, LONGEST)
        self.table = nn.Embedding(self._spelled.size, width, padding_idx=0)
        self.places = nn.Parameter(torch.randn(LONGEST, width) * 0.01)
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.last = nn.Linear(width, dim, bias=False)
        self._start(width, layers)

    @torch.no_grad()
    def _start(self, width: int, layers: int) -> None:
        nn.init.normal_(self.table.weight, std=0.02)
        self.table.weight[0] = 0
        nn.init.normal_(self.last.weight, std=width**-0.5)
        into = width**-0.5 * (2 * layers) ** -0.5
        for block in self.body.layers:
            nn.init.normal_(block.self_attn.in_proj_weight, std=width**-0.5)
            nn.init.normal_(block.self_attn.out_proj.weight, std=into)
            nn.init.normal_(block.linear1.weight, std=(2 * width) ** -0.5)
            nn.init.normal_(block.linear2.weight, std=into)

    def tokens(self, texts: Sequence[str]) -> dict[str, Tensor]:
        return {"ids": self._spelled.ids(texts)}

    def forward(self, tokens: Mapping[str, Tensor]) -> Tensor:
        ids = tokens["ids"]
        if not len(ids):
            # torch's attention cannot reshape a batch of nothing.
            return self.places.new_zeros(0, self.dim)
        length, real = ids.shape[1], ids > 0
        x = self.table(ids) + self.places[:length]
        if self.causal:
            # Padding stands after the end of text, where a causal mask hides it.
            mask = torch.full((length, length), float("-inf"), device=ids.device).triu(1)
            x = self.norm(self.body(x, mask=mask, is_causal=True))
            feature = x[torch.arange(len(ids), device=ids.device), real.sum(1) - 1]
        else:
            x = self.norm(self.body(x, src_key_padding_mask=~real))
            feature = (x * real[:, :, None]).sum(1) / real.sum(1)[:, None]
        return self.last(feature) * (real.sum(1) > 2)[:, None]

    def config(self) -> dict[str, Any]:
        own = {"words": self.words, "letters": self.letters, "dim": self.dim, "causal": self.causal}
        return {**own, **self._shape}

    def unknown(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        return self._spelled.unknown(texts)
