"""Texts as rows of word numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from veduta.models.text.base import checked
from veduta.models.text.words import words_of


class Numbered:
    """words: the vocabulary; numbers from 1, 0 is padding. Unknown words are left out; texts are cut at `longest` words."""

    def __init__(self, words: Sequence[str], longest: int) -> None:
        self._number = {word: i + 1 for i, word in enumerate(words)}
        self._longest = longest

    def row(self, text: str) -> list[int]:
        """The numbers of a text's known words, at most `longest`."""
        return [self._number[word] for word in words_of(text) if word in self._number][: self._longest]

    def ids(self, texts: Sequence[str], least: int = 1) -> Tensor:
        """(n, l) int64, l the longest of these texts and at least `least`."""
        return padded([self.row(text) for text in checked(texts)], least)

    def unknown(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """(n,) whether no word of a text is known."""
        return np.array([not self.row(text) for text in checked(texts)], bool)


def padded(rows: Sequence[Sequence[int]], least: int = 1) -> Tensor:
    """Rows of numbers as (n, l) int64 with zeros at the end, l the longest and at least `least`."""
    out = np.zeros((len(rows), max([least, *map(len, rows)])), np.int64)
    for place, row in enumerate(rows):
        out[place, : len(row)] = row
    return torch.from_numpy(out)
