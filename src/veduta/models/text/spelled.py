"""Texts as rows of numbers of words, and of letters where a word is not known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from veduta.errors import BadInput
from veduta.models.text.base import checked
from veduta.models.text.numbered import padded
from veduta.models.text.words import LEAST, words_of

START, END, FIRST = 1, 2, 3
"""Numbers of the first and last token of a text, and of the first word; 0 is padding."""


class Spelled:
    """words and letters: the vocabulary. A text is START, its words or, of unknown ones, their letters, and END.

    A letter at the start of a word is another token ("^a") than one inside ("a"), so that two spelled words do not run
    together. Letters that are not in the vocabulary are left out. Texts are cut at `longest` tokens, END kept.
    """

    def __init__(self, words: Sequence[str], letters: Sequence[str], longest: int) -> None:
        self._words = {word: FIRST + i for i, word in enumerate(words)}
        self._letters = {letter: FIRST + len(words) + i for i, letter in enumerate(letters)}
        self._longest = longest
        self.size = FIRST + len(words) + len(letters)

    def row(self, text: str) -> list[int]:
        """The numbers of a text, with START and END."""
        body: list[int] = []
        for word in words_of(text):
            if word in self._words:
                body.append(self._words[word])
            else:
                body += [self._letters[letter] for letter in spelling(word) if letter in self._letters]
        return [START, *body[: self._longest - 2], END]

    def ids(self, texts: Sequence[str]) -> Tensor:
        """(n, l) int64, l the longest of these texts."""
        return padded([self.row(text) for text in checked(texts)], 2)

    def unknown(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """(n,) whether nothing of a text is known."""
        return np.array([len(self.row(text)) == 2 for text in checked(texts)], bool)


def spelling(word: str) -> list[str]:
    """The letters of a word as tokens."""
    return [f"^{word[0]}", *word[1:]]


def fit_spelled(texts: Sequence[str], least: int = LEAST) -> dict[str, list[str]]:
    """words: those that occur `least` times or more; letters: those of all other words, for only these are trained.

    Both commonest first. Raises BadInput if no text holds a word.
    """
    counts = Counter(word for text in texts for word in words_of(text))
    if not counts:
        raise BadInput(f"none of the {len(texts)} training texts holds a word; name another column with --text")
    letters: Counter[str] = Counter()
    for word, count in counts.items():
        if count < least:
            letters.update(spelling(word))
    known = {word: count for word, count in counts.items() if count >= least}
    return {"words": _ranked(known), "letters": _ranked(letters)}


def _ranked(counts: dict[str, int]) -> list[str]:
    return sorted(counts, key=lambda each: (-counts[each], each))
