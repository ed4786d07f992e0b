"""A BERT of MiniLM's size, with the tensor names of its published weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from veduta.errors import BadInput
from veduta.models.text.base import TextTower, checked

EMPTY = (0, 100, 101, 102)
"""Numbers of padding, unknown word, start and end in BERT's English vocabulary: tokens that say nothing."""


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, wide: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.mixed = nn.Linear(width, width)
        self.mixed_norm = nn.LayerNorm(width, 1e-12)
        self.up, self.down = nn.Linear(width, wide), nn.Linear(wide, width)
        self.norm = nn.LayerNorm(width, 1e-12)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        n, length, width = x.shape
        query, key, value = (
            layer(x).view(n, length, self.heads, width // self.heads).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None, :])
        x = self.mixed_norm(x + self.mixed(mixed.transpose(1, 2).reshape(n, length, width)))
        return self.norm(x + self.down(nn.functional.gelu(self.up(x))))


class Bert(TextTower):
    """BERT (Devlin et al. 2019) of 6 layers, 12 heads and 384 units; the mean or the maximum over tokens. No dropout.

    frozen: share of the layers, from below, that do not train; above 0 the word table does not either (ConVIRT: 0.5).
    pooling: mean (Sentence-BERT) or max (ConVIRT) over all tokens, start and end among them. `tokenise` gives (ids, mask),
    both (n, length) int64, for texts; it is not part of the weights. Raises BadInput for other values.
    """

    def __init__(
        self, *, vocabulary: int = 30522, width: int = 384, layers: int = 6, heads: int = 12, frozen: float = 0.0,
        pooling: Literal["mean", "max"] = "mean",
    ) -> None:  # fmt: skip
        super().__init__()
        if not 0 <= frozen <= 1:
            raise BadInput(f"frozen is the share of layers that do not train, in [0, 1], got {frozen}")
        if pooling not in ("mean", "max"):
            raise BadInput(f"the pooling over tokens is mean or max, got '{pooling}'")
        self.dim, self.pooling, self._frozen = width, pooling, frozen
        self.words = nn.Embedding(vocabulary, width)
        self.places = nn.Embedding(512, width)
        self.kinds = nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width, 1e-12)
        self.layers = nn.ModuleList([_Layer(width, heads, 4 * width) for _ in range(layers)])
        self.tokenise: Any = None
        if frozen:
            held: list[nn.Module] = [self.words, self.places, self.kinds, self.norm]
            for part in [*held, *self.layers[: round(frozen * layers)]]:
                part.requires_grad_(False)

    def load(self, given: Mapping[str, Tensor]) -> None:
        """Take the published tensors."""
        own = {"words": "embeddings.word_embeddings", "places": "embeddings.position_embeddings"}
        own |= {"kinds": "embeddings.token_type_embeddings", "norm": "embeddings.LayerNorm"}
        parts = {"query": "attention.self.query", "key": "attention.self.key", "value": "attention.self.value"}
        parts |= {"mixed": "attention.output.dense", "mixed_norm": "attention.output.LayerNorm"}
        parts |= {"up": "intermediate.dense", "down": "output.dense", "norm": "output.LayerNorm"}
        found = {}
        for name in self.state_dict():
            if name.startswith("layers."):
                _, number, part, kind = name.split(".")
                found[name] = given[f"encoder.layer.{number}.{parts[part]}.{kind}"].clone()
            else:
                part, kind = name.split(".")
                found[name] = given[f"{own[part]}.{kind}"].clone()
        self.load_state_dict(found, assign=True)

    def tokens(self, texts: Sequence[str]) -> dict[str, Tensor]:
        if not len(checked(texts)):
            return {"ids": torch.zeros(0, 1, dtype=torch.int64), "mask": torch.zeros(0, 1, dtype=torch.int64)}
        ids, mask = self.tokenise(texts)
        return {"ids": torch.from_numpy(ids), "mask": torch.from_numpy(mask)}

    def forward(self, tokens: Mapping[str, Tensor]) -> Tensor:
        ids, mask = tokens["ids"], tokens["mask"].bool()
        place = torch.arange(ids.shape[1], device=ids.device)
        x = self.norm(self.words(ids) + self.places(place) + self.kinds.weight[0])
        for layer in self.layers:
            x = layer(x, mask)
        each = mask[:, :, None]
        if self.pooling == "max":
            pooled = x.masked_fill(~each, float("-inf")).amax(1)
        else:
            pooled = (x * each).sum(1) / each.sum(1).clamp(min=1)
        return pooled * _known(ids)[:, None]

    def config(self) -> dict[str, Any]:
        return {"frozen": self._frozen, "pooling": self.pooling}

    def unknown(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        return ~_known(self.tokens(texts)["ids"]).numpy()


def _known(ids: Tensor) -> Tensor:
    """(n,) whether a row of token numbers says anything."""
    return ~torch.isin(ids, torch.tensor(EMPTY, device=ids.device)).all(1)
