"""Which of a row's texts is read at a visit."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

LEAST_WORDS = 3


def split_sentences(text: str, least: int = LEAST_WORDS) -> list[str]:
    """Sentences of a text that have `least` words or more; the whole text if none has."""
    parts = [part.strip() for part in re.split(r"(?<=[.!?])\s+|\n+", text)]
    return [part for part in parts if len(part.split()) >= least] or ([text.strip()] if text.strip() else [])


class Sentences:
    """texts: for each row its texts. split: draw single sentences of them. A draw depends on (seed, epoch, row) alone."""

    def __init__(self, texts: Sequence[Sequence[str]], *, split: bool = False, seed: int = 0) -> None:
        self._texts = [[s for text in own for s in split_sentences(text)] if split else list(own) for own in texts]
        self._seed = seed

    def draw(self, row: int, epoch: int) -> str:
        """The text of a row in an epoch, uniform over its texts."""
        own = self._texts[row]
        if len(own) == 1:
            return own[0]
        key = np.array([(self._seed << 32) ^ row, epoch], np.uint64)
        return own[int(np.random.Generator(np.random.Philox(key=key)).integers(len(own)))]
